package lull_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// openSQLite opens an engine over a SQLite file in dir.
func openSQLite(t *testing.T, dir string, change func(*lull.Options)) *lull.DB {
	t.Helper()
	return openOver(t, newSQLite(t, dir), dir, change)
}

func sqliteAt(t *testing.T, file string) sink.Sink {
	t.Helper()
	s, err := sqlite.Open(t.Context(), "sqlite:"+file, sqlsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func openOver(t *testing.T, s sink.Sink, dir string, change func(*lull.Options)) *lull.DB {
	t.Helper()
	o := lull.Options{
		DataDir: filepath.Join(dir, "data"), Sink: s, LoadTimeout: hangMax, ShutdownTimeout: hangMax,
		Log:     lull.LogOptions{SegmentBytes: 1 << 20},
		OnEvent: func(e lull.Event) { t.Logf("event: %s: %s: %v", e.Kind, e.Text, e.Err) },
	}
	lull.StartWait(&o, hangMax) // else a database that is only slow is taken for one that is away
	if change != nil {
		change(&o)
	}
	db, err := lull.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func closeDB(t *testing.T, db *lull.DB) {
	t.Helper()
	if err := db.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// do runs one unit on one key.
func do(t *testing.T, db *lull.DB, key string, fn func(tx *lull.Tx) error) {
	t.Helper()
	s := db.NewSession()
	ticket, err := s.Exec(t.Context(), [][]byte{[]byte(key)}, true, lull.RunFunc(fn))
	if err == nil {
		err = s.Wait(t.Context(), ticket)
	}
	if err != nil {
		t.Fatalf("key %q: %v", key, err)
	}
}

func get(t *testing.T, db *lull.DB, key string) (text string, ok bool) {
	t.Helper()
	do(t, db, key, func(tx *lull.Tx) error {
		v, found, err := tx.Get([]byte(key))
		text, ok = v.String(), found
		return err
	})
	return text, ok
}

func TestWhatWasWrittenIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir, nil)
	do(t, db, "greeting", func(tx *lull.Tx) error {
		_, err := tx.Set([]byte("greeting"), []byte("hello"), lull.SetOptions{})
		return err
	})
	do(t, db, "n", func(tx *lull.Tx) error {
		_, err := tx.IncrBy([]byte("n"), 41)
		return err
	})
	if err := db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	do(t, db, "n", func(tx *lull.Tx) error {
		_, err := tx.IncrBy([]byte("n"), 1)
		return err
	})
	closeDB(t, db)
	db = openSQLite(t, dir, nil)
	defer closeDB(t, db)
	if v, ok := get(t, db, "greeting"); !ok || v != "hello" {
		t.Errorf("greeting: got %q, %v", v, ok)
	}
	if v, ok := get(t, db, "n"); !ok || v != "42" {
		t.Errorf("n: got %q, %v", v, ok)
	}
	if _, ok := get(t, db, "absent"); ok {
		t.Error("absent: exists")
	}
}
