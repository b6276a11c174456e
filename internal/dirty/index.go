package dirty

import (
	"unsafe"

	"github.com/lullcache/lull/internal/prefetch"
)

// table finds what it holds by hashes. It is open-addressed, with the hashes beside the
// pointers, so that a look-up reads one place and then what was sought, and so that both
// can be fetched ahead, which a map's insides cannot.
type table[T any] struct {
	slots []slot[T] // a power of two, or none
	n     int
}

type slot[T any] struct {
	hash uint64
	to   *T // nil: free
}

const slotsMin = 8

// insert puts in what is not there.
func (x *table[T]) insert(hash uint64, to *T) {
	x.reserve(x.n + 1)
	x.slots[x.free(hash)] = slot[T]{hash, to}
	x.n++
}

// home returns the slot at which a hash's probe begins. The hashes of a shard's keys all
// have the same low bits.
func (x *table[T]) home(hash uint64) int { return int(hash>>16) & (len(x.slots) - 1) }

// free returns the slot where the next of that hash goes.
func (x *table[T]) free(hash uint64) int {
	i := x.home(hash)
	for x.slots[i].to != nil {
		i = (i + 1) & (len(x.slots) - 1)
	}
	return i
}

// reserve makes room for n. Who adds many in the order of another table has to reserve
// first: they would crowd the low places of a table that is too small.
func (x *table[T]) reserve(n int) {
	if n <= len(x.slots)*5/8 {
		return
	}
	size := max(slotsMin, 2*len(x.slots))
	for n > size*5/8 {
		size *= 2
	}
	old := x.slots
	x.slots = make([]slot[T], size)
	for _, s := range old {
		if s.to != nil {
			x.slots[x.free(s.hash)] = s
		}
	}
}

// guess returns the first with that hash, or nil.
func (x *table[T]) guess(hash uint64) *T {
	for i := x.home(hash); x.slots[i].to != nil; i = (i + 1) & (len(x.slots) - 1) {
		if x.slots[i].hash == hash {
			return x.slots[i].to
		}
	}
	return nil
}

// remove empties slot i, and moves later ones of the run up, so that no probe ends in a
// gap before what it seeks.
func (x *table[T]) remove(i int) {
	mask := len(x.slots) - 1
	for j := (i + 1) & mask; x.slots[j].to != nil; j = (j + 1) & mask {
		if (j-x.home(x.slots[j].hash))&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = slot[T]{}
	x.n--
}

// all yields what is there, in no order. None may be added or removed meanwhile.
func (x *table[T]) all(yield func(*T) bool) {
	for i := range x.slots {
		if to := x.slots[i].to; to != nil && !yield(to) {
			return
		}
	}
}

// index finds keys by their names and the hashes of these.
type index struct{ table[Key] }

// place returns where the key of that name is, or noRow.
func (x *index) place(hash uint64, name string) int {
	if x.n == 0 {
		return noRow
	}
	for i := x.home(hash); x.slots[i].to != nil; i = (i + 1) & (len(x.slots) - 1) {
		if x.slots[i].hash == hash && x.slots[i].to.name == name {
			return i
		}
	}
	return noRow
}

// find returns the key of that name, or nil.
func (x *index) find(hash uint64, name string) *Key {
	if i := x.place(hash, name); i != noRow {
		return x.slots[i].to
	}
	return nil
}

// Approach fetches the place where a dirty key with that hash would be found, as the
// first of three steps that do not wait for memory; see keyspace.Table.Approach.
func (s *Set) Approach(space uint16, db uint8, hash uint64) {
	if x := s.indexOf(space, db); x != nil {
		prefetch.Line(unsafe.Pointer(&x.slots[x.home(hash)]))
	}
}

// Guess fetches the Key that is most likely the one, and returns it, or nil.
func (s *Set) Guess(space uint16, db uint8, hash uint64) *Key {
	x := s.indexOf(space, db)
	if x == nil {
		return nil
	}
	k := x.guess(hash)
	prefetch.Line(unsafe.Pointer(k))
	return k
}

// Approach fetches what the Key points to first. The set must be the one that Guess
// was asked, and still guarded.
func (k *Key) Approach() {
	if len(k.few) > 0 {
		prefetch.Line(unsafe.Pointer(&k.few[0]))
		prefetch.Line(unsafe.Pointer(&k.few[len(k.few)-1]))
	}
}

// Fetch fetches k itself, FetchRows what it points to first, with its name: for a caller
// that comes to k soon. k may be nil.
func (k *Key) Fetch() { prefetch.Line(unsafe.Pointer(k)) }

// FetchRows is the step after Fetch.
func (k *Key) FetchRows() {
	if k != nil {
		prefetch.Line(unsafe.Pointer(unsafe.StringData(k.name)))
		k.Approach()
	}
}

func (s *Set) indexOf(space uint16, db uint8) *index {
	if int(space) >= len(s.spaces) || int(db) >= len(s.spaces[space]) || s.spaces[space][db].keys.n == 0 {
		return nil
	}
	return &s.spaces[space][db].keys
}

// ApproachRows fetches the places of the rows with these hashes, if the Key has many.
func (k *Key) ApproachRows(hashes []uint64) {
	if k.many == nil {
		return
	}
	for _, h := range hashes {
		prefetch.Line(unsafe.Pointer(&k.many.slots[k.many.home(h)]))
	}
}

// GuessRows is the step after ApproachRows: it fetches the rows that are most likely
// those.
func (k *Key) GuessRows(hashes []uint64) {
	if k.many == nil {
		return
	}
	for _, h := range hashes {
		prefetch.Line(unsafe.Pointer(k.many.guess(h)))
	}
}
