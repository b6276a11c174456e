package dirty

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/value"
)

// TestRunsAreFound puts new rows into a key, and looks for some of them now and then: each is
// where the key's rows are gone over, and where it is asked for, also in a cut.
func TestRunsAreFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		s, want := New(testDef, 0), map[string]int64{}
		put := func(known change.Known, row int) {
			name, val := fmt.Sprint("row", row), r.Int64N(1<<40)
			s.Apply(&change.Change{Op: change.Set, Known: known, Table: 3, Key: "key", Row: name, Cells: []change.Cell{{Val: value.OfInt(val)}}}, 1)
			want[name] = val
		}
		for row := range 1 + r.IntN(300) {
			if put(change.Absent, row); r.IntN(100) == 0 {
				put(change.Present, r.IntN(row+1))
			}
			if r.IntN(200) == 0 {
				later := New(testDef, 0)
				s, later = later, s
				for row := range min(40, row+1) {
					put(change.Unknown, row)
				}
				later.Merge(s)
				s = later
			}
		}
		recount(t, s)
		k, n := s.Find(0, 0, "key"), 0
		for row := range k.Each {
			if n++; row.Cells.AppendTo(nil)[0].Val != value.OfInt(want[row.Name]) {
				t.Fatalf("%s is gone over as %v, wanted %d", row.Name, row, want[row.Name])
			}
		}
		if n != len(want) {
			t.Fatalf("%d rows, wanted %d", n, len(want))
		}
		for name, val := range want {
			if row, ok := k.Row(3, name); !ok || row.Cells.AppendTo(nil)[0].Val != value.OfInt(val) {
				t.Fatalf("%s is found as %v, wanted %d", name, row, val)
			}
		}
		if _, ok := k.Row(3, "other"); ok {
			t.Fatal("a row is found that is not there")
		}
	}
}

// BenchmarkNewRows: rows of keys that get forty each, as lists that are pushed to do.
func BenchmarkNewRows(b *testing.B) {
	b.ReportAllocs()
	c := change.Change{Op: change.Set, Known: change.Absent, Table: 3, Cells: []change.Cell{{Val: value.OfString(fmt.Sprintf("%064d", 1))}}}
	s := New(testDef, 0)
	for i := 0; b.Loop(); i++ {
		if i%40_000 == 0 {
			s = New(testDef, 0)
		}
		c.Key, c.Row = fmt.Sprint("list:", i%1000), fmt.Sprintf("%08d", i/1000)
		s.Apply(&c, uint64(i))
	}
}
