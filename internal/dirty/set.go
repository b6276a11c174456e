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

// What a set costs beside the bytes of names and rows; measured by
// TestBytesAreNearWhatTheHeapSays.
const (
	keyOverhead  = 28  // a Key, its place in the index, and what its record is larger
	bigOverhead  = 150 // a bigKey, and what its first rows' room is larger
	rowOverhead  = 32  // of a row of a key of many: its place in the rowTable, and what its room is larger
	partOverhead = 24  // of a part of a run
)

// Set is one shard's dirty set. It is not safe for concurrent use: the shard's
// lock guards it.
type Set struct {
	def    change.Dictionary
	hint   int
	spaces [][]keyMap // by space, then by database number
	rows   int
	bytes  int64
	keys   int
	cells  []change.Cell // for use within a call
	row    []byte        // the same
}

// New returns an empty set for the tables in def, which may not change while the
// set lives. rowsHint is the number of keys expected, 0 if that is not known.
func New(def change.Dictionary, rowsHint int) *Set { return &Set{def: def, hint: rowsHint} }

// Rows returns the number of operations held: rows, cleared keys, cleared tables.
func (s *Set) Rows() int { return s.rows }

// Bytes returns the memory that the set holds, estimated within about a fifth.
func (s *Set) Bytes() int64 { return s.bytes }

// Keys returns the number of dirty keys.
func (s *Set) Keys() int { return s.keys }

// Empty reports whether nothing is dirty.
func (s *Set) Empty() bool { return s.rows == 0 }

// Apply coalesces c, whose place is seq, into the set. It keeps
// nothing of c. Changes come in the order in which they were made.
//
// ClearTable speaks of the table's whole space, as Clear does, and of c.DB alone
// if the table is PerDB. It has to be applied to the set of every shard.
func (s *Set) Apply(c *change.Change, seq uint64) { s.ApplyHashed(c, keyhash.String(c.Key), seq) }

// ApplyHashed is Apply for a caller that has the hash of c.Key.
func (s *Set) ApplyHashed(c *change.Change, hash, seq uint64) {
	m := s.mapOf(s.def[c.Table].Space, c.DB)
	if m.untidy {
		m.tidy()
	}
	switch c.Op {
	case change.Clear:
		s.clear(m, hash, c.Key, m.place(hash, c.Key))
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
		return s.spaces[space][db].find(keyhash.String(key), key)
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
			for _, k := range s.spaces[space][db].all {
				f(uint16(space), uint8(db), k.Name(), k)
			}
		}
	}
}

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

// add puts a key, whose name m does not have, into m, and returns its slot.
func (s *Set) add(m *keyMap, hash uint64, name string) int {
	if m.n == 0 {
		m.reserve(s.hint)
	}
	i := m.newKey(hash, name)
	s.keys++
	s.bytes += keyOverhead + int64(len(name)) + m.key(i).overhead()
	return i
}

// drop removes the key in a slot with all that it holds.
func (s *Set) drop(m *keyMap, i int) {
	s.discount(m.key(i))
	m.dropKey(i)
}

// count adds what k holds to the totals.
func (s *Set) count(k *Key) {
	s.keys++
	s.rows += k.ops()
	s.bytes += k.size()
}

// discount takes it from them.
func (s *Set) discount(k *Key) {
	s.keys--
	s.rows -= k.ops()
	s.bytes -= k.size()
}

func (s *Set) put(m *keyMap, hash uint64, c *change.Change, seq uint64) {
	i := m.place(hash, c.Key)
	if c.Known == change.Unknown && c.Table == change.StringsTable && s.def[c.Table].PerDB {
		// The string is new whole, and whatever else the key was goes. Only a clear says
		// so under all that may be merged with it.
		i = s.clear(m, hash, c.Key, i)
	}
	if i == noRow {
		i = s.add(m, hash, c.Key)
	}
	k := m.key(i)
	var buf [64]byte
	id, at := appendID(buf[:0], c.Table, c.Row), noRow
	if c.Known != change.Absent || k.flags&keyRemoved != 0 {
		at = s.find(m, i, id) // a row that was not there is not dirty, unless it was removed
	}
	if at == noRow {
		s.putNew(m, i, id, c, seq)
		return
	}
	row := k.row(at)
	head := idAt(row) + len(id)
	if s := State(row[head] & headState); s != Delete && s != Gone && overwrite(cellsOf(row, head), c.Cells) {
		return
	}
	r := viewOf(row)
	r.putOver(c.Op == change.Append, seq)
	s.cells = mergeCells(r.Cells.AppendTo(s.cells[:0]), c.Cells)
	s.replaceRow(m, i, at, id, r, s.cells)
	clear(s.cells)
}

