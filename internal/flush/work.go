package flush

import (
	"encoding/binary"
	"slices"
	"sort"
	"strings"

	"github.com/lullcache/lull/internal/dirty"
)

// work is a cut on its way into the database. It knows where the operations are, and
// makes them a part at a time: all those of a large cut would be as large again.
type work struct {
	cut    *dirty.Cut
	groups []*opGroup // in order
	total  int        // operations
	// keyed are the operations of one key, whose item is of, for the part that begins in
	// the middle of them.
	keyed []op
	of    *item
}

// opGroup is the operations of one kind on one table.
type opGroup struct {
	order uint64
	table uint16
	kind  opKind
	db    uint8 // of all but appended rows
	items []item
	n     int
	// prefix is what all keys begin with, stale how many items have a rank that was made
	// when it was longer.
	prefix string
	stale  int
}

// item is the operations of one key, or one appended row.
type item struct {
	key *dirty.Key // nil: of the whole table
	row dirty.RowRef
	// rank tells the order of most items without a look at their keys: it is what comes
	// behind the group's prefix, or an appended row's place in the log.
	rank  uint64
	end   uint32 // operations of the group up to here; before they are sorted, of the item
	db    uint8
	whole bool // see op
}

// add counts one more operation of a key. All of a key come one after the other.
func (g *opGroup) add(k *dirty.Key, it item) {
	g.n++
	if last := len(g.items) - 1; last >= 0 && g.items[last].key == k {
		g.items[last].end++
		return
	}
	if it.key, it.end = k, 1; k != nil {
		it.rank = g.rank(k.Name())
	}
	g.put(it)
}

// append adds a row of a key that is appended.
func (g *opGroup) append(k *dirty.Key, r dirty.Row, it item) {
	g.n++
	it.key, it.row, it.rank, it.end = k, r.Ref, r.Seq, 1
	g.put(it)
}

func (g *opGroup) put(it item) {
	if n := len(g.items); n == cap(g.items) {
		g.items = slices.Grow(g.items, max(n, itemsMin)) // append would copy large ones five times
	}
	g.items = append(g.items, it)
}

const itemsMin = 64

// rank returns the rank of a key that the group does not have yet.
func (g *opGroup) rank(name string) uint64 {
	if len(g.items) == 0 {
		g.prefix = name
	}
	if !strings.HasPrefix(name, g.prefix) {
		n := 0
		for n < len(name) && name[n] == g.prefix[n] {
			n++
		}
		g.prefix, g.stale = g.prefix[:n], len(g.items)
	}
	return rankOf(name[len(g.prefix):])
}

// rankOf is in the order of what it is made of.
func rankOf(rest string) uint64 {
	var first [8]byte
	copy(first[:], rest)
	return binary.BigEndian.Uint64(first[:])
}

// sort puts the items in order, once all are there.
func (g *opGroup) sort() {
	for i := range g.items[:g.stale] {
		it := &g.items[i]
		it.rank = rankOf(it.key.Name()[len(g.prefix):])
	}
	g.items = sortItems(g.items)
	end := uint32(0)
	for i := range g.items {
		end += g.items[i].end
		g.items[i].end = end
	}
}

// part appends the operations from one number to another.
func (w *work) part(ops []op, from, to int) []op {
	ops = slices.Grow(ops, to-from)
	before := 0 // operations of the groups before
	for _, g := range w.groups {
		if lo, hi := max(from-before, 0), min(to-before, g.n); lo < hi {
			ops = w.appendFrom(ops, g, lo, hi)
		}
		before += g.n
	}
	return ops
}

// fetchAhead is how many keys before its turn a key is fetched from memory.
const fetchAhead = 8

// appendFrom appends the operations of a group from one number to another.
func (w *work) appendFrom(ops []op, g *opGroup, from, to int) []op {
	at := sort.Search(len(g.items), func(i int) bool { return int(g.items[i].end) > from })
	for ; from < to; at++ {
		if later := at + 2*fetchAhead; later < len(g.items) {
			g.items[later].key.Fetch()
		}
		if later := at + fetchAhead; later < len(g.items) {
			g.items[later].key.FetchRows()
		}
		it, begin := &g.items[at], 0
		if at > 0 {
			begin = int(g.items[at-1].end)
		}
		if from == begin && int(it.end) <= to {
			ops = g.appendOps(ops, it)
		} else {
			if w.of != it {
				w.keyed, w.of = g.appendOps(w.keyed[:0], it), it
			}
			ops = append(ops, w.keyed[from-begin:min(to, int(it.end))-begin]...)
		}
		from = int(it.end)
	}
	return ops
}

// appendOps appends all operations of an item, in order.
func (g *opGroup) appendOps(dst []op, it *item) []op {
	o := op{table: g.table, db: it.db, kind: g.kind, whole: it.whole}
	if it.key != nil {
		o.key = it.key.Name()
	}
	switch g.kind {
	case opTruncate, opClear:
		return append(dst, o)
	case opAppend:
		return append(dst, o.of(it.row.Row()))
	}
	from := len(dst)
	for r := range it.key.Each {
		deletes, puts := r.State == dirty.Delete || r.State == dirty.Recreate, r.State == dirty.Put || r.State == dirty.Recreate
		if r.Table == g.table && (g.kind == opDelete && deletes || g.kind == opPut && puts) {
			dst = append(dst, o.of(r))
		}
	}
	if len(dst)-from > 1 {
		slices.SortFunc(dst[from:], func(a, b op) int { return strings.Compare(a.row, b.row) })
	}
	return dst
}

// of returns o for a row.
func (o op) of(r dirty.Row) op {
	if o.row = r.Name; o.kind >= opPut {
		o.cells, o.known, o.recreate = r.Cells, r.Known, r.State == dirty.Recreate
	}
	return o
}
