package lull_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/testdb"
)

// TestXAddGoesOnWithoutTheDatabase adds to a stream that is not in memory while the
// database is away: with and without ids in SQL, and with a restart in between or not.
func TestXAddGoesOnWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	server := testdb.StartPostgres(t, testdb.Options{})
	for _, tt := range []struct {
		name, ddl string
		id        []string
		restart   bool
	}{
		{"ids", "CREATE TABLE events (topic text NOT NULL, ms bigint, seq bigint, kind text NOT NULL, n bigint, PRIMARY KEY (topic, ms, seq))", []string{"ms", "seq"}, false},
		{"ids, restarted", "CREATE TABLE events (topic text NOT NULL, ms bigint, seq bigint, kind text NOT NULL, n bigint, PRIMARY KEY (topic, ms, seq))", []string{"ms", "seq"}, true},
		{"no ids", "CREATE TABLE events (topic text NOT NULL, kind text NOT NULL, n bigint)", nil, false},
		{"no ids, restarted", "CREATE TABLE events (topic text NOT NULL, kind text NOT NULL, n bigint)", nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url := server.NewDatabase(t)
			runSQL(t, url, tt.ddl)
			dir := t.TempDir()
			open := func() *lull.DB {
				return openOver(t, openPostgres(t, url), dir, func(o *lull.Options) {
					eventsOptions(tt.id, "", 0)(o)
					o.Unmapped = lull.UnmappedGeneric
				})
			}
			db := open()
			for i := range 3 {
				if _, err := xadd(t, db, "events:a", "*", fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			flushed(t, db)
			if !db.NewSession().Forget([]byte("events:a")) {
				t.Fatal("the stream is not clean after a sync")
			}
			server.Stop(testdb.Immediate)
			if _, err := xadd(t, db, "events:a", "9999999999999-1", "1"); !errors.Is(err, lull.ErrNoDB) {
				t.Errorf("an id that has to be compared: got %v", err)
			}
			for i := 3; i < 8; i++ {
				if _, err := xadd(t, db, "events:a", "*", fmt.Sprint(i)); err != nil {
					t.Fatalf("the database is away: %v", err)
				}
			}
			if err := try(t, db, func(tx *lull.Tx) error {
				_, err := tx.XLen([]byte("events:a"))
				return err
			}, "events:a"); !errors.Is(err, lull.ErrNoDB) {
				t.Errorf("the length is not known: got %v", err)
			}
			if tt.restart {
				leave(t, db) // what remains is in the log
				db = open()
				if _, err := xadd(t, db, "events:a", "*", "8"); err != nil {
					t.Fatalf("after a restart without the database: %v", err)
				}
			}
			server.Restart()
			checkAfterOutage(t, db, tt.id != nil, tt.restart)
			closeDB(t, db)
			if got := runSQL(t, url, "SELECT count(*) FROM events"); got != fmt.Sprint(xaddsOf(tt.restart)+1) {
				t.Errorf("in SQL are %s rows", got)
			}
		})
	}
}

func xaddsOf(restart bool) int {
	if restart {
		return 9
	}
	return 8
}

func checkAfterOutage(t *testing.T, db *lull.DB, ids, restart bool) {
	t.Helper()
	want := xaddsOf(restart)
	flushed(t, db)
	if _, err := xadd(t, db, "events:a", "*", fmt.Sprint(want)); err != nil {
		t.Fatal(err)
	}
	if !ids && restart {
		return // what was added before the restart is in SQL, and nothing there tells since when
	}
	if n := xlen(t, db, "events:a"); n != int64(want)+1 {
		t.Errorf("length: got %d, wanted %d", n, want+1)
	}
	flushed(t, db)
	db.NewSession().Forget([]byte("events:a"))
	if n := xlen(t, db, "events:a"); n != int64(want)+1 {
		t.Errorf("length after loading: got %d, wanted %d", n, want+1)
	}
	if !ids {
		return
	}
	got, err := xrange(t, db, "events:a", lull.StreamMin, lull.StreamMax, false, 0)
	if err != nil || len(got) != want+1 {
		t.Fatalf("entries: got %v, %v", got, err)
	}
	for i, e := range got {
		if !strings.HasSuffix(e, fmt.Sprint(" ", i)) {
			t.Errorf("entry %d is %q", i, e)
		}
	}
}

// runSQL runs a statement and returns its first value as text.
func runSQL(t *testing.T, url, statement string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		vals, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		text = fmt.Sprint(vals[0])
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return text
}