// putNew puts in a row that is not there.
func (s *Set) putNew(m *keyMap, i int, id []byte, c *change.Change, seq uint64) {
	r, cells := Row{State: Put, Known: c.Known}, c.Cells
	if c.Op == change.Append {
		r.State, r.Seq = Append, seq
	}
	if c.Op == change.Append || m.cleared || m.key(i).Cleared() {
		r.Known = change.Absent
	}
	if !sorted(cells) {
		s.cells = mergeCells(s.cells[:0], cells)
		cells = s.cells
		defer clear(s.cells)
	}
	s.addRow(m, i, id, r, cells)
}

// addRow is keyMap.addRow with the totals.
func (s *Set) addRow(m *keyMap, i int, id []byte, r Row, cells []change.Cell) {
	s.rows++
	s.bytes -= m.key(i).overhead()
	s.bytes += int64(m.addRow(i, id, r, cells)) + m.key(i).overhead()
}

// find returns the place of a row of the key in a slot.
func (s *Set) find(m *keyMap, i int, id []byte) int {
	k := m.key(i)
	at := k.find(id)
	if b := k.big(); at == noRow && b != nil && b.run != nil {
		s.bytes -= k.overhead()
		b.index()
		s.bytes += k.overhead()
		at = k.find(id)
	}
	return at
}

// replaceRow is keyMap.replaceRow with the totals. The parts may share bytes of the former
// row.
func (s *Set) replaceRow(m *keyMap, i, at int, id []byte, r Row, cells []change.Cell) {
	body := bodySize(id, r.Seq, cells)
	s.row = appendRow(s.row[:0], body, id, r, cells)
	s.bytes -= m.key(i).overhead()
	s.bytes += int64(m.replaceRow(i, at, r.State, s.row)) + m.key(i).overhead()
	if cap(s.row) > rowKept {
		s.row = nil
	}
}

// rowKept is the largest room for a row that is kept.
const rowKept = 4 << 10

func (s *Set) delete(m *keyMap, hash uint64, c *change.Change) {
	i := m.place(hash, c.Key)
	var buf [64]byte
	id, at, cleared := appendID(buf[:0], c.Table, c.Row), noRow, m.cleared
	if i != noRow {
		at, cleared = s.find(m, i, id), cleared || m.key(i).Cleared()
	}
	switch {
	case at == noRow && cleared:
	case at == noRow:
		if i == noRow {
			i = s.add(m, hash, c.Key)
		}
		s.addRow(m, i, id, Row{State: Delete}, nil)
	case cleared:
		s.removeRow(m, i, at)
		if m.key(i).ops() == 0 {
			s.drop(m, i)
		}
	default:
		r := viewOf(m.key(i).row(at))
		r.remove()
		s.replaceRow(m, i, at, id, r, nil)
	}
}

// removeRow takes out the row at a place.
func (s *Set) removeRow(m *keyMap, i, at int) {
	k := m.key(i)
	s.rows--
	s.bytes -= k.overhead()
	s.bytes -= int64(k.removeRow(at))
	s.bytes += k.overhead()
}

// clear removes all rows of the key, which is in slot i if that is not noRow. It returns
// the key's slot then, noRow if nothing has to be held of it.
func (s *Set) clear(m *keyMap, hash uint64, name string, i int) int {
	if i != noRow {
		s.drop(m, i)
	}
	if m.cleared {
		return noRow
	}
	i = s.add(m, hash, name)
	m.key(i).flags |= keyCleared
	s.rows++
	return i
}

func (s *Set) clearAll(m *keyMap) {
	for _, k := range m.all {
		s.discount(k)
	}
	if !m.cleared {
		s.rows++
	}
	*m = keyMap{cleared: true}
}
