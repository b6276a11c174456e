package dirty

import (
	"unsafe"

	"github.com/lullcache/lull/internal/keyhash"
	"github.com/lullcache/lull/internal/prefetch"
)

// keyMap is the keys of one space in one database. They are found by the hashes of their
// names, in an open-addressed table with a part of the hashes in it: a look-up reads one
// place and then what was sought, and both can be fetched ahead, which a map's insides
// cannot.
type keyMap struct {
	arena
	slots   []slot
	n       int  // keys
	cleared bool // ClearTable came
}

// slot is the high half of a hash, and where the key is; 0 is free.
type slot uint64

func slotFor(hash uint64, r ref) slot { return slot(hash&^(1<<32-1) | uint64(r)) }

func (s slot) ref() ref { return ref(s) }

// is reports whether the slot's key has the same hash, as far as the slot knows.
func (s slot) is(hash uint64) bool { return uint64(s)^hash < 1<<32 }

const slotsMin = 8

// home returns the slot at which a hash's probe begins. The hashes of a shard's keys all
// have the same low bits.
func (m *keyMap) home(hash uint64) int { return int(hash >> 32 * uint64(len(m.slots)) >> 32) }

func (m *keyMap) next(i int) int {
	if i++; i == len(m.slots) {
		return 0
	}
	return i
}

// place returns the slot of the key of that name, or noRow.
func (m *keyMap) place(hash uint64, name string) int {
	if m.n == 0 {
		return noRow
	}
	for i := m.home(hash); m.slots[i] != 0; i = m.next(i) {
		if m.slots[i].is(hash) && m.key(i).Name() == name {
			return i
		}
	}
	return noRow
}

// slotOf returns the slot of the key k at r.
func (m *keyMap) slotOf(r ref, k *Key) int {
	i := m.home(k.hash())
	for m.slots[i].ref() != r {
		i = m.next(i)
	}
	return i
}

// key returns the key in slot i.
func (m *keyMap) key(i int) *Key { return m.at(m.slots[i].ref()) }

// find returns the key of that name, or nil.
func (m *keyMap) find(hash uint64, name string) *Key {
	if i := m.place(hash, name); i != noRow {
		return m.key(i)
	}
	return nil
}

// insert puts in the key at r, whose name is not there, and returns its slot.
func (m *keyMap) insert(hash uint64, r ref) int {
	m.reserve(m.n + 1)
	i := m.vacant(hash)
	m.slots[i] = slotFor(hash, r)
	m.n++
	return i
}

// vacant returns the slot where the next of that hash goes.
func (m *keyMap) vacant(hash uint64) int {
	i := m.home(hash)
	for m.slots[i] != 0 {
		i = m.next(i)
	}
	return i
}

// reserve makes room for n: three quarters of the slots are used at most, half of them
// once there are more.
func (m *keyMap) reserve(n int) {
	if n <= len(m.slots)*3/4 {
		return
	}
	old := m.slots
	m.slots = make([]slot, max(slotsMin, len(old)+len(old)/2, n+n/3+1))
	for _, s := range old {
		if s != 0 {
			m.slots[m.vacant(uint64(s))] = s
		}
	}
}

// vacate empties slot i, and moves later ones of the run up, so that no probe ends in a
// gap before what it seeks.
func (m *keyMap) vacate(i int) {
	distance := func(from, to int) int {
		if to < from {
			return to - from + len(m.slots)
		}
		return to - from
	}
	for j := m.next(i); m.slots[j] != 0; j = m.next(j) {
		if distance(m.home(uint64(m.slots[j])), j) >= distance(i, j) {
			m.slots[i] = m.slots[j]
			i = j
		}
	}
	m.slots[i] = 0
	m.n--
}

// Approach fetches the place where a dirty key with that hash would be found, as the
// first of three steps that do not wait for memory; see keyspace.Table.Approach.
func (s *Set) Approach(space uint16, db uint8, hash uint64) {
	if m := s.mapAt(space, db); m != nil {
		prefetch.Line(unsafe.Pointer(&m.slots[m.home(hash)]))
	}
}

// Guess fetches the Key that is most likely the one, and returns it, or nil.
func (s *Set) Guess(space uint16, db uint8, hash uint64) *Key {
	m := s.mapAt(space, db)
	if m == nil {
		return nil
	}
	for i := m.home(hash); m.slots[i] != 0; i = m.next(i) {
		if m.slots[i].is(hash) {
			k := m.key(i)
			prefetch.Line(unsafe.Pointer(k))
			return k
		}
	}
	return nil
}

// Fetch fetches k itself, FetchRows its name and rows: for a caller that comes to k soon.
// k may be nil.
func (k *Key) Fetch() { prefetch.Line(unsafe.Pointer(k)) }

// FetchRows is the step after Fetch, or after Guess of the same set, still guarded.
func (k *Key) FetchRows() {
	switch {
	case k == nil:
	case k.flags&keyBig == 0:
		prefetch.Line(unsafe.Add(unsafe.Pointer(k), min(lineBytes, int(k.words-1)*wordBytes)))
		prefetch.Line(unsafe.Add(unsafe.Pointer(k), int(k.words-1)*wordBytes))
	default:
		b := k.big()
		prefetch.Line(unsafe.Pointer(unsafe.StringData(b.name)))
		if len(b.few) > 0 {
			prefetch.Line(unsafe.Pointer(&b.few[0]))
			prefetch.Line(unsafe.Pointer(&b.few[len(b.few)-1]))
		}
		if last := len(b.run) - 1; last >= 0 {
			prefetch.Line(unsafe.Pointer(&b.run[last][len(b.run[last])-1]))
		}
	}
}

const lineBytes = 64

func (k *Key) hash() uint64 { return keyhash.String(k.Name()) }

// mapAt returns the keys of a space in a database, nil if there are none.
func (s *Set) mapAt(space uint16, db uint8) *keyMap {
	if int(space) >= len(s.spaces) || int(db) >= len(s.spaces[space]) || s.spaces[space][db].n == 0 {
		return nil
	}
	return &s.spaces[space][db]
}

// ApproachRow fetches the place of the row whose name has this hash, if the Key has many. k may
// be nil.
func (k *Key) ApproachRow(hash uint64) {
	if k == nil {
		return
	}
	if many := k.many(); many != nil {
		prefetch.Line(unsafe.Pointer(&many.slots[many.home(hash)]))
	}
}

// GuessRow is the step after ApproachRow: it fetches the row that is most likely that.
func (k *Key) GuessRow(hash uint64) {
	if k == nil {
		return
	}
	if many := k.many(); many != nil {
		prefetch.Line(unsafe.Pointer(many.guess(hash)))
	}
}
