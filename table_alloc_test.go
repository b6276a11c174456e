//go:build !race

package lull_test

import (
	"testing"

	"github.com/lullcache/lull"
)

// The race detector makes a pool forget at random, so that these are not counted with it.

func TestPutAndUpdateOfAStructAllocateItsTextAlone(t *testing.T) {
	p := newPlace(t, "sqlite")
	p.exec(t, "CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT NOT NULL, score INTEGER NOT NULL, level INTEGER NOT NULL, coins INTEGER NOT NULL, seen INTEGER NOT NULL)")
	db, err := lull.Open(t.Context(), lull.Options{DataDir: t.TempDir(), Sink: p.sink(t), Ack: lull.AckMemory,
		Tables: []lull.TableSpec{{Name: "players", Key: "player:{id}", Type: "hash"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	db.Pause()
	table, err := lull.NewTable[int64, benchPlayer](db, "players")
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	put := func() {
		n++
		if err := table.Put(t.Context(), 7, benchPlayer{"a name that is no constant", n, n, n, n}); err != nil {
			t.Fatal(err)
		}
	}
	raise := func(p *benchPlayer) error { p.Score++; return nil }
	update := func() {
		if err := table.Update(t.Context(), 7, raise); err != nil {
			t.Fatal(err)
		}
	}
	put()
	for name, f := range map[string]func(){"Put": put, "Update": update} {
		if allocs := testing.AllocsPerRun(1000, f); allocs > 1.5 { // the engine works beside it
			t.Errorf("%s: %v allocations, wanted one, of the name", name, allocs)
		}
	}
}
