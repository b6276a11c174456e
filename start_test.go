package lull_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// startSink is a database that goes away, or whose client dies, at a chosen moment of a
// start.
type startSink struct {
	sink.Sink
	away   atomic.Bool
	busy   atomic.Bool  // takes no claims
	reads  atomic.Int64 // so many fail
	before func()       // before a claim
	claim  func()       // after a claim is in; its caller then learns nothing of it
	write  func() error // before a batch
}

var errStartAway = &sink.Error{Class: sink.Retry, Err: errors.New("connection refused")}

func (s *startSink) SetFloor(f sink.Floor) { s.Sink.(sink.Floored).SetFloor(f) }

func (s *startSink) CreateOwn(ctx context.Context) error {
	if s.away.Load() {
		return errStartAway
	}
	return s.Sink.CreateOwn(ctx)
}

func (s *startSink) Read(ctx context.Context, q []sink.Query, row func(int, []value.Value) error) error {
	if s.away.Load() || s.reads.Add(-1) >= 0 {
		return errStartAway
	}
	return s.Sink.Read(ctx, q, row)
}

func (s *startSink) Claim(ctx context.Context, c sink.Claim) (sink.LaneState, error) {
	if s.away.Load() || s.busy.Load() {
		return sink.LaneState{}, errStartAway
	}
	if s.before != nil {
		s.before()
	}
	lane, err := s.Sink.Claim(ctx, c)
	if err == nil && s.claim != nil {
		s.claim()
		return sink.LaneState{}, &sink.Error{Class: sink.Invalid, Err: errors.New("this process is dead")}
	}
	return lane, err
}

func (s *startSink) Write(ctx context.Context, b *sink.Batch) (sink.Result, error) {
	if s.write != nil {
		if err := s.write(); err != nil {
			return sink.Result{}, err
		}
	}
	return s.Sink.Write(ctx, b)
}

// TestAStartThatLosesTheDatabaseBetweenQuestions: what it was told of keys before is worth
// nothing then, above all not that there are none.
func TestAStartThatLosesTheDatabaseBetweenQuestions(t *testing.T) {
	s, fs := newSQLite(t, t.TempDir()), faultfs.New(1)
	db, err := onFS(t, fs, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	set(t, db, "n", "5")
	syncDB(t, db)
	closeDB(t, db)
	lost := &startSink{Sink: s}
	lost.reads.Store(1)
	if db, err = onFS(t, fs, lost, nil); err != nil {
		t.Fatal(err)
	}
	defer closeDB(t, db)
	var n int64
	for err = lull.ErrNoDB; errors.Is(err, lull.ErrNoDB); time.Sleep(time.Millisecond) {
		_, err = db.NewSession().Exec(t.Context(), [][]byte{[]byte("n")}, true, lull.RunFunc(func(tx *lull.Tx) (err error) {
			n, err = tx.IncrBy([]byte("n"), 1)
			return err
		}))
	}
	if n != 6 || err != nil {
		t.Errorf("INCR of 5 gave %d, %v", n, err)
	}
}

// TestADatabaseThatHasAPartOfTheFirstCut was written too, although nothing of it is in as a whole: an empty log is
// not the one that goes on from there (seeds 10200810 and 10282527 of the simulation, where it was a copy).
func TestADatabaseThatHasAPartOfTheFirstCut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.db")
	p, s := placeAt(t, "sqlite", "sqlite:"+file), sqliteAt(t, file)
	db, err := onFS(t, faultfs.New(1), s, nil)
	must(t, err)
	closeDB(t, db)
	p.exec(t, "UPDATE lull_lanes SET next_position = 1592, part = 2, catching_up = 1")
	if _, err := onFS(t, faultfs.New(2), s, nil); err == nil || !strings.Contains(err.Error(), "2 operations towards 1592: was the directory moved?") {
		t.Errorf("got %v", err)
	}
	p.wantRows(t, "SELECT part, epoch FROM lull_lanes", "2|1")
}

// TestAFirstStartThatDiesWithTheLane: the log whose id the lane has is there from then on,
// also for a start that finds the database away.
func TestAFirstStartThatDiesWithTheLane(t *testing.T) {
	s, fs := newSQLite(t, t.TempDir()), faultfs.New(1)
	if _, err := onFS(t, fs, &startSink{Sink: s, claim: func() {}}, nil); err == nil {
		t.Fatal("it did not die")
	}
	fs = fs.Kill(1)
	next := &startSink{Sink: s}
	next.away.Store(true)
	db, err := onFS(t, fs, next, nil)
	if err != nil {
		t.Fatal(err)
	}
	set(t, db, "k", "v")
	fs = fs.Kill(2)
	leave(t, db)
	if db, err = onFS(t, fs, s, nil); err != nil {
		t.Fatal(err)
	}
	defer closeDB(t, db)
	syncDB(t, db)
	if got := stringsInSQL(t, s)["k"]; got != "v" {
		t.Errorf("SQL has %q", got)
	}
}

