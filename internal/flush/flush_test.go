package flush

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// lab is a flusher over a model database and an engine, in virtual time.
type lab struct {
	*testing.T
	db *database
	e  *engine
	s  *session
}

func inLab(t *testing.T, o Options, test func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lab{T: t, db: newDatabase(), e: newEngine(rand.New(rand.NewPCG(1, 1)))}
		l.s = start(l.T, l.db, l.e, o)
		test(l)
		l.s.stop()
	})
}

// player writes columns of a player's row: name, value, name, value.
func (l *lab) player(id string, known change.Known, cells ...string) uint64 {
	c := l.e.set(playersTable, 0, id, "", false)
	c.Known = known
	for i := 0; i < len(cells); i += 2 {
		col := slices.Index(testDef[playersTable].Columns, cells[i])
		c.Cells = append(c.Cells, change.Cell{Col: uint16(col), Val: value.OfString(cells[i+1])})
		l.e.truth[at(playersTable, 0, id, "")][cells[i]] = value.OfString(cells[i+1])
	}
	return l.e.commit(c)
}

func (l *lab) refuse(column, v string) {
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	l.db.refuses = func(_ string, row map[string]value.Value) bool { return row[column] == value.OfString(v) }
}

func (l *lab) takeAll() {
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	l.db.refuses = func(string, map[string]value.Value) bool { return false }
}

func (l *lab) fail(f fault) {
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	l.db.fault = func() fault { return f }
}

// failOnce has the next transaction fail.
func (l *lab) failOnce(f fault) {
	l.db.mu.Lock()
	defer l.db.mu.Unlock()
	left := f
	l.db.fault = func() fault { f := left; left = noFault; return f }
}

func (l *lab) wait(position uint64) {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), time.Hour)
	defer cancel()
	if err := l.s.f.Wait(ctx, position); err != nil {
		l.Fatal(err)
	}
	synctest.Wait()
}

