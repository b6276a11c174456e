package trouble

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	driver "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", for the tests' own looks
	_ "modernc.org/sqlite"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/mysql"
	"github.com/lullcache/lull/sink/postgres"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// place is an empty database of one kind. The engine comes to it through a proxy, the
// test's own looks go straight.
type place struct {
	kind   string // "postgres", "mariadb" or "sqlite"
	url    string
	file   string         // of SQLite
	server *testdb.Server // nil if it is shared with other tests, and for SQLite
	proxy  *testdb.Proxy  // nil for SQLite, which has no network
	sql    *sql.DB
	user   string // whom the engine comes as, if not as the test does
}

// everywhere runs a test over each kind of database, side by side. own: on a server
// of the test's own, which it may stop.
func everywhere(t *testing.T, own bool, test func(t *testing.T, p *place), kinds ...string) {
	t.Helper()
	t.Parallel()
	if len(kinds) == 0 {
		kinds = []string{"postgres", "mariadb", "sqlite"}
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, newPlace(t, kind, own, nil))
		})
	}
}

func newPlace(t *testing.T, kind string, own bool, settings map[string]string) *place {
	t.Helper()
	p := &place{kind: kind}
	switch {
	case kind == "sqlite":
		p.file = filepath.Join(t.TempDir(), "test.db")
		p.url = "sqlite:" + p.file
	case own:
		start := testdb.StartPostgres
		if kind == "mariadb" {
			start = testdb.StartMariaDB
		}
		p.server = start(t, testdb.Options{Settings: settings})
		p.url = p.server.NewDatabase(t)
	case kind == "postgres":
		p.url = testdb.Postgres(t)
	default:
		p.url = testdb.MariaDB(t)
	}
	p.connect(t)
	return p
}

// connect makes the test's own way, and the engine's.
func (p *place) connect(t *testing.T) {
	t.Helper()
	p.sql = openSQL(t, p.kind, p.url)
	if p.kind != "sqlite" {
		u, err := url.Parse(p.url)
		must(t, err)
		p.proxy = testdb.StartProxy(t, u.Host)
	}
}

// openSQL opens a database by its plain driver.
func openSQL(t *testing.T, kind, rawURL string) *sql.DB {
	t.Helper()
	var db *sql.DB
	var err error
	switch kind {
	case "sqlite":
		db, err = sql.Open("sqlite", strings.TrimPrefix(rawURL, "sqlite:")+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=foreign_keys(1)")
	case "postgres":
		db, err = sql.Open("pgx", rawURL)
	default:
		var u *url.URL
		if u, err = url.Parse(rawURL); err == nil {
			cfg := driver.NewConfig()
			cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), "tcp", u.Host, u.Path[1:]
			cfg.MultiStatements, cfg.Logger = true, &driver.NopLogger{}
			db, err = sql.Open("mysql", cfg.FormatDSN())
		}
	}
	must(t, err)
	db.SetMaxIdleConns(0) // none that a stopped server would leave broken
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// through is the place's URL, through the proxy.
func (p *place) through() string {
	if p.proxy == nil {
		return p.url
	}
	through := p.proxy.Through(p.url)
	if p.user != "" {
		through = strings.Replace(through, "lull@", p.user+"@", 1)
	}
	return through
}

func openSink(kind, url string) (sink.Sink, error) {
	o := sqlsink.Options{ConnectTimeout: 20 * time.Second} // the machine may be busy
	switch kind {
	case "postgres":
		return postgres.Open(context.Background(), url, o)
	case "mariadb":
		return mysql.Open(context.Background(), url, o)
	}
	return sqlite.Open(context.Background(), url, o)
}

// open starts an engine that flushes only when it is asked to, unless change says
// otherwise.
func (p *place) open(t *testing.T, dir string, change func(o *lull.Options)) *lull.DB {
	t.Helper()
	s, err := openSink(p.kind, p.through())
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	o := options(s, dir)
	o.OnEvent = func(e lull.Event) { t.Logf("event: %s: %s: %v", e.Kind, e.Text, e.Err) }
	if change != nil {
		change(&o)
	}
	db, err := lull.Open(t.Context(), o)
	must(t, err)
	return db
}

func options(s sink.Sink, dir string) lull.Options {
	return lull.Options{
		DataDir: filepath.Join(dir, "data"), Sink: s, Ack: lull.AckMemory, LoadTimeout: 30 * time.Second,
		Log:   lull.LogOptions{SegmentBytes: 1 << 20},
		Flush: lull.FlushOptions{Lull: time.Hour, MaxDelay: time.Hour, MaxRows: 1 << 30},
	}
}

// often has an engine flush all the time.
func often(o *lull.Options) {
	o.Flush = lull.FlushOptions{Lull: 5 * time.Millisecond, MaxDelay: 20 * time.Millisecond}
}

// exec runs statements, in which TEXT(n) stands for a text of up to n characters that
// can be a key, and NUMBERED for a primary key that counts up by itself.
func (p *place) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := p.sql.ExecContext(t.Context(), p.spell(s)); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func (p *place) spell(statement string) string {
	numbered := map[string]string{"postgres": "BIGSERIAL PRIMARY KEY", "mariadb": "BIGINT AUTO_INCREMENT PRIMARY KEY", "sqlite": "INTEGER PRIMARY KEY"}
	statement = strings.ReplaceAll(statement, "NUMBERED", numbered[p.kind])
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
	rows, err := p.sql.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	must(t, err)
	var all []string
	for rows.Next() {
		cells, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range cells {
			dest[i] = &cells[i]
		}
		must(t, rows.Scan(dest...))
		texts := make([]string, len(cells))
		for i, c := range cells {
			if texts[i] = c.String; !c.Valid {
				texts[i] = "NULL"
			}
		}
		all = append(all, strings.Join(texts, "|"))
	}
	must(t, rows.Err())
	return all
}

// number returns a query's only number; of no rows, and NULL, 0.
func (p *place) number(t *testing.T, query string) (n int64) {
	t.Helper()
	if rows := p.rows(t, query); len(rows) == 1 {
		_, _ = fmt.Sscan(rows[0], &n)
	}
	return n
}

// wantRows compares a query's rows, spelled as by rows.
func (p *place) wantRows(t *testing.T, query string, want ...string) {
	t.Helper()
	if got := p.rows(t, query); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\ngot    %q\nwanted %q", query, got, want)
	}
}
