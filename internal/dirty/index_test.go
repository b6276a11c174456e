package dirty

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lullcache/lull/internal/keyhash"
)

// TestIndexIsAMap has an index and a map do the same puts and removals.
func TestIndexIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	var x index
	want := map[string]*Key{}
	for range 50_000 {
		name := fmt.Sprint("k", r.IntN(700))
		hash := keyhash.String(name)
		if k := x.find(hash, name); k != want[name] {
			t.Fatalf("%s: found %v, wanted %v", name, k, want[name])
		}
		switch {
		case want[name] == nil:
			want[name] = &Key{name: name}
			x.insert(hash, want[name])
		case r.IntN(3) > 0:
			x.remove(x.place(hash, name))
			delete(want, name)
		}
		if x.n != len(want) {
			t.Fatalf("%d keys, wanted %d", x.n, len(want))
		}
	}
	seen := 0
	for k := range x.all {
		if seen++; want[k.name] != k {
			t.Errorf("%s is listed, and is not there", k.name)
		}
	}
	if seen != len(want) {
		t.Errorf("%d keys are listed, wanted %d", seen, len(want))
	}
}

// BenchmarkIndex and BenchmarkMap look up a key among as many as a shard may hold.
func BenchmarkIndex(b *testing.B) {
	var x index
	names := benchNames()
	for _, n := range names {
		x.insert(keyhash.String(n), &Key{name: n})
	}
	for i := 0; b.Loop(); i++ {
		name := names[i*7919%len(names)]
		x.find(keyhash.String(name), name)
	}
}

func BenchmarkMap(b *testing.B) {
	m := map[string]*Key{}
	names := benchNames()
	for _, n := range names {
		m[n] = &Key{name: n}
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