// sleep lets time pass, and all that is due then be done.
func (l *lab) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (l *lab) told(kind EventKind) int {
	n := 0
	for _, e := range l.s.told {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// seen lays what is set aside over a row as SQL has it.
func (l *lab) seen(id string) string {
	r := &oneRow{}
	for _, row := range l.db.tables["players"] {
		if row["id"].String() == id {
			r.row = map[string]string{}
			for _, c := range testDef[playersTable].Columns {
				if !row[c].IsNull() {
					r.row[c] = row[c].String()
				}
			}
		}
	}
	l.s.f.Overlay(testDef[playersTable].Space, 0, id, r)
	if r.row == nil {
		return "absent"
	}
	return fmt.Sprint(r.row)
}

type oneRow struct{ row map[string]string }

func (r *oneRow) Clear()                { r.row = nil }
func (r *oneRow) Delete(uint16, string) { r.row = nil }
func (r *oneRow) Put(_ uint16, _ string, cells []change.Cell, recreate bool) {
	if r.row == nil || recreate {
		r.row = map[string]string{}
	}
	for _, c := range cells {
		r.row[testDef[playersTable].Columns[c.Col]] = c.Val.String()
	}
}

func TestAFlushStartsWhenItIsDue(t *testing.T) {
	for name, c := range map[string]struct {
		write func(l *lab)
		after time.Duration // from the first write to the commit
	}{
		"in the first lull": {func(l *lab) { l.player("a", change.Absent, "name", "x") }, 53 * time.Millisecond},
		"after max_delay while writes go on": {func(l *lab) {
			for i := range 300 {
				l.player("a", change.Unknown, "score", fmt.Sprint(i))
				time.Sleep(10 * time.Millisecond)
			}
		}, 1003 * time.Millisecond},
		"with max_rows dirty": {func(l *lab) {
			for i := range 100 {
				l.player(fmt.Sprint("p", i), change.Absent, "score", "1")
			}
			l.s.f.Kick()
		}, 3 * time.Millisecond},
		"when somebody waits": {func(l *lab) { l.s.f.Wait(l.Context(), l.player("a", change.Absent, "name", "x")) }, 3 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, Options{MaxRows: 100}, func(l *lab) {
				time.Sleep(time.Minute)
				began := time.Now()
				go c.write(l)
				for l.s.f.Stats().Batches == 0 {
					time.Sleep(time.Millisecond)
				}
				if took := l.s.f.Stats().FlushedAt.Sub(began); took < c.after || took > c.after+time.Millisecond {
					t.Errorf("committed after %v, want %v", took, c.after)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}

func TestAllWhoWaitShareTheNextFlush(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		var waiters sync.WaitGroup
		for i := range 50 {
			position := l.player(fmt.Sprint("p", i), change.Absent, "score", "1")
			waiters.Go(func() {
				if err := l.s.f.Wait(l.Context(), position); err != nil {
					l.Error(err)
				}
			})
		}
		waiters.Wait()
		if l.db.writes > 2 {
			t.Errorf("%d transactions", l.db.writes)
		}
		check(l.T, l.db, l.e)
	})
}

// TestACutIsLetGo: once it is in the database nothing holds a cut, which may be large.
func TestACutIsLetGo(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		if err := l.s.f.Wait(l.Context(), l.player("1", change.Absent, "name", "Ann")); err != nil {
			l.Fatal(err)
		}
		time.Sleep(time.Minute)
		held, looked := false, false
		l.e.mu.Lock()
		l.e.taken = weak.Pointer[dirty.Cut]{}
		l.e.onSettled = func() {
			if none := (weak.Pointer[dirty.Cut]{}); l.e.taken != none && !looked {
				runtime.GC()
				held, looked = l.e.taken.Value() != nil, true
			}
		}
		l.e.mu.Unlock()
		if err := l.s.f.Wait(l.Context(), l.player("2", change.Absent, "name", "Bob")); err != nil {
			l.Fatal(err)
		}
		if held || !looked {
			l.Errorf("the cut is held: %t, somebody looked: %t", held, looked)
		}
	})
}

func TestAnOutageCostsDistinctRows(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.fail(failsBefore)
		var last uint64
		for i := range 5000 {
			last = l.player(fmt.Sprint("p", i%7), change.Unknown, "score", fmt.Sprint(i))
			time.Sleep(20 * time.Millisecond)
		}
		s := l.s.f.Stats()
		if s.State != stateRetrying || s.Retries > 20 || !strings.Contains(s.String(), "no room") {
			t.Errorf("after 100 s away: %d retries; %s", s.Retries, s)
		}
		l.fail(noFault)
		l.wait(last)
		if s := l.s.f.Stats(); s.Rows > 14 || s.State != stateFlushing || s.Coalesced < 300 {
			t.Errorf("%d rows, %.0f changes a row; %s", s.Rows, s.Coalesced, s)
		}
		if l.told(DatabaseAway) != 1 || l.told(Flushing) != 1 {
			t.Errorf("events: %v", l.s.told)
		}
		check(l.T, l.db, l.e)
	})
}

// TestAConflictIsTriedAgainSoon: however often other transactions were in the way, the batch
// goes soon after the last of them.
func TestAConflictIsTriedAgainSoon(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.fail(inTheWay)
		last := l.e.write()
		l.sleep(time.Minute)
		l.fail(noFault)
		began := time.Now()
		l.wait(last)
		if took := time.Since(began); took > conflictBackoffMax {
			t.Errorf("the batch went %v after the last conflict, wanted %v at most", took, conflictBackoffMax)
		}
		if s := l.s.f.Stats(); s.Conflicts < 100 || s.Conflicts != s.Retries {
			t.Errorf("%d conflicts, %d retries", s.Conflicts, s.Retries)
		}
	})
}

func TestALostAnswerIsLookedUp(t *testing.T) {
	for name, f := range map[string]fault{"the batch is in": lostButIn, "the batch is not in": lostNotIn} {
		t.Run(name, func(t *testing.T) {
			inLab(t, Options{MaxTransactionRows: 4}, func(l *lab) {
				l.failOnce(f)
				for range 40 {
					l.e.write()
				}
				l.wait(l.e.position)
				check(l.T, l.db, l.e)
				if n := l.s.f.Stats().Ambiguous; n != 1 {
					t.Errorf("%d lost answers", n)
				}
			})
		})
	}
}

