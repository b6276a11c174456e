package keyspace

import (
	"encoding/binary"
	"slices"
	"sort"
	"unsafe"
)

// stream is what a Stream's entry points to.
type stream struct {
	chunks deque[streamChunk] // none is empty
	n      int
	bytes  int64 // of the chunks' buffers
	meta   StreamMeta
	first  [1]streamChunk // the room of chunks while there is one: most streams are short
}

// StreamMeta is what a stream remembers beside its entries. The owner keeps all but
// LastID and MaxDeletedID up to date.
type StreamMeta struct {
	LastID       ID     // the greatest id that was ever added
	MaxDeletedID ID     // the greatest id that was deleted by Del
	EntriesAdded uint64 // how many were ever added
	Tail         bool   // earlier entries exist that are not in memory
	Total        int64  // entries with those not in memory, if Tail
}

// streamChunk is a run of entries in one buffer. Each is the distance of its
// milliseconds from base, its sequence number, the length of its fields, and these.
type streamChunk struct {
	base ID // not above the first entry
	last ID // not below the last entry, below the next chunk
	buf  []byte
	n    int
}

const (
	streamChunkItems = 100 // as Redis's stream-node-max-entries
	streamChunkBytes = 4096
)

// NewStream returns an empty stream that is in no entry yet.
func NewStream() *Stream {
	b := new(stream)
	b.chunks.all = b.first[:0]
	return &Stream{Entry{form: formStream, ptr: unsafe.Pointer(b)}}
}

func (s *Stream) body() *stream {
	s.e.want(TypeStream)
	return (*stream)(s.e.ptr)
}

// Meta returns what the stream remembers, to be read and changed in place.
func (s *Stream) Meta() *StreamMeta { return &s.body().meta }

// Len returns the number of entries in memory.
func (s *Stream) Len() int { return s.body().n }

// Bytes implements Object.
func (s *Stream) Bytes() int64 {
	b := s.body()
	n := int64(unsafe.Sizeof(*b)) + b.bytes
	if all := b.chunks.all; cap(all) > 0 && unsafe.SliceData(all) != &b.first[0] {
		n += sizeClass(cap(all) * int(unsafe.Sizeof(all[0])))
	}
	return n
}

// Append adds an entry whose id must be greater than those of all entries in
// memory. It raises LastID. fields is packed; see AppendField.
func (s *Stream) Append(id ID, fields []byte) {
	b := s.body()
	chunks := b.chunks.items()
	last := len(chunks) - 1
	if last >= 0 && !chunks[last].last.Less(id) {
		panic("keyspace: stream ids must rise")
	}
	if last < 0 || chunks[last].n >= streamChunkItems || len(chunks[last].buf)+len(fields) > streamChunkBytes {
		if last >= 0 {
			c := &chunks[last]
			b.bytes -= int64(cap(c.buf))
			c.buf = slices.Clip(append([]byte(nil), c.buf...))
			b.bytes += int64(cap(c.buf))
		}
		b.chunks.pushBack(streamChunk{base: id})
		if unsafe.SliceData(b.chunks.all) != &b.first[0] {
			b.first[0] = streamChunk{} // what it holds would be kept
		}
		chunks = b.chunks.items()
		last = len(chunks) - 1
	}
	c := &chunks[last]
	b.bytes -= int64(cap(c.buf))
	c.buf = binary.AppendUvarint(c.buf, id.Ms-c.base.Ms)
	c.buf = binary.AppendUvarint(c.buf, id.Seq)
	c.buf = appendUvarint(c.buf, len(fields))
	c.buf = append(c.buf, fields...)
	b.bytes += int64(cap(c.buf))
	c.last = id
	c.n++
	b.n++
	if b.meta.LastID.Less(id) {
		b.meta.LastID = id
	}
}

// entryAt decodes the entry at offset at.
func (c *streamChunk) entryAt(at int) (id ID, fields []byte, next int) {
	ms, w := binary.Uvarint(c.buf[at:])
	at += w
	seq, w := binary.Uvarint(c.buf[at:])
	at += w
	size, w := uvarintAt(unsafe.Pointer(&c.buf[at]))
	at += w
	next = at + size
	return ID{c.base.Ms + ms, seq}, c.buf[at:next:next], next
}

// chunkOf returns the number of the first chunk that may hold ids from id on.
func (b *stream) chunkOf(id ID) int {
	chunks := b.chunks.items()
	return sort.Search(len(chunks), func(i int) bool { return !chunks[i].last.Less(id) })
}

// Get returns the fields of the entry with this id.
func (s *Stream) Get(id ID) (fields []byte, ok bool) {
	s.Range(id, id, false, func(_ ID, f []byte) bool {
		fields, ok = f, true
		return false
	})
	return fields, ok
}

// Range calls fn for the entries with ids from from to to, both included, upwards
// or, if reverse, downwards, until it returns false. fn must not change the stream.
func (s *Stream) Range(from, to ID, reverse bool, fn func(id ID, fields []byte) bool) {
	if reverse {
		s.rangeDown(from, to, fn)
		return
	}
	b := s.body()
	chunks := b.chunks.items()
	for i := b.chunkOf(from); i < len(chunks); i++ {
		c := &chunks[i]
		for at := 0; at < len(c.buf); {
			id, fields, next := c.entryAt(at)
			if to.Less(id) || !id.Less(from) && !fn(id, fields) {
				return
			}
			at = next
		}
	}
}

