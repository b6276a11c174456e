package keyspace

import (
	"encoding/binary"
	"slices"
)

// listGap is the distance between the positions of neighbours that were pushed.
const listGap = 1 << 20

const (
	chunkItemsMax = 128
	chunkBytesMax = 4096 // a longer value is alone in its chunk
)

// chunk is a run of a list's elements in one buffer. Each element is its length, its
// bytes, and its length again, backwards, so that both ends are near. Positions
// cost nothing while they are listGap apart; else they stand in pos.
type chunk struct {
	buf  []byte // elements are buf[off:]
	off  int32
	n    int32
	base int64   // position of the first element, if pos is nil
	pos  []int64 // positions of all elements, or nil
}

func (c *chunk) position(i int) int64 {
	if c.pos != nil {
		return c.pos[i]
	}
	return c.base + int64(i)*listGap
}

// fits reports whether an element of size bytes may join.
func (c *chunk) fits(size int) bool {
	return c.n < chunkItemsMax && len(c.buf)-int(c.off)+elementLen(size) <= chunkBytesMax
}

func elementLen(size int) int { return 2*uvarintLen(size) + size }

// appendElement appends v with its length on both sides.
func appendElement(b, v []byte) []byte {
	b = appendUvarint(b, len(v))
	b = append(b, v...)
	at := len(b)
	b = appendUvarint(b, len(v))
	slices.Reverse(b[at:])
	return b
}

// elementAt returns the element that begins at offset at, and the offset behind.
func (c *chunk) elementAt(at int) (v []byte, next int) {
	if size := int(c.buf[at]); size < 0x80 {
		end := at + 1 + size
		return c.buf[at+1 : end : end], end + 1
	}
	size, w := binary.Uvarint(c.buf[at:])
	end := at + w + int(size)
	return c.buf[at+w : end : end], end + w
}

// elementBefore returns the element that ends at offset end, and where it begins.
func (c *chunk) elementBefore(end int) (v []byte, at int) {
	size, w := int(c.buf[end-1]&0x7f), 1
	for c.buf[end-w]&0x80 != 0 {
		w++
		size |= int(c.buf[end-w]&0x7f) << (7 * (w - 1))
	}
	at = end - 2*w - size
	return c.buf[at+w : end-w : end-w], at
}

// offset returns where element i begins, coming from the nearer end; for i == n
// the end of the buffer.
func (c *chunk) offset(i int) (at int) {
	if i <= int(c.n)/2 {
		at = int(c.off)
		for range i {
			_, at = c.elementAt(at)
		}
		return at
	}
	at = len(c.buf)
	for range int(c.n) - i {
		_, at = c.elementBefore(at)
	}
	return at
}

func (c *chunk) value(i int) []byte {
	v, _ := c.elementAt(c.offset(i))
	return v
}

func (c *chunk) pushBack(pos int64, v []byte) {
	c.notePosition(int(c.n), pos)
	c.buf = appendElement(c.buf, v)
	c.n++
}

func (c *chunk) pushFront(pos int64, v []byte) {
	c.notePosition(0, pos)
	size := elementLen(len(v))
	if int(c.off) < size {
		used := len(c.buf) - int(c.off)
		buf := slices.Grow([]byte(nil), 2*used+size)
		buf = buf[:cap(buf)]
		copy(buf[len(buf)-used:], c.buf[c.off:])
		c.buf, c.off = buf, int32(len(buf)-used)
	}
	c.off -= int32(size)
	appendElement(c.buf[c.off:c.off], v)
	c.n++
}

// notePosition makes pos the position of a new element i.
func (c *chunk) notePosition(i int, pos int64) {
	switch {
	case c.n == 0:
		c.base, c.pos = pos, nil
	case c.pos == nil && i == int(c.n) && pos == c.position(i):
	case c.pos == nil && i == 0 && pos == c.base-listGap:
		c.base = pos
	default:
		c.explicit()
		c.pos = slices.Insert(c.pos, i, pos)
	}
}

// explicit writes the positions out, so that they can be changed singly.
func (c *chunk) explicit() {
	if c.pos != nil {
		return
	}
	c.pos = make([]int64, c.n, c.n+1)
	for i := range c.pos {
		c.pos[i] = c.base + int64(i)*listGap
	}
}

// insert makes v the element i.
func (c *chunk) insert(i int, pos int64, v []byte) {
	at := c.offset(i)
	c.notePosition(i, pos)
	c.put(at, 0, elementLen(len(v)), v)
	c.n++
}

// set replaces the value of element i.
func (c *chunk) set(i int, v []byte) {
	at := c.offset(i)
	_, next := c.elementAt(at)
	c.put(at, next-at, elementLen(len(v)), v)
}

func (c *chunk) put(at, del, ins int, v []byte) {
	c.buf = splice(c.buf, at, del, ins)
	if ins > 0 {
		appendElement(c.buf[at:at], v)
	}
}

func (c *chunk) remove(i int) {
	switch {
	case i == 0:
		_, next := c.elementAt(int(c.off))
		c.off = int32(next)
		if c.pos == nil {
			c.base += listGap
		} else {
			c.pos = c.pos[1:]
		}
	case i == int(c.n)-1:
		_, at := c.elementBefore(len(c.buf))
		c.buf = c.buf[:at]
		if c.pos != nil {
			c.pos = c.pos[:i]
		}
	default:
		c.explicit()
		c.pos = slices.Delete(c.pos, i, i+1)
		at := c.offset(i)
		_, next := c.elementAt(at)
		c.put(at, next-at, 0, nil)
	}
	c.n--
}

// split moves the elements from i on into a chunk of their own.
func (c *chunk) split(i int) chunk {
	at := c.offset(i)
	right := chunk{buf: slices.Clone(c.buf[at:]), n: c.n - int32(i), base: c.position(i)}
	if c.pos != nil {
		right.pos = slices.Clone(c.pos[i:])
		c.pos = slices.Clip(c.pos[:i])
	}
	c.buf, c.n = c.buf[:at], int32(i)
	c.seal()
	return right
}

// seal gives back room that a chunk at an end kept for growth.
func (c *chunk) seal() {
	used := len(c.buf) - int(c.off)
	if cap(c.buf)-used > used/8+16 {
		c.buf, c.off = append([]byte(nil), c.buf[c.off:]...), 0
	}
}

// tidy forgets written positions that the rule gives as well.
func (c *chunk) tidy() {
	for i, p := range c.pos {
		if p != c.pos[0]+int64(i)*listGap {
			return
		}
	}
	if c.pos != nil {
		c.base, c.pos = c.pos[0], nil
	}
}

func (c *chunk) bytes() int64 { return int64(cap(c.buf) + 8*cap(c.pos)) }