func TestTheDatabaseGoesBack(t *testing.T) {
	inLab(t, Options{MaxTransactionRows: 5}, func(l *lab) {
		for range 30 {
			l.e.write()
		}
		l.wait(l.e.position)
		goBack := l.db.snapshot()
		for range 50 {
			l.e.write()
			time.Sleep(20 * time.Millisecond)
		}
		l.wait(l.e.position)
		goBack()
		l.wait(l.e.write())
		check(l.T, l.db, l.e)
		if l.told(Rewound) != 1 {
			t.Errorf("events: %v", l.s.told)
		}
	})
}

// TestACrampedSourceIsRelieved between two tries of a long outage.
func TestACrampedSourceIsRelieved(t *testing.T) {
	for _, c := range []struct {
		name string
		away fault
	}{
		{"the lane is held", failsBefore},
		{"nobody knows what became of a commit", lostButIn},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, Options{BackoffMax: time.Hour}, func(l *lab) {
				l.wait(l.e.write())
				l.fail(c.away)
				l.e.write()
				l.sleep(6 * time.Hour)
				l.e.write()
				l.e.cramped.Store(true)
				l.s.f.Kick()
				l.sleep(time.Second)
				if l.e.cramped.Load() {
					t.Error("no cut was taken")
				}
				l.fail(noFault)
				l.sleep(2 * time.Hour)
				check(l.T, l.db, l.e)
			})
		})
	}
}

func TestADoubtFindsThatTheDatabaseWentBack(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		for range 30 {
			l.e.write()
		}
		l.wait(l.e.position)
		goBack := l.db.snapshot()
		l.s.f.Doubt() // without a reason
		for range 50 {
			l.e.write()
		}
		l.wait(l.e.position)
		if l.told(Rewound) != 0 {
			t.Errorf("events: %v", l.s.told)
		}
		goBack()
		l.s.f.Pause()
		l.sleep(time.Minute)
		if l.told(Rewound) != 0 {
			t.Errorf("nobody asked; events: %v", l.s.told)
		}
		l.s.f.Doubt()
		l.sleep(time.Second)
		if l.told(Rewound) != 1 {
			t.Errorf("events: %v", l.s.told)
		}
		l.s.f.Resume()
		l.sleep(time.Second)
		check(l.T, l.db, l.e)
	})
}

func TestADatabaseThatIsTooOldStopsTheLane(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		goBack := l.db.snapshot()
		l.wait(l.e.write())
		goBack()
		l.e.kept = l.e.position
		err := l.s.f.Wait(l.Context(), l.e.write())
		if !errors.Is(err, ErrStopped) || !errors.Is(err, ErrMark) {
			t.Fatal(err)
		}
		for _, want := range []string{"position 0", fmt.Sprint("position ", l.e.kept)} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: does not name %s", err, want)
			}
		}
	})
}

func TestAnotherProcessTakesTheLane(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.wait(l.e.write())
		if _, err := l.db.Claim(l.Context(), sink.Claim{LogID: "log-2", Start: true}); err != nil {
			t.Fatal(err)
		}
		l.db.lane.Mark.Position++ // the other has written
		before := l.db.writes
		if err := l.s.f.Wait(l.Context(), l.e.write()); !errors.Is(err, ErrFenced) {
			t.Fatal(err)
		}
		l.sleep(time.Hour)
		if l.db.writes != before || l.told(Stopped) != 1 || l.s.f.Stats().State != stateStopped {
			t.Errorf("%d more transactions; %v", l.db.writes-before, l.s.told)
		}
	})
}

