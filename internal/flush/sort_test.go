package flush

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
)

// TestManyItemsAreSortedByTheirNames sorts keys whose names have more in common than a
// rank holds, and appended rows.
func TestManyItemsAreSortedByTheirNames(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		set, n := dirty.New(testDef, 0), radixMin+rnd.IntN(3000)
		for seq := range uint64(n) {
			name := fmt.Sprint("key:", rnd.IntN(4), ":", rnd.IntN(2000))
			if rnd.IntN(4) == 0 {
				name = name[:rnd.IntN(len(name))] + "\xff"
			}
			set.Apply(&change.Change{Table: change.StringsTable, Op: change.Delete, Key: name}, seq+1)
		}
		var items []item
		set.EachKey(func(_ uint16, _ uint8, name string, k *dirty.Key) {
			items = append(items, item{key: k, rank: rankOf(name)})
		})
		if rnd.IntN(3) == 0 {
			for i := range items {
				items[i].rank = rnd.Uint64() >> rnd.IntN(60)
			}
		}
		want := slices.Clone(items)
		slices.SortFunc(want, compareItems)
		if got := sortItems(items); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d items are not in the order of their ranks and names", seed, len(got))
		}
		if again := sortItems(slices.Clone(want)); !slices.Equal(again, want) {
			t.Fatalf("seed %d: %d items that were in order are not any more", seed, len(again))
		}
	}
}
