package flush

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
)

type opKind uint8

const (
	opTruncate opKind = iota
	opClear
	opDelete
	opPut
	opAppend
)

// op is one operation of a cut.
type op struct {
	key, row string
	cells    dirty.Cells // of opPut and opAppend
	// group and rank, which place sets, hold most of the order in two numbers: strings
	// are compared where these do not tell. The rank of an opAppend is its seq.
	group, rank uint64
	table       uint16
	db          uint8
	kind        opKind
	known       change.Known
	recreate    bool // an opDelete of the same row comes before this opPut
	whole       bool // the row replaces one that may be there
}

// place gives o its place in the order described in the package comment; order is its
// table's.
func (o *op) place(order int) {
	table, puts := uint64(uint32(order)&orderMax)<<16|uint64(o.table), uint64(1)
	if o.kind < opPut {
		table, puts = ^table&(orderMax<<16|0xffff), 0
	}
	o.group = puts<<63 | table<<16 | uint64(o.kind)<<8
	if o.kind == opAppend {
		return
	}
	o.group |= uint64(o.db)
	var prefix [8]byte
	copy(prefix[:], o.key)
	o.rank = binary.BigEndian.Uint64(prefix[:])
}

// orderMax bounds the order of a table: there are fewer tables.
const orderMax = 1<<24 - 1

// work is a cut on its way into the database.
type work struct {
	cut *dirty.Cut
	ops []op
}

// workOf puts the operations of a cut in order.
func (f *Flusher) workOf(cut *dirty.Cut) *work {
	rows, _, _ := cut.Size()
	l := lister{def: f.o.Dictionary, ops: make([]op, 0, rows+rows/8)}
	truncated := map[[2]uint16]bool{}
	for shard := range cut.Shards() {
		cut.View(shard, func(s *dirty.Set) {
			s.EachCleared(func(space uint16, db uint8) {
				if at := [2]uint16{space, uint16(db)}; !truncated[at] {
					truncated[at] = true
					l.clear(space, op{kind: opTruncate, db: db})
				}
			})
			s.EachKey(l.key)
		})
	}
	for i := range l.ops {
		l.ops[i].place(f.target(l.ops[i].table).Order)
	}
	slices.SortFunc(l.ops, compareOps)
	return &work{cut: cut, ops: l.ops}
}

type lister struct {
	def change.Dictionary
	ops []op
}

func (l *lister) key(space uint16, db uint8, name string, k *dirty.Key) {
	whole := false
	if k.Cleared() {
		whole = l.wholeString(space, k)
		l.clear(space, op{kind: opClear, db: db, key: name, whole: whole})
	}
	for r := range k.Each {
		o := op{table: r.Table, db: db, key: name, row: r.Name, whole: whole}
		if r.State == dirty.Delete || r.State == dirty.Recreate {
			o.kind = opDelete
			l.ops = append(l.ops, o)
		}
		o.cells, o.known = r.Cells, r.Known
		switch r.State {
		case dirty.Put, dirty.Recreate:
			o.kind, o.recreate = opPut, r.State == dirty.Recreate
			l.ops = append(l.ops, o)
		case dirty.Append:
			o.kind, o.rank = opAppend, r.Seq
			l.ops = append(l.ops, o)
		}
	}
}

// wholeString reports whether a cleared key is a generic string now, with all columns:
// then its row need not go first.
func (l *lister) wholeString(space uint16, k *dirty.Key) bool {
	def := &l.def[change.StringsTable]
	if !def.PerDB || def.Space != space {
		return false
	}
	r, ok := k.Row(change.StringsTable, "")
	return ok && r.State == dirty.Put && r.Cells.Len() == len(def.Columns)
}

// clear adds o for the tables that hold the keys of a space.
func (l *lister) clear(space uint16, o op) {
	for table := range l.def {
		switch {
		case l.def[table].Space != space:
			continue
		case l.def[table].PerDB && table != change.KeysTable && (table != change.StringsTable || o.whole):
			continue
		}
		o.table = uint16(table)
		l.ops = append(l.ops, o)
	}
}

// compareOps is the order described in the package comment.
func compareOps(a, b op) int {
	switch {
	case a.group != b.group:
		return cmp.Compare(a.group, b.group)
	case a.rank != b.rank:
		return cmp.Compare(a.rank, b.rank)
	case a.kind == opAppend:
		return 0
	}
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.row, b.row))
}
