package keyspace

import (
	"bytes"
	"unsafe"
)

// list is what a List's entry points to.
type list struct {
	chunks deque[chunk] // none is empty
	n      int
	bytes  int64    // of the chunks' buffers
	first  [1]chunk // the room of chunks while there is one: most lists are short
}

// Moved is told of an element that got another position to make room. All old
// positions of one call must be given up before the new ones are taken: they may
// overlap. v is a view.
type Moved func(old, new int64, v []byte)

// NewList returns an empty list that is in no entry yet.
func NewList() *List {
	b := new(list)
	b.chunks.all = b.first[:0]
	return &List{Entry{form: formList, ptr: unsafe.Pointer(b)}}
}

func (l *List) body() *list {
	l.e.want(TypeList)
	return (*list)(l.e.ptr)
}

// Len returns the number of elements.
func (l *List) Len() int { return l.body().n }

// Bytes implements Object.
func (l *List) Bytes() int64 {
	b := l.body()
	n := int64(unsafe.Sizeof(*b)) + b.bytes
	if all := b.chunks.all; cap(all) > 0 && unsafe.SliceData(all) != &b.first[0] {
		n += sizeClass(cap(all) * int(unsafe.Sizeof(all[0])))
	}
	return n
}

// PushBack adds v behind the last element and returns its position, which is
// greater than all others. moved is called only when positions have run out.
func (l *List) PushBack(v []byte, moved Moved) (pos int64) {
	b := l.body()
	if b.n > 0 {
		pos = b.nextBack(moved)
	}
	b.append(pos, v)
	return pos
}

// PushFront adds v before the first element and returns its position, which is
// less than all others. moved is called only when positions have run out.
func (l *List) PushFront(v []byte, moved Moved) (pos int64) {
	b := l.body()
	if b.n > 0 {
		pos = b.nextFront(moved)
	}
	b.prepend(pos, v)
	return pos
}

// Append adds v at a given position, which must be greater than all others: for
// loading.
func (l *List) Append(pos int64, v []byte) {
	b := l.body()
	if b.n > 0 && b.position(b.n-1) >= pos {
		panic("keyspace: list positions must rise")
	}
	b.append(pos, v)
}

// PopFront removes the first element and returns it with its position.
func (l *List) PopFront() (v []byte, pos int64, ok bool) { return l.pop(0) }

// PopBack removes the last element and returns it with its position.
func (l *List) PopBack() (v []byte, pos int64, ok bool) { return l.pop(l.Len() - 1) }

func (l *List) pop(i int) (v []byte, pos int64, ok bool) {
	if v, pos, ok = l.Index(i); ok {
		l.body().remove(i)
	}
	return v, pos, ok
}

// Index returns element i and its position. The way is along the chunks, from the
// nearer end.
func (l *List) Index(i int) (v []byte, pos int64, ok bool) {
	b := l.body()
	if i < 0 || i >= b.n {
		return nil, 0, false
	}
	c, k := b.locate(i)
	return b.chunks.items()[c].value(k), b.chunks.items()[c].position(k), true
}

// Set replaces the value of element i, which must exist, and returns its position.
func (l *List) Set(i int, v []byte) (pos int64) {
	b := l.body()
	at, k := b.locate(i)
	c := &b.chunks.items()[at]
	b.bytes -= c.bytes()
	c.set(k, v)
	b.bytes += c.bytes()
	return c.position(k)
}

// InsertBefore makes v the element i, before the one that is there, and returns
// its position, between its neighbours'. If there is no room between them, elements
// nearby get other positions, of which moved is told. i may be Len.
func (l *List) InsertBefore(i int, v []byte, moved Moved) (pos int64) {
	b := l.body()
	switch i {
	case b.n:
		return l.PushBack(v, moved)
	case 0:
		return l.PushFront(v, moved)
	}
	low, high := b.position(i-1), b.position(i)
	if uint64(high-low) < 2 {
		b.makeRoom(i, moved)
		low, high = b.position(i-1), b.position(i)
	}
	pos = low + int64(uint64(high-low)/2)
	b.insert(i, pos, v)
	return pos
}

// InsertAfter is InsertBefore behind element i.
func (l *List) InsertAfter(i int, v []byte, moved Moved) (pos int64) {
	return l.InsertBefore(i+1, v, moved)
}

// Remove removes element i, which must exist, and returns its position.
func (l *List) Remove(i int) (pos int64) {
	b := l.body()
	pos = b.position(i)
	b.remove(i)
	return pos
}

// RemoveEqual removes elements equal to v as LREM does: the first count, the last
// -count, or all for 0. fn, if not nil, is called with the position of each.
func (l *List) RemoveEqual(v []byte, count int, fn func(pos int64)) (removed int) {
	var hits []int
	start := 0
	if count < 0 {
		start = l.Len() - 1
	}
	l.Each(start, count < 0, func(i int, _ int64, got []byte) bool {
		if bytes.Equal(got, v) {
			hits = append(hits, i)
		}
		return count == 0 || len(hits) < max(count, -count)
	})
	for k, i := range hits {
		if count >= 0 {
			i -= k // elements before i have gone
		}
		pos := l.Remove(i)
		if fn != nil {
			fn(pos)
		}
	}
	return len(hits)
}

// Trim keeps the elements [from, to) and calls fn, if not nil, with the positions
// of all others.
func (l *List) Trim(from, to int, fn func(pos int64)) {
	b := l.body()
	from, to = max(from, 0), min(to, b.n)
	if from >= to {
		from, to = b.n, b.n
	}
	if fn != nil {
		report := func(until int) func(int, int64, []byte) bool {
			return func(i int, pos int64, _ []byte) bool {
				if i < until {
					fn(pos)
				}
				return i < until
			}
		}
		l.Each(0, false, report(from))
		l.Each(to, false, report(b.n))
	}
	b.trimBack(b.n - to)
	b.trimFront(from)
}

// Each calls fn for the elements from i on, forwards or backwards, until it returns
// false. It calls nothing if there is no element i. fn must not change the list.
func (l *List) Each(i int, reverse bool, fn func(i int, pos int64, v []byte) bool) {
	b := l.body()
	if i < 0 || i >= b.n {
		return
	}
	at, k := b.locate(i)
	chunks := b.chunks.items()
	if reverse {
		for ; at >= 0; at-- {
			c := &chunks[at]
			if k < 0 {
				k = int(c.n) - 1
			}
			for end := c.offset(k + 1); k >= 0; k-- {
				var v []byte
				v, end = c.elementBefore(end)
				if !fn(i, c.position(k), v) {
					return
				}
				i--
			}
		}
		return
	}
	for ; at < len(chunks); at, k = at+1, 0 {
		c := &chunks[at]
		for next := c.offset(k); k < int(c.n); k++ {
			var v []byte
			v, next = c.elementAt(next)
			if !fn(i, c.position(k), v) {
				return
			}
			i++
		}
	}
}
