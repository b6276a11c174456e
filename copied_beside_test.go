package lull_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/sink"
)

// folding is a data directory whose copy is started without the database, writes, and
// folds its log.
type folding struct {
	*copied
	file string
}

func newFolding(t *testing.T) *folding {
	file := filepath.Join(t.TempDir(), "test.db")
	return &folding{&copied{s: sqliteAt(t, file), original: faultfs.New(1)}, file}
}

// openFolding opens the engine with a log that is folded soon, and rows that go to SQL one
// by one; folded counts how often it was.
func (f *folding) openFolding(t *testing.T, fs *faultfs.FS, s sink.Sink) (db *lull.DB, folded *atomic.Int32) {
	t.Helper()
	folded = new(atomic.Int32)
	db, err := onFS(t, fs, s, func(o *lull.Options) {
		o.Log, o.Flush.MaxTransactionRows = foldedLog, 1
		o.OnEvent = func(e lull.Event) {
			if e.Kind == lull.EventCheckpoint {
				folded.Add(1)
			}
		}
	})
	must(t, err)
	return db, folded
}

// foldCopy starts a copy without the database, which s keeps away, and returns it when it
// has folded its log over all that it began with.
func (f *folding) foldCopy(t *testing.T, s sink.Sink) (double *lull.DB, n int) {
	t.Helper()
	f.double = f.original.Copy(1)
	double, folded := f.openFolding(t, f.double, s)
	from := double.Stats().Log.Position
	for ; folded.Load() < 2 || double.Stats().Log.Oldest <= from; n++ {
		set(t, double, "own", fmt.Sprint(n))
	}
	return double, n - 1
}

// TestTheOriginalFlushesWhatItsCopyHasToo: some parts of one cut were in SQL, the next cut
// waited, and more was written as the copy was made. The copy goes on from where the original
// has brought SQL with these two, although it has folded its log since.
func TestTheOriginalFlushesWhatItsCopyHasToo(t *testing.T) {
	f := newFolding(t)
	s := &startSink{Sink: f.s}
	db, _ := f.openFolding(t, f.original, s)
	set(t, db, "a", "1")
	syncDB(t, db)

	lull.Flusher(db).Pause()
	set(t, db, "a", "2")
	set(t, db, "b", "2")
	var more atomic.Bool // c is written
	tries, held, release := 0, make(chan struct{}), make(chan struct{})
	s.write = func() error {
		first := tries == 0
		if first || more.Load() {
			tries++
		}
		switch {
		case first:
			return nil
		case tries < 3: // the cut with c is taken before the next try
			return errStartAway
		case tries == 3:
			close(held)
			<-release
		}
		if stringsInSQL(t, f.s)["c"] != "" {
			return errStartAway
		}
		return nil
	}
	lull.Flusher(db).Resume()
	eventually(t, "one part is in", func() bool { return lull.Flusher(db).Stats().CatchingUp })
	set(t, db, "c", "3")
	more.Store(true)
	<-held
	set(t, db, "d", "4")

	away := awaySink(f.s)
	double, n := f.foldCopy(t, away)
	defer closeDB(t, double)
	close(release)
	eventually(t, "the original has flushed both", func() bool { return stringsInSQL(t, f.s)["c"] == "3" })
	leave(t, db)
	away.away.Store(false)
	syncDB(t, double)
	want := map[string]string{"a": "2", "b": "2", "c": "3", "d": "4", "own": fmt.Sprint(n)}
	if got := stringsInSQL(t, f.s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("SQL has %q, wanted %q", got, want)
	}
}