// TestAFirstStartFoldsItsLogBeforeItHasTheLane: what was ever written is in checkpoints then,
// and the log does not begin at its beginning any more.
func TestAFirstStartFoldsItsLogBeforeItHasTheLane(t *testing.T) {
	const segment = 4 << 10
	s := newSQLite(t, t.TempDir())
	first := &startSink{Sink: s}
	first.busy.Store(true)
	folded := make(chan struct{}, 100)
	db, err := onFS(t, faultfs.New(1), first, func(o *lull.Options) {
		o.Log = lull.LogOptions{SegmentBytes: segment, MaxBytes: 24 * segment}
		o.OnEvent = func(e lull.Event) {
			if e.Kind == lull.EventCheckpoint {
				folded <- struct{}{}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closeDB(t, db)
	set(t, db, "first", "1")
	n := 0
	for len(folded) < 4 || db.Stats().Log.Oldest == 0 {
		n++
		set(t, db, "other", fmt.Sprint(n))
	}
	first.busy.Store(false)
	syncDB(t, db)
	if got := stringsInSQL(t, s); got["first"] != "1" || got["other"] != fmt.Sprint(n) {
		t.Errorf("SQL has %q, wanted %d", got, n)
	}
}

// TestThePowerGoesAsASealedLaneIsTaken: the end of a log that failed is in the operating
// system's memory alone, and SQL has it. Once the lane says no more that it is sealed it
// has to be on disk.
func TestThePowerGoesAsASealedLaneIsTaken(t *testing.T) {
	s, fs := newSQLite(t, t.TempDir()), faultfs.New(1)
	db, err := onFS(t, fs, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	set(t, db, "k", "first")
	syncDB(t, db)
	lull.Flusher(db).Pause()
	set(t, db, "k", "last")
	fs.FailAt(fs.Ops()+1, syscall.EIO)
	wantErr(t, db.SyncDisk(t.Context()), lull.ErrReadOnly)
	lull.Flusher(db).Resume()
	syncDB(t, db)
	fs = fs.Kill(1)
	leave(t, db)
	after := fs
	if _, err := onFS(t, fs, &startSink{Sink: s, claim: func() { after = fs.PowerCut(1) }}, nil); err == nil || after == fs {
		t.Fatal("it did not die with the lane")
	}
	if db, err = onFS(t, after, s, nil); err != nil {
		t.Fatal(err)
	}
	defer closeDB(t, db)
	if got, err := read(t.Context(), db, "k"); got != "last" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestTheFirstKeysComeAsTheLaneIsTaken: a process that still had the lane has flushed them
// after the start found that there were none.
func TestTheFirstKeysComeAsTheLaneIsTaken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.db")
	p, s, fs := placeAt(t, "sqlite", "sqlite:"+file), sqliteAt(t, file), faultfs.New(1)
	db, err := onFS(t, fs, s, nil)
	must(t, err)
	set(t, db, "k", "v")
	closeDB(t, db)
	p.exec(t, "UPDATE lull_strings SET name = 'none of ' || name")
	var once sync.Once
	late := &startSink{Sink: s, before: func() {
		once.Do(func() {
			p.exec(t, "UPDATE lull_strings SET name = substr(name, 9)", "UPDATE lull_lanes SET epoch = epoch + 1")
		})
	}}
	db, err = onFS(t, fs.Kill(1), late, nil)
	must(t, err)
	defer closeDB(t, db)
	if got, err := read(t.Context(), db, "k"); got != "v" || err != nil {
		t.Errorf("k is %q, %v", got, err)
	}
}

// TestAnOlderDatabaseWithoutKeysIsTakenLate: what it lacks is rebuilt from the log then. That
// there were no keys when the start looked says nothing of those.
func TestAnOlderDatabaseWithoutKeysIsTakenLate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.db")
	p, s, fs := placeAt(t, "sqlite", "sqlite:"+file), sqliteAt(t, file), faultfs.New(1)
	db, err := onFS(t, fs, s, nil)
	must(t, err)
	was := p.rows(t, "SELECT position FROM lull_lanes")[0]
	set(t, db, "k", "v")
	closeDB(t, db)
	p.exec(t, "UPDATE lull_lanes SET position = "+was, "DELETE FROM lull_strings")
	late := &startSink{Sink: s}
	late.busy.Store(true)
	db, err = onFS(t, fs.Kill(1), late, nil)
	must(t, err)
	defer closeDB(t, db)
	late.busy.Store(false)
	eventually(t, "the lane is taken", lull.Flusher(db).Opened)
	if got, err := read(t.Context(), db, "k"); got != "v" || err != nil {
		t.Errorf("k is %q, %v", got, err)
	}
}
