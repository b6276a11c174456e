package flush

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// builder makes a batch of operations, and of the letters that they meet.
type builder struct {
	f      *Flusher
	b      *sink.Batch
	tables []*tableBatch // in the order of their first operation
	by     map[uint16]*tableBatch
	left   []op // those of the batch that are not added yet
	room   *room
	cells  []change.Cell // of the row that is added
	colKey []byte
	drops  map[int64]bool
	used   map[int64]bool // letters that a row of the batch names: one row each
	// touched are the keys that the batch writes rows of, while there are letters.
	touched map[keyID]bool
}

// tableBatch is one table's part of a batch. truncates stand apart, since each has
// conditions of its own.
type tableBatch struct {
	table     uint16
	target    *Target
	ops       sink.TableOps
	truncates []sink.TableOps
	groups    map[string]int
	last      int // the group of the row before
	lastKey   []byte
}

// build makes a batch of the operations in r, from the mark where the database is to to.
func (f *Flusher) build(r *room, to sink.Mark) *sink.Batch {
	bl, ops := f.newBuilder(r, to), r.ops
	bl.b.DropLetters = append(bl.b.DropLetters, f.drops...)
	for i := range ops {
		bl.left = ops[i:]
		bl.add(&ops[i])
	}
	return bl.finish()
}

func (f *Flusher) newBuilder(r *room, to sink.Mark) *builder {
	return &builder{
		f: f, room: r, by: make(map[uint16]*tableBatch), drops: make(map[int64]bool), used: make(map[int64]bool), touched: make(map[keyID]bool),
		b: &sink.Batch{From: f.mark, To: to, CatchingUp: to.Next != 0, Sealed: f.sealed},
	}
}

// finish puts the tables in order, parents first.
func (bl *builder) finish() *sink.Batch {
	slices.SortFunc(bl.tables, func(a, b *tableBatch) int {
		return cmp.Or(cmp.Compare(a.target.Order, b.target.Order), cmp.Compare(a.table, b.table))
	})
	for _, t := range bl.tables {
		bl.b.Tables = append(append(bl.b.Tables, t.ops), t.truncates...)
	}
	for id := range bl.drops {
		bl.b.DropLetters = append(bl.b.DropLetters, id)
	}
	slices.Sort(bl.b.DropLetters)
	bl.b.DropLetters = slices.Compact(bl.b.DropLetters)
	return bl.b
}

func (bl *builder) tableOf(table uint16) *tableBatch {
	if t := bl.by[table]; t != nil {
		return t
	}
	target := bl.f.target(table)
	t := &tableBatch{
		table: table, target: target, groups: make(map[string]int),
		ops: sink.TableOps{Table: target.Table, Key: target.Key, ClearBy: target.ClearBy},
	}
	if reason, ok := bl.f.parked[table]; ok {
		t.ops.Parked = &reason
	}
	bl.by[table] = t
	bl.tables = append(bl.tables, t)
	return t
}

func (bl *builder) add(o *op) {
	t := bl.tableOf(o.table)
	letters := &bl.f.aside
	switch o.kind {
	case opTruncate:
		bl.truncate(t, o.db)
		bl.drop(letters.inSpace(o.table, o.db))
	case opClear:
		bl.clearKey(t, o)
	case opDelete:
		bl.remove(t, o)
	default:
		bl.put(t, o)
	}
}

// clearKey adds a clear. It settles the letters of the key's rows, and is tried in place
// of a former one.
func (bl *builder) clearKey(t *tableBatch, o *op) {
	var id int64
	for _, l := range bl.f.aside.inKey(o.table, o.db, o.key) {
		switch {
		case l.Op != sink.LetterClear:
			bl.drops[l.ID] = true
		case l.table == o.table && id == 0:
			id = bl.use(l)
		}
	}
	bl.clear(t, o.db, o.key, id)
}

