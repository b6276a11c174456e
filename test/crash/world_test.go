package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/testdb"
)

// world is one database, one server that is killed again and again, and the clients
// and the reader that watch whether the two keep what was promised.
type world struct {
	t        *testing.T
	d        *database
	proxy    *testdb.Proxy // Lull's way to the database; nil for SQLite
	in       *instance
	rep      *report
	seed     uint64
	rng      *rand.Rand
	clients  []*client
	shared   []*sharedCounter
	refusals bool // the database refuses some values

	// away: refusals are no surprise, since the database is or was away; parked: nor are
	// they on the table that was taken away.
	away, parked atomic.Bool
	covered      atomic.Bool // a write of this round was answered, and no less
	surprises    atomic.Int64
	position     atomic.Int64 // of the last snapshot
	pace         pace
	aheadMu      sync.Mutex
	aheads       []ahead // seen since the clients were last judged
	round        int
	renewed      int    // the round in which this generation of keys began
	generations  int    // how many there were: several may begin in a round of the soak
	ack          string // of this round
	acks         deck
	began        time.Time // the load of this round
}

const clientsMax = 8

// newWorld begins one. With refusals some values are such as the database refuses.
func newWorld(t *testing.T, d *database, p *program, refusals bool) *world {
	w := &world{t: t, d: d, in: newInstance(t, p), seed: *seed, shared: newShared(), refusals: refusals, rep: newReport(t)}
	if d.server != nil {
		w.proxy = testdb.StartProxy(t, d.server.Addr())
		d.url = w.proxy.Through(d.url)
	}
	w.rng = rand.New(rand.NewPCG(w.seed, 1<<32))
	for i := range clientsMax {
		w.clients = append(w.clients, newClient(w, i))
	}
	w.watch()
	return w
}

// acks are the levels of durability that rounds have.
var acks = []string{"disk", "memory", "database"}

// conditions are what a round's configuration makes different.
type conditions struct {
	transactionRows int    // so few that a flush is written in parts
	logMiB          int    // so little that it is folded soon
	ack             string // else dealt
	more            string
}

// configure begins the next round.
func (w *world) configure(c conditions) {
	if w.ack = c.ack; w.ack == "" {
		if w.acks.all == nil {
			for _, a := range acks {
				w.acks.add(2, a)
			}
		}
		w.ack = w.acks.deal(w.rng.Shuffle).(string)
	}
	if c.transactionRows == 0 {
		c.transactionRows = 50_000
	}
	if c.logMiB == 0 {
		c.logMiB = 64
	}
	w.round++
	w.rep.round.Store(int64(w.round))
	w.in.configure(fmt.Sprintf(`database: %q
ack: %s
flush: {max_delay: 40ms, lull: 4ms, max_transaction_rows: %d}
log: {segment_bytes: 1MiB, max_bytes: %dMiB, retain: {age: 1s, bytes: 2MiB}}
%s%s`, w.d.url, w.ack, c.transactionRows, c.logMiB, c.more, mappings))
}

// generation is after how many rounds new keys are begun.
const generation = 10

// renew compares what SQL holds with what is known, and begins new keys. Lull runs, and
// the database is there.
func (w *world) renew() {
	w.t.Helper()
	w.flush()
	w.checkSQL(w.clients, (*client).current, "after a flush")
	w.renewed = w.round
	w.generations++
	for _, c := range w.clients {
		c.renew(w.generations)
	}
}

// flush waits until all is in SQL. A start that the database answered late, on a slow
// machine, has not taken the lane yet.
func (w *world) flush() {
	w.t.Helper()
	var err error
	for end := time.Now().Add(endWait); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = w.in.flush(); err == nil {
			return
		}
	}
	w.t.Fatalf("LULL FLUSH: %v", err)
}

// trouble says that the database is not as it should be, for the rest of the round.
func (w *world) trouble() {
	w.away.Store(true)
}

// depart takes the database away from Lull, comeBack brings it back. A server refuses
// connections, of SQLite's file somebody else holds the write lock.
func (w *world) depart() {
	w.t.Helper()
	w.trouble()
	w.rep.outages.Add(1)
	if w.proxy != nil {
		w.proxy.Refuse()
		return
	}
	w.d.down(w.t)
}

func (w *world) comeBack() {
	w.t.Helper()
	if w.proxy != nil {
		w.proxy.Resume()
		return
	}
	w.d.up(w.t)
}

