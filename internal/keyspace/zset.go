package keyspace

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// zsetBig is a sorted set of many or long members.
type zsetBig struct {
	d     dict[scored]
	t     tree
	bytes int64 // of the members
}

// Len returns the number of members.
func (z *ZSet) Len() int {
	if z.e.form == formZSetBig {
		return z.big().t.n
	}
	z.e.want(TypeZSet)
	return z.e.packedLen()
}

// Score returns member's score. It allocates nothing.
func (z *ZSet) Score(member []byte) (score float64, ok bool) {
	if z.e.form == formZSetBig {
		m := z.big().d.find(Hash64(member), view(member))
		if m.p == nil {
			return 0, false
		}
		return m.score(), true
	}
	b := z.small()
	at, _ := findScored(b, member)
	if at < 0 {
		return 0, false
	}
	return readScore(b[at:]), true
}

// Add gives member a score, which must not be NaN. created says that member was
// not there, changed that it was there with another score. It allocates only for
// new members and, at times, nodes.
func (z *ZSet) Add(member []byte, score float64) (created, changed bool) {
	if math.IsNaN(score) {
		panic("keyspace: score is not a number")
	}
	if z.e.form == formZSetBig {
		return z.big().add(member, score)
	}
	b := z.small()
	n := z.e.packedLen()
	at, _ := findScored(b, member)
	switch {
	case at >= 0:
		if readScore(b[at:]) == score {
			return false, false
		}
		copy(b[at:], b[at+scoredHead+len(member):])
		b = b[:len(b)-scoredHead-len(member)]
	case len(member) > packedSizeMax || n == packedItemsMax:
		return z.grow().add(member, score)
	default:
		n++
	}
	to := placeScored(b, score, member)
	b = splice(b, to, 0, scoredHead+len(member))
	binary.LittleEndian.PutUint64(b[to:], math.Float64bits(score))
	putShort(b[to+8:], member)
	z.e.setPacked(b, n)
	return at < 0, at >= 0
}

// Remove takes member out and reports whether it was there.
func (z *ZSet) Remove(member []byte) bool {
	if z.e.form == formZSetBig {
		return z.big().remove(member)
	}
	b := z.small()
	at, _ := findScored(b, member)
	if at < 0 {
		return false
	}
	z.e.setPacked(splice(b, at, scoredHead+len(member), 0), z.e.packedLen()-1)
	return true
}

// Rank returns how many members are before member in ascending order.
func (z *ZSet) Rank(member []byte) (rank int, ok bool) {
	if z.e.form == formZSetBig {
		big := z.big()
		m := big.d.find(Hash64(member), view(member))
		if m.p == nil {
			return 0, false
		}
		return big.t.rank(m.score(), m.name()), true
	}
	at, rank := findScored(z.small(), member)
	return rank, at >= 0
}

// RevRank is Rank in descending order.
func (z *ZSet) RevRank(member []byte) (rank int, ok bool) {
	rank, ok = z.Rank(member)
	return z.Len() - 1 - rank, ok
}

// Each calls fn for the members from this ascending rank on, upwards or, if
// reverse, downwards, until it returns false. It calls nothing for a rank outside
// the set. fn must not change the set.
func (z *ZSet) Each(rank int, reverse bool, fn func(member []byte, score float64) bool) {
	if z.e.form == formZSetBig {
		z.big().t.each(rank, reverse, func(it *item) bool {
			return fn(bytesOf(it.member.name()), it.score)
		})
		return
	}
	b, n := z.small(), z.e.packedLen()
	if rank < 0 || rank >= n {
		return
	}
	var offsets [packedItemsMax]uint16
	for at, i := 0, 0; at < len(b); i++ {
		offsets[i] = uint16(at)
		at += scoredHead + int(b[at+8])
	}
	for i := rank; i >= 0 && i < n; {
		at := int(offsets[i])
		member, _ := nextShort(b, at+8)
		if !fn(member, readScore(b[at:])) {
			return
		}
		if reverse {
			i--
		} else {
			i++
		}
	}
}

// ByRank returns the member of this ascending rank.
func (z *ZSet) ByRank(rank int) (member []byte, score float64, ok bool) {
	z.Each(rank, false, func(m []byte, s float64) bool {
		member, score, ok = m, s, true
		return false
	})
	return member, score, ok
}

