package trouble

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// awaySink is a real SQLite database that can be taken away: what would go there is
// refused, as by a host that is down, and counted.
type awaySink struct {
	sink.Sink
	away  atomic.Bool
	tried atomic.Int64
}

func (s *awaySink) refuse() error {
	if !s.away.Load() {
		return nil
	}
	s.tried.Add(1)
	return &sink.Error{Class: sink.Retry, Err: errors.New("connection refused")}
}

func (s *awaySink) Write(ctx context.Context, b *sink.Batch) (sink.Result, error) {
	if err := s.refuse(); err != nil {
		return sink.Result{}, err
	}
	return s.Sink.Write(ctx, b)
}

func (s *awaySink) Claim(ctx context.Context, c sink.Claim) (sink.LaneState, error) {
	if err := s.refuse(); err != nil {
		return sink.LaneState{}, err
	}
	return s.Sink.Claim(ctx, c)
}

func (s *awaySink) Read(ctx context.Context, queries []sink.Query, row func(int, []value.Value) error) error {
	if err := s.refuse(); err != nil {
		return err
	}
	return s.Sink.Read(ctx, queries, row)
}

// TestLongOutage takes the database away for long, in simulated time, at a thousand
// writes a second: the whole engine runs with its log and a real database, only the
// clock is not real.
func TestLongOutage(t *testing.T) {
	line := proof.NewLine(t, *seed)
	p := newPlace(t, "sqlite", false, nil)
	p.makeLedger(t)
	p.exec(t, `INSERT INTO counters VALUES ('cold', 5)`)
	dir := t.TempDir()
	var sums [longWriters]int64
	synctest.Test(t, func(t *testing.T) {
		plain, err := openSink("sqlite", p.url)
		must(t, err)
		s := &awaySink{Sink: plain}
		o := options(s, dir)
		ledgerSpecs(&o)
		o.Flush = lull.FlushOptions{}
		o.MaxDirtyRows, o.MaxMemory = 100_000, 64<<20
		o.Log = lull.LogOptions{SegmentBytes: 1 << 20, MaxBytes: longLogBytes, RetainBytes: 1 << 20, RetainAge: time.Second}
		db, err := lull.Open(t.Context(), o)
		must(t, err)
		l := &longOutage{db: db, s: s, line: line}
		l.run(t)
		sums = l.sums
		must(t, db.Close(context.Background()))
		must(t, plain.Close())
	})
	for i, n := range sums {
		for k := range int64(longKeys) {
			want := n/longKeys + min(1, max(0, n%longKeys-k))
			if got := p.number(t, fmt.Sprintf(`SELECT n FROM counters WHERE name = 'w%d-%d'`, i, k)); got != want {
				line.Lost.Add(max(0, want-got))
				line.Invented.Add(max(0, got-want))
				t.Errorf("key w%d-%d: SQL has %d, wanted %d", i, k, got, want)
			}
		}
	}
}

const (
	longWriters  = 4
	longKeys     = 50
	longLogBytes = 16 << 20
	longPause    = 4 * time.Millisecond // between two writes of a writer
)

type longOutage struct {
	db   *lull.DB
	s    *awaySink
	line *proof.Line
	sums [longWriters]int64 // writes that were acknowledged
	stop atomic.Bool
}

func (l *longOutage) run(t *testing.T) {
	ctx := context.Background()
	var running sync.WaitGroup
	for i := range l.sums {
		running.Go(func() {
			for !l.stop.Load() {
				if _, err := incr(ctx, l.db, fmt.Sprintf("counter:w%d-%d", i, l.sums[i]%longKeys)); err != nil {
					t.Errorf("writer %d after %d writes: %v", i, l.sums[i], err)
					return
				}
				l.sums[i]++
				time.Sleep(longPause)
			}
		})
	}
	time.Sleep(time.Second) // all keys are in memory
	l.s.away.Store(true)
	began := time.Now()
	for time.Since(began) < *simulated && !t.Failed() {
		asked := time.Now()
		if _, err := get(ctx, l.db, "counter:cold"); !errors.Is(err, lull.ErrNoDB) || time.Since(asked) > 0 {
			t.Errorf("a cold key: got %v after %v, wanted ErrNoDB at once", err, time.Since(asked))
		}
		if s := l.db.Stats(); s.Dirty.Rows > s.Dirty.RowsLimit || s.Log.Bytes > longLogBytes || s.Memory.Bytes > 64<<20 {
			t.Errorf("limits: %+v, %+v, %+v", s.Dirty, s.Log, s.Memory)
		}
		time.Sleep(time.Second)
	}
	tried, seconds := l.s.tried.Load(), int64(simulated.Seconds())
	l.s.away.Store(false)
	if most := 2*seconds + 30; tried > most {
		t.Errorf("the database was tried %d times in %d s, wanted %d at most", tried, seconds, most)
	}
	l.stop.Store(true)
	running.Wait()
	must(t, l.db.Sync(ctx))
	if got, err := get(ctx, l.db, "counter:cold"); got != "5" {
		t.Errorf("the cold key: got %q, %v", got, err)
	}
	l.line.Tried(int(seconds), "simulated seconds")
	l.line.Tried(int(tried), "attempts to connect")
	for _, n := range l.sums {
		l.line.Tried(int(n), "writes")
	}
}
