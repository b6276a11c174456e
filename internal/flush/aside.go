package flush

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// aside is what was set aside: the letters, found by what they speak of. For loads
// it is a layer between SQL and the cuts.
type aside struct {
	def  change.Dictionary
	name string

	// mu guards the fields beneath. Run's goroutine alone writes them, and may read
	// them without it.
	mu       sync.RWMutex
	loaded   bool
	letters  map[int64]*letter
	keys     map[keyID]*heldKey
	spaces   map[keyID][]*letter // truncates; the key is empty
	perTable map[uint16]int      // how many letters
	bytes    int64

	// For those who look often.
	generation  atomic.Uint64 // rises when letters go
	count, size atomic.Int64  // what there is
}

type keyID struct {
	space uint16
	db    uint8
	key   string
}

// letter is a letter and the row, key or table of the dictionary that it is about.
type letter struct {
	sink.Letter
	found    bool // there is a table for it
	table    uint16
	db       uint8
	key, row string
	cells    []change.Cell
}

// heldKey is what letters hold of one key.
type heldKey struct {
	clears []*letter
	rows   map[rowID]*heldRow
	loose  []*letter // appended rows without an identity of their own
}

type rowID struct {
	table uint16
	row   string
}

// heldRow is what letters hold of one row: a removal, new values, or both in this
// order.
type heldRow struct{ remove, put *letter }

// letterOverhead is what a letter costs beside its strings and values.
const letterOverhead = 600

func (a *aside) init(def change.Dictionary, name string) {
	a.def, a.name = def, name
	a.reset()
}

func (a *aside) reset() {
	a.letters, a.keys, a.spaces = make(map[int64]*letter), make(map[keyID]*heldKey), make(map[keyID][]*letter)
	a.bytes, a.perTable = 0, make(map[uint16]int)
}

func (a *aside) isLoaded() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.loaded
}

func (a *aside) empty() bool { return len(a.letters) == 0 }

func (a *aside) keyOf(table uint16, db uint8, key string) keyID {
	return keyID{a.def[table].Space, db, key}
}

// row returns what letters hold of a row, or nil.
func (a *aside) row(table uint16, db uint8, key, row string) *heldRow {
	if len(a.letters) == 0 {
		return nil
	}
	if k := a.keys[a.keyOf(table, db, key)]; k != nil {
		return k.rows[rowID{table, row}]
	}
	return nil
}

// inKey returns the letters of a key, by number.
func (a *aside) inKey(table uint16, db uint8, key string) []*letter {
	if len(a.letters) == 0 {
		return nil
	}
	k := a.keys[a.keyOf(table, db, key)]
	if k == nil {
		return nil
	}
	return k.all()
}

func (k *heldKey) all() []*letter {
	all := slices.Concat(k.clears, k.loose)
	for _, r := range k.rows {
		for _, l := range []*letter{r.remove, r.put} {
			if l != nil {
				all = append(all, l)
			}
		}
	}
	slices.SortFunc(all, byNumber)
	return all
}

func byNumber(a, b *letter) int { return int(a.ID - b.ID) }

// inSpace returns the letters of all keys of a table's space in db.
func (a *aside) inSpace(table uint16, db uint8) (all []*letter) {
	for _, l := range a.letters {
		if l.found && a.def[l.table].Space == a.def[table].Space && l.db == db {
			all = append(all, l)
		}
	}
	return all
}

// change takes letters out and in at once.
func (a *aside) change(out []int64, in []sink.Letter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range out {
		if l := a.letters[id]; l != nil {
			a.remove(l)
			a.generation.Add(1)
		}
	}
	for i := range in {
		a.add(a.identify(in[i]))
	}
	a.measure()
}

// replace makes letters all that there are.
func (a *aside) replace(letters []sink.Letter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reset()
	a.loaded = true
	a.generation.Add(1)
	for i := range letters {
		a.add(a.identify(letters[i]))
	}
	a.measure()
}

func (a *aside) measure() {
	a.count.Store(int64(len(a.letters)))
	a.size.Store(a.bytes)
}

func (a *aside) add(l *letter) {
	if old := a.letters[l.ID]; old != nil {
		a.remove(old)
	}
	a.letters[l.ID] = l
	a.bytes += l.size()
	if !l.found {
		return
	}
	a.perTable[l.table]++
	id := a.keyOf(l.table, l.db, l.key)
	if l.Op == sink.LetterTruncate {
		a.spaces[id] = append(a.spaces[id], l)
		return
	}
	k := a.keys[id]
	if k == nil {
		k = &heldKey{rows: make(map[rowID]*heldRow)}
		a.keys[id] = k
	}
	at := rowID{l.table, l.row}
	switch {
	case l.Op == sink.LetterClear:
		k.clears = append(k.clears, l)
		return
	case l.Op == sink.LetterAppend && len(a.def[l.table].RowColumns) == 0:
		k.loose = append(k.loose, l)
		return
	case k.rows[at] == nil:
		k.rows[at] = &heldRow{}
	}
	if l.Op == sink.LetterDelete {
		k.rows[at].remove = l
	} else {
		k.rows[at].put = l
	}
}

