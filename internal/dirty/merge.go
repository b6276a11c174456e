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
		held := m.keys.find(k.name)
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
	k.cleared = false
	k.Each(func(_ uint16, _ string, r *Row) {
		if !r.overNothing() {
			k.removeRow(r)
		}
	})
	if k.ops() > 0 {
		s.adopt(m, k)
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
	cleared := m.cleared || held.cleared
	later.Each(func(table uint16, row string, r *Row) {
		was := held.Row(table, row)
		switch {
		case was == nil && (!cleared || r.overNothing()):
			held.take(r)
		case was == nil:
		default:
			was.mergeRow(r)
			if cleared && !was.overNothing() {
				held.removeRow(was)
			}
		}
	})
	s.rows += held.ops()
	s.bytes += held.bytes()
	if held.ops() == 0 {
		s.drop(m, held)
	}
}

// mergeRow makes r what it is after later.
func (r *Row) mergeRow(later *Row) {
	switch later.State {
	case Gone:
		// It came and went: whatever r says of its absence stays.
	case Delete:
		r.remove()
	case Recreate:
		r.remove()
		r.putOver(later.Seq != 0, later.Seq)
		r.own(later.Cells)
	default:
		r.putOver(later.State == Append, later.Seq)
		r.merge(later.Cells)
	}
}
