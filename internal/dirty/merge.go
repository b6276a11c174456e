package dirty

import "github.com/lullcache/lull/internal/change"

// Merge brings later, which holds the changes that came next, into s, as if they
// had been applied here. It takes later's keys over: later is empty afterwards.
func (s *Set) Merge(later *Set) {
	for space := range later.spaces {
		for db := range later.spaces[space] {
			if from := &later.spaces[space][db]; from.cleared || from.keys.n > 0 {
				s.mergeMap(s.mapOf(uint16(space), uint8(db)), from)
			}
		}
	}
	*later = Set{def: later.def, hint: later.hint}
}

func (s *Set) mergeMap(m, later *keyMap) {
	if later.cleared {
		s.clearAll(m)
		m.keys.reserve(later.keys.n)
		for k := range later.keys.all {
			s.adopt(m, k)
		}
		return
	}
	m.keys.reserve(m.keys.n + later.keys.n)
	for k := range later.keys.all {
		held := m.keys.find(k.hash, k.name)
		switch {
		case k.cleared && !m.cleared:
			if held != nil {
				s.drop(m, held)
			}
			s.adopt(m, k)
		case k.cleared || held == nil && m.cleared:
			if held != nil {
				s.drop(m, held)
			}
			s.adoptCleared(m, k)
		case held == nil:
			s.adopt(m, k)
		default:
			s.mergeKey(m, held, k)
		}
	}
}

// adopt puts k into m as it is.
func (s *Set) adopt(m *keyMap, k *Key) {
	s.add(m, k)
	s.rows += k.ops()
	s.bytes += k.bytes()
}

// adoptCleared puts k into m, which was cleared: none of its rows can be in SQL.
func (s *Set) adoptCleared(m *keyMap, k *Key) {
	left := s.newKey(k.name, k.hash)
	s.layRows(left, k, true)
	if left.ops() > 0 {
		s.adopt(m, left)
	}
}

// overNothing makes r what it is where SQL has no row, and reports whether anything
// is left of it.
func (r *Row) overNothing() bool {
	switch r.State {
	case Delete, Gone:
		return false
	case Recreate:
		r.State = r.created()
	}
	r.Known = change.Absent
	return true
}

// created returns the state of a Recreate's row where nothing is to be deleted.
func (r *Row) created() State {
	if r.Seq != 0 {
		return Append
	}
	return Put
}

func (s *Set) mergeKey(m *keyMap, held, later *Key) {
	s.rows -= held.ops()
	s.bytes -= held.bytes()
	held.detach()
	s.layRows(held, later, m.cleared || held.cleared)
	s.rows += held.ops()
	s.bytes += held.bytes()
	if held.ops() == 0 {
		s.drop(m, held)
	}
}

// layRows merges later's rows into k. cleared says that SQL has none of them once what
// came before is in.
func (s *Set) layRows(k, later *Key, cleared bool) {
	var buf [64]byte
	for r := range later.Each {
		id := appendID(buf[:0], r.Table, r.Name)
		at := k.find(id)
		if at != noRow {
			was := viewOf(k.row(at))
			s.cells = was.merge(&r, s.cells[:0])
			r = was
		} else {
			s.cells = r.Cells.AppendTo(s.cells[:0])
		}
		there := !cleared || r.overNothing()
		switch {
		case at == noRow && there:
			k.add(id, r, s.cells)
		case at == noRow:
		case there:
			k.replace(at, id, r, s.cells)
		default:
			k.remove(at)
		}
	}
	clear(s.cells)
}

// merge makes r, but for its cells, what it is after later, and appends what these then
// are to dst.
func (r *Row) merge(later *Row, dst []change.Cell) []change.Cell {
	switch later.State {
	case Gone:
		// It came and went: whatever r says of its absence stays.
	case Delete:
		r.remove()
	case Recreate:
		r.remove()
		r.putOver(later.Seq != 0, later.Seq)
		return later.Cells.AppendTo(dst)
	default:
		r.putOver(later.State == Append, later.Seq)
		return mergeCells(r.Cells.AppendTo(dst), later.Cells.AppendTo(nil))
	}
	return r.Cells.AppendTo(dst)
}
