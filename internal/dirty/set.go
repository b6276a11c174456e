// Package dirty holds the coalesced changes that the database has not seen.
//
// A Set belongs to one shard of the keyspace. A cut swaps the Sets of all shards
// for empty ones at one position of the log; the Cut is what the flusher makes a
// batch of, and what loads lay over the rows they read until the batch is settled.
//
// Applying a run of changes to a Set, or applying its first part to one Set, the
// rest to another and merging the two, gives the same Set: how a run is divided
// into cuts never shows in what reaches the database.
//
// Changes have a place in one order, their seq (see SeqOf). It is made of log
// positions alone, so a Set that was rebuilt by replay equals the one that was lost.
package dirty

import (
	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyhash"
)

// SeqOf returns the place, in the order of all changes, of the change with index
// i in a unit of n changes whose record ends at position. Seqs rise with the log and
// never repeat, since a record is longer than the number of its changes.
func SeqOf(position uint64, n, i int) uint64 { return position - uint64(n) + uint64(i) + 1 }

// What a set costs beside the bytes of its rows; measured by
// TestBytesAreNearWhatTheHeapSays.
const (
	keyOverhead = 110 // a Key, and its place in the index
	rowOverhead = 32  // of a row with a tuple: what its room is larger, or its place in a rowTable
)

// rowBytes returns what a row costs.
func rowBytes(row []byte) int64 {
	if id := idOf(row); id[len(id)-1] == 0 { // no tuple
		return int64(len(row))
	}
	return int64(len(row)) + rowOverhead
}

// Set is one shard's dirty set. It is not safe for concurrent use: the shard's
// lock guards it.
type Set struct {
	def    change.Dictionary
	hint   int
	spaces [][]keyMap // by space, then by database number
	rows   int
	bytes  int64
	keys   int
	room   []Key         // not used yet
	spare  []*Key        // not used any more
	cells  []change.Cell // for use within a call
}

// keyMap is the keys of one space in one database.
type keyMap struct {
	keys    index
	cleared bool // ClearTable came
}

// New returns an empty set for the tables in def, which may not change while the
// set lives. rowsHint is the number of keys expected, 0 if that is not known.
func New(def change.Dictionary, rowsHint int) *Set { return &Set{def: def, hint: rowsHint} }

// Rows returns the number of operations held: rows, cleared keys, cleared tables.
func (s *Set) Rows() int { return s.rows }

// Bytes returns the memory that the set holds, estimated within about a fifth. The names
// of keys, which the keyspace shares, count in full: only the set may be left to hold them.
func (s *Set) Bytes() int64 { return s.bytes }

// Keys returns the number of dirty keys.
func (s *Set) Keys() int { return s.keys }

// Empty reports whether nothing is dirty.
func (s *Set) Empty() bool { return s.rows == 0 }

// Apply coalesces c, whose place is seq, into the set. It keeps c.Key and copies the
// rest. Changes come in the order in which they were made.
//
// ClearTable speaks of the table's whole space, as Clear does, and of c.DB alone
// if the table is PerDB. It has to be applied to the set of every shard.
func (s *Set) Apply(c *change.Change, seq uint64) { s.ApplyHashed(c, keyhash.String(c.Key), seq) }

// ApplyHashed is Apply for a caller that has the hash of c.Key.
func (s *Set) ApplyHashed(c *change.Change, hash, seq uint64) {
	m := s.mapOf(s.def[c.Table].Space, c.DB)
	switch c.Op {
	case change.Clear:
		s.clear(m, hash, c.Key)
	case change.ClearTable:
		s.clearAll(m)
	case change.Delete:
		s.delete(m, hash, c)
	case change.Set, change.Append:
		s.put(m, hash, c, seq)
	default:
		panic("dirty: change of unknown kind")
	}
}

// Find returns what is dirty of a key, or nil. The Key is valid until the set
// changes.
func (s *Set) Find(space uint16, db uint8, key string) *Key {
	if int(space) < len(s.spaces) && int(db) < len(s.spaces[space]) {
		return s.spaces[space][db].keys.find(keyhash.String(key), key)
	}
	return nil
}

// Cleared reports whether all keys of the space in db were removed before what the
// set holds of them now.
func (s *Set) Cleared(space uint16, db uint8) bool {
	return int(space) < len(s.spaces) && int(db) < len(s.spaces[space]) && s.spaces[space][db].cleared
}

// EachKey calls f for every dirty key, in no order.
func (s *Set) EachKey(f func(space uint16, db uint8, key string, k *Key)) {
	for space := range s.spaces {
		for db := range s.spaces[space] {
			slots := s.spaces[space][db].keys.slots
			for i := range slots {
				if later := i + 2*fetchAhead; later < len(slots) {
					slots[later].to.Fetch()
				}
				if later := i + fetchAhead; later < len(slots) {
					slots[later].to.FetchRows()
				}
				if k := slots[i].to; k != nil {
					f(uint16(space), uint8(db), k.name, k)
				}
			}
		}
	}
}

// fetchAhead is how many keys before its turn a key is fetched from memory.
const fetchAhead = 8

// EachCleared calls f for every space and database of which Cleared is true.
func (s *Set) EachCleared(f func(space uint16, db uint8)) {
	for space := range s.spaces {
		for db := range s.spaces[space] {
			if m := &s.spaces[space][db]; m.cleared {
				f(uint16(space), uint8(db))
			}
		}
	}
}

