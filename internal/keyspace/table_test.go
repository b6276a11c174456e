package keyspace

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// seeded returns a random source whose seed is printed with the test's output.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func (d *dict[T]) check(t testing.TB) {
	t.Helper()
	n, deep, size := 0, 0, int64(8*len(d.dir))
	for at := 0; at < len(d.dir); {
		s := d.dir[at]
		span := 1 << (d.depth - s.depth)
		size += s.bytes()
		if s.depth == d.depth {
			deep++
		}
		count := 0
		for i, it := range s.items {
			if s.tags[i] == 0 {
				continue
			}
			count++
			h := it.hash()
			if got := d.segment(h); got != s {
				t.Fatalf("%q is in the wrong segment", it.name())
			}
			if s.tags[i] != tagOf(h) || s.index(h, it) != i {
				t.Fatalf("%q is not at its place", it.name())
			}
		}
		for i := range span {
			if d.dir[at+i] != s {
				t.Fatalf("directory %d of %d: broken span", at+i, len(d.dir))
			}
		}
		for i := range tagPad {
			if s.tags[len(s.items)+i] != s.tags[i] {
				t.Fatalf("tag %d and its copy differ", i)
			}
		}
		if count != s.n || count > len(s.items)*13/16 {
			t.Fatalf("segment has %d items, counted %d", count, s.n)
		}
		n += count
		at += span
	}
	if n != d.n || deep != d.deep || size != d.bytes {
		t.Fatalf("counted n, deep, bytes = %d, %d, %d, dict says %d, %d, %d", n, deep, size, d.n, d.deep, d.bytes)
	}
}

func TestTableAgainstMap(t *testing.T) {
	rng := seeded(t)
	var table Table
	model := map[string]*Entry{}
	for round := range 12 {
		growing := round%3 != 2
		for range 8000 {
			key := fmt.Sprint(rng.IntN(40000))
			hash := HashString(key)
			e := table.Find(hash, []byte(key))
			if e != model[key] {
				t.Fatalf("find %q: got %v, want %v", key, e, model[key])
			}
			switch {
			case e == nil && (growing || rng.IntN(8) == 0):
				e = NewEntry([]byte(key))
				table.Insert(hash, e)
				model[key] = e
			case e != nil && (!growing || rng.IntN(8) == 0):
				if !table.Remove(hash, e) || table.Remove(hash, e) {
					t.Fatalf("remove %q", key)
				}
				delete(model, key)
			}
		}
		table.d.check(t)
		seen := 0
		table.All(func(e *Entry) bool { seen++; return model[e.Key()] == e })
		if seen != len(model) || table.Len() != len(model) {
			t.Fatalf("all: %d, len: %d, want %d", seen, table.Len(), len(model))
		}
	}
	for key, e := range model {
		table.Remove(HashString(key), e)
	}
	table.d.check(t)
	if table.d.depth != 0 || table.Random(1) != nil || table.Bytes() > 1000 {
		t.Fatalf("an emptied table keeps %d bytes, depth %d", table.Bytes(), table.d.depth)
	}
}

// However many entries there are, few places of the table are free.
func TestTableTakesLittle(t *testing.T) {
	var table Table
	for n := 1; n <= 50000; n++ {
		key := fmt.Append(nil, n)
		table.Insert(Hash64(key), NewEntry(key))
		if got := float64(table.Bytes()) / float64(n); n >= 1000 && got > 16 {
			t.Fatalf("with %d entries the table takes %.1f bytes for each", n, got)
		}
	}
}

