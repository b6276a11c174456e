package keyspace

import (
	"strconv"
	"unsafe"
)

// setBig is a set of many or long members.
type setBig struct {
	d     dict[record]
	bytes int64 // of the records
}

// Len returns the number of members.
func (s *Set) Len() int {
	if s.e.form == formSetBig {
		return s.big().d.n
	}
	s.e.want(TypeSet)
	return s.e.packedLen()
}

// Has reports whether member is in the set. It allocates nothing.
func (s *Set) Has(member []byte) bool {
	switch s.e.form {
	case formSetBig:
		return s.big().d.find(Hash64(member), view(member)).p != nil
	case formSetInts:
		n, ok := ParseInt(member)
		return ok && s.e.intsHas(n)
	}
	return findShort(s.small(), member, 0) >= 0
}

// Add puts member in and reports whether it was not there.
func (s *Set) Add(member []byte) bool {
	if s.e.form == formSetInts {
		n, ok := ParseInt(member)
		if ok && (s.e.packedLen() < intsMax || s.e.intsHas(n)) {
			return s.e.intsAdd(n)
		}
		s.unpackInts(member)
	}
	if s.e.form == formSetBig {
		return s.big().add(member)
	}
	b := s.small()
	if findShort(b, member, 0) >= 0 {
		return false
	}
	if len(member) > packedSizeMax || s.e.packedLen() == packedItemsMax {
		return s.grow().add(member)
	}
	at := len(b)
	b = splice(b, at, 0, 1+len(member))
	putShort(b[at:], member)
	s.e.setPacked(b, s.e.packedLen()+1)
	return true
}

// Remove takes member out and reports whether it was there.
func (s *Set) Remove(member []byte) bool {
	switch s.e.form {
	case formSetBig:
		return s.big().remove(member)
	case formSetInts:
		n, ok := ParseInt(member)
		return ok && s.e.intsRemove(n)
	}
	b := s.small()
	at := findShort(b, member, 0)
	if at < 0 {
		return false
	}
	s.e.setPacked(splice(b, at, 1+len(member), 0), s.e.packedLen()-1)
	return true
}

// Each calls fn for every member until it returns false. fn must not change the
// set, nor keep member: its bytes may be used again for the next.
func (s *Set) Each(fn func(member []byte) bool) {
	switch s.e.form {
	case formSetBig:
		s.big().d.all(func(r record) bool { return fn(bytesOf(r.name())) })
	case formSetInts:
		var buf []byte
		for i := range s.e.packedLen() {
			buf = strconv.AppendInt(buf[:0], s.e.intsAt(i), 10)
			if !fn(buf) {
				return
			}
		}
	default:
		b := s.small()
		for at := 0; at < len(b); {
			member, next := nextShort(b, at)
			if !fn(member) {
				return
			}
			at = next
		}
	}
}

// Random returns a member chosen by the random number r; not ok if there is none.
func (s *Set) Random(r uint64) (member []byte, ok bool) {
	n := s.Len()
	if n == 0 {
		return nil, false
	}
	switch s.e.form {
	case formSetBig:
		return bytesOf(s.big().d.random(r).name()), true
	case formSetInts:
		return strconv.AppendInt(nil, s.e.intsAt(below(r, n)), 10), true
	}
	skip := below(r, n)
	s.Each(func(m []byte) bool {
		member = m
		skip--
		return skip >= 0
	})
	return member, true
}

// Pop removes a member chosen by the random number r and returns it. The caller
// may keep it.
func (s *Set) Pop(r uint64) (member []byte, ok bool) {
	member, ok = s.Random(r)
	if !ok {
		return nil, false
	}
	if s.e.form == formSetPacked {
		member = append([]byte{}, member...)
	}
	s.Remove(member)
	return member, true
}

// Scan is Table.Scan over the members. A small set is passed whole.
func (s *Set) Scan(cursor uint64, count int, fn func(member []byte)) (next uint64) {
	if s.e.form == formSetBig {
		return s.big().d.scan(cursor, count, func(r record) { fn(bytesOf(r.name())) })
	}
	s.Each(func(member []byte) bool { fn(member); return true })
	return 0
}

// Bytes implements Object.
func (s *Set) Bytes() int64 {
	if s.e.form == formSetBig {
		big := s.big()
		return int64(unsafe.Sizeof(*big)) + big.d.bytes + big.bytes
	}
	return s.e.packedBytes()
}

// IsInts reports whether the set is held as sorted integers, as Redis's intset.
func (s *Set) IsInts() bool { return s.e.form == formSetInts }

func (s *Set) big() *setBig { return (*setBig)(s.e.ptr) }

func (s *Set) small() []byte {
	s.e.want(TypeSet)
	return s.e.packed()
}

// unpackInts gives up the integers' form because of member, which does not fit.
func (s *Set) unpackInts(member []byte) {
	from := *s
	s.e.ptr, s.e.num, s.e.form = nil, 0, formSetPacked
	if from.Len() >= packedItemsMax || len(member) > packedSizeMax {
		s.e.ptr, s.e.form = unsafe.Pointer(&setBig{}), formSetBig
	}
	from.Each(func(m []byte) bool { return s.Add(m) })
}

// grow turns a packed set into a large one.
func (s *Set) grow() *setBig {
	big := &setBig{}
	s.Each(func(member []byte) bool { return big.add(member) })
	s.e.ptr, s.e.num, s.e.form = unsafe.Pointer(big), 0, formSetBig
	return big
}

func (b *setBig) add(member []byte) bool {
	hash := Hash64(member)
	if b.d.find(hash, view(member)).p != nil {
		return false
	}
	b.d.insert(hash, newRecord(member))
	b.bytes += recordBytes(len(member))
	return true
}

func (b *setBig) remove(member []byte) bool {
	hash := Hash64(member)
	r := b.d.find(hash, view(member))
	if r.p == nil {
		return false
	}
	b.bytes -= recordBytes(len(member))
	return b.d.remove(hash, r)
}

// bytesOf is the inverse of view.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
