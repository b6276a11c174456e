package flush

import (
	"maps"

	"github.com/lullcache/lull/sink"
)

// TableStats is what has become of the changes of one table of the dictionary.
type TableStats struct {
	// Operations is how many the database has taken since the start, those that it
	// refused included.
	Operations uint64
	Letters    int // now
	// Parked is why the table is parked; nil if it is not.
	Parked *sink.Reason
}

// Tables returns the stats of the tables that have any, by number.
func (f *Flusher) Tables() map[uint16]TableStats {
	all := make(map[uint16]TableStats)
	m := &f.stats
	m.mu.Lock()
	for table, n := range m.operations {
		all[table] = TableStats{Operations: n}
	}
	for table, reason := range m.parked {
		s := all[table]
		s.Parked = &reason
		all[table] = s
	}
	m.mu.Unlock()
	f.aside.mu.RLock()
	defer f.aside.mu.RUnlock()
	for table, n := range f.aside.perTable {
		s := all[table]
		s.Letters = n
		all[table] = s
	}
	return all
}

// taken counts operations that are in.
func (m *meter) taken(ops []op) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.operations == nil {
		m.operations = make(map[uint16]uint64)
	}
	for run := range runs(ops) {
		m.operations[run[0].table] += uint64(len(run))
	}
}

func (m *meter) parkedAre(parked map[uint16]sink.Reason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s.ParkedTables, m.parked = len(parked), maps.Clone(parked)
}