// Random returns a member chosen by the random number r; not ok if there is none.
func (z *ZSet) Random(r uint64) (member []byte, score float64, ok bool) {
	n := z.Len()
	if n == 0 {
		return nil, 0, false
	}
	return z.ByRank(below(r, n))
}

// PopMin removes the first member and returns it. The caller may keep it.
func (z *ZSet) PopMin() (member []byte, score float64, ok bool) { return z.pop(0) }

// PopMax removes the last member and returns it. The caller may keep it.
func (z *ZSet) PopMax() (member []byte, score float64, ok bool) { return z.pop(z.Len() - 1) }

func (z *ZSet) pop(rank int) (member []byte, score float64, ok bool) {
	member, score, ok = z.ByRank(rank)
	if !ok {
		return nil, 0, false
	}
	if z.e.form == formZSetPacked {
		member = append([]byte{}, member...)
	}
	z.Remove(member)
	return member, score, true
}

// Scan is Table.Scan over the members. A small set is passed whole.
func (z *ZSet) Scan(cursor uint64, count int, fn func(member []byte, score float64)) (next uint64) {
	if z.e.form == formZSetBig {
		return z.big().d.scan(cursor, count, func(m scored) { fn(bytesOf(m.name()), m.score()) })
	}
	z.Each(0, false, func(member []byte, score float64) bool { fn(member, score); return true })
	return 0
}

// Bytes implements Object.
func (z *ZSet) Bytes() int64 {
	if z.e.form == formZSetBig {
		big := z.big()
		return int64(unsafe.Sizeof(*big)) + big.d.bytes + big.t.bytes + big.bytes
	}
	return z.e.packedBytes()
}

func (z *ZSet) big() *zsetBig { return (*zsetBig)(z.e.ptr) }

func (z *ZSet) small() []byte {
	z.e.want(TypeZSet)
	return z.e.packed()
}

// grow turns a packed sorted set into a large one.
func (z *ZSet) grow() *zsetBig {
	big := &zsetBig{}
	z.Each(0, false, func(member []byte, score float64) bool {
		big.add(member, score)
		return true
	})
	z.e.ptr, z.e.num, z.e.form = unsafe.Pointer(big), 0, formZSetBig
	return big
}

func (b *zsetBig) add(member []byte, score float64) (created, changed bool) {
	hash := Hash64(member)
	m := b.d.find(hash, view(member))
	if m.p == nil {
		m = newScored(member, score)
		b.d.insert(hash, m)
		b.t.insert(item{score, m})
		b.bytes += scoredBytes(len(member))
		return true, false
	}
	old := m.score()
	if old == score {
		return false, false
	}
	b.t.move(m, old, score)
	m.setScore(score)
	return false, true
}

func (b *zsetBig) remove(member []byte) bool {
	hash := Hash64(member)
	m := b.d.find(hash, view(member))
	if m.p == nil {
		return false
	}
	b.bytes -= scoredBytes(len(member))
	b.t.remove(m.score(), m.name())
	return b.d.remove(hash, m)
}

func (m scored) score() float64 { return readScore(unsafe.Slice(m.p, 8)) }
func (m scored) setScore(s float64) {
	binary.LittleEndian.PutUint64(unsafe.Slice(m.p, 8), math.Float64bits(s))
}

func newScored(member []byte, score float64) scored {
	b := make([]byte, 0, 8+uvarintLen(len(member))+len(member))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(score))
	b = appendUvarint(b, len(member))
	return scored{unsafe.SliceData(append(b, member...))}
}

func scoredBytes(member int) int64 { return sizeClass(8 + uvarintLen(member) + member) }

// scoredHead is what a packed member has before its bytes: score and length. The
// members are in order.
const scoredHead = 9

func readScore(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }

// findScored returns the offset and the rank of member in a packed sorted set; the
// offset is -1 if it is not there.
func findScored(b, member []byte) (at, rank int) {
	for at < len(b) {
		if got, next := nextShort(b, at+8); view(got) != view(member) {
			at = next
			rank++
			continue
		}
		return at, rank
	}
	return -1, 0
}

// placeScored returns the offset at which the member belongs.
func placeScored(b []byte, score float64, member []byte) (at int) {
	for at < len(b) {
		got, next := nextShort(b, at+8)
		s := readScore(b[at:])
		if s > score || s == score && view(got) > view(member) {
			break
		}
		at = next
	}
	return at
}
