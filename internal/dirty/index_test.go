package dirty

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyhash"
)

// TestKeyMapIsAMap has a keyMap and a map do the same puts and removals.
func TestKeyMapIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	var m keyMap
	want := map[string]bool{}
	for range 50_000 {
		name := fmt.Sprint("k", r.IntN(700))
		hash := keyhash.String(name)
		if k := m.find(hash, name); (k != nil) != want[name] {
			t.Fatalf("%s: found %v, wanted %v", name, k, want[name])
		}
		switch {
		case !want[name]:
			m.newKey(hash, name)
			want[name] = true
		case r.IntN(3) > 0:
			m.dropKey(m.place(hash, name))
			delete(want, name)
		}
		if m.tidy(); m.n != len(want) {
			t.Fatalf("%d keys, wanted %d", m.n, len(want))
		}
	}
	seen := 0
	for _, k := range m.all {
		if seen++; !want[k.Name()] {
			t.Errorf("%s is listed, and is not there", k.Name())
		}
	}
	if seen != len(want) {
		t.Errorf("%d keys are listed, wanted %d", seen, len(want))
	}
}

// TestRowsAreGuessedByTheirNames: who comes to a row soon knows the hash of its name. The first
// rows are few enough to be gone over.
func TestRowsAreGuessedByTheirNames(t *testing.T) {
	s := New(testDef, 0)
	for i := range 100 {
		s.Apply(&change.Change{Op: change.Set, Table: 3, Key: "board", Row: fmt.Sprint("member:", i)}, 1)
	}
	k := s.Find(0, 0, "board")
	for i := fewRows; i < 100; i++ {
		name := fmt.Sprint("member:", i)
		if row := k.many().guess(keyhash.String(name)); row == nil || viewOf(rowOf(row)).Name != name {
			t.Errorf("%s is not found", name)
		}
	}
}

// BenchmarkIndex and BenchmarkMap look up a key among as many as a shard may hold.
func BenchmarkIndex(b *testing.B) {
	var m keyMap
	names := benchNames()
	for _, n := range names {
		m.newKey(keyhash.String(n), n)
	}
	for i := 0; b.Loop(); i++ {
		name := names[i*7919%len(names)]
		m.find(keyhash.String(name), name)
	}
}

func BenchmarkMap(b *testing.B) {
	m := map[string]*Key{}
	names := benchNames()
	for _, n := range names {
		m[n] = new(Key)
	}
	var found *Key
	for i := 0; b.Loop(); i++ {
		found = m[names[i*7919%len(names)]]
	}
	_ = found
}

func benchNames() []string {
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprintf("key:%012d", i)
	}
	return names
}
