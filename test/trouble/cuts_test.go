package trouble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
	"github.com/lullcache/lull/internal/testdb"
)

// TestExactlyOnceOverCuts cuts the connection after every byte of a flush conversation,
// in both directions, and then once more while the engine finds out what became of it.
// Each row is applied once. With few cuts every byte of the end of the conversation is
// among them, where COMMIT is, and the rest is spread.
func TestExactlyOnceOverCuts(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"postgres", "mariadb"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			line := proof.NewLine(t, *seed)
			var lanes sync.WaitGroup
			for i := range cutLanes {
				p := newPlace(t, kind, false, nil)
				p.makeLedger(t)
				c := &cutter{p: p, line: line, rnd: rand.New(rand.NewPCG(*seed, uint64(i))), lane: i}
				c.db = p.open(t, t.TempDir(), func(o *lull.Options) { ledgerSpecs(o); o.OnEvent = nil })
				lanes.Go(func() { c.run(t) })
			}
			lanes.Wait()
		})
	}
}

// cutLanes is how many engines are cut side by side: after a cut most time is waiting.
const cutLanes = 4

// commitBytes is the end of a conversation that holds COMMIT and its answer.
const commitBytes = 40

// cutter is an engine whose connections are cut.
type cutter struct {
	p    *place
	db   *lull.DB
	line *proof.Line
	rnd  *rand.Rand
	lane int
	n    int64 // rounds written
}

func (c *cutter) run(t *testing.T) {
	for range 3 { // connects, and prepares what is prepared
		c.round(t)
	}
	places := spread(c.span(t), *cuts)
	for i := c.lane; i < max(*cuts, len(places)) && !t.Failed(); i += cutLanes {
		d, at := places[i%len(places)][0], places[i%len(places)][1]
		if at < 0 { // from the end, which moves as numbers grow
			at += c.span(t)[d]
		}
		c.cut(t, testdb.Direction(d), int64(at), c.rnd.IntN(3) == 0)
	}
	stats := c.db.Stats()
	c.line.Tried(c.p.proxy.Cuts(), "cuts")
	c.line.Tried(int(stats.Flush.Ambiguous), "commits in doubt")
	if stats.Flush.Ambiguous == 0 {
		t.Error("no commit was in doubt: too few cuts to show anything")
	}
	if err := c.db.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
	c.p.checkLedger(t, c.n, c.line)
	// The engine's own count of what SQL took is the audit's.
	var taken uint64
	for _, s := range stats.Tables {
		if s.Key != "" {
			taken += s.Operations
		}
	}
	if got := c.p.number(t, `SELECT count(*) FROM audit`); got != int64(taken) {
		t.Errorf("audit: %d rows, and the engine says that SQL took %d", got, taken)
	}
}

// spread returns n places, a direction and a byte each, or all that there are: the last
// bytes of both directions, counted from the end, and others evenly.
func spread(span [2]int, n int) (places [][2]int) {
	others := span[0] + span[1] - 2*commitBytes
	step := max(1, float64(others)/float64(max(1, n-2*commitBytes)))
	for d := range span {
		for at := range commitBytes {
			places = append(places, [2]int{d, at - commitBytes})
		}
		for at := 0.0; int(at) < span[d]-commitBytes; at += step {
			places = append(places, [2]int{d, int(at)})
		}
	}
	return places
}

// round writes one round and has it flushed.
func (c *cutter) round(t *testing.T) {
	c.write(t)
	c.sync(t)
}

func (c *cutter) write(t *testing.T) {
	n, err := ledgerRound(t.Context(), c.db, c.n)
	if err != nil {
		t.Errorf("round %d: %v", c.n+1, err)
		return
	}
	c.n = n
}

func (c *cutter) sync(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), hangMax)
	defer cancel()
	if err := c.db.Sync(ctx); err != nil {
		t.Errorf("round %d: sync: %v; %s", c.n, err, c.db.Stats().Flush.Summary)
	}
}

