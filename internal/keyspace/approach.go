package keyspace

import (
	"unsafe"

	"github.com/lullcache/lull/internal/prefetch"
)

// A look-up is a chain of reads, each of which waits for the memory before it: tags,
// place, entry, key, payload. Who has several keys to look up takes one step with each
// of them and then the next, so that the processor waits for all at once. The
// three steps, in order; none of them reads what it fetches.

// Approach fetches the places of the table where an entry with this hash would be.
func (t *Table) Approach(hash uint64) {
	if t.d.n > 0 {
		t.d.approach(hash)
	}
}

// Guess fetches the entry that Find would look at first, and returns it; nil if
// there is none. Its key may be another.
func (t *Table) Guess(hash uint64) *Entry {
	if t.d.n == 0 {
		return nil
	}
	e := t.d.segment(hash).guess(hash)
	if e != nil {
		prefetch.Line(unsafe.Pointer(e))
	}
	return e
}

// Approach fetches the bytes of the entry's key and of its payload.
func (e *Entry) Approach() {
	prefetch.Line(unsafe.Pointer(unsafe.StringData(e.Key)))
	prefetch.Line(e.ptr)
	if e.form != formBytes || e.num > 64 {
		prefetch.At(uintptr(e.ptr) + 64) // which may be beyond it
	}
}

// ApproachMax is how many members ApproachMembers looks at.
const ApproachMax = 32

// ApproachMembers fetches what a large set, sorted set or hash holds of members with
// these hashes, for a caller that has several units on one collection.
func (e *Entry) ApproachMembers(hashes []uint64) {
	hashes = hashes[:min(len(hashes), ApproachMax)]
	switch e.form {
	case formHashBig:
		approachAll(&(*hashBig)(e.ptr).d, hashes, func(p pair) { prefetch.Line(unsafe.Pointer(p.p)) })
	case formSetBig:
		approachAll(&(*setBig)(e.ptr).d, hashes, func(r record) { prefetch.Line(unsafe.Pointer(r.p)) })
	case formZSetBig:
		z := (*zsetBig)(e.ptr)
		var found [ApproachMax]scored
		n := 0
		approachAll(&z.d, hashes, func(m scored) {
			prefetch.Line(unsafe.Pointer(m.p))
			found[n] = m
			n++
		})
		for _, m := range found[:n] {
			z.t.leafOf(m.score(), m.name()).approach()
		}
	}
}

// approachAll fetches the places of all hashes, then calls fetch with what is in
// them.
func approachAll[T dictItem](d *dict[T], hashes []uint64, fetch func(T)) {
	if d.n == 0 {
		return
	}
	for _, h := range hashes {
		d.approach(h)
	}
	var none T
	for _, h := range hashes {
		if it := d.segment(h).guess(h); it != none {
			fetch(it)
		}
	}
}

// approach fetches the place of a hash.
func (d *dict[T]) approach(hash uint64) {
	s := d.segment(hash)
	i := s.home(hash)
	prefetch.Line(unsafe.Pointer(&s.tags[i]))
	prefetch.Line(unsafe.Pointer(&s.items[i]))
}

// approach fetches the leaf's items.
func (lf *leaf) approach() {
	for at := uintptr(0); at < unsafe.Sizeof(*lf); at += 64 {
		prefetch.At(uintptr(unsafe.Pointer(lf)) + at)
	}
}
