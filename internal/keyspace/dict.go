package keyspace

import (
	"encoding/binary"
	"math/bits"
)

// A dict is an extendible hash table: a directory, indexed by the hash's high bits,
// of segments that are open-addressed by the bits that follow. Each place has a tag,
// a byte of the hash (0: free), and eight tags are compared at once. A full segment
// doubles up to segmentMax places, then splits in two; two sparse ones merge.
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

type segment[T dictItem] struct {
	items []T
	tags  []uint8 // len(items), then the first tagPad again
	n     int
	shift uint8 // 64 - log2(len(items))
	depth uint8 // of the hash's bits that all items here share
}

const (
	segmentMin = 16
	segmentMax = 1024
	tagPad     = 7

	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

func newSegment[T dictItem](size int, depth uint8) *segment[T] {
	return &segment[T]{
		items: make([]T, size),
		tags:  make([]uint8, size+tagPad+1),
		shift: uint8(64 - bits.TrailingZeros(uint(size))),
		depth: depth,
	}
}

func segmentBytes(size int) int64 { return int64(64 + size*9 + 8 + size/4) }

func tagOf(hash uint64) uint8 { return max(uint8(hash>>16), 1) }

// home returns the place at which hash's probe begins.
func (s *segment[T]) home(hash uint64) int { return int(hash << s.depth >> s.shift) }

func (d *dict[T]) segment(hash uint64) *segment[T] { return d.dir[hash>>(64-d.depth)] }

func (d *dict[T]) find(hash uint64, name string) T {
	var none T
	if d.n == 0 {
		return none
	}
	s := d.segment(hash)
	i := s.home(hash)
	for {
		group := binary.LittleEndian.Uint64(s.tags[i:])
		match := zeroBytes(group ^ uint64(tagOf(hash))*lows)
		free := zeroBytes(group)
		match &= free&-free - 1 // those before the first free place
		for ; match != 0; match &= match - 1 {
			it := s.items[(i+bits.TrailingZeros64(match)>>3)&(len(s.items)-1)]
			if it.name() == name {
				return it
			}
		}
		if free != 0 {
			return none
		}
		i = (i + 8) & (len(s.items) - 1)
	}
}

// guess returns the first item whose tag is that of hash, among the eight at which
// its probe begins.
func (s *segment[T]) guess(hash uint64) (it T) {
	i := s.home(hash)
	match := zeroBytes(binary.LittleEndian.Uint64(s.tags[i:]) ^ uint64(tagOf(hash))*lows)
	if match != 0 {
		it = s.items[(i+bits.TrailingZeros64(match)>>3)&(len(s.items)-1)]
	}
	return it
}

// zeroBytes has bit 7 set in the lowest byte of x that is 0 (and perhaps in higher
// bytes), and nothing below it. See "Hacker's Delight", 6-1.
func zeroBytes(x uint64) uint64 { return (x - lows) &^ x & highs }

func (d *dict[T]) insert(hash uint64, it T) {
	if d.dir == nil {
		d.dir = []*segment[T]{newSegment[T](segmentMin, 0)}
		d.deep, d.bytes = 1, segmentBytes(segmentMin)+8
	}
	s := d.segment(hash)
	for s.n >= len(s.items)*13/16 {
		d.enlarge(hash, s)
		s = d.segment(hash)
	}
	s.put(hash, it)
	d.n++
}

func (s *segment[T]) put(hash uint64, it T) {
	i := s.home(hash)
	for s.tags[i] != 0 {
		i = (i + 1) & (len(s.items) - 1)
	}
	s.items[i] = it
	s.setTag(i, tagOf(hash))
	s.n++
}

func (s *segment[T]) setTag(i int, tag uint8) {
	s.tags[i] = tag
	if i <= tagPad {
		s.tags[len(s.items)+i] = tag
	}
}

// replace puts another item with the same name in the place of old.
func (d *dict[T]) replace(hash uint64, old, it T) {
	s := d.segment(hash)
	s.items[s.index(hash, old)] = it
}

// index returns the place of it, or -1.
func (s *segment[T]) index(hash uint64, it T) int {
	for i := s.home(hash); s.tags[i] != 0; i = (i + 1) & (len(s.items) - 1) {
		if s.items[i] == it {
			return i
		}
	}
	return -1
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
	if s.n < len(s.items)/8 {
		d.reduce(hash, s)
	}
	return true
}

// free empties place i and moves later items of the run up, so that no probe meets
// a gap before its item.
func (s *segment[T]) free(i int) {
	mask := len(s.items) - 1
	for j := (i + 1) & mask; s.tags[j] != 0; j = (j + 1) & mask {
		if (j-s.home(s.items[j].hash()))&mask >= (j-i)&mask {
			s.items[i] = s.items[j]
			s.setTag(i, s.tags[j])
			i = j
		}
	}
	var none T
	s.items[i] = none
	s.setTag(i, 0)
	s.n--
}

// enlarge makes room in s, the segment of hash: it doubles or splits.
func (d *dict[T]) enlarge(hash uint64, s *segment[T]) {
	if len(s.items) < segmentMax {
		d.resize(hash, s, 2*len(s.items))
		return
	}
	if s.depth == d.depth {
		d.doubleDirectory()
	}
	low := newSegment[T](segmentMax, s.depth+1)
	high := newSegment[T](segmentMax, s.depth+1)
	for i, it := range s.items {
		if s.tags[i] != 0 {
			h := it.hash()
			if h<<s.depth>>63 == 0 {
				low.put(h, it)
			} else {
				high.put(h, it)
			}
		}
	}
	span := 1 << (d.depth - s.depth)
	first := int(hash>>(64-d.depth)) &^ (span - 1)
	for i := range span / 2 {
		d.dir[first+i] = low
		d.dir[first+span/2+i] = high
	}
	if low.depth == d.depth {
		d.deep += 2
	}
	d.bytes += segmentBytes(segmentMax)
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

// resize gives a segment that is alone in the directory another size.
func (d *dict[T]) resize(hash uint64, s *segment[T], size int) {
	to := newSegment[T](size, s.depth)
	s.moveTo(to)
	d.dir[hash>>(64-d.depth)] = to
	d.bytes += segmentBytes(size) - segmentBytes(len(s.items))
}

func (s *segment[T]) moveTo(to *segment[T]) {
	for i, it := range s.items {
		if s.tags[i] != 0 {
			to.put(it.hash(), it)
		}
	}
}

// reduce gives memory back when s has become sparse.
func (d *dict[T]) reduce(hash uint64, s *segment[T]) {
	if s.depth == 0 {
		if len(s.items) > segmentMin {
			d.resize(hash, s, len(s.items)/2)
		}
		return
	}
	span := 1 << (d.depth - s.depth)
	first := int(hash>>(64-d.depth)) &^ (span - 1)
	twin := d.dir[first^span]
	if twin.depth != s.depth || twin.n+s.n > segmentMax*3/8 {
		return
	}
	if s.depth == d.depth {
		d.deep -= 2
	}
	both := newSegment[T](segmentMax, s.depth-1)
	s.moveTo(both)
	twin.moveTo(both)
	first &^= span
	for i := range 2 * span {
		d.dir[first+i] = both
	}
	d.bytes -= segmentBytes(segmentMax)
	for d.deep == 0 && d.depth > 0 {
		d.halveDirectory()
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
