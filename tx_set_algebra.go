package lull

import (
	"cmp"
	"slices"

	"github.com/lullcache/lull/internal/keyspace"
)

// SOp combines sets.
type SOp uint8

// The ways to combine: all members of any set, those of every set, those of the
// first set that are in no other.
const (
	SUnion SOp = iota
	SInter
	SDiff
)

// SCombine returns the combination of the sets at keys. Without changes by the unit
// it is valid until the unit ends.
func (tx *Tx) SCombine(op SOp, keys [][]byte) (Members, error) {
	sources, err := tx.openSets(keys)
	if err != nil {
		return Members{}, err
	}
	if len(sources) == 1 {
		return sources[0], nil
	}
	return Members{op.combine(sources)}, nil
}

// SCombineStore makes dst the combination of the sets at keys and returns its size.
// Without members dst is removed. If dst is a set already, only what differs is
// written.
func (tx *Tx) SCombineStore(dst []byte, op SOp, keys [][]byte) (int, error) {
	to, dstErr := tx.openStore(dst, keyspace.TypeSet)
	if dstErr != nil && dstErr != errMiss {
		return 0, dstErr
	}
	sources, err := tx.openSets(keys)
	if err == nil {
		err = dstErr
	}
	if err != nil {
		return 0, err
	}
	return tx.storeSet(&to, op.combine(sources))
}

// SInterCard returns how many members the sets at keys have in common. It stops
// counting at limit, if that is not 0.
func (tx *Tx) SInterCard(keys [][]byte, limit int) (int, error) {
	sources, err := tx.openSets(keys)
	if err != nil {
		return 0, err
	}
	n := 0
	intersect(sources, func([]byte) bool {
		n++
		return n != limit
	})
	return n, nil
}

// openSets opens the keys, so that all that are missing are loaded together.
func (tx *Tx) openSets(keys [][]byte) ([]Members, error) {
	sources := make([]Members, len(keys))
	var missing error
	for i, key := range keys {
		h, err := tx.open(key, keyspace.TypeSet, NeedAll)
		switch {
		case err == errMiss:
			missing = err
		case err != nil:
			return nil, err
		case h.exists():
			sources[i].set = h.e.Set()
		}
	}
	return sources, missing
}

// combine makes a set of its own of the combination.
func (op SOp) combine(sources []Members) *keyspace.Set {
	found := keyspace.NewSet()
	keep := func(member []byte) bool {
		found.Add(member)
		return true
	}
	switch op {
	case SInter:
		intersect(sources, keep)
	case SDiff:
		sources[0].Each(func(member []byte) bool {
			in := func(m Members) bool { return m.Has(member) }
			return slices.ContainsFunc(sources[1:], in) || keep(member)
		})
	default:
		for _, s := range sources {
			s.Each(keep)
		}
	}
	return found
}

// intersect calls keep with the members of all sources until it returns false.
func intersect(sources []Members, keep func(member []byte) bool) {
	slices.SortStableFunc(sources, func(a, b Members) int { return cmp.Compare(a.Len(), b.Len()) })
	sources[0].Each(func(member []byte) bool {
		lacks := func(m Members) bool { return !m.Has(member) }
		return slices.ContainsFunc(sources[1:], lacks) || keep(member)
	})
}

// storeSet makes the opened key the set, whose contents it takes, and returns its
// size.
func (tx *Tx) storeSet(h *handle, set *keyspace.Set) (n int, err error) {
	set.Each(func(m []byte) bool {
		err = tx.checkMember(h, m)
		return err == nil
	})
	if err != nil {
		return 0, err
	}
	if n = set.Len(); tx.displaced(h, keyspace.TypeSet, n) {
		tx.remove(h)
	}
	if n == 0 {
		return 0, nil
	}
	var old Members
	if h.exists() {
		old.set = h.e.Set()
		tx.touch(h)
		tx.setExpiry(h, 0)
	} else {
		tx.create(h, keyspace.TypeSet)
	}
	if h.t != nil {
		tx.emitDifference(h, old, Members{set})
	}
	h.e.SetObject(set)
	return n, nil
}

// displaced reports whether what the key holds, or may hold, has to go before n
// elements of type typ are stored there.
func (tx *Tx) displaced(h *handle, typ keyspace.Type, n int) bool {
	if h.e == nil {
		return h.generic() && !tx.db.complete[h.db].Load()
	}
	return h.exists() && (n == 0 || h.e.Type() != typ || h.e.Flags&keyspace.Stub != 0)
}

// emitDifference records what turns one set of the key's rows into another.
func (tx *Tx) emitDifference(h *handle, from, to Members) {
	from.Each(func(m []byte) bool {
		if !to.Has(m) {
			tx.delRow(h, tx.text(m))
		}
		return true
	})
	to.Each(func(m []byte) bool {
		if !from.Has(m) {
			tx.putRow(h, tx.text(m), nil, false)
		}
		return true
	})
}
