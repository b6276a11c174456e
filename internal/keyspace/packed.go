package keyspace

import (
	"bytes"
	"slices"
	"unsafe"
)

// Small collections are one buffer of items, found by walking. They become large
// beyond packedItemsMax items or at the first field, member or value longer than
// packedSizeMax bytes, which is where Redis's defaults draw the line too.
const (
	packedItemsMax = 128
	packedSizeMax  = 64
)

// packed returns the buffer of a packed collection. Its length, capacity and
// number of items are in e.num, 16 bits each; a packed collection of the largest
// items takes 16,640 bytes.
func (e *Entry) packed() []byte {
	return unsafe.Slice((*byte)(e.ptr), int(e.num>>32&0xffff))[:e.num>>16&0xffff]
}

func (e *Entry) packedLen() int { return int(e.num & 0xffff) }

func (e *Entry) setPacked(b []byte, n int) {
	e.ptr = unsafe.Pointer(unsafe.SliceData(b))
	e.num = e.num&^0xffff_ffff_ffff | uint64(cap(b))<<32 | uint64(len(b))<<16 | uint64(n)
}

func (e *Entry) packedBytes() int64 { return int64(e.num >> 32 & 0xffff) }

// splice makes b[at:at+del] ins bytes long, keeping what is before and behind. It
// works in place while the capacity fits well.
func splice(b []byte, at, del, ins int) []byte {
	size := len(b) - del + ins
	if size == 0 {
		return nil
	}
	if size <= cap(b) && 2*size+16 >= cap(b) {
		tail := b[at+del:]
		b = b[:size]
		copy(b[at+ins:], tail)
		return b
	}
	to := slices.Grow([]byte(nil), size)[:size]
	copy(to, b[:at])
	copy(to[at+ins:], b[at+del:])
	return to
}

// extend makes b n bytes longer, in place if there is room.
func extend(b []byte, n int) []byte {
	size := len(b) + n
	if size > cap(b) {
		b = append(slices.Grow([]byte(nil), size), b...)
	}
	return b[:size]
}

// nextShort returns the item of a packed buffer that begins at at, where its
// length stands in a byte, and the offset behind it.
func nextShort(b []byte, at int) (item []byte, next int) {
	next = at + 1 + int(b[at])
	return b[at+1 : next : next], next
}

func putShort(b, item []byte) {
	b[0] = byte(len(item))
	copy(b[1:], item)
}

// findShort walks b, in which every skip+1 short items form a group, for a group
// that begins with item. It returns the group's offset, or -1.
func findShort(b []byte, item []byte, skip int) int {
	for at := 0; at < len(b); {
		got, next := nextShort(b, at)
		if bytes.Equal(got, item) {
			return at
		}
		for range skip {
			next += 1 + int(b[next])
		}
		at = next
	}
	return -1
}

// record is one allocation that holds a length and that many bytes: a member of a
// large set.
type record struct{ p *byte }

func (r record) hash() uint64 { return HashString(r.name()) }

func (r record) name() string {
	size, w := uvarintAt(unsafe.Pointer(r.p))
	return view(unsafe.Slice(r.p, w+size)[w:])
}

func newRecord(member []byte) record {
	b := make([]byte, 0, uvarintLen(len(member))+len(member))
	b = appendUvarint(b, len(member))
	return record{unsafe.SliceData(append(b, member...))}
}

func recordBytes(member int) int64 { return sizeClass(uvarintLen(member) + member) }

// pair is one allocation that holds the lengths of a field and its value, then
// both: a field of a large hash.
type pair struct{ p *byte }

func (p pair) hash() uint64 { return HashString(p.name()) }

func (p pair) name() string {
	field, _ := p.split()
	return view(field)
}

func (p pair) split() (field, val []byte) {
	f, w := uvarintAt(unsafe.Pointer(p.p))
	v, w2 := uvarintAt(unsafe.Add(unsafe.Pointer(p.p), w))
	w += w2
	all := unsafe.Slice(p.p, w+f+v)
	return all[w : w+f : w+f], all[w+f:]
}

func newPair(field, val []byte) pair {
	f, v := len(field), len(val)
	b := make([]byte, 0, uvarintLen(f)+uvarintLen(v)+f+v)
	b = appendUvarint(appendUvarint(b, f), v)
	return pair{unsafe.SliceData(append(append(b, field...), val...))}
}

func pairBytes(field, val int) int64 {
	return sizeClass(uvarintLen(field) + uvarintLen(val) + field + val)
}

// uvarintAt decodes the uvarint at p and returns it with its width.
func uvarintAt(p unsafe.Pointer) (n, width int) {
	b := *(*byte)(p)
	if b < 0x80 {
		return int(b), 1
	}
	n = int(b & 0x7f)
	for shift := 7; ; shift += 7 {
		width++
		b = *(*byte)(unsafe.Add(p, width))
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			return n, width + 1
		}
	}
}

func appendUvarint(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func uvarintLen(n int) int {
	w := 1
	for ; n >= 0x80; n >>= 7 {
		w++
	}
	return w
}
