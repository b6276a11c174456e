package lull_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// openViews opens an engine over a table of counters with an expiry, and one of
// players.
func openViews(t *testing.T, change func(*lull.Options)) (*lull.DB, *sql.DB) {
	t.Helper()
	dir := t.TempDir()
	raw, err := sql.Open("sqlite", filepath.Join(dir, "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	for _, ddl := range []string{
		"create table page_views (page text primary key, views integer not null, until datetime)",
		"create table players (id integer primary key, name text, score integer)",
		"insert into page_views (page, views) values ('/home', 7), ('/about', 1)",
		"insert into players values (1, 'Ann', 10), (2, 'Ben', null)",
	} {
		if _, err := raw.Exec(ddl); err != nil {
			t.Fatal(err)
		}
	}
	db := openSQLite(t, dir, func(o *lull.Options) {
		o.Tables = []lull.TableSpec{
			{Name: "page_views", Key: "views:{page*}", Type: "string", Value: "views", Expires: "until", OnExpire: "delete"},
			{Name: "players", Key: "player:{id}", Type: "hash"},
		}
		if change != nil {
			change(o)
		}
	})
	t.Cleanup(func() { closeDB(t, db) })
	return db, raw
}

func sortedKeys(t *testing.T, s *lull.Session) (keys []string) {
	t.Helper()
	if err := s.Keys(t.Context(), func(key string, _ lull.KeyType) { keys = append(keys, key) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

func TestKeysOfTablesAreFoundWithoutBeingLoaded(t *testing.T) {
	db, _ := openViews(t, nil)
	s := db.NewSession()
	do(t, db, "views:/new", func(tx *lull.Tx) error {
		_, err := tx.IncrBy([]byte("views:/new"), 1)
		return err
	})
	do(t, db, "player:2", func(tx *lull.Tx) error {
		_, err := tx.Del([]byte("player:2"))
		return err
	})
	want := []string{"player:1", "views:/about", "views:/home", "views:/new"}
	if got := sortedKeys(t, s); !slices.Equal(got, want) {
		t.Errorf("keys: got %q, wanted %q", got, want)
	}
	if n, exact, err := s.DBSize(t.Context()); err != nil || n != 4 || !exact {
		t.Errorf("DBSize: got %d, %v, %v, wanted 4", n, exact, err)
	}
	for range 20 {
		if key, ok, err := s.RandomKey(t.Context()); err != nil || !ok || !slices.Contains(want, key) {
			t.Fatalf("RandomKey: got %q, %v, %v", key, ok, err)
		}
	}
	if !s.Forget([]byte("views:/new")) || s.Forget([]byte("views:/new")) {
		t.Error("Forget: wanted it to drop a clean key once")
	}
	if v, _ := get(t, db, "views:/new"); v != "1" {
		t.Errorf("after Forget: got %q, wanted 1", v)
	}
}

func TestMappedStringsAreChecked(t *testing.T) {
	db, raw := openViews(t, nil)
	s := db.NewSession()
	key := []byte("views:/home")
	run := func(fn func(tx *lull.Tx) error) error {
		_, err := s.Exec(t.Context(), [][]byte{key}, true, lull.RunFunc(fn))
		return err
	}
	for name, fn := range map[string]func(tx *lull.Tx) error{
		"text in an integer column": func(tx *lull.Tx) error { _, err := tx.Append(key, []byte("x")); return err },
		"a fraction":                func(tx *lull.Tx) error { _, err := tx.IncrByFloat(key, []byte("0.5")); return err },
		"another table":             func(tx *lull.Tx) error { _, err := tx.Copy(key, []byte("player:1"), 0, true); return err },
		"FLUSHALL":                  func(tx *lull.Tx) error { return tx.FlushDB(-1) },
	} {
		s.Prefetch(t.Context(), []lull.KeyNeed{{Name: []byte("player:1"), Need: lull.NeedAll}})
		var err error
		if name == "another table" || name == "FLUSHALL" {
			_, err = s.ExecAll(t.Context(), true, lull.RunFunc(fn))
		} else {
			err = run(fn)
		}
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
		if name == "FLUSHALL" && !errors.Is(err, lull.ErrFlushForbidden) {
			t.Errorf("FLUSHALL: got %v, wanted ErrFlushForbidden", err)
		}
	}
	at := time.Now().Add(time.Hour).UnixMilli()
	if err := run(func(tx *lull.Tx) error {
		if _, err := tx.IncrBy(key, 3); err != nil {
			return err
		}
		_, err := tx.Expire(key, at, lull.ExpireAlways)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	var views int
	var until sql.NullString
	if err := raw.QueryRow("select views, until from page_views where page = '/home'").Scan(&views, &until); err != nil {
		t.Fatal(err)
	}
	if views != 10 || !until.Valid {
		t.Errorf("row: got %d, %v, wanted 10 and a time", views, until)
	}
}

func TestFlushAllEmptiesTablesWhereAllowed(t *testing.T) {
	db, raw := openViews(t, func(o *lull.Options) { o.AllowFlushAll = true })
	s := db.NewSession()
	if _, err := s.ExecAll(t.Context(), true, lull.RunFunc(func(tx *lull.Tx) error { return tx.FlushDB(-1) })); err != nil {
		t.Fatal(err)
	}
	if got := sortedKeys(t, s); len(got) > 0 {
		t.Errorf("keys: got %q, wanted none", got)
	}
	if err := db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := raw.QueryRow("select (select count(*) from page_views) + (select count(*) from players)").Scan(&n); err != nil || n != 0 {
		t.Errorf("rows: got %d, %v, wanted 0", n, err)
	}
}
