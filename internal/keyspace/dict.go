package keyspace

import (
	"encoding/binary"
	"math/bits"
)

// A dict is an extendible hash table: a directory, indexed by the hash's high bits,
// of segments that are open-addressed by the bits that follow. Each place has a tag,
// a byte of the hash (0: free), and eight tags are compared at once. A full segment
// grows until it has segmentMax items, then splits in two; two sparse ones merge.
//
// A segment grows in small steps, from 13/16 of its places in use to two thirds, so that
// an item has 1.4 places on average: 13 bytes. With segments of 1024 places, always, it
// was up to 22. An item moves three times while the dict doubles, not once; what is to
// be moved is fetched ahead, and most of the cost was to wait for it (BenchmarkGrow).
//
// Since both levels use the high bits in order, entries lie ordered by hash whatever
// the sizes, up to the run in which a probe ends. So a point in the hash's range is a
// scan cursor that stays right when the dict grows or shrinks.
//
// A single table that doubles was not taken: it stops for milliseconds, and a copy
// in steps pays two lookups and a second table meanwhile.
type dict[T dictItem] struct {
	dir   []*segment[T] // 1<<depth; neighbours may be the same segment
	depth uint8
	deep  int // segments whose depth is that of the directory
	n     int
	bytes int64 // of directory and segments
}

// dictItem is a pointer to what is held, which knows its key.
type dictItem interface {
	comparable
	hash() uint64
	name() string
}

func (d *dict[T]) segment(hash uint64) *segment[T] { return d.dir[hash>>(64-d.depth)] }

func (d *dict[T]) find(hash uint64, name string) (none T) {
	if d.n == 0 {
		return none
	}
	s := d.segment(hash)
	for i := s.home(hash); ; i = s.wrap(i + 8) {
		group := binary.LittleEndian.Uint64(s.tags[i:])
		match := zeroBytes(group ^ uint64(tagOf(hash))*lows)
		free := zeroBytes(group)
		match &= free&-free - 1 // those before the first free place
		for ; match != 0; match &= match - 1 {
			it := s.items[s.wrap(i+bits.TrailingZeros64(match)>>3)]
			if it.name() == name {
				return it
			}
		}
		if free != 0 {
			return none
		}
	}
}

func (d *dict[T]) insert(hash uint64, it T) {
	if d.dir == nil {
		s := newSegment[T](0, 0)
		d.dir, d.deep, d.bytes = []*segment[T]{s}, 1, s.bytes()+8
	}
	s := d.segment(hash)
	for s.full() {
		d.enlarge(hash, s)
		s = d.segment(hash)
	}
	s.put(hash, it)
	d.n++
}

// replace puts another item with the same name in the place of old.
func (d *dict[T]) replace(hash uint64, old, it T) {
	s := d.segment(hash)
	s.items[s.index(hash, old)] = it
}

func (d *dict[T]) remove(hash uint64, it T) bool {
	if d.n == 0 {
		return false
	}
	s := d.segment(hash)
	i := s.index(hash, it)
	if i < 0 {
		return false
	}
	s.free(i)
	d.n--
	if s.sparse() {
		d.reduce(hash, s)
	}
	return true
}

// span returns the places in the directory of s, the segment of hash: the first and how many.
func (d *dict[T]) span(hash uint64, s *segment[T]) (first, n int) {
	n = 1 << (d.depth - s.depth)
	return int(hash>>(64-d.depth)) &^ (n - 1), n
}

// put makes s the segment of n places in the directory.
func (d *dict[T]) put(first, n int, s *segment[T]) {
	for i := range n {
		d.dir[first+i] = s
	}
	d.bytes += s.bytes()
}

// enlarge makes room in s, the segment of hash: it grows or splits.
func (d *dict[T]) enlarge(hash uint64, s *segment[T]) {
	if s.n < segmentMax {
		d.resize(hash, s)
		return
	}
	if s.depth == d.depth {
		d.doubleDirectory()
	}
	first, n := d.span(hash, s)
	halves := s.split()
	d.put(first, n/2, halves[0])
	d.put(first+n/2, n/2, halves[1])
	d.bytes -= s.bytes()
	if s.depth+1 == d.depth {
		d.deep += 2
	}
}

func (d *dict[T]) doubleDirectory() {
	dir := make([]*segment[T], 2*len(d.dir))
	for i, s := range d.dir {
		dir[2*i], dir[2*i+1] = s, s
	}
	d.bytes += int64(8 * len(d.dir))
	d.dir, d.deep = dir, 0
	d.depth++
}

// resize gives s, the segment of hash, another size.
func (d *dict[T]) resize(hash uint64, s *segment[T]) {
	first, n := d.span(hash, s)
	d.put(first, n, s.resized())
	d.bytes -= s.bytes()
}

// reduce gives memory back when s, the segment of hash, has become sparse.
func (d *dict[T]) reduce(hash uint64, s *segment[T]) {
	for s.depth > 0 {
		first, n := d.span(hash, s)
		twin := d.dir[first^n]
		if twin.depth != s.depth || twin.n+s.n > segmentMax*3/8 {
			break
		}
		if s.depth == d.depth {
			d.deep -= 2
		}
		both := newSegment[T](twin.n+s.n, s.depth-1)
		s.moveTo(both)
		twin.moveTo(both)
		d.put(first&^n, 2*n, both)
		d.bytes -= s.bytes() + twin.bytes()
		for d.deep == 0 && d.depth > 0 {
			d.halveDirectory()
		}
		s = both
	}
	if s.sparse() && len(s.items) > segmentMin {
		d.resize(hash, s)
	}
}

func (d *dict[T]) halveDirectory() {
	dir := make([]*segment[T], len(d.dir)/2)
	d.depth--
	d.deep = 0
	for i := range dir {
		dir[i] = d.dir[2*i]
		if dir[i].depth == d.depth {
			d.deep++
		}
	}
	d.bytes -= int64(8 * len(dir))
	d.dir = dir
}
