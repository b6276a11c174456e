package dirty

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/value"
)

// Two spaces: the first, PerDB, has a header table, strings, and a table of many rows;
// the second is a mapped stream.
var testDef = change.Dictionary{
	{Name: "headers", Space: 0, PerDB: true},
	{Name: "strings", Space: 0, PerDB: true},
	{Name: "events", Space: 1},
	{Name: "rows", Space: 0, PerDB: true},
}

type rowName struct {
	table    uint16
	db       uint8
	key, row string
}

// tables is a plain model of SQL: a row's cells by column.
type tables map[rowName]map[uint16]value.Value

func (t tables) apply(c *change.Change) {
	switch id := (rowName{c.Table, c.DB, c.Key, c.Row}); c.Op {
	case change.Delete:
		delete(t, id)
	case change.Clear, change.ClearTable:
		for id := range t {
			if testDef[id.table].Space == testDef[c.Table].Space && id.db == c.DB && (c.Op == change.ClearTable || id.key == c.Key) {
				delete(t, id)
			}
		}
	default:
		if c.Table == change.StringsTable && c.Known == change.Unknown {
			t.apply(&change.Change{Op: change.Clear, Table: c.Table, DB: c.DB, Key: c.Key})
		}
		t.put(id, c.Cells, false)
	}
}

func (t tables) put(id rowName, cells []change.Cell, recreate bool) {
	if t[id] == nil || recreate {
		t[id] = map[uint16]value.Value{}
	}
	for _, c := range cells {
		t[id][c.Col] = c.Val
	}
}

// keyRows lays changes of one key over t, as a load does.
type keyRows struct {
	t     tables
	space uint16
	db    uint8
	key   string
}

func (k keyRows) Clear() {
	for i := range testDef {
		if testDef[i].Space == k.space {
			k.t.apply(&change.Change{Op: change.Clear, Table: uint16(i), DB: k.db, Key: k.key})
		}
	}
}

func (k keyRows) Put(table uint16, row string, cells []change.Cell, recreate bool) {
	k.t.put(rowName{table, k.db, k.key, row}, cells, recreate)
}

func (k keyRows) Delete(table uint16, row string) { delete(k.t, rowName{table, k.db, k.key, row}) }

// randomChange returns a change that fits the rows in t, and applies it there.
func randomChange(r *rand.Rand, t tables, n int) change.Change {
	c := change.Change{Table: uint16(r.IntN(4)), Key: fmt.Sprint("k", r.IntN(3))}
	if testDef[c.Table].PerDB {
		c.DB = uint8(r.IntN(2))
	}
	if c.Table > 1 {
		c.Row = fmt.Sprint("r", r.IntN([]int{3, 3, 60}[r.IntN(3)]))
	}
	_, there := t[rowName{c.Table, c.DB, c.Key, c.Row}]
	switch p := r.IntN(100); {
	case p < 3:
		c.Op, c.Key, c.Row = change.ClearTable, "", ""
	case p < 12:
		c.Op, c.Row = change.Clear, ""
	case p < 40:
		c.Op = change.Delete
	default:
		c.Op = change.Set
		if c.Table == 2 && !there {
			c.Op = change.Append
		}
		for range r.IntN(3) {
			c.Cells = append(c.Cells, change.Cell{Col: uint16(r.IntN(4)), Val: randomValue(r, n)})
		}
	}
	if c.Op <= change.Delete && r.IntN(3) > 0 {
		c.Known = change.Absent
		if there {
			c.Known = change.Present
		}
	}
	t.apply(&c)
	return c
}

func randomValue(r *rand.Rand, n int) value.Value {
	switch r.IntN(6) {
	case 0:
		return value.Value{}
	case 1:
		return value.OfFloat(float64(n))
	case 2:
		return value.OfString(strings.Repeat("x", r.IntN(300)))
	}
	return value.OfInt(int64(n) << r.IntN(40))
}

