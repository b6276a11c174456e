package dirty

import "github.com/lullcache/lull/internal/change"

// rows are the rows of a key beyond its first. A few are found by going over them: that
// is quicker than a map and takes a third of its memory.
type rows struct {
	few  []*Row
	many map[rowID]*Row // above fewRows, in few's place
}

// fewRows is the most rows that are gone over.
const fewRows = 8

type rowID struct {
	row   string
	table uint16
}

// rowSpace is a row with space for its cell.
type rowSpace struct {
	Row
	cell [1]change.Cell
}

func (x *rows) find(table uint16, row string) *Row {
	if x == nil {
		return nil
	}
	for _, r := range x.few {
		if r.table == table && r.row == row {
			return r
		}
	}
	return x.many[rowID{row, table}]
}

// add returns a new row without a state.
func (x *rows) add(table uint16, row string) *Row {
	space := &rowSpace{Row: Row{table: table, row: row}}
	r := &space.Row
	r.Cells = space.cell[:0]
	if x.many == nil && len(x.few) < fewRows {
		x.few = append(x.few, r)
		return r
	}
	if x.many == nil {
		x.many = make(map[rowID]*Row, 2*fewRows)
		for _, f := range x.few {
			x.many[rowID{f.row, f.table}] = f
		}
		x.few = nil
	}
	x.many[rowID{row, table}] = r
	return r
}

func (x *rows) remove(r *Row) {
	delete(x.many, rowID{r.row, r.table})
	for i := range x.few {
		if x.few[i] == r {
			last := len(x.few) - 1
			x.few[i], x.few[last] = x.few[last], nil
			x.few = x.few[:last]
			return
		}
	}
}

func (x *rows) count() int {
	if x == nil {
		return 0
	}
	return len(x.few) + len(x.many)
}

// each calls f for every row. f may remove the row: the last one takes its place, and was
// there before.
func (x *rows) each(f func(table uint16, row string, r *Row)) {
	if x == nil {
		return
	}
	for i := len(x.few) - 1; i >= 0; i-- {
		r := x.few[i]
		f(r.table, r.row, r)
	}
	for id, r := range x.many {
		f(id.table, id.row, r)
	}
}
