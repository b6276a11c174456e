package flush

import "slices"

// radixMin is how many items are worth sorting by the bytes of their ranks.
const radixMin = 128

// place is where an item is, with its rank.
type place struct {
	rank uint64
	at   uint32
}

// sortItems puts items in the order of compareItems. Many are sorted by the bytes of their
// ranks, from the last to the first, without those bytes that all have alike; only items of
// one rank are compared. The result may stand elsewhere.
func sortItems(all []item) []item {
	if len(all) < radixMin {
		slices.SortFunc(all, compareItems)
		return all
	}
	varies, sorted := uint64(0), true
	places := make([]place, len(all))
	for i := range all {
		places[i] = place{all[i].rank, uint32(i)}
		varies |= places[i].rank ^ places[0].rank
		sorted = sorted && places[i].rank >= places[max(i-1, 0)].rank
	}
	if !sorted {
		places = sortPlaces(places, varies)
		ordered := make([]item, len(all))
		for i, p := range places {
			ordered[i] = all[p.at]
		}
		all = ordered
	}
	for from, to := 0, 0; from < len(all); from = to {
		for to++; to < len(all) && places[to].rank == places[from].rank; {
			to++
		}
		if to-from > 1 {
			slices.SortFunc(all[from:to], compareItems)
		}
	}
	return all
}

// sortPlaces sorts by rank, of which only the bits in varies differ.
func sortPlaces(places []place, varies uint64) []place {
	spare := make([]place, len(places))
	for shift := 0; shift < 64; shift += 8 {
		if byte(varies>>shift) == 0 {
			continue
		}
		var starts [257]int // by byte, where its places begin
		for _, p := range places {
			starts[int(byte(p.rank>>shift))+1]++
		}
		for b := range 256 {
			starts[b+1] += starts[b]
		}
		for _, p := range places {
			b := byte(p.rank >> shift)
			spare[starts[b]] = p
			starts[b]++
		}
		places, spare = spare, places
	}
	return places
}