// dump returns what a set holds, in a form to be compared.
func dump(s *Set) map[string]string {
	d, bytes := map[string]string{}, s.bytes
	s.EachCleared(func(space uint16, db uint8) { d[fmt.Sprint(space, db)] = "cleared" })
	s.EachKey(func(space uint16, db uint8, key string, k *Key) {
		d[fmt.Sprint(space, db, key)] = fmt.Sprint(k.Cleared())
		bytes -= k.overhead() // which depends on whether rows were looked for
		for r := range k.Each {
			d[fmt.Sprint(space, db, key, r.Table, r.Name)] = fmt.Sprint(r.State, r.Known, r.Seq, r.Cells.AppendTo(nil))
		}
	})
	d["size"] = fmt.Sprint(s.rows, s.keys, bytes)
	return d
}

func applied(changes []change.Change, seq int) *Set {
	s := New(testDef, 0)
	for i := range changes {
		s.Apply(&changes[i], uint64(seq+i))
	}
	return s
}

// recount checks the running counts against a count of everything.
func recount(t *testing.T, s *Set) {
	t.Helper()
	rows, keys, bytes := 0, 0, int64(0)
	s.EachCleared(func(uint16, uint8) { rows++ })
	s.EachKey(func(_ uint16, _ uint8, name string, k *Key) {
		if k.ops() == 0 {
			t.Errorf("key %s holds nothing", name)
		}
		rows, keys, bytes = rows+k.ops(), keys+1, bytes+k.size()
	})
	if rows != s.Rows() || keys != s.Keys() || bytes != s.Bytes() {
		t.Errorf("counted %d rows, %d keys, %d bytes; the set says %d, %d, %d", rows, keys, bytes, s.Rows(), s.Keys(), s.Bytes())
	}
}

func TestMergeEqualsApply(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 1500 {
		sql := tables{}
		before := New(testDef, 0) // brings SQL into some state first
		for n := range r.IntN(20) {
			c := randomChange(r, sql, n)
			before.Apply(&c, uint64(n))
		}
		var changes []change.Change
		for n := range 1 + r.IntN([]int{24, 24, 24, 400}[r.IntN(4)]) {
			changes = append(changes, randomChange(r, sql, 100+n))
		}
		a, b := r.IntN(len(changes)), r.IntN(len(changes))
		a, b = min(a, b), max(a, b)
		whole := applied(changes, 100)
		want := dump(whole)
		recount(t, whole)

		left := applied(changes[:a], 100)
		left.Merge(applied(changes[a:b], 100+a))
		left.Merge(applied(changes[b:], 100+b))
		recount(t, left)
		tail := applied(changes[a:b], 100+a)
		tail.Merge(applied(changes[b:], 100+b))
		right := applied(changes[:a], 100)
		right.Merge(tail)
		recount(t, right)
		again := New(testDef, 0)
		whole.Changes(func(p change.Placed) bool { again.Apply(&p.Change, p.Seq); return true })
		for how, got := range map[string]*Set{"(a+b)+c": left, "a+(b+c)": right, "from its changes": again} {
			if !reflect.DeepEqual(dump(got), want) {
				t.Fatalf("%s, parts at %d and %d of %+v:\n got %v\nwant %v", how, a, b, changes, dump(got), want)
			}
		}
	}
}

func TestOverlayGivesWhatTheChangesMade(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 1500 {
		sql := tables{}
		for n := range r.IntN(20) {
			randomChange(r, sql, n)
		}
		got := tables{}
		for id, cells := range sql {
			got[id] = map[uint16]value.Value{}
			for c, v := range cells {
				got[id][c] = v
			}
		}
		var changes []change.Change
		for n := range 1 + r.IntN([]int{20, 20, 20, 400}[r.IntN(4)]) {
			changes = append(changes, randomChange(r, sql, 100+n))
		}
		s := applied(changes, 100)
		for range 2 { // the second time changes nothing
			for space := range uint16(2) {
				for db := range uint8(2) {
					for _, key := range []string{"k0", "k1", "k2"} {
						s.Overlay(space, db, key, keyRows{got, space, db, key})
					}
				}
			}
		}
		if !reflect.DeepEqual(got, sql) {
			t.Fatalf("%+v:\n got %v\nwant %v", changes, got, sql)
		}
	}
}

