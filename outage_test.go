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

// TestAnOutageFoldsTheLogIntoCheckpoints writes far more log than what is dirty
// while the database is away, kills the engine, starts it again without the database, and
// finds everything in SQL once that is back.
func TestAnOutageFoldsTheLogIntoCheckpoints(t *testing.T) {
	t.Parallel()
	server := testdb.StartPostgres(t, testdb.Options{})
	url := server.NewDatabase(t)
	dir := t.TempDir()
	folded := make(chan struct{}, 100)
	small := func(o *lull.Options) {
		o.Log = lull.LogOptions{SegmentBytes: 64 << 10, MaxBytes: 1 << 20, RetainBytes: 64 << 10, RetainAge: time.Millisecond}
		o.LoadTimeout = 300 * time.Millisecond
		o.OnEvent = func(e lull.Event) {
			t.Logf("event: %s: %s: %v", e.Kind, e.Text, e.Err)
			if e.Kind == lull.EventCheckpoint {
				folded <- struct{}{}
			}
		}
	}
	db := openOver(t, openPostgres(t, url), dir, small)
	set := func(i, n int) {
		key := fmt.Sprintf("key:%d", i)
		do(t, db, key, func(tx *lull.Tx) error {
			_, err := tx.Set([]byte(key), fmt.Appendf(nil, "value %d of %d", n, i), lull.SetOptions{})
			return err
		})
	}
	set(0, 0)
	if err := db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Stop(testdb.Immediate)
	const keys, last = 50, 4000
	for n := 1; n <= last; n++ {
		set(n%keys, n)
		if n%500 == 0 {
			time.Sleep(100 * time.Millisecond) // as long as a retry takes
		}
	}
	select {
	case <-folded:
	case <-time.After(30 * time.Second):
		t.Fatal("the log was not folded")
	}
	bounded, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var remains *lull.Remains
	if err := db.Close(bounded); !errors.As(err, &remains) || remains.Rows == 0 {
		t.Fatalf("close with the database away: got %v, wanted what remains", err)
	}

	db = openOver(t, openPostgres(t, url), dir, small)
	defer closeDB(t, db)
	check := func(when string) {
		for i := range keys {
			n := last - (last-i)%keys
			want := fmt.Sprintf("value %d of %d", n, i)
			if got, ok := get(t, db, fmt.Sprintf("key:%d", i)); !ok || got != want {
				t.Fatalf("%s: key:%d: got %q, %v, wanted %q", when, i, got, ok, want)
			}
		}
	}
	check("database away")
	server.Restart()
	if err := db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("database back")
}
