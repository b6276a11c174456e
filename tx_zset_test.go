package lull_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lullcache/lull"
)

// inSQL opens the database file beside the engine.
func inSQL(t *testing.T, dir string, statements ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "test.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	return db
}

// rowsOf returns the rows of a query, columns joined by spaces.
func rowsOf(t *testing.T, db *sql.DB, query string) (found []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		vals := make([]sql.NullString, len(names))
		into := make([]any, len(names))
		for i := range vals {
			into[i] = &vals[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(vals))
		for i, v := range vals {
			texts[i] = v.String
		}
		found = append(found, strings.Join(texts, " "))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func flushed(t *testing.T, db *lull.DB) {
	t.Helper()
	if err := db.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// try runs one unit on keys and returns its error.
func try(t *testing.T, db *lull.DB, fn func(tx *lull.Tx) error, keys ...string) error {
	t.Helper()
	names := make([][]byte, len(keys))
	for i, k := range keys {
		names[i] = []byte(k)
	}
	_, err := db.NewSession().Exec(t.Context(), names, true, lull.RunFunc(fn))
	return err
}

func zadd(t *testing.T, db *lull.DB, key string, pairs ...any) error {
	t.Helper()
	var members []lull.Scored
	for i := 0; i < len(pairs); i += 2 {
		members = append(members, lull.Scored{Member: fmt.Append(nil, pairs[i]), Score: pairs[i+1].(float64)})
	}
	return try(t, db, func(tx *lull.Tx) error {
		_, _, err := tx.ZAdd([]byte(key), lull.ZAddOptions{}, members)
		return err
	}, key)
}

// zshow returns a sorted set as text.
func zshow(t *testing.T, db *lull.DB, key string) (text string) {
	t.Helper()
	do(t, db, key, func(tx *lull.Tx) error {
		v, err := tx.ZRange([]byte(key), lull.ZRange{Stop: -1})
		var b strings.Builder
		v.Each(func(member []byte, score float64) { fmt.Fprintf(&b, "%s=%v ", member, score) })
		text = b.String()
		return err
	})
	return text
}

const scoresTable = "CREATE TABLE scores (board TEXT NOT NULL, player INTEGER NOT NULL, points INTEGER NOT NULL, note TEXT, PRIMARY KEY (board, player))"

func openScores(t *testing.T) (*lull.DB, *sql.DB) {
	t.Helper()
	dir := t.TempDir()
	raw := inSQL(t, dir, scoresTable)
	db := openSQLite(t, dir, func(o *lull.Options) {
		o.Unmapped = lull.UnmappedGeneric
		o.Tables = []lull.TableSpec{{Name: "scores", Key: "board:{board}", Type: "zset", Member: "player", Score: "points"}}
	})
	t.Cleanup(func() { closeDB(t, db) })
	return db, raw
}

func TestAMappedSortedSetIsItsRows(t *testing.T) {
	db, raw := openScores(t)
	if err := zadd(t, db, "board:eu", 42, 10.0, 7, 20.0, 9, 30.0); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct {
		member any
		score  float64
		want   string
	}{{"042", 1, "must be written as"}, {"ann", 1, "is not an integer"}, {1, 1.5, "is not an integer"}} {
		if err := zadd(t, db, "board:eu", 42, 99.0, bad.member, bad.score); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("member %v, score %v: got %v, wanted an error with %q", bad.member, bad.score, err, bad.want)
		}
	}
	do(t, db, "board:eu", func(tx *lull.Tx) error {
		if score, ok, err := tx.ZIncrBy([]byte("board:eu"), []byte("42"), 5, lull.ZAddOptions{}); err != nil || !ok || score != 15 {
			t.Errorf("increment: got %v, %v, %v", score, ok, err)
		}
		n, err := tx.ZRem([]byte("board:eu"), [][]byte{[]byte("9"), []byte("1")})
		if n != 1 {
			t.Errorf("removed %d, wanted 1", n)
		}
		return err
	})
	flushed(t, db)
	const all = "SELECT board, player, points FROM scores ORDER BY player"
	if got := fmt.Sprint(rowsOf(t, raw, all)); got != "[eu 7 20 eu 42 15]" {
		t.Errorf("in SQL: %s", got)
	}
	s := db.NewSession()
	if !s.Forget([]byte("board:eu")) {
		t.Fatal("the key is not clean after a sync")
	}
	if got := zshow(t, db, "board:eu"); got != "42=15 7=20 " {
		t.Errorf("loaded: %s", got)
	}
	do(t, db, "board:eu", func(tx *lull.Tx) error {
		_, err := tx.ZPop([]byte("board:eu"), true, 5)
		return err
	})
	flushed(t, db)
	if got := rowsOf(t, raw, all); len(got) != 0 {
		t.Errorf("popped empty, in SQL: %v", got)
	}
}

func TestStoringInAMappedSortedSetKeepsTheRowsThatStay(t *testing.T) {
	db, raw := openScores(t)
	for _, err := range []error{
		zadd(t, db, "board:eu", 1, 10.0, 2, 20.0, 3, 30.0),
		zadd(t, db, "new", 2, 25.0, 3, 30.0, 4, 40.0),
		zadd(t, db, "wrong", 2, 99.0, "ann", 1.0),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	flushed(t, db)
	if _, err := raw.ExecContext(t.Context(), "UPDATE scores SET note = 'mine ' || player"); err != nil {
		t.Fatal(err)
	}
	for _, cold := range []bool{false, true} {
		if cold {
			db.NewSession().Forget([]byte("board:eu"))
		}
		err := try(t, db, func(tx *lull.Tx) error {
			_, err := tx.ZCombineStore([]byte("board:eu"), lull.ZCombination{Keys: [][]byte{[]byte("wrong")}})
			return err
		}, "board:eu", "wrong")
		if err == nil || !strings.Contains(err.Error(), "is not an integer") {
			t.Errorf("cold %v: storing a member that is no integer: got %v", cold, err)
		}
		err = try(t, db, func(tx *lull.Tx) error {
			n, err := tx.ZCombineStore([]byte("board:eu"), lull.ZCombination{Keys: [][]byte{[]byte("new")}})
			if err == nil && n != 3 {
				t.Errorf("stored %d, wanted 3", n)
			}
			return err
		}, "board:eu", "new")
		if err != nil {
			t.Fatal(err)
		}
		flushed(t, db)
		got := fmt.Sprint(rowsOf(t, raw, "SELECT player, points, note FROM scores ORDER BY player"))
		if got != "[2 25 mine 2 3 30 mine 3 4 40 ]" {
			t.Errorf("cold %v: in SQL: %s", cold, got)
		}
	}
	err := try(t, db, func(tx *lull.Tx) error {
		_, err := tx.ZRangeStore([]byte("board:eu"), []byte("missing"), lull.ZRange{Stop: -1})
		return err
	}, "board:eu", "missing")
	if err != nil {
		t.Fatal(err)
	}
	flushed(t, db)
	if got := rowsOf(t, raw, "SELECT * FROM scores"); len(got) != 0 {
		t.Errorf("stored nothing, in SQL: %v", got)
	}
}

func TestAMappedKeyOfAnotherTypeIsRefused(t *testing.T) {
	db, _ := openScores(t)
	err := try(t, db, func(tx *lull.Tx) error {
		_, err := tx.XLen([]byte("board:eu"))
		return err
	}, "board:eu")
	if !errors.Is(err, lull.ErrWrongType) || !strings.Contains(err.Error(), "scores") {
		t.Errorf("got %v, wanted a wrong type that names the table", err)
	}
}
