package lull_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/sink"
)

// copied is a data directory and a copy of it, which the database then has been written
// from. The directory has more units of its own, and its log reaches beyond SQL's mark.
type copied struct {
	s                sink.Sink
	original, double *faultfs.FS
}

func newCopied(t *testing.T) *copied {
	t.Helper()
	c := &copied{s: sqliteAt(t, filepath.Join(t.TempDir(), "test.db"))}
	fs := faultfs.New(1)
	db := c.open(t, fs, c.s)
	set(t, db, "k", "1")
	closeDB(t, db)
	c.original, c.double = fs.Kill(1), fs.Kill(2)

	db = c.open(t, c.original, awaySink(c.s))
	for i := range 60 {
		set(t, db, fmt.Sprint("own", i), strings.Repeat("x", 3000))
	}
	c.original = c.original.Kill(1)
	leave(t, db)

	db = c.open(t, c.double, c.s)
	set(t, db, "double", "1")
	closeDB(t, db)
	c.double = c.double.Kill(1)
	return c
}

func awaySink(s sink.Sink) *startSink {
	away := &startSink{Sink: s}
	away.away.Store(true)
	return away
}

func (c *copied) open(t *testing.T, fs *faultfs.FS, s sink.Sink) *lull.DB {
	t.Helper()
	db, err := onFS(t, fs, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// wantCopy fails unless err says that the data directory is a copy, and what to do.
func wantCopy(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "a copy of the other") || !strings.Contains(err.Error(), "--new-log") {
		t.Errorf("got %v", err)
	}
}

// TestACopyOfTheDataDirectoryTookTheLane: SQL's mark is not one of the original's, although
// the log has that position. What the original alone has is not passed over.
func TestACopyOfTheDataDirectoryTookTheLane(t *testing.T) {
	c := newCopied(t)
	_, err := onFS(t, c.original, c.s, nil)
	wantCopy(t, err)
	c.original = c.original.Kill(1)

	s := awaySink(c.s) // it cannot tell at first
	db := c.open(t, c.original, s)
	set(t, db, "own", "2")
	s.away.Store(false)
	wantCopy(t, db.Sync(t.Context()))
	leave(t, db)

	db = c.open(t, c.double, c.s) // it has the lane, and keeps it
	set(t, db, "double", "2")
	closeDB(t, db)
	if got := stringsInSQL(t, c.s); len(got) != 2 || got["double"] != "2" {
		t.Errorf("SQL has %q", got)
	}
}

// goOnBesideCopy starts a copy without the database, and has the original flush something
// behind what both have. The copy, which has a position in its log for all that SQL has,
// is told that it is one.
func (c *copied) goOnBesideCopy(t *testing.T, db *lull.DB) {
	t.Helper()
	c.double = c.original.Copy(1)
	s := awaySink(c.s)
	double := c.open(t, c.double, s)
	for i := range 60 {
		set(t, double, fmt.Sprint("own", i), strings.Repeat("x", 3000))
	}
	set(t, db, "k", "2")
	closeDB(t, db)
	s.away.Store(false)
	wantCopy(t, double.Sync(t.Context()))
	c.double = c.double.Kill(1)
	leave(t, double)
}

// TestTheOriginalGoesOnAfterItsCopyHasStarted, and the copy does not start again either.
func TestTheOriginalGoesOnAfterItsCopyHasStarted(t *testing.T) {
	c := &copied{s: sqliteAt(t, filepath.Join(t.TempDir(), "test.db")), original: faultfs.New(1)}
	db := c.open(t, c.original, c.s)
	set(t, db, "k", "1")
	syncDB(t, db)
	c.goOnBesideCopy(t, db)
	_, err := onFS(t, c.double, c.s, nil)
	wantCopy(t, err)
	db = c.open(t, c.original.Kill(1), c.s)
	closeDB(t, db)
	if got := stringsInSQL(t, c.s); len(got) != 1 || got["k"] != "2" {
		t.Errorf("SQL has %q", got)
	}
}

// TestTheCopyOfAnEmptyLog: whatever SQL has is the original's.
func TestTheCopyOfAnEmptyLog(t *testing.T) {
	c := &copied{s: sqliteAt(t, filepath.Join(t.TempDir(), "test.db")), original: faultfs.New(1)}
	c.goOnBesideCopy(t, c.open(t, c.original, c.s))
}

// TestTheCopyTakesTheLaneFirst: nothing was flushed yet, and the original does not take it
// away again.
func TestTheCopyTakesTheLaneFirst(t *testing.T) {
	c := &copied{s: sqliteAt(t, filepath.Join(t.TempDir(), "test.db")), original: faultfs.New(1)}
	s := &startSink{Sink: c.s}
	s.busy.Store(true)
	db := c.open(t, c.original, s)
	set(t, db, "k", "1")
	c.double = c.original.Copy(1)
	double := c.open(t, c.double, c.s)
	defer closeDB(t, double)
	lull.Flusher(double).Pause()
	s.busy.Store(false)
	wantCopy(t, db.Sync(t.Context()))
	leave(t, db)
}

// written is a database and the data directory that wrote it, in fs: k is 1.
func written(t *testing.T) (p *place, c *copied, fs *faultfs.FS) {
	file := filepath.Join(t.TempDir(), "test.db")
	p, c, fs = placeAt(t, "sqlite", "sqlite:"+file), &copied{s: sqliteAt(t, file)}, faultfs.New(1)
	db := c.open(t, fs, c.s)
	set(t, db, "k", "1")
	closeDB(t, db)
	return p, c, fs
}

// TestTheLaneOfAnEarlierVersion has the log's id alone, and the data directory says nothing
// of starts.
func TestTheLaneOfAnEarlierVersion(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late %v", late), func(t *testing.T) {
			p, c, fs := written(t)
			if err := fs.Remove("data/starts"); err != nil {
				t.Fatal(err)
			}
			p.exec(t, "UPDATE lull_lanes SET log_id = substr(log_id, 1, 32)")
			s := &startSink{Sink: c.s}
			s.away.Store(late)
			db := c.open(t, fs, s)
			set(t, db, "k", "2")
			s.away.Store(false)
			syncDB(t, db)
			closeDB(t, db)
			if got := stringsInSQL(t, c.s)["k"]; got != "2" {
				t.Errorf("SQL has %q", got)
			}
		})
	}
}