func TestALogThatFailsSealsTheLane(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.wait(l.e.write())
		if l.db.lane.Sealed {
			t.Error("sealed too early")
		}
		l.e.logFails = errors.New("input/output error")
		l.wait(l.e.write())
		l.wait(l.e.write())
		if !l.db.lane.Sealed || l.told(Sealed) != 1 {
			t.Errorf("sealed %v; %v", l.db.lane.Sealed, l.s.told)
		}
		check(l.T, l.db, l.e)
	})
}

func TestALaneThatWentBackIsSealedAgain(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.wait(l.e.write())
		goBack := l.db.snapshot()
		l.wait(l.e.write())
		l.e.logFails = errors.New("input/output error")
		l.wait(l.e.write())
		goBack()
		l.wait(l.e.write())
		if !l.db.lane.Sealed || l.told(Rewound) != 1 {
			t.Errorf("sealed %v; %v", l.db.lane.Sealed, l.s.told)
		}
		check(l.T, l.db, l.e)
	})
}

func TestASealedLaneIsNotWrittenInParts(t *testing.T) {
	for _, already := range []bool{false, true} {
		inLab(t, Options{MaxTransactionRows: 2}, func(l *lab) {
			l.e.logFails = errors.New("input/output error")
			if already {
				l.wait(l.e.write())
			}
			l.s.f.Pause()
			for range 20 {
				l.e.write()
			}
			l.s.f.Resume()
			l.wait(l.e.write())
			check(l.T, l.db, l.e)
		})
	}
}

// TestALookAtTheLaneFails: after a COMMIT that was not answered the database goes back, so
// that the claim finds another lane, and then it cannot be asked.
func TestALookAtTheLaneFails(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.wait(l.e.write())
		goBack := l.db.snapshot()
		l.failOnce(lostButIn)
		l.wait(l.e.write()) // at a higher epoch from here on
		l.db.before = func() {
			goBack()
			l.db.looks = 2
		}
		l.failOnce(lostNotIn)
		l.wait(l.e.write())
		if l.db.looks != 0 || l.told(Rewound) != 1 {
			t.Errorf("%d looks are left; %v", l.db.looks, l.s.told)
		}
		check(l.T, l.db, l.e)
	})
}

func TestPauseAndDrain(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.s.f.Pause()
		l.e.write()
		l.sleep(time.Minute)
		if l.db.writes != 0 {
			t.Error("flushed while paused")
		}
		l.s.f.Resume()
		l.sleep(time.Second)
		check(l.T, l.db, l.e)
		l.s.f.Pause()
		l.e.write()
		if err := l.s.f.Drain(l.Context()); err != nil {
			t.Error(err)
		}
		check(l.T, l.db, l.e)
		l.fail(failsBefore)
		l.e.write()
		ctx, cancel := context.WithTimeout(l.Context(), 5*time.Second)
		defer cancel()
		if err := l.s.f.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "operations are on their way") {
			t.Error(err)
		}
	})
}

func TestTheDatabaseIsAwayAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, e := newDatabase(), newEngine(rand.New(rand.NewPCG(1, 1)))
		for range 20 {
			e.write()
		}
		s := start(t, db, e, Options{})
		if err := s.f.Wait(t.Context(), e.position); err != nil {
			t.Fatal(err)
		}
		s.kill()
		// The next start knows an older mark from its log, and has all since as dirty.
		e.cuts = e.replay(sink.Mark{})
		var back atomic.Bool
		o := Options{
			Name: "lull", Lane: "main", LogID: "log-1", Writer: db, Dictionary: testDef, Targets: testTargets, Pending: slices.Clone(e.cuts),
			Claim: func(ctx context.Context) (sink.LaneState, error) {
				if !back.Load() {
					return sink.LaneState{}, &sink.Error{Class: sink.Retry, Err: errors.New("connection refused")}
				}
				return db.Claim(ctx, sink.Claim{LogID: "log-1", Start: true})
			},
		}
		f := New(o, e)
		ctx, stop := context.WithCancel(t.Context())
		go f.Run(ctx)
		e.write()
		time.Sleep(time.Minute)
		back.Store(true)
		if err := f.Wait(ctx, e.position); err != nil {
			t.Fatal(err)
		}
		check(t, db, e)
		stop()
	})
}