// span is how many bytes an undisturbed flush takes in each direction.
func (c *cutter) span(t *testing.T) (span [2]int) {
	c.write(t) // what it loads is no part of it
	for d := range span {
		span[d] = -int(c.p.proxy.Passed(testdb.Direction(d)))
	}
	c.sync(t)
	for d := range span {
		span[d] += int(c.p.proxy.Passed(testdb.Direction(d)))
	}
	return span
}

// cut writes a round and cuts its flush; twice, so that the second cut falls into the
// conversation in which the engine connects again and takes its lane back.
func (c *cutter) cut(t *testing.T, d testdb.Direction, at int64, twice bool) {
	proxy := c.p.proxy
	c.write(t)
	proxy.CutAfter(d, at)
	if twice {
		before, bytes := proxy.Cuts(), c.rnd.Int64N(900)
		watch := make(chan struct{})
		defer func() { <-watch }()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			defer close(watch)
			for ctx.Err() == nil && proxy.Cuts() == before {
				time.Sleep(time.Millisecond)
			}
			if ctx.Err() == nil {
				proxy.CutAfter(testdb.Direction(c.rnd.IntN(2)), bytes)
			}
		}()
	}
	c.sync(t)
	for d := range testdb.Direction(2) {
		proxy.CutAfter(d, -1)
	}
}

// TestExactlyOnceOverKillsOfTheDatabase kills the database in the middle of flushes of
// some hundred rows, every other time as it carries out a COMMIT.
func TestExactlyOnceOverKillsOfTheDatabase(t *testing.T) {
	everywhere(t, true, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		rnd := rand.New(rand.NewPCG(*seed, 9))
		p.makeLedger(t)
		db := p.open(t, t.TempDir(), ledgerSpecs)
		c := &cutter{p: p, db: db}
		c.round(t)
		took := time.Second
		for i := range *kills + 1 {
			for range 200 {
				n, err := ledgerRound(t.Context(), db, c.n)
				must(t, err)
				c.n = n
			}
			done, began := make(chan struct{}), time.Now()
			kill := func(within time.Duration) {
				time.Sleep(time.Duration(rnd.Int64N(int64(within))))
				p.server.Kill()
				line.Tried(1, "kills")
			}
			committing := make(chan struct{})
			if i > 0 && i%2 == 0 {
				p.proxy.CutOn("COMMIT", func() { kill(2 * time.Millisecond); close(committing) })
			}
			go func() { defer close(done); c.sync(t) }()
			if i > 0 {
				if i%2 == 0 {
					<-committing
				} else {
					kill(took)
				}
				p.server.Restart()
			}
			<-done
			if i == 0 {
				took = time.Since(began)
			}
		}
		closeDB(t, db)
		line.Tried(int(db.Stats().Flush.Ambiguous), "commits in doubt")
		p.checkCoalesced(t, c.n, line)
	}, "postgres", "mariadb")
}

// checkCoalesced compares the tables and the audit with n rounds that were flushed
// many at a time: of the counter and the notes only what a cut held was applied, and
// nothing twice.
func (p *place) checkCoalesced(t *testing.T, n int64, line *proof.Line) {
	t.Helper()
	line.Tried(int(p.number(t, `SELECT count(*) FROM audit`)), "rows")
	doubled := p.rows(t, `SELECT what, count(*) FROM audit GROUP BY what HAVING count(*) > 1`)
	line.Doubled.Add(int64(len(doubled)))
	for _, what := range doubled {
		t.Errorf("audit: applied twice: %s", what)
	}
	events := p.number(t, `SELECT count(*) FROM audit WHERE what LIKE 'event %'`)
	if events < n {
		line.Lost.Add(n - events)
	}
	p.wantRows(t, `SELECT count(*) FROM audit WHERE what LIKE '%changed%'`, "0")
	p.wantRows(t, `SELECT n FROM counters WHERE name = 'c'`, fmt.Sprint(n))
	p.wantRows(t, `SELECT count(*), count(DISTINCT n), sum(n) FROM events`, fmt.Sprintf("%d|%d|%d", n, n, n*(n+1)/2))
	p.wantRows(t, `SELECT id, body FROM notes`, fmt.Sprintf("%d|of note:%d", n, n))
}
