package keyspace

import (
	"slices"
	"unsafe"
)

// hashBig is a hash of many or long fields.
type hashBig struct {
	d     dict[pair]
	bytes int64 // of the pairs
}

// Len returns the number of fields.
func (h *Hash) Len() int {
	if h.e.form == formHashBig {
		return h.big().d.n
	}
	h.e.want(TypeHash)
	return h.e.packedLen()
}

// Get returns the value of field. It allocates nothing.
func (h *Hash) Get(field []byte) (val []byte, ok bool) {
	if h.e.form == formHashBig {
		p := h.big().d.find(Hash64(field), view(field))
		if p.p == nil {
			return nil, false
		}
		_, val = p.split()
		return val, true
	}
	b := h.small()
	at := findShort(b, field, 1)
	if at < 0 {
		return nil, false
	}
	val, _ = nextShort(b, at+1+len(field))
	return val, true
}

// ValLen returns the length of field's value, 0 if there is no such field.
func (h *Hash) ValLen(field []byte) int {
	val, _ := h.Get(field)
	return len(val)
}

// Set gives field a value. created says that there was no such field. It does not
// allocate when the value's length stays.
func (h *Hash) Set(field, val []byte) (created bool) {
	if h.e.form == formHashBig {
		return h.big().set(field, val)
	}
	b := h.small()
	n := h.e.packedLen()
	at := findShort(b, field, 1)
	if len(val) > packedSizeMax || len(field) > packedSizeMax || at < 0 && n == packedItemsMax {
		return h.grow().set(field, val)
	}
	if at < 0 {
		at = len(b)
		b = extend(b, 2+len(field)+len(val))
		putShort(b[at:], field)
		putShort(b[at+1+len(field):], val)
		h.e.setPacked(b, n+1)
		return true
	}
	at += 1 + len(field)
	b = splice(b, at, 1+int(b[at]), 1+len(val))
	putShort(b[at:], val)
	h.e.setPacked(b, n)
	return false
}

// Add is Set for a field that is not there yet.
func (h *Hash) Add(field string, val []byte) {
	n := h.e.packedLen()
	if h.e.form != formHashPacked || len(val) > packedSizeMax || len(field) > packedSizeMax || n == packedItemsMax {
		h.Set([]byte(field), val)
		return
	}
	b := h.small()
	at := len(b)
	b = extend(b, 2+len(field)+len(val))
	b[at] = byte(len(field))
	copy(b[at+1:], field)
	putShort(b[at+1+len(field):], val)
	h.e.setPacked(b, n+1)
}

// Reserve makes room for fields and values of so many bytes in all, which Set is called
// with next. Without it each new field moves those before.
func (h *Hash) Reserve(fields, bytes int) {
	if h.e.form != formHashPacked || fields > packedItemsMax || bytes > fields*packedSizeMax*2 {
		return
	}
	b := h.small()
	if size := len(b) + 2*fields + bytes; size > cap(b) {
		h.e.setPacked(append(slices.Grow([]byte(nil), size), b...), h.e.packedLen())
	}
}

// Del removes field and reports whether it was there.
func (h *Hash) Del(field []byte) bool {
	if h.e.form == formHashBig {
		return h.big().del(field)
	}
	b := h.small()
	at := findShort(b, field, 1)
	if at < 0 {
		return false
	}
	size := 2 + len(field) + int(b[at+1+len(field)])
	h.e.setPacked(splice(b, at, size, 0), h.e.packedLen()-1)
	return true
}

// Each calls fn for every field until it returns false. fn must not change the
// hash. The order is stable while the hash does not change.
func (h *Hash) Each(fn func(field, val []byte) bool) {
	if h.e.form == formHashBig {
		h.big().d.all(func(p pair) bool { return fn(p.split()) })
		return
	}
	b := h.small()
	for at := 0; at < len(b); {
		field, next := nextShort(b, at)
		val, next := nextShort(b, next)
		if !fn(field, val) {
			return
		}
		at = next
	}
}

// Random returns a field chosen by the random number r; not ok if there is none.
func (h *Hash) Random(r uint64) (field, val []byte, ok bool) {
	if h.Len() == 0 {
		return nil, nil, false
	}
	if h.e.form == formHashBig {
		field, val = h.big().d.random(r).split()
		return field, val, true
	}
	skip := below(r, h.e.packedLen())
	h.Each(func(f, v []byte) bool {
		field, val = f, v
		skip--
		return skip >= 0
	})
	return field, val, true
}

// Scan is Table.Scan over the fields. A small hash is passed whole.
func (h *Hash) Scan(cursor uint64, count int, fn func(field, val []byte)) (next uint64) {
	if h.e.form == formHashBig {
		return h.big().d.scan(cursor, count, func(p pair) { fn(p.split()) })
	}
	h.Each(func(field, val []byte) bool { fn(field, val); return true })
	return 0
}

// Bytes implements Object.
func (h *Hash) Bytes() int64 {
	if h.e.form == formHashBig {
		big := h.big()
		return int64(unsafe.Sizeof(*big)) + big.d.bytes + big.bytes
	}
	return h.e.packedBytes()
}

func (h *Hash) big() *hashBig { return (*hashBig)(h.e.ptr) }

func (h *Hash) small() []byte {
	h.e.want(TypeHash)
	return h.e.packed()
}

// grow turns a packed hash into a large one.
func (h *Hash) grow() *hashBig {
	big := &hashBig{}
	h.Each(func(field, val []byte) bool { return big.set(field, val) })
	h.e.ptr, h.e.num, h.e.form = unsafe.Pointer(big), 0, formHashBig
	return big
}

func (b *hashBig) set(field, val []byte) (created bool) {
	hash := Hash64(field)
	old := b.d.find(hash, view(field))
	if old.p == nil {
		b.d.insert(hash, newPair(field, val))
		b.bytes += pairBytes(len(field), len(val))
		return true
	}
	_, was := old.split()
	if len(was) == len(val) {
		copy(was, val)
		return false
	}
	b.d.replace(hash, old, newPair(field, val))
	b.bytes += pairBytes(len(field), len(val)) - pairBytes(len(field), len(was))
	return false
}

func (b *hashBig) del(field []byte) bool {
	hash := Hash64(field)
	p := b.d.find(hash, view(field))
	if p.p == nil {
		return false
	}
	_, val := p.split()
	b.bytes -= pairBytes(len(field), len(val))
	return b.d.remove(hash, p)
}

// below maps the random number r to [0, n).
func below(r uint64, n int) int { return int(mix(r) % uint64(n)) }
