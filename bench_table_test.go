package lull_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/lullcache/lull"
)

// benchPlayer has five fields.
type benchPlayer struct {
	Name                      string
	Score, Level, Coins, Seen int64
}

// benchMap is what a program would have without Lull: a map in shards.
type benchMap [256]struct {
	sync.Mutex
	rows map[int64]benchPlayer
}

// BenchmarkTable puts and updates structs of five fields, in Lull and in a plain map.
func BenchmarkTable(b *testing.B) {
	p := newPlace(b, "sqlite")
	p.exec(b, "CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT NOT NULL, score INTEGER NOT NULL, level INTEGER NOT NULL, coins INTEGER NOT NULL, seen INTEGER NOT NULL)")
	db := benchOver(b, p, lull.TableSpec{Name: "players", Key: benchKey + "{id}", Type: "hash"})
	db.Pause()
	table, err := lull.NewTable[int64, benchPlayer](db, "players")
	if err != nil {
		b.Fatal(err)
	}
	row := func(i int64) benchPlayer { return benchPlayer{"player", i, i % 100, 7 * i, 1_790_000_000_000 + i} }
	var plain benchMap
	for i := range plain {
		plain[i].rows = make(map[int64]benchPlayer)
	}
	for i := range int64(benchRows) {
		plain[i%256].rows[i] = row(i)
		if err := table.Put(b.Context(), i, row(i)); err != nil {
			b.Fatal(err)
		}
	}
	rnd, n := rand.New(rand.NewPCG(1, 2)), int64(0)
	bench := func(name string, do func(i int64) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			cpu := cpuTime()
			for b.Loop() {
				n++
				if err := do(rnd.Int64N(benchRows)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
	bench("put", func(i int64) error { return table.Put(b.Context(), i, row(n)) })
	bench("update", func(i int64) error {
		return table.Update(b.Context(), i, func(p *benchPlayer) error { p.Score += n; p.Seen++; return nil })
	})
	bench("map/put", func(i int64) error {
		s := &plain[i%256]
		s.Lock()
		s.rows[i] = row(n)
		s.Unlock()
		return nil
	})
	bench("map/update", func(i int64) error {
		s := &plain[i%256]
		s.Lock()
		p := s.rows[i]
		p.Score += n
		p.Seen++
		s.rows[i] = p
		s.Unlock()
		return nil
	})
}
