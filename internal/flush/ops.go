package flush

import (
	"cmp"
	"slices"
	"strings"

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
	table    uint16
	db       uint8
	kind     opKind
	known    change.Known
	recreate bool // an opDelete of the same row comes before this opPut
	whole    bool // the row replaces one that may be there
}

// groupOrder is the place of a group, in the order described in the package comment;
// order is its table's.
func groupOrder(order int, table uint16, kind opKind, db uint8) uint64 {
	at, puts := uint64(uint32(order)&orderMax)<<16|uint64(table), uint64(1)
	if kind < opPut {
		at, puts = ^at&(orderMax<<16|0xffff), 0
	}
	return puts<<63 | at<<16 | uint64(kind)<<8 | uint64(db)
}

// orderMax bounds the order of a table: there are fewer tables.
const orderMax = 1<<24 - 1

// lister finds the operations of a cut.
type lister struct {
	def    change.Dictionary
	order  func(table uint16) int
	groups map[uint64]*opGroup
	// last are the groups that were asked for last, by kind and the table's low bits.
	last [opAppend + 1][16]*opGroup
}

// group returns the group of a kind of operations. Appended rows of all databases are in
// one.
func (l *lister) group(table uint16, kind opKind, db uint8) *opGroup {
	if kind == opAppend {
		db = 0
	}
	last := &l.last[kind][table%16]
	if g := *last; g != nil && g.table == table && g.db == db {
		return g
	}
	at := groupOrder(l.order(table), table, kind, db)
	g := l.groups[at]
	if g == nil {
		g = &opGroup{order: at, table: table, kind: kind, db: db}
		l.groups[at] = g
	}
	*last = g
	return g
}

func (l *lister) key(space uint16, db uint8, _ string, k *dirty.Key) {
	whole := false
	if k.Cleared() {
		whole = l.wholeString(space, k)
		for table := range l.cleared(space, whole) {
			l.group(table, opClear, db).add(k, item{db: db, whole: whole})
		}
	}
	for r := range k.Each {
		if r.State == dirty.Delete || r.State == dirty.Recreate {
			l.group(r.Table, opDelete, db).add(k, item{db: db, whole: whole})
		}
		switch r.State {
		case dirty.Put, dirty.Recreate:
			l.group(r.Table, opPut, db).add(k, item{db: db, whole: whole})
		case dirty.Append:
			l.group(r.Table, opAppend, db).append(k, r, item{db: db, whole: whole})
		}
	}
}

// truncate notes that all of a space goes.
func (l *lister) truncate(space uint16, db uint8) {
	for table := range l.cleared(space, false) {
		if g := l.group(table, opTruncate, db); g.n == 0 { // each shard says so
			g.add(nil, item{db: db})
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

// cleared yields the tables that a clear of a space speaks of: those that hold the keys.
func (l *lister) cleared(space uint16, whole bool) func(yield func(table uint16) bool) {
	return func(yield func(table uint16) bool) {
		for table := range l.def {
			switch {
			case l.def[table].Space != space:
				continue
			case l.def[table].PerDB && table != change.KeysTable && (table != change.StringsTable || whole):
				continue
			}
			if !yield(uint16(table)) {
				return
			}
		}
	}
}

// compareItems is the order of a group's items.
func compareItems(a, b item) int {
	switch {
	case a.rank != b.rank:
		return cmp.Compare(a.rank, b.rank)
	case a.key == b.key:
		return 0
	}
	return strings.Compare(a.key.Name(), b.key.Name())
}

// workOf finds the operations of a cut, in order.
func (f *Flusher) workOf(cut *dirty.Cut) *work {
	l := lister{def: f.o.Dictionary, groups: make(map[uint64]*opGroup), order: func(table uint16) int { return f.target(table).Order }}
	for shard := range cut.Shards() {
		cut.View(shard, func(s *dirty.Set) {
			s.EachCleared(l.truncate)
			s.EachKey(l.key)
		})
	}
	w := &work{cut: cut}
	for _, g := range l.groups {
		g.sort()
		w.groups, w.total = append(w.groups, g), w.total+g.n
	}
	slices.SortFunc(w.groups, func(a, b *opGroup) int { return cmp.Compare(a.order, b.order) })
	return w
}
