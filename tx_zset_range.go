package lull

import (
	"math/rand/v2"
	"slices"

	"github.com/lullcache/lull/internal/keyspace"
)

type (
	// ScoreRange is a range of scores.
	ScoreRange = keyspace.ScoreRange
	// LexRange is a range of members by their bytes, LexBound an end of one.
	LexRange = keyspace.LexRange
	LexBound = keyspace.LexBound
)

// ZRangeBy says what the bounds of a ZRange are.
type ZRangeBy uint8

// The kinds of ranges.
const (
	ByRank ZRangeBy = iota
	ByScore
	ByLex
)

// ZRange is a part of a sorted set.
type ZRange struct {
	By ZRangeBy
	// Start and Stop are ranks, both inclusive; negative ones count from the end. With
	// Reverse rank 0 is the highest score.
	Start, Stop int
	Score       ScoreRange
	Lex         LexRange
	// Reverse gives the members from the highest to the lowest.
	Reverse bool
	// Limited leaves out the first Offset members and gives at most Count, all the
	// rest if Count is negative. It does not go with ByRank.
	Limited       bool
	Offset, Count int
}

// ZView is a part of a sorted set that was found. It is valid until the unit ends or
// the set is changed. The zero ZView is empty.
type ZView struct {
	z        *keyspace.ZSet
	from, to int // ranks, half open
	reverse  bool
}

// Len returns the number of members.
func (v ZView) Len() int { return v.to - v.from }

// Each calls fn for the members in the range's order.
func (v ZView) Each(fn func(member []byte, score float64)) {
	if v.z == nil {
		return
	}
	v.z.EachInSpan(v.from, v.to, v.reverse, 0, -1, func(member []byte, score float64) bool {
		fn(member, score)
		return true
	})
}

// find returns the part of z that r names.
func (r *ZRange) find(z *keyspace.ZSet) ZView {
	v := ZView{z: z, reverse: r.Reverse}
	switch r.By {
	case ByScore:
		v.from, v.to = z.ScoreSpan(r.Score)
	case ByLex:
		v.from, v.to = z.LexSpan(r.Lex)
	default:
		v.from, v.to = r.ranks(z.Len())
	}
	if r.Limited {
		v.limit(r.Offset, r.Count)
	}
	return v
}

// ranks turns Start and Stop into ascending ranks, half open.
func (r *ZRange) ranks(n int) (from, to int) {
	start, stop := r.Start, r.Stop
	if start < 0 {
		start = max(start+n, 0)
	}
	if stop < 0 {
		stop += n
	}
	stop = min(stop, n-1)
	if start > stop {
		return 0, 0
	}
	if r.Reverse {
		return n - 1 - stop, n - start
	}
	return start, stop + 1
}

func (v *ZView) limit(offset, count int) {
	n := v.Len()
	if offset < 0 || offset >= n {
		v.to = v.from
		return
	}
	n -= offset
	if count >= 0 {
		n = min(n, count)
	}
	if v.reverse {
		v.to -= offset
		v.from = v.to - n
		return
	}
	v.from += offset
	v.to = v.from + n
}

// ZRange finds a part of the sorted set at key.
func (tx *Tx) ZRange(key []byte, r ZRange) (ZView, error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil || !h.exists() {
		return ZView{}, err
	}
	return r.find(h.e.ZSet()), nil
}

// ZRangeStore makes dst the part r of the sorted set at src, and returns its size.
// Without members dst is removed.
func (tx *Tx) ZRangeStore(dst, src []byte, r ZRange) (int, error) {
	to, dstErr := tx.openStore(dst, keyspace.TypeZSet)
	if dstErr != nil && dstErr != errMiss {
		return 0, dstErr
	}
	h, err := tx.open(src, keyspace.TypeZSet, NeedAll)
	if err == nil {
		err = dstErr
	}
	if err != nil {
		return 0, err
	}
	var found []Scored
	if h.exists() {
		v := r.find(h.e.ZSet())
		found = make([]Scored, 0, v.Len())
		v.Each(func(member []byte, score float64) {
			found = append(found, Scored{slices.Clone(member), score})
		})
	}
	return tx.storeScored(&to, found)
}

// ZRemRange removes a part of the sorted set at key and returns its size.
func (tx *Tx) ZRemRange(key []byte, r ZRange) (int, error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	z := h.e.ZSet()
	v := r.find(z)
	switch v.Len() {
	case 0:
	case z.Len():
		n := z.Len()
		tx.remove(&h)
		return n, nil
	default:
		tx.touch(&h)
		z.RemoveSpan(v.from, v.to, func(member []byte, _ float64) {
			if h.t != nil {
				tx.delRow(&h, tx.text(member))
			}
		})
	}
	return v.Len(), nil
}

// ZPop removes the count members with the lowest scores, or, with highest, with the
// highest ones, and returns them in that order. The caller may keep them.
func (tx *Tx) ZPop(key []byte, highest bool, count int) ([]Scored, error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil || !h.exists() || count <= 0 {
		return nil, err
	}
	return tx.popScored(&h, highest, count), nil
}

// ZMPop is ZPop on the first of the keys that has members; first is -1 if none has.
func (tx *Tx) ZMPop(keys [][]byte, highest bool, count int) (first int, popped []Scored, err error) {
	var missing error
	for i, key := range keys {
		h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
		switch {
		case err == errMiss:
			missing = err
			continue
		case missing != nil && (err != nil || h.exists()):
			return -1, nil, missing // the keys before this one come first
		case err != nil:
			return -1, nil, err
		case h.exists():
			return i, tx.popScored(&h, highest, count), nil
		}
	}
	return -1, nil, missing
}

func (tx *Tx) popScored(h *handle, highest bool, count int) []Scored {
	z := h.e.ZSet()
	r := ZRange{Stop: -1, Reverse: highest, Limited: true, Count: count}
	v := r.find(z)
	popped := make([]Scored, 0, v.Len())
	v.Each(func(member []byte, score float64) {
		popped = append(popped, Scored{slices.Clone(member), score})
	})
	if len(popped) == z.Len() {
		tx.remove(h)
		return popped
	}
	for i := range popped {
		tx.delScored(h, popped[i].Member)
	}
	return popped
}

// ZRandMember calls fn with count members chosen at random: distinct ones, and so
// no more than there are, or, if count is negative, -count choices each of its own. It
// calls size first with their number.
func (tx *Tx) ZRandMember(key []byte, count int, size func(n int), fn func(member []byte, score float64)) error {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil {
		return err
	}
	if !h.exists() || count == 0 {
		size(0)
		return nil
	}
	z := h.e.ZSet()
	n := z.Len()
	switch {
	case count < 0:
		size(-count)
		for range -count {
			member, score, _ := z.Random(rand.Uint64())
			fn(member, score)
		}
	case count >= n:
		size(n)
		ZView{z: z, to: n}.Each(fn)
	default:
		size(count)
		for _, rank := range sample(n, count) {
			member, score, _ := z.ByRank(rank)
			fn(member, score)
		}
	}
	return nil
}

// sample chooses count of the numbers below n, in random order: Floyd's algorithm
// (Bentley and Floyd, "A sample of brilliance", 1987), which takes memory for the
// chosen alone.
func sample(n, count int) []int {
	chosen := make([]int, 0, count)
	seen := make(map[int]struct{}, count)
	for top := n - count; top < n; top++ {
		x := rand.IntN(top + 1)
		if _, ok := seen[x]; ok {
			x = top
		}
		seen[x] = struct{}{}
		chosen = append(chosen, x)
	}
	rand.Shuffle(count, func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
	return chosen
}
