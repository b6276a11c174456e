package keyspace

import "unsafe"

// An entry's key stands behind its other fields, in the same allocation: an Entry has room for
// a few bytes, keyed for more. So an entry with a key of the usual length is 64 bytes, one line
// of the cache, and what compares keys has read it already.
type keyed[K any] struct {
	Entry
	more K
}

const (
	keyRoom = 7 // of an Entry
	// keyInMax is the longest key that is in its entry, keyApart the length that says that it
	// is not, but in a string behind.
	keyInMax = keyRoom + 80
	keyApart = 255
)

// NewEntry returns an entry without payload. It copies key.
func NewEntry(key []byte) *Entry {
	if len(key) > keyInMax {
		e := &keyed[string]{more: string(key)}
		e.keyLen = keyApart
		return &e.Entry
	}
	e := roomFor(len(key))
	e.keyLen = uint8(len(key))
	copy(unsafe.Slice(&e.key[0], len(key)), key)
	return e
}

// roomFor returns an entry with room for a key of n bytes, of the sizes that the allocator has.
func roomFor(n int) *Entry {
	switch more := n - keyRoom; {
	case more <= 0:
		return &Entry{}
	case more <= 16:
		return &new(keyed[[16]byte]).Entry
	case more <= 32:
		return &new(keyed[[32]byte]).Entry
	case more <= 48:
		return &new(keyed[[48]byte]).Entry
	case more <= 64:
		return &new(keyed[[64]byte]).Entry
	default:
		return &new(keyed[[keyInMax - keyRoom]byte]).Entry
	}
}

// Key returns the Redis key. The string is part of the entry.
func (e *Entry) Key() string {
	if e.keyLen == keyApart {
		return (*keyed[string])(unsafe.Pointer(e)).more
	}
	return unsafe.String(&e.key[0], int(e.keyLen))
}

// headBytes returns what e takes with its key.
func (e *Entry) headBytes() int64 {
	switch n := len(e.Key()); {
	case n > keyInMax:
		return int64(unsafe.Sizeof(keyed[string]{})) + sizeClass(n)
	case n > keyRoom:
		return int64(unsafe.Sizeof(*e)) + int64(n-keyRoom+15)&^15
	}
	return int64(unsafe.Sizeof(*e))
}
