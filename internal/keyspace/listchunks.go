package keyspace

import (
	"math"
	"unsafe"
)

// locate returns the chunk of element i, which must exist, and its place there.
func (b *list) locate(i int) (at, k int) {
	if i < 0 || i >= b.n {
		panic("keyspace: no such list element")
	}
	chunks := b.chunks.items()
	if i < b.n/2 {
		for at = 0; i >= int(chunks[at].n); at++ {
			i -= int(chunks[at].n)
		}
		return at, i
	}
	back := b.n - i // 1 is the last
	for at = len(chunks) - 1; back > int(chunks[at].n); at-- {
		back -= int(chunks[at].n)
	}
	return at, int(chunks[at].n) - back
}

func (b *list) position(i int) int64 {
	at, k := b.locate(i)
	return b.chunks.items()[at].position(k)
}

func (b *list) append(pos int64, v []byte) {
	chunks := b.chunks.items()
	if last := len(chunks) - 1; last < 0 || !chunks[last].fits(len(v)) {
		if last >= 0 {
			b.seal(&chunks[last])
		}
		b.chunks.pushBack(chunk{})
		b.leaveFirst()
		chunks = b.chunks.items()
	}
	c := &chunks[len(chunks)-1]
	b.bytes -= c.bytes()
	c.pushBack(pos, v)
	b.bytes += c.bytes()
	b.n++
}

func (b *list) prepend(pos int64, v []byte) {
	chunks := b.chunks.items()
	if len(chunks) == 0 || !chunks[0].fits(len(v)) {
		if len(chunks) > 0 {
			b.seal(&chunks[0])
		}
		b.chunks.pushFront(chunk{})
		b.leaveFirst()
		chunks = b.chunks.items()
	}
	c := &chunks[0]
	b.bytes -= c.bytes()
	c.pushFront(pos, v)
	b.bytes += c.bytes()
	b.n++
}

// leaveFirst forgets what is in first once chunks has other room.
func (b *list) leaveFirst() {
	if unsafe.SliceData(b.chunks.all) != &b.first[0] {
		b.first[0] = chunk{}
	}
}

func (b *list) seal(c *chunk) {
	b.bytes -= c.bytes()
	c.seal()
	b.bytes += c.bytes()
}

// insert makes v the element i, which is neither the first nor the last.
func (b *list) insert(i int, pos int64, v []byte) {
	at, k := b.locate(i)
	c := &b.chunks.items()[at]
	b.n++
	b.bytes -= c.bytes()
	if c.fits(len(v)) {
		c.insert(k, pos, v)
		b.bytes += c.bytes()
		return
	}
	defer b.leaveFirst()
	if k > 0 {
		right := c.split(k)
		b.bytes += right.bytes()
		if c.fits(len(v)) {
			c.pushBack(pos, v)
			b.bytes += c.bytes()
			b.chunks.insert(at+1, right)
			return
		}
		b.bytes += c.bytes()
		at++
		b.chunks.insert(at, right)
	} else {
		b.bytes += c.bytes()
	}
	var alone chunk
	alone.pushBack(pos, v)
	b.bytes += alone.bytes()
	b.chunks.insert(at, alone)
}

func (b *list) remove(i int) {
	at, k := b.locate(i)
	c := &b.chunks.items()[at]
	b.n--
	b.bytes -= c.bytes()
	if c.n == 1 {
		b.chunks.remove(at)
		return
	}
	c.remove(k)
	b.bytes += c.bytes()
	if k > 0 && k < int(c.n) && c.n < chunkItemsMax/8 {
		b.join(at)
	}
}

// join moves the elements of the chunk behind at into chunk at, if they are few, so
// that removing here and there does not leave a list of nearly empty chunks.
func (b *list) join(at int) {
	chunks := b.chunks.items()
	if at+1 >= len(chunks) {
		return
	}
	c, right := &chunks[at], &chunks[at+1]
	used := len(c.buf) - int(c.off) + len(right.buf) - int(right.off)
	if c.n+right.n > chunkItemsMax/2 || used > chunkBytesMax/2 {
		return
	}
	b.bytes -= c.bytes() + right.bytes()
	next := int(right.off)
	for k := range int(right.n) {
		var v []byte
		v, next = right.elementAt(next)
		c.pushBack(right.position(k), v)
	}
	b.bytes += c.bytes()
	b.chunks.remove(at + 1)
}

