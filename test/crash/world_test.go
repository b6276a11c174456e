package crash

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// world is one database, one server that is killed again and again, and the clients
// and the reader that watch whether the two keep what was promised.
type world struct {
	t       *testing.T
	d       *database
	in      *instance
	rep     *report
	seed    uint64
	rng     *rand.Rand
	clients []*client
	shared  []*sharedCounter

	// away: refusals are no surprise, since the database is or was away.
	away      atomic.Bool
	surprises atomic.Int64
	round     int
	ack       string // of this round
	// ackedBefore is how many commands had been answered when the load of this round
	// began.
	ackedBefore int64
}

const clientsMax = 8

func newWorld(t *testing.T, d *database, p *program) *world {
	w := &world{t: t, d: d, in: newInstance(t, p), seed: *seed, shared: newShared(), rep: newReport(t, d.name)}
	w.rng = rand.New(rand.NewPCG(w.seed, 1<<32))
	for i := range clientsMax {
		w.clients = append(w.clients, newClient(w, i))
	}
	w.watch()
	return w
}

// acks are the levels that rounds have in turn.
var acks = []string{"disk", "memory", "database"}

// configure sets up the next round: another ack level, and now and then so small
// transactions that a flush is written in parts.
func (w *world) configure(more string) {
	w.ack = acks[w.round%len(acks)]
	rows := 50_000
	if w.round%4 == 1 {
		rows = 20
	}
	if w.round%generation == generation-1 {
		for _, c := range w.clients {
			c.renew(w.round/generation + 1)
		}
	}
	w.round++
	w.rep.round.Store(int64(w.round))
	w.in.configure(fmt.Sprintf(`database: %q
ack: %s
flush: {max_delay: 40ms, lull: 4ms, max_transaction_rows: %d}
log: {segment_bytes: 1MiB, max_bytes: 64MiB, retain: {age: 1s, bytes: 2MiB}}
%s%s`, w.d.url, w.ack, rows, more, mappings))
}

// generation is after how many rounds new keys are begun.
const generation = 10