func (s *Set) mapOf(space uint16, db uint8) *keyMap {
	for int(space) >= len(s.spaces) {
		s.spaces = append(s.spaces, nil)
	}
	for int(db) >= len(s.spaces[space]) {
		s.spaces[space] = append(s.spaces[space], keyMap{})
	}
	return &s.spaces[space][db]
}

// keysAtOnce is the most keys that are made in one allocation.
const keysAtOnce = 32

// newKey returns a key that is in no index yet.
func (s *Set) newKey(name string, hash uint64) *Key {
	var k *Key
	if last := len(s.spare) - 1; last >= 0 {
		k, s.spare = s.spare[last], s.spare[:last]
	} else {
		if len(s.room) == 0 {
			s.room = make([]Key, min(1+s.keys/4, keysAtOnce))
		}
		k, s.room = &s.room[0], s.room[1:]
	}
	k.name, k.hash = name, hash
	return k
}

// add puts k, whose name m does not have, into m.
func (s *Set) add(m *keyMap, k *Key) {
	if m.keys.n == 0 {
		m.keys.reserve(s.hint)
	}
	m.keys.insert(k.hash, k)
	s.keys++
	s.bytes += keyOverhead + int64(len(k.name))
}

// drop removes k from m with all that it holds.
func (s *Set) drop(m *keyMap, k *Key) {
	m.keys.remove(m.keys.place(k.hash, k.name))
	s.discount(k)
	*k = Key{} // a key that comes and goes may not fill memory
	s.spare = append(s.spare, k)
}

// discount takes what k holds from the totals.
func (s *Set) discount(k *Key) {
	s.keys--
	s.rows -= k.ops()
	s.bytes -= keyOverhead + int64(len(k.name)) + k.bytes()
}

func (s *Set) put(m *keyMap, hash uint64, c *change.Change, seq uint64) {
	k := m.keys.find(hash, c.Key)
	if c.Known == change.Unknown && c.Table == change.StringsTable && s.def[c.Table].PerDB {
		// The string is new whole, and whatever else the key was goes. Only a clear says
		// so under all that may be merged with it.
		s.clear(m, hash, c.Key)
		k = m.keys.find(hash, c.Key)
	}
	if k == nil {
		k = s.newKey(c.Key, hash)
		s.add(m, k)
	}
	var buf [64]byte
	id, at := appendID(buf[:0], c.Table, c.Row), noRow
	if c.Known != change.Absent || k.removed {
		at = k.find(id) // a row that was not there is not dirty, unless it was removed
	}
	if at == noRow {
		s.putNew(m, k, id, c, seq)
		return
	}
	row := k.row(at)
	head := idAt(row) + len(id)
	if s := State(row[head] & headState); s != Delete && s != Gone && overwrite(cellsOf(row, head), c.Cells) {
		return
	}
	s.bytes -= rowBytes(row)
	r := viewOf(row)
	r.putOver(c.Op == change.Append, seq)
	s.cells = mergeCells(r.Cells.AppendTo(s.cells[:0]), c.Cells)
	k.replace(at, id, r, s.cells)
	clear(s.cells)
	s.bytes += rowBytes(k.row(at))
}

// putNew puts in a row that is not there.
func (s *Set) putNew(m *keyMap, k *Key, id []byte, c *change.Change, seq uint64) {
	r, cells := Row{State: Put, Known: c.Known}, c.Cells
	if c.Op == change.Append {
		r.State, r.Seq = Append, seq
	}
	if c.Op == change.Append || k.cleared || m.cleared {
		r.Known = change.Absent
	}
	if !sorted(cells) {
		s.cells = mergeCells(s.cells[:0], cells)
		cells = s.cells
		defer clear(s.cells)
	}
	s.rows++
	s.bytes += rowBytes(k.add(id, r, cells))
}

func (s *Set) delete(m *keyMap, hash uint64, c *change.Change) {
	k := m.keys.find(hash, c.Key)
	var buf [64]byte
	id, at := appendID(buf[:0], c.Table, c.Row), noRow
	if k != nil {
		at = k.find(id)
	}
	cleared := m.cleared || k != nil && k.cleared
	switch {
	case at == noRow && cleared:
	case at == noRow:
		if k == nil {
			k = s.newKey(c.Key, hash)
			s.add(m, k)
		}
		s.rows++
		s.bytes += rowBytes(k.add(id, Row{State: Delete}, nil))
	case cleared:
		s.removeRow(m, k, at)
	default:
		row := k.row(at)
		s.bytes -= rowBytes(row)
		r := viewOf(row)
		r.remove()
		k.replace(at, id, r, nil)
		s.bytes += rowBytes(k.row(at))
	}
}

// removeRow takes out the row at a place, and k if nothing is left of it.
func (s *Set) removeRow(m *keyMap, k *Key, at int) {
	s.rows--
	s.bytes -= rowBytes(k.row(at))
	k.remove(at)
	if k.ops() == 0 {
		s.drop(m, k)
	}
}

func (s *Set) clear(m *keyMap, hash uint64, name string) {
	if k := m.keys.find(hash, name); k != nil {
		s.drop(m, k)
	}
	if m.cleared {
		return
	}
	k := s.newKey(name, hash)
	k.cleared = true
	s.add(m, k)
	s.rows++
}

func (s *Set) clearAll(m *keyMap) {
	for k := range m.keys.all {
		s.discount(k)
	}
	if !m.cleared {
		s.rows++
	}
	m.keys, m.cleared = index{}, true
}
