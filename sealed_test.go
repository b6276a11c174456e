package lull_test

import (
	"context"
	"database/sql"
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
)

// sealed is a database that went on when the log's disk had failed.
type sealed struct {
	s      sink.Sink
	direct *sql.DB
	fs     *faultfs.FS // as the process left it
	older  []string    // statements that put an older backup back
}

// newSealed has the log know that SQL has the first value of k, or only SQL know it.
func newSealed(t *testing.T, log lull.LogOptions, heard bool) *sealed {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.db")
	p := placeAt(t, "sqlite", "sqlite:"+file)
	l := &sealed{s: sqliteAt(t, file), direct: p.direct, fs: faultfs.New(1)}
	l.fs.Still = true // the power takes what was not synced
	db, err := onFS(t, l.fs, l.s, func(o *lull.Options) { o.Log = log })
	if err != nil {
		t.Fatal(err)
	}
	set(t, db, "k", "first")
	syncDB(t, db)
	lane := strings.Split(p.rows(t, "SELECT position, epoch FROM lull_lanes")[0], "|")
	l.older = []string{
		fmt.Sprintf("UPDATE lull_lanes SET position = %s, epoch = %s, sealed = 0", lane[0], lane[1]),
		"UPDATE lull_strings SET value = 'first'",
	}
	lull.Flusher(db).Pause()
	if heard {
		must(t, db.SyncDisk(t.Context()))
	}
	l.failLog(t, db)
	l.fs = l.fs.Kill(1)
	leave(t, db)
	l.s = sqliteAt(t, file) // of another process, which knows nothing of that one
	return l
}

// failLog has the log's disk fail as it is to keep the last value of k, which SQL gets all the
// same. Flushing is paused before.
func (l *sealed) failLog(t *testing.T, db *lull.DB) {
	t.Helper()
	set(t, db, "k", "last")
	failNext(l.fs)
	err := db.SyncDisk(t.Context())
	for err == nil { // the sync that a flush has begun may have come so late that it took the value along
		set(t, db, "k", "last")
		err = db.SyncDisk(t.Context())
	}
	wantErr(t, err, lull.ErrReadOnly)
	lull.Flusher(db).Resume()
	syncDB(t, db)
}

// failNext has the next operations of a disk fail: more than one, since the first may be of a segment made ahead,
// without which the log goes on.
func failNext(fs *faultfs.FS) {
	ops := fs.Ops()
	for n := range 100 {
		fs.FailAt(ops+1+n, syscall.EIO)
	}
}

// goBack puts the older backup back.
func (l *sealed) goBack(t *testing.T) {
	for _, s := range l.older {
		if _, err := l.direct.Exec(s); err != nil {
			t.Error(err)
		}
	}
}

var sealedLog = lull.LogOptions{SegmentBytes: 64 << 10, SyncEvery: time.Hour}

