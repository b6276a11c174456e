package lull_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/postgres"
	"github.com/lullcache/lull/sink/sqlsink"
)

func openPostgres(t *testing.T, url string) sink.Sink {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, sqlsink.Options{ConnectTimeout: hangMax, StatementTimeout: hangMax})
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
	direct *sql.DB
	dir    string
	folded chan struct{}
	db     *lull.DB
}

const outageKeys, outageWrites = 50, 4000

func newOutage(t *testing.T, rows int) *outage {
	o := &outage{rows: rows, server: testdb.StartPostgres(t, testdb.Options{}), dir: t.TempDir(), folded: make(chan struct{}, 100)}
	o.proxy = testdb.StartProxy(t, o.server.Addr())
	url := o.server.NewDatabase(t)
	o.url = o.proxy.Through(url)
	var err error
	if o.direct, err = sql.Open("pgx", url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.direct.Close() })
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

// write writes the keys over and over, and waits until the log was folded and begins
// later than before.
func (o *outage) write(t *testing.T) {
	t.Helper()
	from := o.db.Stats().Log.Position
	for n := 1; n <= outageWrites; n++ {
		o.set(t, n%outageKeys, n)
		if n%500 == 0 {
			time.Sleep(100 * time.Millisecond) // as long as a retry takes
		}
	}
	select {
	case <-o.folded:
	case <-time.After(hangMax):
		t.Fatal("the log was not folded")
	}
	eventually(t, "what was folded is gone", func() bool { return o.db.Stats().Log.Oldest > from })
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
	o.close(t)
	o.open(t)
	defer closeDB(t, o.db)
	o.check(t, "database away")
	back()
	if err := o.db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.check(t, "database back")
}

// close closes the engine with the database away.
func (o *outage) close(t *testing.T) {
	t.Helper()
	bounded, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var remains *lull.Remains
	if err := o.db.Close(bounded); !errors.As(err, &remains) || remains.Rows == 0 {
		t.Fatalf("close with the database away: got %v, wanted what remains", err)
	}
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

// TestAFullLogIsFoldedBetweenTwoTries: a log of few segments is full long before the next
// try to reach the database. Writers do not wait for that.
func TestAFullLogIsFoldedBetweenTwoTries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &startSink{Sink: newSQLite(t, dir)}
		db, err := onFS(t, faultfs.New(1), s, func(o *lull.Options) {
			o.Log = lull.LogOptions{SegmentBytes: foldedSegment, MaxBytes: 8 * foldedSegment}
		})
		must(t, err)
		defer closeDB(t, db)
		var away atomic.Bool
		s.write = func() error {
			if away.Load() {
				return errStartAway
			}
			return nil
		}
		away.Store(true)
		set(t, db, "k", "0")
		time.Sleep(time.Minute) // the next try is seconds away
		began := time.Now()
		for n := range 2000 {
			set(t, db, "k", fmt.Sprint(n))
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("2000 writes took %v", took)
		}
		away.Store(false)
		syncDB(t, db)
		if got := stringsInSQL(t, s.Sink)["k"]; got != "1999" {
			t.Errorf("SQL has %q", got)
		}
	})
}

// TestAnOutageThatBeginsInACommit loses the answer of a flush, so that nobody knows
// whether it is in SQL, and then the database. The log is folded all the same, by this
// process or by one that starts without the database, and the counter that was under way
// counts once.
func TestAnOutageThatBeginsInACommit(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("restarted before the log is folded %v", again), func(t *testing.T) {
			t.Parallel()
			o := newOutage(t, 0)
			want := o.loseCommit(t)
			if again {
				o.set(t, 0, 1) // so that the log does not end where the commit does
				o.close(t)
				o.open(t)
			}
			o.write(t)
			o.restart(t, o.proxy.Resume)
			o.open(t)
			defer closeDB(t, o.db)
			if got, _ := get(t, o.db, "counter"); got != fmt.Sprint(want) {
				t.Errorf("counter: got %s, wanted %d", got, want)
			}
		})
	}
}

// loseCommit counts until SQL has a flush of which Lull does not know whether it is in,
// since the answer to COMMIT was lost, and the database is away. It returns to how much.
func (o *outage) loseCommit(t *testing.T) (want int64) {
	incr := func() (n int64) {
		do(t, o.db, "counter", func(tx *lull.Tx) (err error) {
			n, err = tx.IncrBy([]byte("counter"), 1)
			return err
		})
		return n
	}
	flusher := lull.Flusher(o.db)
	for try := int64(1); try <= 100; try++ {
		var flush int64
		for range 3 { // the last is one whose statements the connection knows
			before := o.proxy.Passed(testdb.ToClient)
			incr()
			syncDB(t, o.db)
			flush = o.proxy.Passed(testdb.ToClient) - before
		}
		cuts, before := o.proxy.Cuts(), flusher.Stats()
		o.proxy.CutAfter(testdb.ToClient, flush-1-try%16) // in the last answer, which is COMMIT's
		want = incr()
		for end := time.Now().Add(time.Second); o.proxy.Cuts() == cuts && time.Now().Before(end); {
			runtime.Gosched() // Lull connects again at once, and would be told
		}
		o.proxy.Refuse()
		for end := time.Now().Add(time.Second); flusher.Stats().Ambiguous == before.Ambiguous && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
		var got string
		if err := o.direct.QueryRowContext(t.Context(), "SELECT value FROM lull_strings WHERE key = 'counter'").Scan(&got); err != nil {
			t.Fatal(err)
		}
		if now := flusher.Stats(); now.Ambiguous > before.Ambiguous && now.Mark == before.Mark && got == fmt.Sprint(want) {
			return want
		}
		o.proxy.CutAfter(testdb.ToClient, -1)
		o.proxy.Resume()
	}
	t.Fatal("no answer to a COMMIT was cut")
	return 0
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
