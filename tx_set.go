package lull

import (
	"math/rand/v2"

	"github.com/lullcache/lull/internal/keyspace"
)

// SAdd puts members into the set at key and returns how many were not there.
func (tx *Tx) SAdd(key []byte, members [][]byte) (added int, err error) {
	h, err := tx.open(key, keyspace.TypeSet, NeedAll)
	if err != nil {
		return 0, err
	}
	for _, m := range members {
		if err := tx.checkMember(&h, m); err != nil {
			return 0, err
		}
	}
	for _, m := range members {
		if !h.member(m) {
			tx.putMember(&h, m)
			added++
		}
	}
	return added, nil
}

// SRem takes members out of the set at key and returns how many were there.
func (tx *Tx) SRem(key []byte, members [][]byte) (removed int, err error) {
	h, err := tx.open(key, keyspace.TypeSet, NeedAll)
	if err != nil {
		return 0, err
	}
	for _, m := range members {
		if err := tx.canHold(&h, m); err != nil {
			return 0, err
		}
	}
	for _, m := range members {
		if h.member(m) {
			tx.delMember(&h, m)
			removed++
		}
	}
	return removed, nil
}

// SMove takes member out of one set and puts it into another. It reports whether it
// was in the first.
func (tx *Tx) SMove(from, to, member []byte) (bool, error) {
	src, err := tx.open(from, keyspace.TypeSet, NeedAll)
	if err != nil || !src.exists() {
		return false, err
	}
	dst, err := tx.open(to, keyspace.TypeSet, NeedAll)
	if err != nil {
		return false, err
	}
	if err := tx.canHold(&src, member); err != nil {
		return false, err
	}
	if !src.member(member) || string(from) == string(to) {
		return src.member(member), nil
	}
	if err := tx.checkMember(&dst, member); err != nil {
		return false, err
	}
	tx.delMember(&src, member)
	if !dst.member(member) {
		tx.putMember(&dst, member)
	}
	return true, nil
}

// SPop takes n members, or all if there are no more, out of the set at key, chosen at
// random. fn gets each of them, valid until it returns.
func (tx *Tx) SPop(key []byte, n int, fn func(member []byte)) (popped int, err error) {
	h, err := tx.open(key, keyspace.TypeSet, NeedAll)
	if err != nil || !h.exists() || n <= 0 {
		return 0, err
	}
	n = min(n, h.e.Set().Len())
	if n == h.e.Set().Len() && !h.mapped() {
		h.e.Set().Each(func(m []byte) bool { fn(m); return true })
		tx.remove(&h)
		return n, nil
	}
	for range n {
		m, _ := h.e.Set().Random(rand.Uint64())
		fn(m)
		tx.delMember(&h, m)
	}
	return n, nil
}

// SIsMember reports whether member is in the set at key.
func (tx *Tx) SIsMember(key, member []byte) (bool, error) {
	h, err := tx.open(key, keyspace.TypeSet, NeedAll)
	return err == nil && h.member(member), err
}

// SMembers returns the set at key, empty if there is none.
func (tx *Tx) SMembers(key []byte) (Members, error) {
	h, err := tx.open(key, keyspace.TypeSet, NeedAll)
	if err != nil || !h.exists() {
		return Members{}, err
	}
	return Members{h.e.Set()}, nil
}

// SScan calls fn with about count members and returns the cursor to go on with, 0
// at the end. Members that are there all the time are passed at least once.
func (tx *Tx) SScan(key []byte, cursor uint64, count int, fn func(member []byte)) (next uint64, err error) {
	h, err := tx.open(key, keyspace.TypeSet, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	return h.e.Set().Scan(cursor, count, fn), nil
}

// Members is a set to read from. It is valid until the unit ends or the set is
// changed, whichever is first; the slices that it gives are valid until the next.
type Members struct{ set *keyspace.Set }

// Len returns the number of members.
func (m Members) Len() int {
	if m.set == nil {
		return 0
	}
	return m.set.Len()
}

// Has reports whether member is in the set.
func (m Members) Has(member []byte) bool { return m.set != nil && m.set.Has(member) }

// Each calls fn for every member until it returns false.
func (m Members) Each(fn func(member []byte) bool) {
	if m.set != nil {
		m.set.Each(fn)
	}
}

// Random returns a member chosen at random; not ok if there is none.
func (m Members) Random() (member []byte, ok bool) {
	if m.set == nil {
		return nil, false
	}
	return m.set.Random(rand.Uint64())
}

// Sample calls fn with n different members chosen at random, or with all if there
// are no more.
func (m Members) Sample(n int, fn func(member []byte)) {
	if sparse(n, m.Len()) {
		seen := make(map[string]struct{}, n)
		for len(seen) < n {
			member, _ := m.Random()
			if _, again := seen[string(member)]; !again {
				seen[string(member)] = struct{}{}
				fn(member)
			}
		}
		return
	}
	pick := picker{left: m.Len(), wanted: n}
	m.Each(func(member []byte) bool {
		if pick.take() {
			fn(member)
		}
		return pick.wanted > 0
	})
}

// member reports whether m is in the key's set.
func (h *handle) member(m []byte) bool { return h.exists() && h.e.Set().Has(m) }

// canHold refuses a member that is not spelled as the key's table would. What is only
// too long is in no set, and no error to ask for.
func (tx *Tx) canHold(h *handle, member []byte) error {
	if h.mapped() {
		return h.t.CheckMember(member)
	}
	return nil
}

// putMember puts in a member that was checked and is not there, creating the key if
// need be.
func (tx *Tx) putMember(h *handle, member []byte) {
	if !h.exists() {
		tx.create(h, keyspace.TypeSet)
	}
	tx.touch(h)
	h.e.Set().Add(member)
	if h.t != nil {
		tx.putRow(h, tx.text(member), nil, false)
	}
}

// delMember takes out a member that is there, and with the last one the key.
func (tx *Tx) delMember(h *handle, member []byte) {
	row := ""
	if h.t != nil {
		row = tx.text(member)
	}
	if h.e.Set().Len() == 1 {
		tx.delLast(h, row)
		return
	}
	tx.touch(h)
	h.e.Set().Remove(member)
	tx.delRow(h, row)
}
