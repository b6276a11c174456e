package flush

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/value"
)

// TestWorkStandsInTheOrderInWords compares the operations of cuts, whole and in parts,
// with those found one by one and sorted as the package comment tells, field by field.
func TestWorkStandsInTheOrderInWords(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		f := newTestFlusher([]int{0, 7, 7, 70_000, 3, 3})
		cut := randomCut(rnd, 1+rnd.IntN(300))
		want := wordsOf(f, cut)
		w := f.workOf(cut)
		if w.total != len(want) {
			t.Fatalf("seed %d: got %d operations, wanted %d", seed, w.total, len(want))
		}
		compareWords(t, seed, inWords(w.part(nil, 0, w.total)), want)
		for from := 0; from < w.total; {
			to := min(from+1+rnd.IntN(20), w.total)
			compareWords(t, seed, inWords(w.part(nil, from, to)), want[from:to])
			if rnd.IntN(3) > 0 { // else it is tried again
				from = to
			}
		}
	}
}

func compareWords(t *testing.T, seed uint64, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("seed %d: operation %d: got %q, wanted %q", seed, i, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("seed %d: got %d operations, wanted %d", seed, len(got), len(want))
	}
}

func newTestFlusher(orders []int) *Flusher {
	return New(Options{Dictionary: testDef, Targets: func(table uint16) (*Target, error) { return &Target{Order: orders[table]}, nil }}, nil)
}

// randomCut is a cut of a few shards after n changes of keys that often begin alike.
func randomCut(rnd *rand.Rand, n int) *dirty.Cut {
	sets := make([]*dirty.Set, 3)
	for i := range sets {
		sets[i] = dirty.New(testDef, 0)
	}
	pick := func(texts ...string) string { return texts[rnd.IntN(len(texts))] }
	alike := pick("", "user:", "abcdefghi")
	for seq := range uint64(n) {
		c := change.Change{Table: uint16(rnd.IntN(len(testDef))), Op: change.Set, Known: change.Unknown}
		c.Key = alike + pick("", "a", "ab", "ab\x00", "abcdefgh", "abcdefghi", "abcdefgh\x00", "\xff", "1", "10", "9")
		def := &testDef[c.Table]
		if def.PerDB {
			c.DB = uint8(rnd.IntN(3))
		}
		if len(def.RowColumns) > 0 {
			c.Row = fmt.Sprint(rnd.IntN(30))
		}
		shard := sets[len(c.Key)%len(sets) : len(c.Key)%len(sets)+1]
		switch rnd.IntN(12) {
		case 0:
			c.Op = change.Clear
		case 1, 2:
			c.Op = change.Delete
		case 3:
			if rnd.IntN(20) == 0 {
				c.Op, c.Key, c.Row, shard = change.ClearTable, "", "", sets
			}
		case 4, 5, 6:
			c.Op, c.Known, c.Row = change.Append, change.Absent, fmt.Sprint("new ", seq)
		}
		if c.Op == change.Set || c.Op == change.Append {
			for col := range def.Columns {
				c.Cells = append(c.Cells, change.Cell{Col: uint16(col), Val: value.OfInt(int64(seq))})
			}
		}
		for _, s := range shard {
			s.Apply(&c, seq+1)
		}
	}
	return dirty.NewCut(uint64(n), time.Time{}, sets)
}

// placed is an operation, and what tells its place.
type placed struct {
	op
	order int
	seq   uint64
}