// TestTheDatabaseGoesBackToAStartBefore: that one was of the same data directory, so what
// came since is flushed again, and reads go on even if nothing came.
func TestTheDatabaseGoesBackToAStartBefore(t *testing.T) {
	for _, more := range []bool{false, true} {
		t.Run(fmt.Sprintf("more was flushed %v", more), func(t *testing.T) {
			p, c, fs := written(t)
			was := strings.Split(p.rows(t, "SELECT log_id, epoch, position FROM lull_lanes")[0], "|")
			db := c.open(t, fs, c.s)
			defer closeDB(t, db)
			want := "1"
			if more {
				want = "2"
				set(t, db, "k", want)
				syncDB(t, db)
			}
			p.exec(t, fmt.Sprintf("UPDATE lull_lanes SET log_id = '%s', epoch = %s, position = %s", was[0], was[1], was[2]))
			p.exec(t, "UPDATE lull_strings SET value = '1'")
			lull.EvictAll(db)
			eventually(t, "it is read again", func() bool {
				got, err := read(t.Context(), db, "k")
				return err == nil && got == want
			})
			syncDB(t, db)
			if got := stringsInSQL(t, c.s)["k"]; got != want {
				t.Errorf("SQL has %q", got)
			}
		})
	}
}

// TestThePowerGoesAsAStartTakesTheLane: by then its directory knows of it.
func TestThePowerGoesAsAStartTakesTheLane(t *testing.T) {
	c := &copied{s: sqliteAt(t, filepath.Join(t.TempDir(), "test.db"))}
	fs := faultfs.New(1)
	closeDB(t, c.open(t, fs, c.s))
	died := fs
	dying := &startSink{Sink: c.s, before: func() { died = fs.PowerCut(1) }}
	if _, err := onFS(t, fs, dying, nil); err == nil || died == fs {
		t.Fatal("it did not die")
	}
	db := c.open(t, died, c.s)
	defer closeDB(t, db)
	set(t, db, "k", "1")
	syncDB(t, db)
}

// TestALateStartTakesTheLaneOnAFullDisk: until it has, the log keeps everything, so that
// there would be no room ever.
func TestALateStartTakesTheLaneOnAFullDisk(t *testing.T) {
	c := &copied{s: sqliteAt(t, filepath.Join(t.TempDir(), "test.db"))}
	fs := faultfs.New(1)
	closeDB(t, c.open(t, fs, c.s))
	s := awaySink(c.s)
	db := c.open(t, fs, s)
	defer closeDB(t, db)
	set(t, db, "k", "1")
	fs.SetCapacity(1)
	s.away.Store(false)
	syncDB(t, db)
	fs.SetCapacity(0)
}
