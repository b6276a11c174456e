package lull_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lullcache/lull/internal/testdb"
)

// TestARowWrittenDuringItsFlushStaysDirty holds a flush up in the middle, by a lock on
// the row that it carries, and writes the row again.
func TestARowWrittenDuringItsFlushStaysDirty(t *testing.T) {
	t.Parallel()
	url := testdb.Postgres(t)
	s := openPostgres(t, url)
	db := openOver(t, s, t.TempDir(), nil)
	defer closeDB(t, db)
	set(t, db, "a", "first")
	syncDB(t, db)

	connect := func() *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	conn, watch := connect(), connect()
	defer conn.Close(t.Context())
	defer watch.Close(t.Context())
	lock, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), `SELECT * FROM lull_strings FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	batches := db.Stats().Flush.Batches
	set(t, db, "a", "second")
	waits := `SELECT count(*) FROM pg_locks WHERE NOT granted`
	for n := 0; n == 0; time.Sleep(5 * time.Millisecond) {
		if err := watch.QueryRow(t.Context(), waits).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	set(t, db, "a", "third")
	if got, _ := get(t, db, "a"); got != "third" {
		t.Errorf("while the flush is under way: read %q", got)
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	syncDB(t, db)
	if got := stringsInSQL(t, s)["a"]; got != "third" {
		t.Errorf("SQL has %q, wanted third", got)
	}
	if n := db.Stats().Flush.Batches - batches; n != 2 {
		t.Errorf("%d flushes carried the row, wanted one with each value", n)
	}
}