// TestASealedLaneGoesBackWhileItIsTaken: SQL alone had what the log lost. When an older
// backup takes its place between the look at the lane and the claim, that is gone, and said to be.
func TestASealedLaneGoesBackWhileItIsTaken(t *testing.T) {
	for n := range 4 {
		late, heard := n&1 != 0, n&2 != 0
		t.Run(fmt.Sprintf("late %v, heard %v", late, heard), func(t *testing.T) {
			l := newSealed(t, sealedLog, heard)
			var once sync.Once
			s := &startSink{Sink: l.s, before: func() { once.Do(func() { l.goBack(t) }) }}
			s.away.Store(late)
			db, err := onFS(t, l.fs.PowerCut(3), s, nil)
			if late {
				err = l.syncError(t, db, err, s)
			}
			if err == nil || !strings.Contains(err.Error(), "was lost when the log's disk failed") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestAnotherLogsLaneComesWhileItIsTaken: a database of another log takes the place of the
// one that was looked at. It is left alone.
func TestAnotherLogsLaneComesWhileItIsTaken(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late %v", late), func(t *testing.T) {
			l := newSealed(t, sealedLog, false)
			l.older[0] = "UPDATE lull_lanes SET log_id = '00112233445566778899aabbccddeeff', position = 1000, epoch = 3, sealed = 0"
			var once sync.Once
			s := &startSink{Sink: l.s, before: func() { once.Do(func() { l.goBack(t) }) }}
			s.away.Store(late)
			db, err := onFS(t, l.fs, s, nil)
			if late {
				err = l.syncError(t, db, err, s)
			}
			if err == nil || !strings.Contains(err.Error(), "another Lull uses the name") {
				t.Errorf("got %v", err)
			}
			var epoch int
			if err := l.direct.QueryRow("SELECT epoch FROM lull_lanes WHERE position = 1000").Scan(&epoch); err != nil || epoch != 3 {
				t.Errorf("the lane is at epoch %d, %v", epoch, err)
			}
		})
	}
}

// syncError lets a late start find its database, and returns how flushing ends.
func (l *sealed) syncError(t *testing.T, db *lull.DB, err error, s *startSink) error {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	set(t, db, "other", "1")
	s.away.Store(false)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	defer leave(t, db)
	if err = db.Sync(ctx); err == nil {
		return nil
	}
	var refused error // once the engine knows as well
	eventually(t, "a write is refused", func() bool {
		refused = trySet(t, db, "other", "2")
		return refused != nil
	})
	wantErr(t, refused, lull.ErrStopped)
	return err
}

// trySet is set for a write that may be refused.
func trySet(t *testing.T, db *lull.DB, key, val string) error {
	_, err := db.NewSession().Exec(t.Context(), [][]byte{[]byte(key)}, true, lull.RunFunc(func(tx *lull.Tx) error {
		_, err := tx.Set([]byte(key), []byte(val), lull.SetOptions{})
		return err
	}))
	return err
}

// TestALaneMovesAllTheTimeWhileItIsTaken: the start goes on without it, and takes it when
// it stands still.
func TestALaneMovesAllTheTimeWhileItIsTaken(t *testing.T) {
	l := newSealed(t, sealedLog, false)
	var moves atomic.Int32
	s := &startSink{Sink: l.s, before: func() {
		if moves.Add(1) < 20 {
			if _, err := l.direct.Exec("UPDATE lull_lanes SET epoch = epoch + 1"); err != nil {
				t.Error(err)
			}
		}
	}}
	db, err := onFS(t, l.fs.PowerCut(3), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer closeDB(t, db)
	set(t, db, "other", "1")
	syncDB(t, db)
	if got := stringsInSQL(t, l.s); got["k"] != "last" || got["other"] != "1" || moves.Load() < 20 {
		t.Errorf("SQL has %q after %d moves", got, moves.Load())
	}
}

const foldedSegment = 4 << 10

// foldedLog is folded soon while the database is away.
var foldedLog = lull.LogOptions{SegmentBytes: foldedSegment, MaxBytes: 24 * foldedSegment, SyncEvery: time.Hour}

// TestTheLogIsFoldedBehindASealedLane: the log cannot say that SQL went on when it failed.
// Starts without the database have to leave that place as it was.
func TestTheLogIsFoldedBehindASealedLane(t *testing.T) {
	log := foldedLog
	for _, lose := range []string{"nothing", "the end of the log"} {
		t.Run(lose+" is lost", func(t *testing.T) {
			l := newSealed(t, log, false)
			if lose != "nothing" {
				l.fs = l.fs.PowerCut(3)
			}
			l.foldAway(t, log)
		})
	}
}

// TestAStartLogsWhereItFoundASealedLane: it then dies before it has flushed anything, and starts without the database
// have to leave that place as it was, which is not where the log ends any more (seed 10051314 of the simulation).
func TestAStartLogsWhereItFoundASealedLane(t *testing.T) {
	l := newSealed(t, foldedLog, false)
	db, err := onFS(t, l.fs, &startSink{Sink: l.s, write: func() error { return errStartAway }}, func(o *lull.Options) { o.Log = foldedLog })
	must(t, err)
	lull.Flusher(db).Pause()
	set(t, db, "other", "0")
	l.fs = l.fs.Kill(1)
	leave(t, db)
	l.foldAway(t, foldedLog)
}

// TestALateStartWhoseLogHasFailedKeepsTheSeal: it takes the lane and cannot log where that was, then dies before it
// has flushed anything. The seal still tells the next start that SQL is rightly ahead (seed 10856964 of the simulation).
func TestALateStartWhoseLogHasFailedKeepsTheSeal(t *testing.T) {
	for fault, hit := 1, true; hit; fault++ { // at each step of that start
		hit, _ = lateStart(t, fault, false)
	}
	anyFailed := false
	for fault, hit := 1, true; hit; fault++ { // at each step from when the database is there
		var failed bool
		hit, failed = lateStart(t, fault, true)
		anyFailed = anyFailed || failed
	}
	if !anyFailed {
		t.Error("no log has failed")
	}
}

// lateStart has a file operation of a start fail that takes a sealed lane later, counted from its beginning or from when
// the database is there, and reports whether there was such an operation, and whether the log failed.
func lateStart(t *testing.T, fault int, whenThere bool) (hit, failed bool) {
	t.Helper()
	l := newSealed(t, sealedLog, false)
	l.fs = l.fs.PowerCut(3)
	s := &startSink{Sink: l.s}
	s.away.Store(true)
	if !whenThere {
		l.fs.FailAt(l.fs.Ops()+fault, syscall.EIO)
	}
	db, err := onFS(t, l.fs, s, nil)
	if _, hit = l.fs.Fault(); err != nil {
		return hit, false
	}
	lull.Flusher(db).Pause()
	if whenThere {
		eventually(t, "the log has made its segments", func() bool {
			ops := l.fs.Ops()
			time.Sleep(20 * time.Millisecond)
			return l.fs.Ops() == ops
		})
		l.fs.FailAt(l.fs.Ops()+fault, syscall.EIO)
	}
	s.away.Store(false)
	eventually(t, "the lane is taken, and that logged if it could be", func() bool {
		var epoch int
		must(t, l.direct.QueryRow("SELECT epoch FROM lull_lanes").Scan(&epoch))
		return epoch > 1 && lull.Flusher(db).Opened()
	})
	if whenThere {
		_, hit = l.fs.Fault()
	}
	failed = db.Stats().Log.Failed != nil
	l.fs = l.fs.Kill(1)
	leave(t, db)
	if db, err = onFS(t, l.fs, l.s, nil); err != nil {
		t.Fatalf("after a fault at step %d, when the database was there %v: %v", fault, whenThere, err)
	}
	leave(t, db)
	return hit, failed
}

// foldAway lets three starts without the database fold the log, and the last one take
// the lane.
func (l *sealed) foldAway(t *testing.T, log lull.LogOptions) {
	t.Helper()
	var db *lull.DB
	s := &startSink{Sink: l.s}
	s.away.Store(true)
	n := 0
	for life := range 3 {
		folded := make(chan struct{}, 100)
		var err error
		db, err = onFS(t, l.fs, s, func(o *lull.Options) {
			o.Log = log
			o.OnEvent = func(e lull.Event) {
				if e.Kind == lull.EventCheckpoint {
					folded <- struct{}{}
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for len(folded) < 4 {
			n++
			set(t, db, "other", fmt.Sprint(n))
		}
		if life < 2 {
			l.fs = l.fs.Kill(1)
			leave(t, db)
		}
	}
	defer closeDB(t, db)
	s.away.Store(false)
	syncDB(t, db)
	if got := stringsInSQL(t, l.s); got["k"] != "last" || got["other"] != fmt.Sprint(n) {
		t.Errorf("SQL has %q, wanted %d", got, n)
	}
}

// TestTheLogFailsAsALateStartTakesTheLane: the power takes what the log said of that. Starts
// without the database learn from the data directory that one has tried, and that SQL may
// be where the log had ended.
func TestTheLogFailsAsALateStartTakesTheLane(t *testing.T) {
	l := &sealed{s: newSQLite(t, t.TempDir()), fs: faultfs.New(1)}
	open := func(s sink.Sink) *lull.DB {
		db, err := onFS(t, l.fs, s, func(o *lull.Options) { o.Log = foldedLog })
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	db := open(l.s)
	set(t, db, "k", "first")
	syncDB(t, db)
	lull.Flusher(db).Pause()
	set(t, db, "k", "second")
	l.fs = l.fs.Kill(1)
	leave(t, db)

	s := &startSink{Sink: l.s, before: func() { l.fs.FailAt(l.fs.Ops()+1, syscall.EIO) }}
	s.away.Store(true)
	db = open(s)
	set(t, db, "k", "last")
	if err := db.SyncDisk(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.away.Store(false)
	syncDB(t, db)
	if got := stringsInSQL(t, l.s)["k"]; got != "last" || db.Stats().Log.Failed == nil {
		t.Fatalf("SQL has %q, the log failed: %v", got, db.Stats().Log.Failed)
	}
	l.fs = l.fs.PowerCut(3)
	leave(t, db)
	l.foldAway(t, foldedLog)
}

// TestMemoryFollowsASealedLane: a start without the database shows what the log has. When the
// lane is taken it learns that SQL has more.
func TestMemoryFollowsASealedLane(t *testing.T) {
	l := &sealed{s: newSQLite(t, t.TempDir()), fs: faultfs.New(1)}
	l.fs.Still = true
	db, err := onFS(t, l.fs, l.s, func(o *lull.Options) { o.Log = sealedLog })
	must(t, err)
	set(t, db, "k", "first")
	syncDB(t, db)
	lull.Flusher(db).Pause()
	set(t, db, "k", "second")
	must(t, db.SyncDisk(t.Context()))
	l.failLog(t, db)
	l.fs = l.fs.PowerCut(3)
	leave(t, db)

	s := &startSink{Sink: l.s}
	s.away.Store(true)
	db, err = onFS(t, l.fs, s, func(o *lull.Options) { o.Log = sealedLog })
	must(t, err)
	defer closeDB(t, db)
	if got, err := read(t.Context(), db, "k"); got != "second" || err != nil {
		t.Fatalf("without the database k is %q, %v", got, err)
	}
	s.away.Store(false)
	eventually(t, "the lane is taken", lull.Flusher(db).Opened)
	if got, err := read(t.Context(), db, "k"); got != "last" || err != nil {
		t.Errorf("k is %q, %v, and SQL has %q", got, err, stringsInSQL(t, l.s)["k"])
	}
}

// TestALateStartWhoseLogFailedIsFollowedByAnother: the log of the first goes as far as SQL, and what it had folded before it
// took the lane is not what SQL lacks: rows that are appended would come twice (seed 7701273 of the simulation).
func TestALateStartWhoseLogFailedIsFollowedByAnother(t *testing.T) {
	file := filepath.Join(t.TempDir(), "test.db")
	p := placeAt(t, "sqlite", "sqlite:"+file)
	p.makeWorld(t)
	l := &sealed{s: sqliteAt(t, file), fs: faultfs.New(1)}
	folded := make(chan struct{}, 100)
	open := func(s sink.Sink) *lull.DB {
		db, err := onFS(t, l.fs, s, func(o *lull.Options) {
			o.Log, o.Tables, o.Unmapped = foldedLog, worldSpecs(), lull.UnmappedGeneric
			o.OnEvent = func(e lull.Event) {
				if e.Kind == lull.EventCheckpoint {
					folded <- struct{}{}
				}
			}
		})
		must(t, err)
		return db
	}
	events, writes := 0, 0
	add := func(db *lull.DB) {
		for range 5 {
			must(t, unit(t.Context(), db, "events:a", true, func(tx *lull.Tx) error {
				_, _, err := tx.XAdd([]byte("events:a"), lull.NewStreamID{Auto: true}, [][]byte{[]byte("n"), fmt.Append(nil, events)}, lull.XAddOptions{})
				return err
			}))
			events++
		}
	}
	fold := func(db *lull.DB) {
		for len(folded) > 0 {
			<-folded
		}
		for len(folded) < 2 {
			writes++
			set(t, db, "k", fmt.Sprint(writes))
		}
	}
	db := open(l.s)
	set(t, db, "k", "first")
	add(db)
	syncDB(t, db)
	l.fs = l.fs.Kill(1)
	leave(t, db)

	s := &startSink{Sink: l.s}
	for life := range 2 {
		s.away.Store(true)
		if db = open(s); life == 0 {
			add(db)
			fold(db)
			s.before = func() { l.fs.FailAt(l.fs.Ops()+1, syscall.EIO) }
		}
		s.away.Store(false)
		syncDB(t, db)
		p.wantRows(t, `SELECT count(*), count(DISTINCT n) FROM events`, fmt.Sprintf("%[1]d|%[1]d", events))
		if s.before = nil; life == 0 {
			if db.Stats().Log.Failed == nil {
				t.Fatal("the log did not fail")
			}
			l.fs = l.fs.Kill(1)
			leave(t, db)
		}
	}
	if from, to := lull.Gap(db); from < to {
		t.Errorf("what the log has from position %d to %d is taken for lost", from, to)
	}
	closeDB(t, db)
}