func (b *list) trimFront(n int) {
	b.n -= n
	chunks := b.chunks.items()
	whole := 0
	for ; n > 0 && n >= int(chunks[whole].n); whole++ {
		n -= int(chunks[whole].n)
		b.bytes -= chunks[whole].bytes()
	}
	b.chunks.drop(whole)
	for ; n > 0; n-- {
		c := &b.chunks.items()[0]
		b.bytes -= c.bytes()
		c.remove(0)
		b.bytes += c.bytes()
	}
}

func (b *list) trimBack(n int) {
	b.n -= n
	chunks := b.chunks.items()
	keep := len(chunks)
	for ; n > 0 && n >= int(chunks[keep-1].n); keep-- {
		n -= int(chunks[keep-1].n)
		b.bytes -= chunks[keep-1].bytes()
	}
	b.chunks.truncate(keep)
	for ; n > 0; n-- {
		c := &b.chunks.items()[keep-1]
		b.bytes -= c.bytes()
		c.remove(int(c.n) - 1)
		b.bytes += c.bytes()
	}
}

// nextBack returns the position for an element behind the last.
func (b *list) nextBack(moved Moved) int64 {
	if b.position(b.n-1) > math.MaxInt64-listGap {
		b.renumberAll(moved)
	}
	return b.position(b.n-1) + listGap
}

// nextFront returns the position for an element before the first.
func (b *list) nextFront(moved Moved) int64 {
	if b.position(0) < math.MinInt64+listGap {
		b.renumberAll(moved)
	}
	return b.position(0) - listGap
}

// renumberAll lays the positions evenly around 0.
func (b *list) renumberAll(moved Moved) {
	b.renumber(0, b.n, b.n, -int64(b.n/2)*listGap, listGap, moved)
}

// roomStepMin is the distance at which it is worth renumbering a neighbourhood: it
// gives room for about ten more elements at the same spot.
const roomStepMin = 1 << 10

// makeRoom spreads the elements around i until there is room before it. It takes
// in twice as many neighbours until they lie loosely enough.
func (b *list) makeRoom(i int, moved Moved) {
	for reach := 16; ; reach *= 2 {
		from, to := max(i-reach, 0), min(i+reach, b.n)
		steps := int64(to-from) + 2 // one for the hole, one to the bound behind
		var low, high int64
		switch {
		case from == 0 && to == b.n:
			b.renumber(0, b.n, i, -int64(b.n/2)*listGap, listGap, moved)
			return
		case from == 0:
			if high = b.position(to); high < math.MinInt64+steps*listGap {
				continue
			}
			low = high - steps*listGap
		case to == b.n:
			if low = b.position(from - 1); low > math.MaxInt64-steps*listGap {
				continue
			}
			high = low + steps*listGap
		default:
			low, high = b.position(from-1), b.position(to)
		}
		if step := int64(uint64(high-low) / uint64(steps)); step >= roomStepMin {
			b.renumber(from, to, i, low+step, step, moved)
			return
		}
	}
}

// renumber gives the elements [from, to) positions that begin at pos and lie step
// apart, with one left out before element hole.
func (b *list) renumber(from, to, hole int, pos, step int64, moved Moved) {
	at, k := b.locate(from)
	chunks := b.chunks.items()
	for i := from; i < to; at, k = at+1, 0 {
		c := &chunks[at]
		b.bytes -= c.bytes()
		c.explicit()
		for next := c.offset(k); k < int(c.n) && i < to; k++ {
			if i == hole {
				pos += step
			}
			var v []byte
			v, next = c.elementAt(next)
			if old := c.pos[k]; old != pos {
				c.pos[k] = pos
				if moved != nil {
					moved(old, pos, v)
				}
			}
			pos += step
			i++
		}
		c.tidy()
		b.bytes += c.bytes()
	}
}
