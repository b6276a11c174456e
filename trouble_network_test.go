package lull_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/testdb"
)

// TestTroubleNetworkCuts cuts the connections at random bytes of flushes, in both
// directions: statements and COMMITs are lost on their way, and answers on theirs.
// Everything arrives exactly once.
func TestTroubleNetworkCuts(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, server *testdb.Server, p *place) {
		seed := seedOf(t)
		rnd := rand.New(rand.NewPCG(seed, 0))
		p.makeWorld(t)
		proxy := testdb.StartProxy(t, server.Addr())
		p.through = proxy.Through
		db := openWorld(t, p.sink(t), t.TempDir(), func(o *lull.Options) {
			o.Flush.Lull, o.Flush.MaxDelay, o.OnEvent = time.Hour, time.Hour, nil
		})
		players, err := lull.NewTable[int, hitter](db, "players")
		must(t, err)
		tr := &traffic{writers: []*writer{{n: 0}, {n: 1}, {n: 2}}}
		write := func() {
			for i := range 4 {
				for _, w := range tr.writers {
					w.round(db, players, i, nil)
				}
			}
		}
		write()
		syncDB(t, db)
		write()
		var span [2]int64
		for d := range span {
			span[d] = -proxy.Passed(testdb.Direction(d))
		}
		syncDB(t, db)
		for d := range span {
			span[d] += proxy.Passed(testdb.Direction(d))
		}
		for round := 0; round < rounds(24) || round < 200 && lull.Flusher(db).Stats().Ambiguous == 0; round++ {
			write()
			d := testdb.Direction(rnd.IntN(2))
			at := rnd.Int64N(span[d])
			if round%2 == 0 { // COMMIT is near the end
				at = max(0, span[d]-rnd.Int64N(60))
			}
			proxy.CutAfter(d, at)
			syncDB(t, db)
			proxy.CutAfter(d, -1)
		}
		tr.end(t)
		tr.wantInSQL(t, p)
		stats := lull.Flusher(db).Stats()
		t.Logf("%d cuts, %d retries, %d commits in doubt", proxy.Cuts(), stats.Retries, stats.Ambiguous)
		if proxy.Cuts() < 12 || stats.Ambiguous == 0 {
			t.Errorf("%d cuts, %d commits in doubt: too few to show anything", proxy.Cuts(), stats.Ambiguous)
		}
		closeDB(t, db)
	})
}
