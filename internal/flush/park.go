package flush

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/lullcache/lull/sink"
)

// park has a table's changes wait in letters from now on, and with it those of the
// tables that reference it.
func (f *Flusher) park(table uint16, reason sink.Reason) {
	if _, ok := f.parked[table]; ok {
		return
	}
	f.parked[table] = reason
	f.lookAt = f.now().Add(f.o.LookEvery)
	name := f.target(table).Table
	if f.tried[table] != reason {
		f.event(Event{Kind: TableParked, Table: name.String(), Text: reason.Message})
	}
	f.stats.parkedAre(f.parked)
	for other := range f.o.Dictionary {
		if t := f.targets[uint16(other)]; t != nil && references(t.Table, name) {
			f.park(uint16(other), sink.Reason{Code: reason.Code, Message: fmt.Sprintf("references %s: %s", name, reason.Message)})
		}
	}
}

// parkLettered parks the tables for which letters wait as parked, as they do after a
// restart: what waits goes in before anything that came after it.
func (f *Flusher) parkLettered() {
	for _, l := range slices.SortedFunc(maps.Values(f.aside.letters), byNumber) {
		if l.found && l.State == sink.Parked {
			f.park(l.table, l.Reason)
			f.lookAt = f.now()
		}
	}
}

// parkNamed parks the table that an error names. It reports false if there is none.
func (f *Flusher) parkNamed(e *sink.Error) (found bool) {
	reason := e.Reason
	if reason.Message == "" && e.Err != nil {
		reason.Message = e.Err.Error()
	}
	for _, table := range slices.Sorted(maps.Keys(f.targets)) {
		t := f.targets[table].Table
		if _, already := f.parked[table]; !already && t.Name == e.Table && t.Schema == e.Schema {
			f.park(table, reason)
			found = true
		}
	}
	return found
}

// parkMissing parks the tables of which ops name columns that are no longer there.
func (f *Flusher) parkMissing(ops []op) {
	for run := range runs(ops) {
		table := run[0].table
		t := f.target(table)
		if _, ok := f.parked[table]; ok || !slices.Contains(t.Cells, -1) {
			continue
		}
		if col := missing(run, t); col >= 0 {
			def := &f.o.Dictionary[table]
			f.targets[table] = namesTarget(def, t.Order)
			f.park(table, sink.Reason{Message: fmt.Sprintf("column %s does not exist", def.Columns[col])})
		}
	}
}

// missing returns a column that one of ops writes and t does not have, -1 if there is none.
func missing(ops []op, t *Target) int {
	for i := range ops {
		if ops[i].kind < opPut {
			continue
		}
		for _, c := range ops[i].cells.AppendTo(nil) {
			if t.Cells[c.Col] < 0 {
				return int(c.Col)
			}
		}
	}
	return -1
}

// runs yields the operations on one table that stand together.
func runs(ops []op) iter.Seq[[]op] {
	return func(yield func([]op) bool) {
		for from, to := 0, 0; from < len(ops); from = to {
			for to < len(ops) && ops[to].table == ops[from].table {
				to++
			}
			if !yield(ops[from:to]) {
				return
			}
		}
	}
}

func references(t, parent *sink.Table) bool {
	return slices.ContainsFunc(t.ForeignKeys, func(k sink.ForeignKey) bool {
		return k.RefTable == parent.Name && k.RefSchema == parent.Schema
	}) && t != parent
}

// look looks at the parked tables again. What waits for those that are right goes
// in, before any change that comes after it.
func (f *Flusher) look(ctx context.Context) error {
	right := map[uint16]bool{}
	for _, table := range slices.Sorted(maps.Keys(f.parked)) {
		if err := f.o.Look(ctx, table); err == nil {
			right[table] = true
		} else if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	for table := range right {
		delete(f.targets, table)
	}
	for changed := true; changed; {
		changed = false
		for table := range right {
			if f.waits(table, right) {
				delete(right, table)
				changed = true
			}
		}
	}
	if len(right) == 0 {
		return nil
	}
	return f.unpark(ctx, right)
}

// waits reports whether a table that looks right has to wait all the same: its target
// cannot be had, or it references one that is still parked.
func (f *Flusher) waits(table uint16, right map[uint16]bool) bool {
	t, err := f.o.Targets(table)
	if err != nil || t == nil {
		return true
	}
	for other := range f.parked {
		if !right[other] && references(t.Table, f.target(other).Table) {
			return true
		}
	}
	return false
}

func (f *Flusher) unpark(ctx context.Context, right map[uint16]bool) error {
	f.tried = map[uint16]sink.Reason{}
	defer func() { f.tried = nil }()
	for table := range right {
		f.tried[table] = f.parked[table]
		delete(f.parked, table)
	}
	letters := slices.DeleteFunc(slices.Collect(maps.Values(f.aside.letters)), func(l *letter) bool {
		return !right[l.table] || l.State != sink.Parked
	})
	if err := f.sendLetters(ctx, letters); err != nil {
		return err
	}
	for _, table := range slices.Sorted(maps.Keys(right)) {
		if _, again := f.parked[table]; !again {
			f.event(Event{Kind: TableBack, Table: f.target(table).Table.String()})
		}
	}
	f.stats.parkedAre(f.parked)
	return nil
}
