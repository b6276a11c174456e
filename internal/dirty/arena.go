package dirty

import "unsafe"

// arena is where a keyMap has its keys: records of whole words in a few chunks, one behind
// the other, so that a dirty key costs little more than its bytes, its name and its rows are
// in one place, and the garbage collector has nothing to follow. A record that is no more,
// or went elsewhere to grow, leaves a gap; chunks with many gaps are emptied (keyMap.tidy).
//
// Keys whose record would be large are by themselves (bigKey).
type arena struct {
	chunks []chunk
	last   int      // the chunk that is filled
	free   []uint32 // chunks without records
	words  int      // of all records, gaps included
	gaps   int      // words of gaps
	look   int      // where the search for a chunk with gaps goes on
	big    []*bigKey
	noBig  []uint32 // free places in big
	// frozen: the bytes of a record may be in use elsewhere even when it is no more, and are
	// not written to again. So it is in a Cut.
	frozen bool
	// untidy: a chunk was begun since tidy was called.
	untidy bool
}

type chunk struct {
	words      []uint64
	used, gaps int // words
}

// ref says where a key is; 0 is nowhere. It is a chunk and the first word there, or a place
// in big.
type ref uint32

const (
	refBig     = 1 << 31
	chunkBits  = 12
	wordsMax   = 1 << chunkBits // of a chunk: 32 KiB
	wordsMin   = 64             // of the first
	recordMax  = wordsMax / 8
	wordBytes  = 8
	gapsMin    = wordsMax // fewer are left as they are
	gapsFactor = 3        // a third of all words is too much
	freeMax    = 4        // more chunks are not kept for later
)

// recordWords returns the words of a record with so many bytes of name and rows. There are
// always some behind the head: what points there may not point beyond the chunk.
func recordWords(bytes int) int { return 1 + max(1, (bytes+wordBytes-1)/wordBytes) }

// at returns the key at r.
func (a *arena) at(r ref) *Key {
	if r&refBig != 0 {
		return &a.big[r&^refBig].Key
	}
	return keyIn(a.chunks[r>>chunkBits-1].words, int(r&(wordsMax-1)))
}

func keyIn(words []uint64, at int) *Key { return (*Key)(unsafe.Pointer(&words[at])) }

// take makes a record that has room for words, without name and rows.
func (a *arena) take(words int) (ref, *Key) {
	if len(a.chunks) == 0 || len(a.chunks[a.last].words)-a.chunks[a.last].used < words {
		a.begin(words)
	}
	c := &a.chunks[a.last]
	at := c.used
	c.used += words
	a.words += words
	k := keyIn(c.words, at)
	*k = Key{words: uint16(words)}
	return ref((a.last+1)<<chunkBits | at), k
}

// begin begins another chunk.
func (a *arena) begin(words int) {
	a.untidy = true
	if n := len(a.free); n > 0 {
		a.last, a.free = int(a.free[n-1]), a.free[:n-1]
		return
	}
	size := wordsMin
	if n := len(a.chunks); n > 0 {
		size = min(max(2*len(a.chunks[n-1].words), wordsMin), wordsMax)
	}
	for size < words {
		size *= 2
	}
	a.last = len(a.chunks)
	if a.last >= refBig>>chunkBits-1 {
		panic("dirty: more than 16 GiB in one shard")
	}
	a.chunks = append(a.chunks, chunk{words: make([]uint64, size)})
}

// extend gives the record at r room for words, if it can where it is.
func (a *arena) extend(r ref, k *Key, words int) bool {
	at, c := int(r&(wordsMax-1)), &a.chunks[r>>chunkBits-1]
	more := words - int(k.words)
	if at+int(k.words) != c.used || c.used+more > len(c.words) {
		return false
	}
	c.used += more
	a.words += more
	k.words = uint16(words)
	return true
}

// drop lets go of the key at r.
func (a *arena) drop(r ref) {
	if r&refBig != 0 {
		a.big[r&^refBig] = nil
		a.noBig = append(a.noBig, uint32(r&^refBig))
		return
	}
	at, c := int(r&(wordsMax-1)), &a.chunks[r>>chunkBits-1]
	k := keyIn(c.words, at)
	words := int(k.words)
	if r>>chunkBits-1 == ref(a.last) && at+words == c.used && !a.frozen {
		c.used -= words
		a.words -= words
		return
	}
	k.flags |= keyGap
	c.gaps += words
	a.gaps += words
}

// putBig takes in a key that is by itself.
func (a *arena) putBig(b *bigKey) ref {
	if n := len(a.noBig); n > 0 {
		at := a.noBig[n-1]
		a.noBig = a.noBig[:n-1]
		a.big[at] = b
		return refBig | ref(at)
	}
	a.big = append(a.big, b)
	return refBig | ref(len(a.big)-1)
}

// all yields every key, in no order, with its place. None may be added or removed meanwhile.
func (a *arena) all(yield func(ref, *Key) bool) {
	for i := range a.chunks {
		if !a.chunks[i].all(ref(i+1)<<chunkBits, yield) {
			return
		}
	}
	for i, b := range a.big {
		if b != nil && !yield(refBig|ref(i), &b.Key) {
			return
		}
	}
}

// all yields the chunk's keys; first is the place of its first word.
func (c *chunk) all(first ref, yield func(ref, *Key) bool) bool {
	for at := 0; at < c.used; {
		k := keyIn(c.words, at)
		next := at + int(k.words)
		if k.flags&keyGap == 0 && !yield(first+ref(at), k) {
			return false
		}
		at = next
	}
	return true
}

// gappy returns a chunk of which a large part is gaps.
func (a *arena) gappy() int {
	for range a.chunks {
		if a.look++; a.look >= len(a.chunks) {
			a.look = 0
		}
		if c := &a.chunks[a.look]; a.look != a.last && c.gaps*gapsFactor > c.used {
			return a.look
		}
	}
	return noRow
}

// tidy empties chunks until few enough words are gaps. It may move every key, so it is
// called before any is looked at. For each word of a gap that it gives back it moves at most
// two others.
func (m *keyMap) tidy() {
	for m.gaps > gapsMin && m.gaps*gapsFactor > m.words && !m.frozen {
		i := m.gappy()
		if i == noRow {
			break
		}
		c := m.chunks[i]
		c.all(ref(i+1)<<chunkBits, func(r ref, k *Key) bool {
			m.slots[m.slotOf(r, k)] = slotFor(k.hash(), m.copyOf(k, int(k.words)))
			return true
		})
		m.words -= c.used
		m.gaps -= c.gaps
		m.chunks[i] = chunk{}
		if len(c.words) == wordsMax && len(m.free) < freeMax {
			m.chunks[i].words = c.words
			m.free = append(m.free, uint32(i))
		}
	}
	m.untidy = false
}

// copyOf makes a copy of a key's record, with room for words.
func (a *arena) copyOf(k *Key, words int) ref {
	r, to := a.take(words)
	copy(to.room(), k.bytes())
	to.nameLen, to.rowsLen, to.count, to.flags = k.nameLen, k.rowsLen, k.count, k.flags
	return r
}

// compact makes the arena anew without gaps. What is in the old one stays as it is.
func (m *keyMap) compact() {
	old := m.arena
	m.arena = arena{frozen: old.frozen, big: old.big, noBig: old.noBig}
	for i, s := range m.slots {
		if r := s.ref(); r != 0 && r&refBig == 0 {
			k := old.at(r)
			m.slots[i] = slot(uint64(s)&^(1<<32-1) | uint64(m.copyOf(k, recordWords(len(k.bytes())))))
		}
	}
}
