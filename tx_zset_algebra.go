package lull

import (
	"bytes"
	"cmp"
	"math"
	"slices"

	"github.com/lullcache/lull/internal/keyspace"
)

// ZOp combines sorted sets.
type ZOp uint8

// The ways to combine.
const (
	ZUnion ZOp = iota
	ZInter
	ZDiff
)

// ZAggregate says what score a member of several sets gets.
type ZAggregate uint8

// The aggregates.
const (
	ZSum ZAggregate = iota
	ZMin
	ZMax
)

// of adds y to what x is made of. If y is no number, a minimum or maximum stays as it was
// and a sum is 0, as in Redis.
func (a ZAggregate) of(x, y float64) float64 {
	switch {
	case a == ZSum:
		return number(x + y)
	case a == ZMin && y < x, a == ZMax && y > x:
		return y
	}
	return x
}

// number is f, or 0 for what is no number: inf-inf, and 0 times inf, as Redis has it.
func number(f float64) float64 {
	if math.IsNaN(f) {
		return 0
	}
	return f
}

// ZCombination says which sorted sets to combine, and how. Sets stand for sorted sets
// whose scores are all 1.
type ZCombination struct {
	Op        ZOp
	Keys      [][]byte
	Weights   []float64 // one for each key by which its scores are multiplied; nil: all 1
	Aggregate ZAggregate
}

// ZCombine returns the combination's members, ordered as a sorted set's. The caller
// may keep them.
func (tx *Tx) ZCombine(c ZCombination) ([]Scored, error) {
	sources, err := tx.openSources(&c)
	if err != nil {
		return nil, err
	}
	return c.combine(sources), nil
}

// ZCombineStore makes dst the combination and returns its size. Without members dst
// is removed.
func (tx *Tx) ZCombineStore(dst []byte, c ZCombination) (int, error) {
	to, dstErr := tx.openStore(dst, keyspace.TypeZSet)
	if dstErr != nil && dstErr != errMiss {
		return 0, dstErr
	}
	sources, err := tx.openSources(&c)
	if err == nil {
		err = dstErr
	}
	if err != nil {
		return 0, err
	}
	return tx.storeScored(&to, c.combine(sources))
}

// ZInterCard returns how many members all keys have in common. It stops counting at
// limit, if that is not 0.
func (tx *Tx) ZInterCard(keys [][]byte, limit int) (int, error) {
	c := ZCombination{Op: ZInter, Keys: keys}
	sources, err := tx.openSources(&c)
	if err != nil {
		return 0, err
	}
	n := 0
	c.intersect(sources, func([]byte, float64) bool {
		n++
		return n != limit
	})
	return n, nil
}

// zsource is a key that is combined: a sorted set, a set, or nothing.
type zsource struct {
	z      *keyspace.ZSet
	set    *keyspace.Set
	weight float64
}

func (tx *Tx) openSources(c *ZCombination) ([]zsource, error) {
	sources := make([]zsource, len(c.Keys))
	var missing error
	for i, key := range c.Keys {
		h, err := tx.open(key, keyspace.TypeNone, NeedAll)
		if err == errMiss {
			missing = err
			continue
		}
		if err != nil {
			return nil, err
		}
		s := &sources[i]
		s.weight = 1
		if c.Weights != nil {
			s.weight = c.Weights[i]
		}
		if err := s.take(&h); err != nil {
			return nil, err
		}
	}
	return sources, missing
}

// take makes s the value of an opened key.
func (s *zsource) take(h *handle) error {
	if h.mapped() && h.t.Kind != kindOf(keyspace.TypeZSet) && h.t.Kind != kindOf(keyspace.TypeSet) {
		return &wrongTableType{h.t.Name, h.t.Kind.String()}
	}
	if !h.exists() {
		return nil
	}
	switch h.e.Type() {
	case keyspace.TypeZSet:
		s.z = h.e.ZSet()
	case keyspace.TypeSet:
		s.set = h.e.Set()
	default:
		return ErrWrongType
	}
	return nil
}

func (s *zsource) len() int {
	switch {
	case s.z != nil:
		return s.z.Len()
	case s.set != nil:
		return s.set.Len()
	}
	return 0
}

// each calls fn with the members and weighted scores until it returns false.
func (s *zsource) each(fn func(member []byte, score float64) bool) {
	switch {
	case s.z != nil:
		s.z.Each(0, false, func(member []byte, score float64) bool { return fn(member, number(score*s.weight)) })
	case s.set != nil:
		s.set.Each(func(member []byte) bool { return fn(member, s.weight) })
	}
}

