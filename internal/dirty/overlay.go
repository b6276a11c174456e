package dirty

import "github.com/lullcache/lull/internal/change"

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
	if cleared || k != nil && k.cleared {
		rows.Clear()
	}
	if k == nil {
		return cleared
	}
	k.Each(func(table uint16, row string, r *Row) {
		if r.State == Delete || r.State == Gone {
			rows.Delete(table, row)
			return
		}
		rows.Put(table, row, r.Cells, r.State == Recreate)
	})
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
			for k := range m.keys.all {
				c.Key = k.name
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
	on := !k.cleared || yield(change.Placed{Change: c})
	put := func(op change.Op, r *Row) {
		c.Op, c.Known, c.Cells = op, r.Known, r.Cells
		on = on && yield(change.Placed{Seq: r.Seq, Change: c})
	}
	remove := func() {
		c.Op, c.Known, c.Cells = change.Delete, change.Unknown, nil
		on = on && yield(change.Placed{Change: c})
	}
	k.Each(func(table uint16, row string, r *Row) {
		c.Table, c.Row = table, row
		switch r.State {
		case Put:
			put(change.Set, r)
		case Append:
			put(change.Append, r)
		case Delete:
			remove()
		case Recreate:
			remove()
			if r.created() == Append {
				put(change.Append, r)
			} else {
				put(change.Set, r)
			}
		case Gone:
			put(change.Set, r)
			remove()
		}
	})
	return on
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
