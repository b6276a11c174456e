package dirty

import (
	"slices"

	"github.com/lullcache/lull/internal/change"
)

// State says what becomes of a row.
type State uint8

// The states of a row.
const (
	// Put: the row gets the values in Cells; what is not in them stays.
	Put State = iota + 1
	// Append: the row is inserted, in the order of Seq among those of its table.
	Append
	// Delete: the row goes.
	Delete
	// Recreate: the row goes and another with these Cells takes its place.
	Recreate
	// Gone: SQL will not hold the row once earlier cuts are in, so nothing is to be
	// done. It is kept since a further deletion that knows nothing of the row must
	// not become work, or a cut would depend on how it was put together.
	Gone
)

// Key is what is dirty of one key.
type Key struct {
	name    string
	cleared bool
	// one is the first row, in use if its State is not 0: most keys have no other.
	one    Row
	inline [2]change.Cell // for the cells of one: a string and its expiry, say
	more   *rows          // nil without any
}

// Row is what is dirty of one row.
type Row struct {
	// Cells are sorted by column, without repeats. Never write to them.
	Cells []change.Cell
	// Seq is the place of an Append, or of the one that a Recreate came from; else 0.
	Seq uint64
	// Known is what was known of the row when the first change that is held came to
	// it; Absent for Append and Recreate.
	Known change.Known
	State State

	table uint16
	row   string
}

// Cleared reports whether all of the key's rows go before those that are held here
// are written.
func (k *Key) Cleared() bool { return k.cleared }

// Row returns what is dirty of one row, or nil.
func (k *Key) Row(table uint16, row string) *Row {
	if k.one.State != 0 && k.one.table == table && k.one.row == row {
		return &k.one
	}
	return k.more.find(table, row)
}

// Each calls f for every dirty row, in no order. f may remove the row.
func (k *Key) Each(f func(table uint16, row string, r *Row)) {
	if k.one.State != 0 {
		f(k.one.table, k.one.row, &k.one)
	}
	k.more.each(f)
}

// ops returns the operations that the key stands for.
func (k *Key) ops() int {
	n := k.more.count()
	if k.one.State != 0 {
		n++
	}
	if k.cleared {
		n++
	}
	return n
}

// bytes returns what the key's rows hold.
func (k *Key) bytes() int64 {
	var n int64
	k.Each(func(_ uint16, _ string, r *Row) { n += r.bytes() })
	return n
}

// addRow returns a new row without a state; the caller gives it one.
func (k *Key) addRow(table uint16, row string) *Row {
	if k.one.State == 0 {
		k.one.row, k.one.table, k.one.Cells = row, table, k.inline[:0]
		return &k.one
	}
	if k.more == nil {
		k.more = new(rows)
	}
	return k.more.add(table, row)
}

// take makes r, a row of a set that nobody uses any more, a row of k.
func (k *Key) take(r *Row) {
	to := k.addRow(r.table, r.row)
	to.State, to.Known, to.Seq = r.State, r.Known, r.Seq
	to.own(r.Cells)
}

func (k *Key) removeRow(r *Row) {
	if r == &k.one {
		k.one, k.inline = Row{}, [2]change.Cell{}
		return
	}
	k.more.remove(r)
}

// remove makes r what it is after a deletion.
func (r *Row) remove() {
	if r.State == Append || r.State == Gone || r.State == Put && r.Known == change.Absent {
		r.State, r.Known = Gone, change.Absent
	} else {
		r.State, r.Known = Delete, change.Unknown
	}
	clear(r.Cells)
	r.Seq, r.Cells = 0, r.Cells[:0]
}

// putOver makes r's state what it is after a Set or an Append at seq; the caller
// merges the cells.
func (r *Row) putOver(isAppend bool, seq uint64) {
	if r.State != Delete && r.State != Gone {
		return
	}
	switch {
	case r.State == Delete:
		r.State = Recreate
	case isAppend:
		r.State = Append
	default:
		r.State = Put
	}
	if r.Known = change.Absent; isAppend {
		r.Seq = seq
	}
}

func (r *Row) bytes() int64 {
	n, inline := int64(0), 2
	if r.row != "" {
		n, inline = rowOverhead+int64(len(r.row)), 1
	}
	n += int64(max(len(r.Cells)-inline, 0) * cellOverhead)
	for i := range r.Cells {
		n += int64(r.Cells[i].Val.Size())
	}
	return n
}

// own gives r the cells, copied if r has the space for them.
func (r *Row) own(cells []change.Cell) {
	if len(cells) <= cap(r.Cells) {
		cells = append(r.Cells[:0], cells...)
	}
	r.Cells = cells
}

// fill gives r, which has none, a copy of cells, which may be in any order.
func (r *Row) fill(cells []change.Cell) {
	if len(cells) > cap(r.Cells) {
		r.Cells = make([]change.Cell, 0, len(cells))
	}
	r.merge(cells)
}

// merge lays cells over those of r.
func (r *Row) merge(cells []change.Cell) {
	for i := range cells {
		at := len(r.Cells)
		for at > 0 && r.Cells[at-1].Col >= cells[i].Col {
			at--
		}
		if at < len(r.Cells) && r.Cells[at].Col == cells[i].Col {
			r.Cells[at].Val = cells[i].Val
		} else {
			r.Cells = slices.Insert(r.Cells, at, cells[i])
		}
	}
}
