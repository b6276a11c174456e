package matrix

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lullcache/lull/internal/testdb"
)

// pacedRows is how many rows a second SQL takes where a flush of 5,000 rows/s is asked
// for.
const pacedRows = 5000

// paceSQL lets PostgreSQL take a bounded rate of rows: a trigger sleeps after each
// statement for as long as its rows are worth. So Lull flushes all the time, at that
// rate, whatever is written: its batches grow by themselves while SQL is slow.
const paceSQL = `CREATE FUNCTION bench_pace() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	SELECT count(*) INTO n FROM fresh;
	PERFORM pg_sleep(n / %d.0);
	RETURN NULL;
END $$`

// pacedTables are Lull's own tables.
var pacedTables = []string{"lull_keys", "lull_strings", "lull_hashes", "lull_zsets", "lull_sets", "lull_lists", "lull_streams"}

// pace makes the triggers in a database in which Lull has made its tables.
func pace(b *run, url string) {
	b.Helper()
	statements := []string{fmt.Sprintf(paceSQL, pacedRows)}
	for _, table := range pacedTables {
		for _, event := range []string{"INSERT", "UPDATE"} {
			statements = append(statements, fmt.Sprintf("CREATE TRIGGER bench_pace_%[2]s AFTER %[2]s ON %[1]s REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION bench_pace()", table, event))
		}
	}
	execute(b, url, statements...)
}

// execute runs statements over a connection of its own.
func execute(b *run, url string, statements ...string) {
	b.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	b.must(err)
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			b.Fatalf("%s: %v", s, err)
		}
	}
}

func newURL(b *run, server *testdb.Server) string { return server.NewDatabase(b.T) }

// beside is a program that writes rows into SQL, as Lull's flush does, while Redis is
// measured: statements of a thousand rows, ten in a transaction.
type beside struct {
	conn *pgx.Conn
	keys int
	rate atomic.Int64 // rows a second
	quit chan struct{}
	done chan error
	rows atomic.Int64
}

const (
	besideTable  = "CREATE TABLE bench_beside (db smallint, key bytea, value bytea NOT NULL, PRIMARY KEY (db, key))"
	besideUpsert = "INSERT INTO bench_beside SELECT 0, k, v FROM unnest($1::bytea[], $2::bytea[]) AS t (k, v) ON CONFLICT (db, key) DO UPDATE SET value = excluded.value"
	besideRows   = 1000
	besideParts  = 10
)

// startBeside makes its table and waits for run.
func startBeside(b *run, url string, keys int) *beside {
	b.Helper()
	execute(b, url, besideTable)
	conn, err := pgx.Connect(context.Background(), url)
	b.must(err)
	s := &beside{conn: conn, keys: keys}
	b.Cleanup(func() { conn.Close(context.Background()) })
	return s
}

// run writes at a rate of rows a second until halt.
func (s *beside) run(rate float64) {
	s.quit, s.done = make(chan struct{}), make(chan error, 1)
	s.rate.Store(int64(rate))
	go func() { s.done <- s.write() }()
}

func (s *beside) halt(b *run) {
	b.Helper()
	close(s.quit)
	b.must(<-s.done)
}

func (s *beside) write() error {
	ctx, next := context.Background(), 0
	began, sent := time.Now(), int64(0)
	keys, vals := make([][]byte, besideRows), make([][]byte, besideRows)
	val := make([]byte, 64)
	for {
		tx, err := s.conn.Begin(ctx)
		if err != nil {
			return err
		}
		for range besideParts {
			for i := range keys {
				keys[i], vals[i] = []byte(numbered("key:", next)), val
				next = (next + 7_368_787) % s.keys
			}
			if _, err := tx.Exec(ctx, besideUpsert, keys[:min(besideRows, s.keys)], vals[:min(besideRows, s.keys)]); err != nil {
				return err
			}
			sent += besideRows
			s.rows.Add(besideRows)
			due := began.Add(time.Duration(float64(sent) / float64(max(s.rate.Load(), 1)) * float64(time.Second)))
			select {
			case <-s.quit:
				return tx.Rollback(ctx)
			case <-time.After(time.Until(due)):
			}
		}
		if err := tx.Commit(ctx); err != nil {
			return err
		}
	}
}
