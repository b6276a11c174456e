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
	if t.d.n == 0 {
		return
	}
	s := t.d.segment(hash)
	i := s.home(hash)
	prefetch.Line(unsafe.Pointer(&s.tags[i]))
	prefetch.Line(unsafe.Pointer(&s.items[i]))
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