// TestACopyThatCannotGoOnLeavesTheLane: SQL is where both have been, though at no border
// that the copy's log has kept. The copy says so and does not take the lane from a process that may go
// on.
func TestACopyThatCannotGoOnLeavesTheLane(t *testing.T) {
	for _, mark := range []string{"position = position + 8", "next_position = position + 8, part = 1"} {
		t.Run(mark, func(t *testing.T) {
			f := newFolding(t)
			db, _ := f.openFolding(t, f.original, f.s)
			set(t, db, "a", "1")
			syncDB(t, db)
			set(t, db, "a", "2")
			syncDB(t, db)
			s := awaySink(f.s)
			double, _ := f.foldCopy(t, s)
			p := placeAt(t, "sqlite", "sqlite:"+f.file)
			p.exec(t, "UPDATE lull_lanes SET "+mark)
			const look = "SELECT log_id, epoch, position FROM lull_lanes"
			was := p.rows(t, look)
			s.away.Store(false)
			wantCopy(t, double.Sync(t.Context()))
			f.double = f.double.Kill(1)
			leave(t, double)
			_, err := onFS(t, f.double, f.s, nil)
			wantCopy(t, err)
			if got := p.rows(t, look); fmt.Sprint(got) != fmt.Sprint(was) {
				t.Errorf("the lane was %q, and is %q", was, got)
			}
			leave(t, db)
		})
	}
}

// TestTheLogOfTheOriginalFailsBesideItsCopy: the original has brought SQL further than it can
// have been when the copy began to write. It was no end of the copy's log that was lost.
func TestTheLogOfTheOriginalFailsBesideItsCopy(t *testing.T) {
	f := newFolding(t)
	log := lull.LogOptions{SegmentBytes: foldedSegment, SyncEvery: time.Hour}
	open := func(fs *faultfs.FS, s sink.Sink) *lull.DB {
		db, err := onFS(t, fs, s, func(o *lull.Options) { o.Log = log })
		must(t, err)
		return db
	}
	write := func(db *lull.DB, n int) {
		for i := range n {
			set(t, db, fmt.Sprint("own", i), strings.Repeat("x", 3000))
		}
	}
	db := open(f.original, f.s)
	set(t, db, "k", "1")
	syncDB(t, db)
	f.double = f.original.Copy(1)
	s := awaySink(f.s)
	double := open(f.double, s)
	write(double, 60)
	lull.Flusher(db).Pause()
	write(db, 20)
	(&sealed{fs: f.original}).failLog(t, db)

	s.away.Store(false)
	wantCopy(t, double.Sync(t.Context()))
	f.double = f.double.Kill(1)
	leave(t, double)
	_, err := onFS(t, f.double, f.s, func(o *lull.Options) { o.Log = log })
	wantCopy(t, err)
	f.original = f.original.Kill(1)
	leave(t, db)
	db = open(f.original, f.s)
	defer closeDB(t, db)
	if got, err := read(t.Context(), db, "k"); got != "last" || err != nil {
		t.Errorf("k is %q, %v", got, err)
	}
}

// TestTheDiskFailsAsACopyNotesWhereItBegan: the next start may find the note, and then the
// power takes it. Once a start has the log go on, it is on disk.
func TestTheDiskFailsAsACopyNotesWhereItBegan(t *testing.T) {
	f := newFolding(t)
	db := f.open(t, f.original, f.s)
	defer closeDB(t, db)
	set(t, db, "k", "1")
	syncDB(t, db)
	before := f.original.Copy(1)
	for range 3 {
		set(t, db, "k", "2")
		syncDB(t, db)
	}
	for op, died := 1, true; died; op++ {
		fs := before.Copy(1)
		fs.Still = true
		fs.FailAt(fs.Ops()+op, syscall.EIO)
		double, err := onFS(t, fs, awaySink(f.s), nil)
		if died = err != nil; !died {
			leave(t, double)
		}
		fs = fs.Kill(1)
		double = f.open(t, fs, awaySink(f.s))
		for i := range 60 {
			set(t, double, fmt.Sprint("own", i), strings.Repeat("x", 3000))
		}
		must(t, double.SyncDisk(t.Context()))
		fs = fs.PowerCut(1)
		leave(t, double)
		double = f.open(t, fs, awaySink(f.s))
		fs = fs.Kill(1)
		leave(t, double)
		_, err = onFS(t, fs, f.s, nil)
		wantCopy(t, err)
		if t.Failed() {
			t.Fatalf("operation %d had failed", op)
		}
	}
}