// load runs all clients until they have lost the server or stop is called, which
// waits for them.
func (w *world) load() (stop func()) {
	w.ackedBefore = w.rep.acked.Load()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, c := range w.clients {
		running.Go(func() { c.round(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// between waits for a random time.
func (w *world) between(least, most time.Duration) {
	time.Sleep(least + time.Duration(w.rng.Int64N(int64(most-least))))
}

// mayRefuse reports whether an error reply is one that says "nothing was done" and may
// come now.
func (w *world) mayRefuse(err error) bool {
	text := err.Error()
	return w.away.Load() && (strings.HasPrefix(text, "NODB ") || strings.HasPrefix(text, "BUSY ")) ||
		strings.HasPrefix(text, "LOADING ") || // closing
		strings.HasPrefix(text, "NODB ") && strings.Contains(text, "the lane is not taken yet") // the machine is slow, and the start did not wait
}

// unexpected notes an answer that should not be given.
func (w *world) unexpected(format string, args ...any) {
	if w.surprises.Add(1) <= detailsMax {
		w.t.Errorf("unexpected: "+format, args...)
	}
}

// checkSQL compares what SQL holds of things with what is known.
func (w *world) checkSQL(things func(*client) []*thing, where string) {
	w.t.Helper()
	for _, c := range w.clients {
		for _, thing := range things(c) {
			rows, err := w.d.rows(w.t.Context(), thing)
			if err != nil {
				w.t.Fatalf("reading %s %s: %v", thing.name, thing.key, err)
			}
			thing.compare(w.rep, rows, where+", in SQL,")
		}
	}
}

func current(c *client) []*thing { return append(append([]*thing{}, c.things...), c.order[:]...) }

// finish reads everything back: from Lull, then, after a flush, from SQL, then from
// SQL alone after Lull was asked to end.
func (w *world) finish() {
	w.t.Helper()
	w.configure("")
	w.in.start()
	for _, c := range w.clients {
		rdb := w.in.client()
		c.conn, c.dead = rdb.Conn(), false
		c.look(c.all(), "at the end")
		c.conn.Close()
		rdb.Close()
		if c.dead {
			w.t.Fatalf("client %d: the connection broke while reading at the end", c.number)
		}
	}
	w.checkShared()
	w.in.end(0)
	w.checkSQL((*client).all, "at the end")
	w.checkTotals()
}

// checkShared compares the counters that all clients raised.
func (w *world) checkShared() {
	rdb := w.in.client()
	defer rdb.Close()
	for _, s := range w.shared {
		n, err := rdb.Get(w.t.Context(), s.key).Int64()
		if acked := s.acked.Load(); err != nil && acked > 0 {
			w.t.Errorf("GET %s: %v", s.key, err)
		}
		s.thing.counter = newCounter(s.key)
		if n < s.acked.Load() {
			w.rep.wrong(&w.rep.lost, "%s: at the end it is %d, %d was acknowledged", s.key, n, s.acked.Load())
		}
		if n > s.sent.Load() {
			w.rep.wrong(&w.rep.doubled, "%s: at the end it is %d, %d was sent", s.key, n, s.sent.Load())
		}
		s.thing.counter.possible = []int64{n}
	}
}

// checkTotals looks at what is in SQL beyond the things.
func (w *world) checkTotals() {
	w.t.Helper()
	for _, s := range w.shared {
		rows, err := w.d.rows(w.t.Context(), s.thing)
		if err != nil {
			w.t.Fatal(err)
		}
		s.thing.compare(w.rep, rows, "at the end, in SQL,")
	}
	letters, err := w.d.column(w.t.Context(), w.d.sql, "SELECT message FROM lull_dead_letters")
	if err != nil || len(letters) > 0 {
		w.t.Errorf("dead letters: %v, %v; want none", letters, err)
	}
	if err := w.snapshot(w.t.Context()); err != nil {
		w.t.Errorf("the last look at SQL: %v", err)
	}
}

// watch polls committed states of the database until the test ends.
func (w *world) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := w.snapshot(ctx); err == nil {
				w.rep.snapshots.Add(1)
			}
			time.Sleep(3 * time.Millisecond)
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// snapshot looks at one committed state. Its errors are those of reading: the database
// may be away.
func (w *world) snapshot(ctx context.Context) error {
	tx, err := w.d.sql.BeginTx(ctx, &sql.TxOptions{Isolation: w.d.snapshot, ReadOnly: w.d.server != nil})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var failed error
	number := func(query string, args ...any) int64 {
		vals, err := w.d.column(ctx, tx, query, args...)
		if err != nil || len(vals) == 0 {
			failed = err
			return 0
		}
		n, err := strconv.ParseFloat(textOf(vals[0]), 64)
		if err != nil {
			failed = fmt.Errorf("%s: %w", query, err)
		}
		return int64(n)
	}
	if number("SELECT count(*) FROM lull_lanes WHERE catching_up") > 0 {
		return failed // parts of a large cut: P2's exception
	}
	total := number("SELECT coalesce(sum(balance), 0) FROM accounts") +
		number("SELECT coalesce(sum(score), 0) FROM lull_zsets WHERE ~key~ = ?", []byte("bank"))
	pair := w.clients[w.rep.snapshots.Load()%clientsMax].order
	var behind [2]int64
	for i, t := range pair {
		query, args := t.query()
		behind[i] = number(query, args...)
	}
	if failed != nil {
		return failed
	}
	if total != accountsTotal {
		w.rep.wrong(&w.rep.torn, "a snapshot holds %d in all accounts together, want %d", total, accountsTotal)
	}
	if behind[0] < behind[1] {
		w.rep.wrong(&w.rep.torn, "a snapshot holds %s = %d and %s = %d, which was raised later", pair[0].key, behind[0], pair[1].key, behind[1])
	}
	return nil
}