// use returns the number of a letter for the row that takes its place, 0 if another row
// of the batch has it.
func (bl *builder) use(l *letter) int64 {
	if l == nil || bl.used[l.ID] {
		return 0
	}
	bl.used[l.ID] = true
	return l.ID
}

func (bl *builder) drop(letters []*letter) {
	for _, l := range letters {
		bl.drops[l.ID] = true
	}
}

func (bl *builder) truncate(t *tableBatch, db uint8) {
	ops := sink.TableOps{Table: t.ops.Table, Key: t.ops.Key, Parked: t.ops.Parked, Truncate: true}
	if bl.f.o.Dictionary[t.table].PerDB {
		ops.Where = []sink.Match{
			{Column: t.target.Key[0], Op: "=", Value: value.OfString(bl.f.o.Name)},
			{Column: t.target.Key[1], Op: "=", Value: value.OfInt(int64(db))},
		}
	}
	t.truncates = append(t.truncates, ops)
}

func (bl *builder) clear(t *tableBatch, db uint8, key string, letter int64) {
	if len(t.target.ClearBy) == 0 { // the pattern has no columns: the key is the table
		if letter != 0 {
			bl.drops[letter] = true
		}
		bl.truncate(t, db)
		return
	}
	row := sink.Row{Vals: t.target.ClearVals(bl.room.take(len(t.target.ClearBy)), bl.f.o.Name, db, key), Letter: letter}
	t.ops.Clear = append(t.ops.Clear, row)
}

func (bl *builder) remove(t *tableBatch, o *op) {
	row := sink.Row{Vals: t.target.KeyVals(bl.room.take(len(t.target.Key)), bl.f.o.Name, o.db, o.key, o.row)}
	if held := bl.held(o); held != nil {
		row.Letter = bl.use(held.remove)
		switch {
		case held.put == nil:
		case row.Letter == 0:
			row.Letter = bl.use(held.put)
		default:
			bl.drops[held.put.ID] = true
		}
	}
	t.ops.Delete = append(t.ops.Delete, row)
	bl.touch(t, o)
}

// held returns what letters hold of o's row, without those that the batch settles by what
// it removes first, or nil. What is written after a removal starts from nothing, in
// whatever batch it is.
func (bl *builder) held(o *op) *heldRow {
	held := bl.f.aside.row(o.table, o.db, o.key, o.row)
	if held == nil {
		return nil
	}
	left := *held
	if left.remove != nil && bl.drops[left.remove.ID] {
		left.remove = nil
	}
	if left.put != nil && bl.drops[left.put.ID] {
		left.put = nil
	}
	if left == (heldRow{}) {
		return nil
	}
	return &left
}

// put adds a row to the group of those that write the same columns in the same
// way. What a letter holds of the row goes with it.
func (bl *builder) put(t *tableBatch, o *op) {
	mode := modeOf(o)
	if held := bl.held(o); held != nil && o.kind == opPut {
		bl.putOverLetter(t, o, held)
		bl.touch(t, o)
		return
	}
	bl.cells = o.cells.AppendTo(bl.cells[:0])
	cells := bl.cells
	bl.colKey = append(bl.colKey[:0], byte(mode))
	for i := range cells {
		bl.colKey = binary.AppendUvarint(bl.colKey, uint64(t.target.Cells[cells[i].Col]))
	}
	g := bl.group(t, mode, func() []int {
		columns := make([]int, len(cells))
		for i := range cells {
			columns[i] = t.target.Cells[cells[i].Col]
		}
		return columns
	})
	vals := t.target.KeyVals(bl.room.take(len(t.target.Key)+len(cells)), bl.f.o.Name, o.db, o.key, o.row)
	for i := range cells {
		vals = append(vals, cells[i].Val)
	}
	g.Rows = append(g.Rows, sink.Row{Vals: vals})
	bl.touch(t, o)
}