func TestRowsOfATableCoalesceByTheTable(t *testing.T) {
	set := func(known change.Known, col uint16, n int64) change.Change {
		return change.Change{Op: change.Set, Known: known, Key: "k", Cells: []change.Cell{{Col: col, Val: value.OfInt(n)}}}
	}
	del, clear := change.Change{Op: change.Delete, Key: "k"}, change.Change{Op: change.Clear, Key: "k"}
	for name, c := range map[string]struct {
		changes []change.Change
		want    string
	}{
		"set":      {[]change.Change{set(change.Present, 0, 1)}, "put known 1 [0=1]"},
		"set, set": {[]change.Change{set(change.Absent, 1, 1), set(change.Present, 0, 2)}, "put known 2 [0=2 1=1]"},
		"hash, blind string": {[]change.Change{set(change.Absent, 0, 1),
			{Op: change.Set, Table: change.StringsTable, Key: "k"}, {Op: change.Set, Table: change.StringsTable, Key: "k"}}, "cleared put known 2 []"},
		"set of a new row, delete":  {[]change.Change{set(change.Absent, 0, 1), del}, "gone"},
		"set of a known row, del":   {[]change.Change{set(change.Present, 0, 1), del}, "delete"},
		"new row, delete, delete":   {[]change.Change{set(change.Absent, 0, 1), del, del}, "gone"},
		"new row, delete, set":      {[]change.Change{set(change.Absent, 0, 1), del, set(change.Unknown, 1, 1)}, "put known 2 [1=1]"},
		"delete, set":               {[]change.Change{del, set(change.Absent, 0, 1)}, "recreate known 2 [0=1]"},
		"delete, set, set":          {[]change.Change{del, set(change.Absent, 0, 1), set(change.Present, 0, 3)}, "recreate known 2 [0=3]"},
		"delete, set, delete":       {[]change.Change{del, set(change.Absent, 0, 1), del}, "delete"},
		"set, clear":                {[]change.Change{set(change.Present, 0, 1), clear}, "cleared"},
		"clear, set":                {[]change.Change{clear, set(change.Unknown, 0, 1)}, "cleared put known 2 [0=1]"},
		"clear, delete":             {[]change.Change{clear, del}, "cleared"},
		"clear, set, delete":        {[]change.Change{clear, set(change.Unknown, 0, 1), del}, "cleared"},
		"clear, clear table, again": {[]change.Change{clear, {Op: change.ClearTable}, clear}, "nothing"},
	} {
		if got := describe(applied(c.changes, 1).Find(0, 0, "k")); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func describe(k *Key) string {
	if k == nil {
		return "nothing"
	}
	var s []string
	if k.Cleared() {
		s = append(s, "cleared")
	}
	for r := range k.Each {
		switch r.State {
		case Delete:
			s = append(s, "delete")
			continue
		case Gone:
			s = append(s, "gone")
			continue
		default:
			s = append(s, map[State]string{Put: "put", Append: "append", Recreate: "recreate"}[r.State])
		}
		s = append(s, fmt.Sprint("known ", r.Known))
		var cells []string
		for _, c := range r.Cells.AppendTo(nil) {
			cells = append(cells, fmt.Sprintf("%d=%s", c.Col, c.Val))
		}
		s = append(s, fmt.Sprint(cells))
	}
	out := ""
	for i, p := range s {
		if i > 0 {
			out += " "
		}
		out += p
	}
	return out
}

func TestSeqsRiseAndNeverRepeat(t *testing.T) {
	var seqs []uint64
	var rec []byte
	position := uint64(0)
	for n := 1; n < 40; n++ {
		unit := make([]change.Change, n)
		for i := range unit {
			unit[i] = change.Change{Op: change.Clear}
		}
		rec = change.AppendUnit(rec[:0], 0, unit)
		position += uint64(len(rec))
		for i := range unit {
			seqs = append(seqs, SeqOf(position, n, i))
		}
	}
	if !slices.IsSorted(seqs) || len(slices.Compact(slices.Clone(seqs))) != len(seqs) {
		t.Errorf("%v", seqs)
	}
}

func TestBytesAreNearWhatTheHeapSays(t *testing.T) {
	for name, fill := range map[string]func(*Set){
		"keys of one row": func(s *Set) {
			for i := range 20_000 {
				s.Apply(&change.Change{Op: change.Set, Table: 2, Key: fmt.Sprintf("session:%08d", i),
					Cells: []change.Cell{{Val: value.OfString(fmt.Sprintf("%064d", i))}}}, uint64(i))
			}
		},
		"one key of many rows": func(s *Set) {
			for i := range 20_000 {
				s.Apply(&change.Change{Op: change.Set, Table: 2, Key: "board", Row: fmt.Sprintf("member:%09d", i),
					Cells: []change.Cell{{Val: value.OfFloat(float64(i))}}}, uint64(i))
			}
		},
		"one key of many new rows": func(s *Set) {
			for i := range 20_000 {
				s.Apply(&change.Change{Op: change.Set, Known: change.Absent, Table: 2, Key: "board", Row: fmt.Sprintf("member:%09d", i),
					Cells: []change.Cell{{Val: value.OfFloat(float64(i))}}}, uint64(i))
			}
		},
		"keys of forty new rows": func(s *Set) {
			for i := range 40_000 {
				s.Apply(&change.Change{Op: change.Set, Known: change.Absent, Table: 2, Key: fmt.Sprint("board:", i%1000), Row: fmt.Sprintf("member:%09d", i),
					Cells: []change.Cell{{Val: value.OfFloat(float64(i))}}}, uint64(i))
			}
		},
		"keys of four columns": func(s *Set) {
			for i := range 10_000 {
				c := change.Change{Op: change.Set, Table: 2, Key: fmt.Sprintf("player:%09d", i)}
				for col := range uint16(4) {
					c.Cells = append(c.Cells, change.Cell{Col: col, Val: value.OfString(fmt.Sprintf("%032d", i))})
				}
				s.Apply(&c, uint64(i))
			}
		},
	} {
		s := New(testDef, 0)
		before := heap()
		fill(s)
		if real := heap() - before; s.Bytes() < real*75/100 || s.Bytes() > real*130/100 {
			t.Errorf("%s: the set says %d bytes, the heap grew by %d", name, s.Bytes(), real)
		}
		runtime.KeepAlive(s)
	}
}

// TestAKeyThatComesAndGoesTakesNoMore has a queue filled and emptied again and again while
// other keys become dirty and stay so. Where all keys of the space were removed before,
// nothing of the queue is left each time.
func TestAKeyThatComesAndGoesTakesNoMore(t *testing.T) {
	s := New(testDef, 0)
	s.Apply(&change.Change{Op: change.ClearTable, Table: 3}, 1)
	fill := change.Change{Op: change.Set, Known: change.Absent, Table: 3, Key: "queue", Row: "1"}
	empty := change.Change{Op: change.Clear, Table: 3, Key: "queue"}
	before := heap()
	for i := range 10_000 {
		s.Apply(&change.Change{Op: change.Set, Table: 3, Key: fmt.Sprintf("stays:%09d", i), Row: "1"}, 1)
		for range 40 {
			s.Apply(&fill, 1)
			s.Apply(&empty, 1)
		}
	}
	if real := heap() - before; real > s.Bytes()*150/100 {
		t.Errorf("the set says %d bytes, the heap grew by %d", s.Bytes(), real)
	}
	runtime.KeepAlive(s)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkApply(b *testing.B) {
	keys := make([]string, 1<<16)
	for i := range keys {
		keys[i] = fmt.Sprintf("player:%08d", i)
	}
	c := change.Change{Op: change.Set, Table: 2, Cells: []change.Cell{{Val: value.OfInt(1)}}}
	b.Run("dirty already", func(b *testing.B) {
		s := New(testDef, 0)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			c.Key = keys[i%len(keys)]
			s.Apply(&c, uint64(i))
		}
	})
	b.Run("new", func(b *testing.B) {
		s := New(testDef, 0)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%len(keys) == 0 {
				s = New(testDef, len(keys))
			}
			c.Key = keys[i%len(keys)]
			s.Apply(&c, uint64(i))
		}
	})
}
