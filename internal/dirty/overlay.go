package dirty

import (
	"strings"

	"github.com/lullcache/lull/internal/change"
)

// Rows is what a load has read of one key, onto which what SQL has not seen is laid.
// Calls come in the order: Clear, then Put and Delete of different rows.
type Rows interface {
	// Clear drops all rows.
	Clear()
	// Put lays cells over the row, which need not be there. With recreate the row
	// that was read is forgotten first. The values may be kept, the slice may not.
	Put(table uint16, row string, cells []change.Cell, recreate bool)
	// Delete drops the row, if it is there.
	Delete(table uint16, row string)
}

// Overlay lays what is dirty of a key over rows and reports whether anything was.
// Laying the same changes again changes nothing.
func (s *Set) Overlay(space uint16, db uint8, key string, rows Rows) (dirty bool) {
	cleared, k := s.Cleared(space, db), s.Find(space, db, key)
	if cleared || k != nil && k.Cleared() {
		rows.Clear()
	}
	if k == nil {
		return cleared
	}
	var cells []change.Cell
	for r := range k.Each {
		name := strings.Clone(r.Name) // what rows keep may not change with the set
		if r.State == Delete || r.State == Gone {
			rows.Delete(r.Table, name)
			continue
		}
		cells = Cells(strings.Clone(string(r.Cells))).AppendTo(cells[:0])
		rows.Put(r.Table, name, cells, r.State == Recreate)
	}
	return true
}

// Changes calls yield with changes that, applied to an empty set in this order, give
// this set again, until yield returns false: for a checkpoint. Seq is 0 where it does
// not matter. It reports whether it came to the end.
func (s *Set) Changes(yield func(change.Placed) bool) bool {
	for space := range s.spaces {
		table := s.tableOf(uint16(space))
		for db := range s.spaces[space] {
			m := &s.spaces[space][db]
			c := change.Change{Op: change.ClearTable, Table: table, DB: uint8(db)}
			if m.cleared && !yield(change.Placed{Change: c}) {
				return false
			}
			for _, k := range m.all {
				c.Key = k.Name()
				if !k.changes(c, yield) {
					return false
				}
			}
		}
	}
	return true
}

func (k *Key) changes(c change.Change, yield func(change.Placed) bool) bool {
	c.Op = change.Clear
	if k.Cleared() && !yield(change.Placed{Change: c}) {
		return false
	}
	var cells []change.Cell // of this row, behind those of others
	for r := range k.Each {
		if len(cells) > 1<<10 {
			cells = nil
		}
		c.Table, c.Row = r.Table, r.Name
		remove, put := change.Placed{Change: c}, change.Placed{Seq: r.Seq, Change: c}
		remove.Op, put.Op = change.Delete, change.Set
		if r.State == Append || r.State == Recreate && r.created() == Append {
			put.Op = change.Append
		}
		from := len(cells)
		cells = r.Cells.AppendTo(cells)
		put.Known, put.Cells = r.Known, cells[from:len(cells):len(cells)]
		on := true
		switch r.State {
		case Put, Append:
			on = yield(put)
		case Delete:
			on = yield(remove)
		case Recreate:
			on = yield(remove) && yield(put)
		case Gone:
			on = yield(put) && yield(remove)
		}
		if !on {
			return false
		}
	}
	return true
}

// tableOf returns a table of the space.
func (s *Set) tableOf(space uint16) uint16 {
	for i := range s.def {
		if s.def[i].Space == space {
			return uint16(i)
		}
	}
	return 0
}