func (s *Stream) rangeDown(from, to ID, fn func(id ID, fields []byte) bool) {
	b := s.body()
	chunks := b.chunks.items()
	var offsets [streamChunkItems]int
	for i := min(b.chunkOf(to), len(chunks)-1); i >= 0; i-- {
		c := &chunks[i]
		for at, k := 0, 0; k < c.n; k++ {
			offsets[k] = at
			_, _, at = c.entryAt(at)
		}
		for k := c.n - 1; k >= 0; k-- {
			id, fields, _ := c.entryAt(offsets[k])
			if id.Less(from) || !to.Less(id) && !fn(id, fields) {
				return
			}
		}
	}
}

// First returns the first entry in memory.
func (s *Stream) First() (id ID, fields []byte, ok bool) { return s.end(false) }

// Last returns the last entry in memory.
func (s *Stream) Last() (id ID, fields []byte, ok bool) { return s.end(true) }

func (s *Stream) end(reverse bool) (id ID, fields []byte, ok bool) {
	s.Range(MinID, MaxID, reverse, func(i ID, f []byte) bool {
		id, fields, ok = i, f, true
		return false
	})
	return id, fields, ok
}

// Del removes the entry with this id, raises MaxDeletedID, and reports whether the
// entry was there.
func (s *Stream) Del(id ID) bool {
	b := s.body()
	i := b.chunkOf(id)
	if i == len(b.chunks.items()) {
		return false
	}
	c := &b.chunks.items()[i]
	for at := 0; at < len(c.buf); {
		got, _, next := c.entryAt(at)
		if got == id {
			b.removeAt(i, at, next)
			if b.meta.MaxDeletedID.Less(id) {
				b.meta.MaxDeletedID = id
			}
			return true
		}
		if id.Less(got) {
			return false
		}
		at = next
	}
	return false
}

// removeAt removes the entry at [at, next) of chunk i.
func (b *stream) removeAt(i, at, next int) {
	c := &b.chunks.items()[i]
	b.n--
	b.bytes -= int64(cap(c.buf))
	if c.n == 1 {
		b.chunks.remove(i)
		return
	}
	c.n--
	if next == len(c.buf) {
		c.lower(at) // XSETID may set a last id below that of a deleted entry
	}
	if at == 0 {
		c.buf = c.buf[next:]
	} else {
		c.buf = splice(c.buf, at, next-at, 0)
	}
	b.bytes += int64(cap(c.buf))
}

// lower makes last the id of the entry that ends at offset end.
func (c *streamChunk) lower(end int) {
	for at := 0; at < end; {
		c.last, _, at = c.entryAt(at)
	}
}

// Trim says which entries to remove from the front.
type Trim struct {
	MaxLen int  // keep this many, if not ByID
	ByID   bool // remove the entries before MinID
	MinID  ID
	Approx bool // remove whole chunks only, as Redis's "~"
	Limit  int  // remove at most this many, if Approx; 0 is no limit
}

// Trim removes entries from the front and calls fn, if not nil, with the id of
// each. It touches neither MaxDeletedID nor the counts of those not in memory.
func (s *Stream) Trim(t Trim, fn func(id ID)) (removed int) {
	b := s.body()
	for b.n > 0 {
		c := &b.chunks.items()[0]
		id, _, next := c.entryAt(0)
		if !t.applies(b.n, id) {
			return removed
		}
		if t.covers(b.n, c) {
			if t.Approx && t.Limit > 0 && removed+c.n > t.Limit {
				return removed
			}
			removed += c.n
			b.dropFirst(fn)
			continue
		}
		if t.Approx {
			return removed
		}
		if fn != nil {
			fn(id)
		}
		b.removeAt(0, 0, next)
		removed++
	}
	return removed
}

// applies reports whether the first of n entries, with this id, is to go.
func (t Trim) applies(n int, id ID) bool {
	if t.ByID {
		return id.Less(t.MinID)
	}
	return n > t.MaxLen
}

// covers reports whether all of the first chunk is to go.
func (t Trim) covers(n int, c *streamChunk) bool {
	if t.ByID {
		return c.last.Less(t.MinID)
	}
	return n-c.n >= t.MaxLen
}

func (b *stream) dropFirst(fn func(id ID)) {
	c := &b.chunks.items()[0]
	if fn != nil {
		for at := 0; at < len(c.buf); {
			id, _, next := c.entryAt(at)
			fn(id)
			at = next
		}
	}
	b.n -= c.n
	b.bytes -= int64(cap(c.buf))
	b.chunks.drop(1)
}

// AppendField appends a field's name or value to packed fields: its length as a
// uvarint, then its bytes.
func AppendField(dst, part []byte) []byte {
	return append(appendUvarint(dst, len(part)), part...)
}

// NextField returns the first name or value of packed fields, and the rest; not ok
// if there is none or the bytes are not packed fields.
func NextField(packed []byte) (part, rest []byte, ok bool) {
	size, w := binary.Uvarint(packed)
	if w <= 0 || size > uint64(len(packed)-w) {
		return nil, nil, false
	}
	end := w + int(size)
	return packed[w:end:end], packed[end:], true
}