// wordsOf are the operations of a cut, in order, in words.
func wordsOf(f *Flusher, cut *dirty.Cut) (words []string) {
	var all []placed
	add := func(o op, seq uint64) { all = append(all, placed{o, f.target(o.table).Order, seq}) }
	clears := func(space uint16, o op) {
		for table := range testDef {
			if strings := table == change.StringsTable && !o.whole; testDef[table].Space == space &&
				(!testDef[table].PerDB || table == change.KeysTable || strings) {
				o.table = uint16(table)
				add(o, 0)
			}
		}
	}
	truncated := map[string]bool{}
	for shard := range cut.Shards() {
		cut.View(shard, func(s *dirty.Set) {
			s.EachCleared(func(space uint16, db uint8) {
				if name := fmt.Sprint(space, db); !truncated[name] {
					truncated[name] = true
					clears(space, op{kind: opTruncate, db: db})
				}
			})
			s.EachKey(func(space uint16, db uint8, name string, k *dirty.Key) {
				r, isString := k.Row(change.StringsTable, "")
				whole := k.Cleared() && space == 0 && isString && r.State == dirty.Put && r.Cells.Len() == 2
				if k.Cleared() {
					clears(space, op{kind: opClear, db: db, key: name, whole: whole})
				}
				for r := range k.Each {
					o := op{table: r.Table, db: db, key: name, row: r.Name, whole: whole}
					if o.kind = opDelete; r.State == dirty.Delete || r.State == dirty.Recreate {
						add(o, 0)
					}
					o.cells, o.known, o.recreate = r.Cells, r.Known, r.State == dirty.Recreate
					if o.kind = opPut; r.State == dirty.Put || r.State == dirty.Recreate {
						add(o, 0)
					}
					if o.kind = opAppend; r.State == dirty.Append {
						add(o, r.Seq)
					}
				}
			})
		})
	}
	slices.SortFunc(all, comparePlaced)
	ops := make([]op, len(all))
	for i := range all {
		ops[i] = all[i].op
	}
	return inWords(ops)
}

func comparePlaced(a, b placed) int {
	removes := func(o placed) int {
		if o.kind < opPut {
			return 0
		}
		return 1
	}
	table := cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.table, b.table))
	if removes(a) == 0 {
		table = -table
	}
	first := cmp.Or(cmp.Compare(removes(a), removes(b)), table, cmp.Compare(a.kind, b.kind))
	if a.kind == opAppend {
		return cmp.Or(first, cmp.Compare(a.seq, b.seq))
	}
	return cmp.Or(first, cmp.Compare(a.db, b.db), cmp.Compare(a.key, b.key), cmp.Compare(a.row, b.row))
}

func inWords(ops []op) []string {
	words := make([]string, len(ops))
	for i := range ops {
		words[i] = fmt.Sprintf("%+v", ops[i])
	}
	return words
}

// BenchmarkWork puts a cut of rows in order and makes its operations in parts of 10,000.
func BenchmarkWork(b *testing.B) {
	for _, c := range []struct {
		name       string
		keys, rows int
		op         change.Op
		table      uint16
	}{
		{"strings", 300_000, 1, change.Set, change.StringsTable},
		{"hashes of 10", 30_000, 10, change.Set, hashesTable},
		{"hash of 300,000", 1, 300_000, change.Set, hashesTable},
		{"appended", 100_000, 3, change.Append, eventsTable},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := newTestFlusher([]int{0, 1, 2, 3, 4, 5})
			sets := make([]*dirty.Set, 128)
			for i := range sets {
				sets[i] = dirty.New(testDef, 0)
			}
			rnd, seq := rand.New(rand.NewPCG(1, 2)), uint64(0)
			for range c.rows {
				for _, i := range rnd.Perm(c.keys) {
					seq++
					ch := change.Change{Table: c.table, Op: c.op, Known: change.Present, Key: fmt.Sprintf("key:%012d", i),
						Cells: []change.Cell{{Val: value.OfString("sixty-four bytes of a value: sixty-four bytes of a value: 12345")}}}
					if c.rows > 1 {
						ch.Row = fmt.Sprint(seq)
					}
					sets[i%len(sets)].Apply(&ch, seq)
				}
			}
			cut := dirty.NewCut(seq, time.Time{}, sets)
			b.ReportAllocs()
			var ops []op
			for b.Loop() {
				w := f.workOf(cut)
				for from := 0; from < w.total; from += 10_000 {
					ops = w.part(ops[:0], from, min(from+10_000, w.total))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.keys*c.rows), "ns/row")
		})
	}
}