// cut cuts Lull's connections to the database: now, or in the middle of a message.
func (w *world) cut() {
	switch w.rng.IntN(3) {
	case 0:
		w.proxy.Cut()
	case 1:
		w.proxy.CutAfter(testdb.ToServer, w.rng.Int64N(4000))
	default:
		w.proxy.CutAfter(testdb.ToClient, w.rng.Int64N(1000))
	}
}

// load runs all clients until they have lost the server or stop is called, which
// waits for them.
func (w *world) load() (stop func()) {
	w.covered.Store(false)
	w.began = time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, c := range w.clients {
		running.Go(func() { c.round(ctx) })
	}
	return func() {
		cancel()
		running.Wait()
		w.judge()
	}
}

// between waits for a random time.
func (w *world) between(least, most time.Duration) {
	time.Sleep(least + time.Duration(w.rng.Int64N(int64(most-least))))
}

// checkSQL compares what SQL holds of things with what is known.
func (w *world) checkSQL(clients []*client, things func(*client) []*thing, where string) {
	w.t.Helper()
	for _, c := range clients {
		for _, thing := range things(c) {
			rows, err := w.d.rows(w.t.Context(), thing)
			if err != nil {
				w.t.Fatalf("reading %s %s: %v", thing.name, thing.key, err)
			}
			thing.compare(w.rep, rows, where+", in SQL,")
		}
	}
}

// finish reads everything back: from Lull, then from SQL after Lull was asked to end.
func (w *world) finish() {
	w.t.Helper()
	w.configure(conditions{})
	w.in.start()
	w.flush()
	for _, c := range w.clients {
		w.readBack(c)
	}
	w.checkShared()
	w.waitParked()
	w.waitFleeting()
	w.in.end(0)
	w.checkSQL(w.clients, (*client).all, "at the end")
	w.checkTotals()
}

// readBack reads all that a client ever wrote, a few at a time, until each is answered.
func (w *world) readBack(c *client) {
	w.t.Helper()
	const few = 64
	c.connect()
	defer c.disconnect()
	end := time.Now().Add(endWait)
	for left := range slices.Chunk(c.all(), few) {
		for len(left) > 0 {
			c.look(left, "at the end")
			if c.dead {
				w.t.Fatalf("client %d: the connection broke while reading at the end", c.number)
			}
			left = slices.DeleteFunc(left, func(t *thing) bool { return t.loaded })
			if len(left) > 0 && time.Now().After(end) {
				w.t.Fatalf("client %d: %d keys were not answered in %v at the end, %s among them", c.number, len(left), endWait, left[0].key)
			}
		}
	}
}

// waitParked waits until what was put aside for a table that was away is in it.
func (w *world) waitParked() {
	w.t.Helper()
	for end := time.Now().Add(endWait); ; time.Sleep(10 * time.Millisecond) {
		waiting, err := w.d.column(w.t.Context(), w.d.sql, "SELECT message FROM lull_dead_letters WHERE table_name = 'parkable'")
		if err == nil && len(waiting) == 0 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%v after the table came back it waits for %v, %v", endWait, waiting, err)
		}
	}
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
			w.rep.wrong(&w.rep.Lost, "%s: at the end it is %d, %d was acknowledged", s.key, n, s.acked.Load())
		}
		if n > s.sent.Load() {
			w.rep.wrong(&w.rep.Doubled, "%s: at the end it is %d, %d was sent", s.key, n, s.sent.Load())
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
	w.checkLetters()
	if err := w.snapshot(w.t.Context()); err != nil {
		w.t.Errorf("the last look at SQL: %v", err)
	}
	w.judge()
}

// checkLetters wants a dead letter for each row that the database refuses, and no
// other.
func (w *world) checkLetters() {
	w.t.Helper()
	want := 0
	for _, c := range w.clients {
		for _, t := range c.all() {
			if g := t.register; g != nil && g.refused != nil && g.refused(g.possible[0]) {
				want++
			}
		}
	}
	letters, err := w.d.column(w.t.Context(), w.d.sql, "SELECT message FROM lull_dead_letters WHERE table_name = 'picky'")
	if err != nil || len(letters) != want {
		w.t.Errorf("dead letters: %v, %v; want %d", letters, err, want)
	}
	letters, err = w.d.column(w.t.Context(), w.d.sql, "SELECT message FROM lull_dead_letters WHERE table_name <> 'picky'")
	if err != nil || len(letters) > 0 {
		w.t.Errorf("dead letters of other tables: %v, %v; want none", letters, err)
	}
}