// score returns member's weighted score, which may be no number.
func (s *zsource) score(member []byte) (score float64, ok bool) {
	switch {
	case s.z != nil:
		score, ok = s.z.Score(member)
		return score * s.weight, ok
	case s.set != nil:
		return s.weight, s.set.Has(member)
	}
	return 0, false
}

func (c *ZCombination) combine(sources []zsource) []Scored {
	var found []Scored
	keep := func(member []byte, score float64) bool {
		found = append(found, Scored{slices.Clone(member), score})
		return true
	}
	switch c.Op {
	case ZInter:
		c.intersect(sources, keep)
	case ZDiff:
		subtract(sources, keep)
	default:
		found = c.unite(sources)
	}
	slices.SortFunc(found, func(a, b Scored) int {
		return cmp.Or(cmp.Compare(a.Score, b.Score), bytes.Compare(a.Member, b.Member))
	})
	return found
}

// smallestFirst orders sources by size, as Redis does: it shows in sums of floats.
func smallestFirst(sources []zsource) {
	slices.SortStableFunc(sources, func(a, b zsource) int { return cmp.Compare(a.len(), b.len()) })
}

func (c *ZCombination) unite(sources []zsource) []Scored {
	smallestFirst(sources)
	var found []Scored
	at := make(map[string]int)
	for i := range sources {
		sources[i].each(func(member []byte, score float64) bool {
			if j, ok := at[string(member)]; ok {
				found[j].Score = c.Aggregate.of(found[j].Score, score)
				return true
			}
			at[string(member)] = len(found)
			found = append(found, Scored{slices.Clone(member), score})
			return true
		})
	}
	return found
}

func (c *ZCombination) intersect(sources []zsource, keep func(member []byte, score float64) bool) {
	smallestFirst(sources)
	sources[0].each(func(member []byte, score float64) bool {
		for i := range sources[1:] {
			other, ok := sources[1+i].score(member)
			if !ok {
				return true
			}
			score = c.Aggregate.of(score, other)
		}
		return keep(member, score)
	})
}

func subtract(sources []zsource, keep func(member []byte, score float64) bool) {
	sources[0].each(func(member []byte, score float64) bool {
		for i := range sources[1:] {
			if _, ok := sources[1+i].score(member); ok {
				return true
			}
		}
		return keep(member, score)
	})
}

// openStore opens the destination of a command that stores a collection of type typ.
// Whatever a generic key holds is replaced. Of a mapped one the rows have to be
// known, since those that stay are not to be deleted and inserted again.
func (tx *Tx) openStore(dst []byte, typ keyspace.Type) (handle, error) {
	if tx.sel == 0 && tx.db.maps.Match(dst) != nil {
		return tx.open(dst, typ, NeedAll)
	}
	return tx.open(dst, keyspace.TypeNone, NeedNone)
}

// storeScored makes the opened key the sorted set of members, which are distinct, and
// returns their number. If it is one already, only what differs is written.
func (tx *Tx) storeScored(h *handle, members []Scored) (int, error) {
	for i := range members {
		score, _, err := tx.checkScored(h, &members[i])
		if err != nil {
			return 0, err
		}
		members[i].Score = score
	}
	if tx.displaced(h, keyspace.TypeZSet, len(members)) {
		tx.remove(h)
	}
	replaced := h.exists()
	if replaced {
		tx.touch(h) // it was stored for those who watch it, even if nothing differs
	}
	if replaced && h.e.ExpireAt != 0 {
		tx.setExpiry(h, 0)
	}
	for i := range members {
		was, had := tx.scoreOf(h, members[i].Member)
		if had && was == members[i].Score {
			continue
		}
		score, cell, err := tx.canonScore(h, members[i].Score)
		if err != nil {
			panic("lull: a score was canonical and then not: " + err.Error())
		}
		tx.putScored(h, members[i].Member, score, cell, had)
	}
	if replaced {
		tx.dropOthers(h, members)
	}
	return len(members), nil
}

// dropOthers removes the members of an existing sorted set that are not in keep.
func (tx *Tx) dropOthers(h *handle, keep []Scored) {
	if h.e.ZSet().Len() == len(keep) {
		return
	}
	kept := make(map[string]struct{}, len(keep))
	for i := range keep {
		kept[string(keep[i].Member)] = struct{}{}
	}
	var gone [][]byte
	h.e.ZSet().Each(0, false, func(member []byte, _ float64) bool {
		if _, ok := kept[string(member)]; !ok {
			gone = append(gone, slices.Clone(member))
		}
		return true
	})
	for _, m := range gone {
		tx.delScored(h, m)
	}
}