// What stays during a whole scan is seen, while the table grows and shrinks.
func TestScanSeesWhatStays(t *testing.T) {
	rng := seeded(t)
	for _, stay := range []int{0, 1, 10, 500, 3000} {
		var table Table
		add := func(key string) *Entry {
			e := NewEntry([]byte(key))
			table.Insert(HashString(key), e)
			return e
		}
		missing := map[string]bool{}
		for i := range stay {
			missing[add(fmt.Sprint("stay", i)).Key()] = true
		}
		var extra []*Entry
		cursor, calls, seen := uint64(0), 0, 0
		for {
			cursor = table.Scan(cursor, 1+rng.IntN(20), func(e *Entry) {
				delete(missing, e.Key())
				seen++
			})
			calls++
			if cursor == 0 {
				break
			}
			if cursor >= 1<<CursorBits {
				t.Fatalf("cursor %d is too large", cursor)
			}
			if calls/40%2 == 0 {
				for range rng.IntN(400) {
					extra = append(extra, add(fmt.Sprint("extra", len(extra), "-", calls)))
				}
			} else {
				for range min(rng.IntN(800), len(extra)) {
					e := extra[len(extra)-1]
					extra = extra[:len(extra)-1]
					table.Remove(HashString(e.Key()), e)
				}
			}
		}
		if len(missing) > 0 {
			t.Fatalf("%d of %d were not seen in %d calls", len(missing), stay, calls)
		}
		t.Logf("stay %d: %d calls, %d seen, %d at the end", stay, calls, seen, table.Len())
		table.d.check(t)
	}
}

func TestScanOfStillTableSeesEachOnce(t *testing.T) {
	var table Table
	for i := range 20000 {
		key := fmt.Sprint(i)
		table.Insert(HashString(key), NewEntry([]byte(key)))
	}
	seen := map[*Entry]int{}
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		cursor = table.Scan(cursor, 10, func(e *Entry) { seen[e]++ })
	}
	for e, n := range seen {
		if n != 1 {
			t.Fatalf("%q was seen %d times", e.Key(), n)
		}
	}
	if len(seen) != 20000 {
		t.Fatalf("saw %d of 20000", len(seen))
	}
}

func TestRandomIsNearlyUniform(t *testing.T) {
	rng := seeded(t)
	for _, n := range []int{1, 3, 100, 2500} {
		var table Table
		for i := range n {
			key := fmt.Sprint(i)
			table.Insert(HashString(key), NewEntry([]byte(key)))
		}
		hits := map[*Entry]int{}
		for range 200 * n {
			hits[table.Random(rng.Uint64())]++
		}
		for e, h := range hits {
			if h < 100 || h > 300 {
				t.Fatalf("%q of %d was drawn %d times, want about 200", e.Key(), n, h)
			}
		}
		if len(hits) != n {
			t.Fatalf("drew %d of %d", len(hits), n)
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	var table Table
	table.Insert(HashString("key"), NewEntry([]byte("key")))
	key := []byte("key")
	if n := testing.AllocsPerRun(100, func() {
		if table.Find(Hash64(key), key) == nil {
			t.Fatal("not found")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1000, 1000000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var table Table
			keys := make([][]byte, n)
			for i := range n {
				keys[i] = fmt.Appendf(nil, "key:%012d", i)
				table.Insert(Hash64(keys[i]), NewEntry(keys[i]))
			}
			b.ReportMetric(float64(table.Bytes())/float64(n), "B/slot")
			rng := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				k := keys[rng.IntN(n)]
				if table.Find(Hash64(k), k) == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}

func BenchmarkInsertRemove(b *testing.B) {
	var table Table
	entries := make([]*Entry, 100000)
	for i := range entries {
		entries[i] = NewEntry(fmt.Append(nil, i))
	}
	for b.Loop() {
		for _, e := range entries {
			table.Insert(HashString(e.Key()), e)
		}
		for _, e := range entries {
			table.Remove(HashString(e.Key()), e)
		}
	}
}

// BenchmarkGrow puts a million new entries into the tables of 128 shards: what it moves is in
// no cache any more.
func BenchmarkGrow(b *testing.B) {
	const n = 1_000_000
	entries := make([]*Entry, n)
	for i := range entries {
		entries[i] = NewEntry(fmt.Appendf(nil, "key:%012d", i))
	}
	bytes := int64(0)
	for b.Loop() {
		var tables [128]Table
		for _, e := range entries {
			hash := HashString(e.Key())
			tables[hash%128].Insert(hash, e)
		}
		bytes = 0
		for i := range tables {
			bytes += tables[i].Bytes()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/insert")
	b.ReportMetric(float64(bytes)/n, "B/entry")
}
