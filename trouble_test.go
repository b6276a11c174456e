package lull_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/mysql"
	"github.com/lullcache/lull/sink/postgres"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"

	driver "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", for looking
)

// The tests in trouble_*_test.go break databases, networks, disks and tables under a
// running engine, and see whether it keeps what it promises.

// hangMax is the only bound on how long something may take, for all tests: on a machine
// with other work anything takes seconds.
const hangMax = 2 * time.Minute

// place is a database in which a test makes a table set of its own.
type place struct {
	kind string // "postgres", "mariadb", "sqlite"
	url  string
	// through leads the engine, but not the test's own looks, through a proxy.
	through func(url string) string
	direct  *sql.DB
}

// everywhere runs a test over each kind of database.
func everywhere(t *testing.T, test func(t *testing.T, p *place)) {
	t.Helper()
	for _, kind := range []string{"postgres", "mariadb", "sqlite"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, newPlace(t, kind))
		})
	}
}

// newPlace makes an empty database on the server that all tests share.
func newPlace(t testing.TB, kind string) *place {
	t.Helper()
	switch kind {
	case "postgres":
		return placeAt(t, kind, testdb.Postgres(t))
	case "mariadb":
		return placeAt(t, kind, testdb.MariaDB(t))
	}
	return placeAt(t, kind, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
}

// ownPlace makes a server that the test may stop, and an empty database on it.
func ownPlace(t *testing.T, kind string) (*testdb.Server, *place) {
	t.Helper()
	start := testdb.StartPostgres
	if kind == "mariadb" {
		start = testdb.StartMariaDB
	}
	server := start(t, testdb.Options{})
	return server, placeAt(t, kind, server.NewDatabase(t))
}

func placeAt(t testing.TB, kind, rawURL string) *place {
	t.Helper()
	p := &place{kind: kind, url: rawURL, through: func(url string) string { return url }}
	var err error
	switch kind {
	case "postgres":
		p.direct, err = sql.Open("pgx", rawURL)
	case "mariadb":
		var u *url.URL
		if u, err = url.Parse(rawURL); err == nil {
			cfg := driver.NewConfig()
			cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), "tcp", u.Host, u.Path[1:]
			cfg.MultiStatements, cfg.Logger = true, &driver.NopLogger{}
			p.direct, err = sql.Open("mysql", cfg.FormatDSN())
		}
	default:
		p.direct, err = sql.Open("sqlite", strings.TrimPrefix(rawURL, "sqlite:")+"?_pragma=busy_timeout(60000)&_pragma=journal_mode(wal)&_pragma=foreign_keys(1)")
	}
	if err != nil {
		t.Fatal(err)
	}
	p.direct.SetMaxIdleConns(0) // none that a stopped server would leave broken
	t.Cleanup(func() { _ = p.direct.Close() })
	return p
}

// sink opens a sink of its own over the place.
func (p *place) sink(t testing.TB) sink.Sink {
	t.Helper()
	o := sqlsink.Options{ConnectTimeout: hangMax, StatementTimeout: hangMax, LockWait: 2 * time.Second}
	s, err := p.open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (p *place) open(ctx context.Context, o sqlsink.Options) (sink.Sink, error) {
	switch p.kind {
	case "postgres":
		return postgres.Open(ctx, p.through(p.url), o)
	case "mariadb":
		return mysql.Open(ctx, p.through(p.url), o)
	}
	return sqlite.Open(ctx, p.url, o)
}

// exec runs statements, in which TEXT(n) stands for a text of up to n characters that
// can be a key.
func (p *place) exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := p.direct.ExecContext(t.Context(), p.spell(s)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func (p *place) spell(statement string) string {
	for {
		before, after, ok := strings.Cut(statement, "TEXT(")
		if !ok {
			return statement
		}
		n, after, _ := strings.Cut(after, ")")
		statement = before + "VARCHAR(" + n + ")"
		if p.kind == "mariadb" {
			statement += " COLLATE utf8mb4_nopad_bin"
		}
		statement += after
	}
}

// rows returns a query's rows, spelled with "|" between columns.
func (p *place) rows(t *testing.T, query string) []string {
	t.Helper()
	rows, err := p.direct.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		cells, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			dest[i] = &cells[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = c.String
			if !c.Valid {
				texts[i] = "NULL"
			}
		}
		all = append(all, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return all
}

// wantRows compares a query's rows, spelled as by rows.
func (p *place) wantRows(t *testing.T, query string, want ...string) {
	t.Helper()
	if got := p.rows(t, query); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\ngot    %q\nwanted %q", query, got, want)
	}
}

// rounds is how often a test does what is random or many: n times in a usual run, more
// in a long one (make stress).
func rounds(n int) int {
	if times, err := strconv.Atoi(os.Getenv("LULL_ROUNDS")); err == nil && times > 1 {
		return n * times
	}
	return n
}

// seedOf is the seed of a test's random numbers: LULL_SEED, or another each time.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("LULL_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("LULL_SEED=%d", seed)
	return seed
}

// unit runs one unit on one key of a session of its own, and waits for its ack.
func unit(ctx context.Context, db *lull.DB, key string, write bool, fn func(tx *lull.Tx) error) error {
	s := db.NewSession()
	ticket, err := s.Exec(ctx, [][]byte{[]byte(key)}, write, lull.RunFunc(fn))
	if err != nil {
		return err
	}
	return s.Wait(ctx, ticket)
}

// read gets a string without failing the test.
func read(ctx context.Context, db *lull.DB, key string) (text string, err error) {
	err = unit(ctx, db, key, false, func(tx *lull.Tx) error {
		v, _, err := tx.Get([]byte(key))
		text = v.String()
		return err
	})
	return text, err
}

// sync waits until SQL has everything, or fails the test.
func syncDB(t *testing.T, db *lull.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangMax)
	defer cancel()
	if err := db.Sync(ctx); err != nil {
		t.Fatalf("sync: %v", err)
	}
}

// leave closes an engine that cannot flush, as a process would that is stopped during
// an outage.
func leave(t *testing.T, db *lull.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	var remains *lull.Remains
	if err := db.Close(ctx); err != nil && !errors.As(err, &remains) {
		t.Logf("close: %v", err)
	}
}

// eventually waits for something to come true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(hangMax)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", hangMax, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func wantErr(t *testing.T, err, want error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, wanted %v", err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(fmt.Sprint(err), w) {
			t.Errorf("error %q: wanted it to say %q", err, w)
		}
	}
}