func (a *aside) remove(l *letter) {
	delete(a.letters, l.ID)
	a.bytes -= l.size()
	if !l.found {
		return
	}
	if a.perTable[l.table]--; a.perTable[l.table] == 0 {
		delete(a.perTable, l.table)
	}
	id := a.keyOf(l.table, l.db, l.key)
	if l.Op == sink.LetterTruncate {
		a.spaces[id] = without(a.spaces[id], l)
		return
	}
	k := a.keys[id]
	k.clears, k.loose = without(k.clears, l), without(k.loose, l)
	at := rowID{l.table, l.row}
	if r := k.rows[at]; r != nil {
		if r.remove == l {
			r.remove = nil
		}
		if r.put == l {
			r.put = nil
		}
		if *r == (heldRow{}) {
			delete(k.rows, at)
		}
	}
	if len(k.rows)+len(k.clears)+len(k.loose) == 0 {
		delete(a.keys, id)
	}
}

func without(all []*letter, l *letter) []*letter {
	return slices.DeleteFunc(all, func(x *letter) bool { return x == l })
}

func (l *letter) size() int64 {
	n := letterOverhead
	for _, v := range slices.Concat(l.Key, l.Vals) {
		n += 60 + v.Size()
	}
	return int64(n)
}

// identify finds the table of the dictionary that a letter is about, by names. The letter
// gets values of its own: those of a batch would hold a large part of it and of its cut.
func (a *aside) identify(from sink.Letter) *letter {
	l := &letter{Letter: from}
	l.Key, l.Vals = ownValues(from.Key), ownValues(from.Vals)
	for i := range a.def {
		def := &a.def[i]
		if def.Name == from.Table && def.Schema == from.Schema && a.fits(l, def) {
			l.found, l.table = true, uint16(i)
			return l
		}
	}
	return l
}

func ownValues(vals []value.Value) []value.Value {
	own := slices.Clone(vals)
	for i, v := range own {
		if v.Kind() == value.Bytes {
			own[i] = value.OfString(strings.Clone(v.String()))
		}
	}
	return own
}

// fits takes a letter's key apart by def, and reports whether it has the right
// columns.
func (a *aside) fits(l *letter, def *change.TableDef) bool {
	names, vals := l.KeyNames, l.Key
	if def.PerDB {
		if len(names) < 2 || vals[0].String() != a.name {
			return false
		}
		n, ok := vals[1].Int()
		if !ok || n < 0 || n > 255 {
			return false
		}
		l.db, names, vals = uint8(n), names[2:], vals[2:]
	}
	want := def.KeyColumns
	if l.Op != sink.LetterClear {
		want = slices.Concat(want, def.RowColumns)
	}
	if l.Op == sink.LetterTruncate {
		return len(names) == 0
	}
	if !slices.Equal(names, want) {
		return false
	}
	l.key = tuple(vals[:len(def.KeyColumns)])
	l.row = tuple(vals[len(def.KeyColumns):])
	l.cells = l.cells[:0]
	for i, name := range l.Names {
		if col := slices.Index(def.Columns, name); col >= 0 {
			l.cells = append(l.cells, change.Cell{Col: uint16(col), Val: l.Vals[i]})
		}
	}
	slices.SortFunc(l.cells, func(a, b change.Cell) int { return int(a.Col) - int(b.Col) })
	return true
}

func tuple(vals []value.Value) string {
	if len(vals) == 0 {
		return ""
	}
	parts := make([]string, len(vals))
	for i, v := range vals {
		parts[i] = v.String()
	}
	return string(change.AppendTuple(nil, parts...))
}

// Overlay lays what letters hold of a key over rows and reports whether anything was.
// It comes after what SQL gave and before the cuts. It may be called at any time.
func (f *Flusher) Overlay(space uint16, db uint8, key string, rows dirty.Rows) (held bool) {
	a := &f.aside
	if a.count.Load() == 0 {
		return false
	}
	a.mu.RLock()
	defer a.mu.RUnlock()
	truncated := len(a.spaces[keyID{space, db, ""}]) > 0
	k := a.keys[keyID{space, db, key}]
	if truncated || k != nil && len(k.clears) > 0 {
		rows.Clear()
	}
	if k == nil {
		return truncated
	}
	for id, r := range k.rows {
		if r.put == nil {
			rows.Delete(id.table, id.row)
		} else {
			rows.Put(id.table, id.row, r.put.cells, r.remove != nil)
		}
	}
	return true
}

// AsideGeneration changes whenever letters have gone: a load that read SQL before and
// lays Overlay over it after such a change has missed what they held, and has to be
// made again.
func (f *Flusher) AsideGeneration() uint64 {
	return f.aside.generation.Load()
}
