package dirty

import "github.com/lullcache/lull/internal/change"

// Merge brings later, which holds the changes that came next, into s, as if they
// had been applied here. It takes later's keys over: later is empty afterwards. What was
// read of s before stays as it was.
func (s *Set) Merge(later *Set) {
	for space := range later.spaces {
		for db := range later.spaces[space] {
			if from := &later.spaces[space][db]; from.cleared || from.n > 0 {
				s.mergeMap(s.mapOf(uint16(space), uint8(db)), from)
			}
		}
	}
	*later = Set{def: later.def, hint: later.hint}
}

func (s *Set) mergeMap(m, later *keyMap) {
	if later.cleared {
		s.clearAll(m)
	}
	m.frozen = true
	if later.cleared || m.n == 0 && !m.cleared {
		*m = *later
		m.frozen = true
		for _, k := range m.all {
			s.count(k)
		}
		return
	}
	m.reserve(m.n + later.n)
	for _, k := range later.all {
		hash := k.hash()
		i := m.place(hash, k.Name())
		switch {
		case k.Cleared() && !m.cleared:
			if i != noRow {
				s.drop(m, i)
			}
			s.adopt(m, hash, k)
		case k.Cleared() || i == noRow && m.cleared:
			if i != noRow {
				s.drop(m, i)
			}
			s.layRows(m, s.add(m, hash, k.Name()), k, true)
		case i == noRow:
			s.adopt(m, hash, k)
		default:
			m.detach(i)
			s.layRows(m, i, k, m.cleared || m.key(i).Cleared())
		}
	}
	if m.gaps > gapsMin && m.gaps*gapsFactor > m.words {
		m.compact()
	}
}

// adopt puts k of another set into m as it is.
func (s *Set) adopt(m *keyMap, hash uint64, k *Key) {
	s.count(k)
	if b := k.big(); b != nil {
		m.insert(hash, m.putBig(b))
		return
	}
	m.insert(hash, m.copyOf(k, recordWords(len(k.bytes()))))
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

// layRows merges later's rows into the key in a slot, which nobody reads, and drops it if
// nothing is left. cleared says that SQL has none of them once what came before is in.
func (s *Set) layRows(m *keyMap, i int, later *Key, cleared bool) {
	var buf [64]byte
	for r := range later.Each {
		id := appendID(buf[:0], r.Table, r.Name)
		k := m.key(i)
		at := s.find(m, i, id)
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
			s.addRow(m, i, id, r, s.cells)
		case at == noRow:
		case there:
			s.replaceRow(m, i, at, id, r, s.cells)
		default:
			s.removeRow(m, i, at)
		}
	}
	clear(s.cells)
	if m.key(i).ops() == 0 {
		s.drop(m, i)
	}
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
