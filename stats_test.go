package lull_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull"
)

func TestStatsSayWhatIsBehind(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir, nil)
	db.Pause()
	for _, v := range []string{"1", "2", "3", "4"} {
		set(t, db, "a", v)
	}
	set(t, db, "b", "1")
	s := db.Stats()
	if s.Dirty.Rows != 2 || s.Dirty.Bytes <= 0 || s.Flush.Lag == 0 || !s.Flush.Paused || s.Changes != 5 {
		t.Errorf("before the flush: %+v", s)
	}
	if s.Log.Position == 0 || !s.Log.On || s.Log.Records < 5 || s.Log.Failed != nil || s.Log.Full != nil || s.Log.Segments == 0 {
		t.Errorf("log: %+v", s.Log)
	}
	if !strings.Contains(s.String(), "behind     2 rows") || !strings.Contains(s.String(), "paused") {
		t.Errorf("text: %s", &s)
	}
	db.Resume()
	if err := db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = db.Stats()
	if s.Dirty.Rows != 0 || s.Flush.Lag != 0 || s.Dirty.OldestAge != 0 || s.Flush.Rows != 2 || s.Flush.Batches == 0 || s.Flush.Coalesced != 2.5 || s.Flush.CutLongest <= 0 {
		t.Errorf("after the flush: %+v", s)
	}
	if len(s.Tables) != 1 || s.Tables[0].Name != "lull_strings" || s.Tables[0].Operations != 2 {
		t.Errorf("tables: %+v", s.Tables)
	}
	if p := s.Problems(); len(p) > 0 || !strings.Contains(s.String(), "nothing: the database has everything") {
		t.Errorf("problems %q in %s", p, &s)
	}
	closeDB(t, db)
}

func TestOldestAgeRisesWhileTheDatabaseIsPaused(t *testing.T) {
	db := openSQLite(t, t.TempDir(), nil)
	defer closeDB(t, db)
	db.Pause()
	set(t, db, "a", "1")
	time.Sleep(20 * time.Millisecond)
	set(t, db, "a", "2")
	if s := db.Stats(); s.Dirty.OldestAge < 20*time.Millisecond || s.Dirty.OldestAge > hangMax {
		t.Errorf("oldest change: %v", s.Dirty.OldestAge)
	}
}

// TestACutHidesNothingFromTheLimits looks all the time at what counts in the limits while cuts are
// taken and nothing is flushed: it only rises.
func TestACutHidesNothingFromTheLimits(t *testing.T) {
	t.Parallel()
	db := openSQLite(t, t.TempDir(), func(o *lull.Options) {
		o.Ack, o.Flush.MaxDelay, o.Flush.Lull = lull.AckMemory, time.Hour, time.Hour
	})
	defer closeDB(t, db)
	lull.Flusher(db).Pause() // the first write wakes it, and it would find a cut
	defer lull.Flusher(db).Resume()
	var stop atomic.Bool
	var looking sync.WaitGroup
	looking.Go(func() {
		for most := int64(0); !stop.Load(); {
			rows := db.Stats().Dirty.Rows
			if rows < most {
				t.Errorf("%d rows were dirty, then %d", most, rows)
				return
			}
			most = rows
		}
	})
	for i := range 300 {
		set(t, db, fmt.Sprint("key", i), "x")
		lull.Cut(db)
	}
	stop.Store(true)
	looking.Wait()
	if rows := db.Stats().Dirty.Rows; rows != 300 {
		t.Errorf("%d rows are dirty, wanted 300", rows)
	}
}

func TestHitsMissesAndForget(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir, nil)
	set(t, db, "a", "1")
	if db.NewSession().Forget([]byte("b")) {
		t.Error("forgot a key that there is not")
	}
	closeDB(t, db)
	db = openSQLite(t, dir, nil)
	defer closeDB(t, db)
	for range 3 {
		if v, ok := get(t, db, "a"); v != "1" || !ok {
			t.Fatalf("got %q, %v", v, ok)
		}
	}
	s := db.Stats()
	if s.Memory.Hits != 2 || s.Memory.Misses != 1 || s.Loads.Keys != 1 || s.Memory.Entries[0] != 1 || s.Memory.Bytes <= 0 {
		t.Errorf("memory: %+v, loads: %+v", s.Memory, s.Loads)
	}
	sess := db.NewSession()
	if !sess.Forget([]byte("a")) {
		t.Error("did not forget a clean key")
	}
	db.Pause()
	set(t, db, "a", "2")
	if sess.Forget([]byte("a")) {
		t.Error("forgot a key that SQL has not seen")
	}
	db.Resume()
	if v, _ := get(t, db, "a"); v != "2" {
		t.Errorf("got %q", v)
	}
}
