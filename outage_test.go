package lull_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/postgres"
	"github.com/lullcache/lull/sink/sqlsink"
)

func openPostgres(t *testing.T, url string) sink.Sink {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, sqlsink.Options{ConnectTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// outage is an engine over a database that goes away while far more log is written
// than what is dirty.
type outage struct {
	rows   int // of a transaction; 0: the default
	server *testdb.Server
	proxy  *testdb.Proxy
	url    string
	dir    string
	folded chan struct{}
	db     *lull.DB
}

const outageKeys, outageWrites = 50, 4000

func newOutage(t *testing.T, rows int) *outage {
	o := &outage{rows: rows, server: testdb.StartPostgres(t, testdb.Options{}), dir: t.TempDir(), folded: make(chan struct{}, 100)}
	o.proxy = testdb.StartProxy(t, o.server.Addr())
	o.url = o.proxy.Through(o.server.NewDatabase(t))
	o.open(t)
	o.set(t, 0, 0)
	if err := o.db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *outage) open(t *testing.T) {
	o.db = openOver(t, openPostgres(t, o.url), o.dir, func(opts *lull.Options) {
		opts.Log = lull.LogOptions{SegmentBytes: 64 << 10, MaxBytes: 1 << 20, RetainBytes: 64 << 10, RetainAge: time.Millisecond}
		opts.LoadTimeout = 300 * time.Millisecond
		opts.Flush.MaxTransactionRows = o.rows
		opts.OnEvent = func(e lull.Event) {
			t.Logf("event: %s: %s: %v", e.Kind, e.Text, e.Err)
			if e.Kind == lull.EventCheckpoint {
				o.folded <- struct{}{}
			}
		}
	})
}

func (o *outage) set(t *testing.T, i, n int) {
	t.Helper()
	set(t, o.db, fmt.Sprintf("key:%d", i), fmt.Sprintf("value %d of %d", n, i))
}

// write writes the keys over and over, and waits until the log was folded.
func (o *outage) write(t *testing.T) {
	t.Helper()
	for n := 1; n <= outageWrites; n++ {
		o.set(t, n%outageKeys, n)
		if n%500 == 0 {
			time.Sleep(100 * time.Millisecond) // as long as a retry takes
		}
	}
	select {
	case <-o.folded:
	case <-time.After(30 * time.Second):
		t.Fatal("the log was not folded")
	}
}

func (o *outage) check(t *testing.T, when string) {
	t.Helper()
	for i := range outageKeys {
		n := outageWrites - (outageWrites-i)%outageKeys
		want := fmt.Sprintf("value %d of %d", n, i)
		if got, ok := get(t, o.db, fmt.Sprintf("key:%d", i)); !ok || got != want {
			t.Fatalf("%s: key:%d: got %q, %v, wanted %q", when, i, got, ok, want)
		}
	}
}

// restart closes the engine with the database away, opens it again without it, and
// lets it come back.
func (o *outage) restart(t *testing.T, back func()) {
	t.Helper()
	bounded, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var remains *lull.Remains
	if err := o.db.Close(bounded); !errors.As(err, &remains) || remains.Rows == 0 {
		t.Fatalf("close with the database away: got %v, wanted what remains", err)
	}
	o.open(t)
	defer closeDB(t, o.db)
	o.check(t, "database away")
	back()
	if err := o.db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.check(t, "database back")
}

// TestAnOutageFoldsTheLogIntoCheckpoints stops the database, writes, and starts the
// engine again without it: everything is in SQL once that is back.
func TestAnOutageFoldsTheLogIntoCheckpoints(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 0)
	o.server.Stop(testdb.Immediate)
	o.write(t)
	o.restart(t, o.server.Restart)
}

// TestAnOutageThatBeginsInACommit loses the answer of a flush, so that nobody knows
// whether it is in SQL, and then the database. The log is folded all the same, and the
// counter that was under way counts once.
func TestAnOutageThatBeginsInACommit(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 0)
	incr := func() (n int64) {
		do(t, o.db, "counter", func(tx *lull.Tx) (err error) {
			n, err = tx.IncrBy([]byte("counter"), 1)
			return err
		})
		return n
	}
	flusher := lull.Flusher(o.db)
	var want int64
	for try := int64(1); flusher.Stats().Ambiguous == 0; try++ {
		if try > 40 {
			t.Fatal("no answer to a COMMIT was cut")
		}
		incr()
		syncDB(t, o.db) // connects
		before := o.proxy.Passed(testdb.ToClient)
		incr()
		syncDB(t, o.db)
		flush := o.proxy.Passed(testdb.ToClient) - before
		cuts := o.proxy.Cuts()
		o.proxy.CutAfter(testdb.ToClient, flush-1-try%16) // in the last answer, which is COMMIT's
		want = incr()
		for end := time.Now().Add(time.Second); o.proxy.Cuts() == cuts && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		o.proxy.Refuse()
		time.Sleep(20 * time.Millisecond)
		if flusher.Stats().Ambiguous == 0 {
			o.proxy.Resume()
		}
	}
	o.write(t)
	o.restart(t, o.proxy.Resume)
	o.open(t)
	defer closeDB(t, o.db)
	if got, _ := get(t, o.db, "counter"); got != fmt.Sprint(want) {
		t.Errorf("counter: got %s, wanted %d", got, want)
	}
}

// TestAnOutageThatBeginsBetweenParts loses the database when some parts of a cut are in
// and others are not. The log is folded beyond the cut: a start without the database has
// all of it from checkpoints.
func TestAnOutageThatBeginsBetweenParts(t *testing.T) {
	t.Parallel()
	o := newOutage(t, 10)
	flusher := lull.Flusher(o.db)
	burst := func(try int) {
		flusher.Pause()
		for i := range outageKeys {
			o.set(t, i, -try)
		}
		flusher.Resume()
	}
	before := o.proxy.Passed(testdb.ToServer)
	burst(0)
	syncDB(t, o.db)
	whole := o.proxy.Passed(testdb.ToServer) - before
	for try := 1; !flusher.Stats().CatchingUp; try++ {
		if try > 40 {
			t.Fatal("no cut was left in parts")
		}
		cuts := o.proxy.Cuts()
		o.proxy.CutAfter(testdb.ToServer, whole*int64(1+try%3)/4)
		burst(try)
		for end := time.Now().Add(time.Second); o.proxy.Cuts() == cuts && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		o.proxy.Refuse()
		time.Sleep(20 * time.Millisecond)
		if !flusher.Stats().CatchingUp {
			o.proxy.Resume()
			syncDB(t, o.db)
		}
	}
	o.write(t)
	o.restart(t, o.proxy.Resume)
}
