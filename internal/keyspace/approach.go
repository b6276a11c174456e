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
	t.d.approach(hash)
}

// Guess fetches the entry that Find would look at first, and returns it; nil if
// there is none. Its key may be another.
func (t *Table) Guess(hash uint64) *Entry {
	e := t.d.guess(hash)
	if e != nil {
		prefetch.Line(unsafe.Pointer(e))
	}
	return e
}

// Approach fetches the bytes of the entry's payload, and the end of its key.
func (e *Entry) Approach() {
	key := e.Key()
	prefetch.Line(unsafe.Pointer(unsafe.StringData(key[max(len(key)-1, 0):])))
	prefetch.Line(e.ptr)
	if e.form != formBytes || e.num > 64 {
		prefetch.At(uintptr(e.ptr) + 64) // which may be beyond it
	}
}

// Large reports whether members of the entry are fetched ahead: those of a small one are
// its payload.
func (e *Entry) Large() bool {
	return e.form == formHashBig || e.form == formSetBig || e.form == formZSetBig
}

// ApproachMember, GuessMember and FetchMember fetch what a large set, sorted set or hash holds of a
// member with this hash, in this order.
func (e *Entry) ApproachMember(hash uint64) {
	switch e.form {
	case formHashBig:
		(*hashBig)(e.ptr).d.approach(hash)
	case formSetBig:
		(*setBig)(e.ptr).d.approach(hash)
	case formZSetBig:
		(*zsetBig)(e.ptr).d.approach(hash)
	}
}

// GuessMember is the step after ApproachMember.
func (e *Entry) GuessMember(hash uint64) {
	switch e.form {
	case formHashBig:
		prefetch.Line(unsafe.Pointer((*hashBig)(e.ptr).d.guess(hash).p))
	case formSetBig:
		prefetch.Line(unsafe.Pointer((*setBig)(e.ptr).d.guess(hash).p))
	case formZSetBig:
		prefetch.Line(unsafe.Pointer((*zsetBig)(e.ptr).d.guess(hash).p))
	}
}

// FetchMember is the step after GuessMember: of a sorted set it fetches the member's neighbours.
func (e *Entry) FetchMember(hash uint64) {
	if e.form != formZSetBig {
		return
	}
	z := (*zsetBig)(e.ptr)
	if m := z.d.guess(hash); m.p != nil {
		z.t.leafOf(m.score(), m.name()).approach()
	}
}

// guess is what segment.guess returns for the hash's segment.
func (d *dict[T]) guess(hash uint64) (it T) {
	if d.n > 0 {
		it = d.segment(hash).guess(hash)
	}
	return it
}

// approach fetches the place of a hash.
func (d *dict[T]) approach(hash uint64) {
	if d.n == 0 {
		return
	}
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
