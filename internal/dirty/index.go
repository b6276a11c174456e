package dirty

import (
	"hash/maphash"
	"unsafe"

	"github.com/lullcache/lull/internal/prefetch"
)

// index finds keys by their names. It is open-addressed, with the hashes beside the
// pointers, so that a look-up reads one place and then the Key, and so that both can be
// fetched ahead, which a map's insides cannot.
type index struct {
	slots []slot // a power of two, or none
	n     int
}

type slot struct {
	hash uint64
	k    *Key // nil: free
}

const slotsMin = 8

var hashSeed = maphash.MakeSeed()

func hashOf(name string) uint64 { return maphash.String(hashSeed, name) }

// find returns the key of that name, or nil.
func (x *index) find(name string) *Key {
	if x.n == 0 {
		return nil
	}
	return x.slots[x.place(hashOf(name), name)].k
}

// place returns where the key is, or the free slot where it would go.
func (x *index) place(hash uint64, name string) int {
	mask := len(x.slots) - 1
	i := int(hash) & mask
	for x.slots[i].k != nil && (x.slots[i].hash != hash || x.slots[i].k.name != name) {
		i = (i + 1) & mask
	}
	return i
}

// put adds k, whose name must not be there.
func (x *index) put(k *Key) {
	x.reserve(x.n + 1)
	hash := hashOf(k.name)
	x.slots[x.place(hash, k.name)] = slot{hash, k}
	x.n++
}

// reserve makes room for n keys. Who adds many in the order of another index has to
// reserve first: they would crowd the low places of a table that is too small.
func (x *index) reserve(n int) {
	if n <= len(x.slots)*5/8 {
		return
	}
	size := max(slotsMin, 2*len(x.slots))
	for n > size*5/8 {
		size *= 2
	}
	old := x.slots
	x.slots = make([]slot, size)
	for _, s := range old {
		if s.k == nil {
			continue
		}
		i := int(s.hash) & (size - 1)
		for x.slots[i].k != nil {
			i = (i + 1) & (size - 1)
		}
		x.slots[i] = s
	}
}

// remove takes out the key of that name, which is there, and moves later ones of
// the run up, so that no probe ends in a gap before its key.
func (x *index) remove(name string) {
	mask := len(x.slots) - 1
	i := x.place(hashOf(name), name)
	for j := (i + 1) & mask; x.slots[j].k != nil; j = (j + 1) & mask {
		if (j-int(x.slots[j].hash))&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = slot{}
	x.n--
}

// all yields the keys, in no order. None may be added or removed meanwhile.
func (x *index) all(yield func(*Key) bool) {
	for i := range x.slots {
		if k := x.slots[i].k; k != nil && !yield(k) {
			return
		}
	}
}

// Approach fetches the place where a dirty key would be found, as the first of three
// steps that do not wait for memory; see keyspace.Table.Approach. It returns what Guess
// wants, 0 if nothing is dirty there.
func (s *Set) Approach(space uint16, db uint8, key []byte) (hash uint64) {
	x := s.indexOf(space, db)
	if x == nil {
		return 0
	}
	hash = maphash.Bytes(hashSeed, key)
	prefetch.Line(unsafe.Pointer(&x.slots[int(hash)&(len(x.slots)-1)]))
	return hash
}

// Guess fetches the Key that is most likely the one, and returns it, or nil.
func (s *Set) Guess(space uint16, db uint8, hash uint64) *Key {
	x := s.indexOf(space, db)
	if x == nil || hash == 0 {
		return nil
	}
	mask := len(x.slots) - 1
	for i := int(hash) & mask; x.slots[i].k != nil; i = (i + 1) & mask {
		if k := x.slots[i].k; x.slots[i].hash == hash {
			prefetch.Line(unsafe.Pointer(k))
			prefetch.Line(unsafe.Pointer(&k.inline))
			return k
		}
	}
	return nil
}

// Approach fetches what the Key points to first. The set must be the one that Guess
// was asked, and still guarded.
func (k *Key) Approach() {
	prefetch.Line(unsafe.Pointer(unsafe.SliceData(k.one.Cells)))
}

func (s *Set) indexOf(space uint16, db uint8) *index {
	if int(space) >= len(s.spaces) || int(db) >= len(s.spaces[space]) || s.spaces[space][db].keys.n == 0 {
		return nil
	}
	return &s.spaces[space][db].keys
}
