package keyspace

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/lullcache/lull/internal/prefetch"
)

// A segment is an open-addressed table of a dict. It has as many places as the allocator has
// room for: a hash finds its place by multiplication, which keeps the order of hashes.
type segment[T dictItem] struct {
	items []T
	tags  []uint8 // len(items), then the first tagPad again
	n     int
	depth uint8 // of the hash's bits that all items here share
}

const (
	segmentMin = 16  // places
	segmentMax = 768 // items: a full segment with as many splits, and does not grow
	tagPad     = 7   // so that eight tags can be read from each place on
	// homeBits of the hash, behind the first depth, say where a probe begins: enough for places of
	// nearly the same width, and few enough that a cursor of Scan can say where each begins, with
	// a depth of up to 22.
	homeBits = 18

	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// newSegment returns a segment in which n items take two thirds of the places at most.
func newSegment[T dictItem](n int, depth uint8) *segment[T] {
	items := slices.Grow([]T(nil), max(n+n/2, segmentMin))
	items = items[:cap(items)]
	return &segment[T]{items: items, tags: make([]uint8, len(items)+tagPad), depth: depth}
}

// full reports whether another item would make probes long.
func (s *segment[T]) full() bool { return s.n >= len(s.items)*13/16 }

// sparse reports whether a smaller segment would do.
func (s *segment[T]) sparse() bool { return s.n < len(s.items)/8 }

// bytes returns the memory that s takes.
func (s *segment[T]) bytes() int64 { return int64(64+8*len(s.items)) + sizeClass(len(s.tags)) }

func tagOf(hash uint64) uint8 { return max(uint8(hash>>16), 1) }

// home returns the place at which hash's probe begins.
func (s *segment[T]) home(hash uint64) int {
	return int(hash << s.depth >> (64 - homeBits) * uint64(len(s.items)) >> homeBits)
}

// point returns where in the hash's range place i begins; 0 if that is past the
// end of the range. within is any hash that belongs here.
func (s *segment[T]) point(within uint64, i int) uint64 {
	start := within &^ (^uint64(0) >> s.depth)
	first := (uint64(i)<<homeBits + uint64(len(s.items)) - 1) / uint64(len(s.items)) // with home i
	return start + first<<(64-homeBits-s.depth)
}

// wrap returns the place for one that may be beyond the last.
func (s *segment[T]) wrap(i int) int {
	if i >= len(s.items) {
		i -= len(s.items)
	}
	return i
}

// after returns how many places j is behind i.
func (s *segment[T]) after(i, j int) int {
	if j < i {
		j += len(s.items)
	}
	return j - i
}

// guess returns the first item whose tag is that of hash, among the eight at which
// its probe begins.
func (s *segment[T]) guess(hash uint64) (it T) {
	i := s.home(hash)
	match := zeroBytes(binary.LittleEndian.Uint64(s.tags[i:]) ^ uint64(tagOf(hash))*lows)
	if match != 0 {
		it = s.items[s.wrap(i+bits.TrailingZeros64(match)>>3)]
	}
	return it
}

// zeroBytes has bit 7 set in the lowest byte of x that is 0 (and perhaps in higher
// bytes), and nothing below it. See "Hacker's Delight", 6-1.
func zeroBytes(x uint64) uint64 { return (x - lows) &^ x & highs }

func (s *segment[T]) put(hash uint64, it T) {
	i := s.home(hash)
	for s.tags[i] != 0 {
		i = s.wrap(i + 1)
	}
	s.items[i] = it
	s.setTag(i, tagOf(hash))
	s.n++
}

func (s *segment[T]) setTag(i int, tag uint8) {
	s.tags[i] = tag
	if i < tagPad {
		s.tags[len(s.items)+i] = tag
	}
}

// index returns the place of it, or -1.
func (s *segment[T]) index(hash uint64, it T) int {
	for i := s.home(hash); s.tags[i] != 0; i = s.wrap(i + 1) {
		if s.items[i] == it {
			return i
		}
	}
	return -1
}

// free empties place i and moves later items of the run up, so that no probe meets
// a gap before its item.
func (s *segment[T]) free(i int) {
	for j := s.wrap(i + 1); s.tags[j] != 0; j = s.wrap(j + 1) {
		s.fetch(j)
	}
	for j := s.wrap(i + 1); s.tags[j] != 0; j = s.wrap(j + 1) {
		if s.after(s.home(s.items[j].hash()), j) >= s.after(i, j) {
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

// moveTo puts all items into another segment, which has room.
func (s *segment[T]) moveTo(to *segment[T]) {
	for i, it := range s.items {
		s.fetch(i + fetchAhead)
		if s.tags[i] != 0 {
			to.put(it.hash(), it)
		}
	}
}

// fetchAhead is how many places ahead of their moving items are fetched.
const fetchAhead = 16

// fetch fetches the item at place i, if there is one: its name is wanted soon.
func (s *segment[T]) fetch(i int) {
	if i < len(s.items) {
		prefetch.Line(*(*unsafe.Pointer)(unsafe.Pointer(&s.items[i])))
	}
}

// resized returns a segment with the items of s and the size that newSegment finds right.
func (s *segment[T]) resized() *segment[T] {
	to := newSegment[T](s.n, s.depth)
	s.moveTo(to)
	return to
}

// split returns two segments, for the items whose next bit is 0 and for those whose is 1.
func (s *segment[T]) split() (halves [2]*segment[T]) {
	for i := range halves {
		halves[i] = newSegment[T](s.n/2, s.depth+1)
	}
	for i, it := range s.items {
		s.fetch(i + fetchAhead)
		if s.tags[i] == 0 {
			continue
		}
		hash := it.hash()
		half := &halves[hash<<s.depth>>63]
		if (*half).full() {
			*half = (*half).resized()
		}
		(*half).put(hash, it)
	}
	return halves
}