// putOverLetter adds a row of which a letter holds an earlier change: the two go
// together, and success removes the letter.
func (bl *builder) putOverLetter(t *tableBatch, o *op, held *heldRow) {
	mode, letter, cols := modeOf(o), int64(0), map[int]value.Value{}
	live := t.target.Table
	switch {
	case held.put != nil:
		letter = bl.use(held.put)
		if !o.recreate {
			mode = sink.Upsert
			for i, name := range held.put.Names {
				if c := live.Column(name); c >= 0 {
					cols[c] = held.put.Vals[i]
				}
			}
		}
	case t.ops.Parked == nil && !bl.used[held.remove.ID]:
		// The former row could not be removed: what it becomes takes its place.
		mode, letter = sink.Upsert, bl.use(held.remove)
		for _, c := range t.target.Cells {
			if c >= 0 && live.Columns[c].Nullable && live.Columns[c].Insertable && !live.Columns[c].Made {
				cols[c] = value.Value{}
			}
		}
	}
	for _, c := range o.cells.AppendTo(nil) {
		cols[t.target.Cells[c.Col]] = c.Val
	}
	vals := t.target.KeyVals(bl.room.take(len(t.target.Key)+len(cols)), bl.f.o.Name, o.db, o.key, o.row)
	bl.wideRow(t, mode, cols, sink.Row{Vals: vals, Letter: letter})
}

// wideRow adds a row, whose Vals is the key, with the columns in cols.
func (bl *builder) wideRow(t *tableBatch, mode sink.Mode, cols map[int]value.Value, row sink.Row) {
	columns := slices.Sorted(maps.Keys(cols))
	bl.colKey = append(bl.colKey[:0], byte(mode))
	for _, c := range columns {
		bl.colKey = binary.AppendUvarint(bl.colKey, uint64(c))
		row.Vals = append(row.Vals, cols[c])
	}
	g := bl.group(t, mode, func() []int { return columns })
	g.Rows = append(g.Rows, row)
}

func modeOf(o *op) sink.Mode {
	switch {
	case o.kind == opAppend:
		return sink.Append
	case o.whole:
		return sink.Upsert
	case o.known == change.Absent:
		return sink.Insert
	case o.known == change.Present:
		return sink.Update
	}
	return sink.Upsert
}

// group returns the group whose mode and columns colKey says.
func (bl *builder) group(t *tableBatch, mode sink.Mode, columns func() []int) *sink.Group {
	if len(t.ops.Put) > 0 && string(t.lastKey) == string(bl.colKey) {
		return &t.ops.Put[t.last]
	}
	at, ok := t.groups[string(bl.colKey)]
	if !ok {
		at = len(t.ops.Put)
		g := sink.Group{Mode: mode, Columns: columns()}
		if at == 0 { // most tables have one group
			g.Rows = bl.room.rowsFor(bl.alike())
		}
		t.ops.Put = append(t.ops.Put, g)
		t.groups[string(bl.colKey)] = at
	}
	t.last, t.lastKey = at, append(t.lastKey[:0], bl.colKey...)
	return &t.ops.Put[at]
}

// alike returns how many operations come next that are of one kind on one table.
func (bl *builder) alike() (n int) {
	for n < len(bl.left) && bl.left[n].table == bl.left[0].table && bl.left[n].kind == bl.left[0].kind {
		n++
	}
	return n
}

// touch notes that the batch writes to the key, and tries what was refused to
// be removed of it once more before.
func (bl *builder) touch(t *tableBatch, o *op) {
	if bl.f.aside.empty() {
		return
	}
	id := bl.f.aside.keyOf(o.table, o.db, o.key)
	if bl.touched[id] {
		return
	}
	bl.touched[id] = true
	for _, l := range bl.f.aside.inKey(o.table, o.db, o.key) {
		if l.Op == sink.LetterClear && l.State != sink.Parked && !bl.used[l.ID] {
			bl.clear(bl.tableOf(l.table), l.db, l.key, bl.use(l))
		}
	}
}
