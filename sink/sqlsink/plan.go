package sqlsink

import "github.com/lullcache/lull/sink"

// work is one operation of a batch with all its rows.
type work struct {
	op    *Op
	rows  []*sink.Row
	table int // index of the table in the batch
}

// removes reports whether w takes rows away.
func (w *work) removes() bool {
	return w.op.Kind != sink.LetterPut && w.op.Kind != sink.LetterAppend
}

// plan is a batch in the order in which it is applied.
type plan struct {
	works  []*work
	parked []*sink.Reason // by table
}

// planOf puts b in order: removals from the last table to the first, then rows
// from the first to the last.
func planOf(b *sink.Batch) *plan {
	p := &plan{parked: make([]*sink.Reason, len(b.Tables))}
	for i := len(b.Tables) - 1; i >= 0; i-- {
		t := &b.Tables[i]
		p.parked[i] = t.Parked
		if t.Truncate {
			p.add(i, &Op{Table: t.Table, Kind: sink.LetterTruncate, Where: t.Where}, make([]sink.Row, 1))
		}
		p.add(i, &Op{Table: t.Table, Kind: sink.LetterClear, By: t.ClearBy}, t.Clear)
		p.add(i, &Op{Table: t.Table, Kind: sink.LetterDelete, By: t.Key}, t.Delete)
	}
	for i := range b.Tables {
		t := &b.Tables[i]
		for _, g := range t.Put {
			kind := sink.LetterPut
			if g.Mode == sink.Append {
				kind = sink.LetterAppend
			}
			p.add(i, &Op{Table: t.Table, Kind: kind, By: t.Key, Columns: g.Columns, Mode: g.Mode}, g.Rows)
		}
	}
	return p
}

func (p *plan) add(table int, op *Op, rows []sink.Row) {
	if len(rows) == 0 {
		return
	}
	w := &work{op: op, table: table, rows: make([]*sink.Row, len(rows))}
	for i := range rows {
		w.rows[i] = &rows[i]
	}
	p.works = append(p.works, w)
}

// numbers gives each row its place in the plan.
func (p *plan) numbers() map[*sink.Row]int {
	places := make(map[*sink.Row]int)
	for _, w := range p.works {
		for _, row := range w.rows {
			places[row] = len(places)
		}
	}
	return places
}
