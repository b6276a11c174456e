package crash

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/lullcache/lull/internal/testdb"
)

// database is a real one, which can be taken away for a while.
type database struct {
	name string
	url  string // for Lull
	sql  *sql.DB
	// server is nil for SQLite, which lives in Lull's own process.
	server   *testdb.Server
	numbered bool // arguments are $1, $2 …
	quote    string
	snapshot sql.IsolationLevel
	// noBytes: keys that are text are stored as text.
	noBytes bool

	lock *sql.Conn // SQLite: holds the file's write lock while it is "down"
}

// kinds are the databases that every test runs on.
var kinds = []struct {
	name string
	open func(t *testing.T) *database
}{
	{"postgres", openPostgres}, {"mariadb", openMariaDB}, {"sqlite", openSQLite},
}

// eachDatabase runs a test on all databases, side by side.
func eachDatabase(t *testing.T, test func(t *testing.T, d *database)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			test(t, k.open(t))
		})
	}
}

func openPostgres(t *testing.T) *database {
	d := &database{name: "postgres", server: testdb.StartPostgres(t, testdb.Options{}), numbered: true, quote: `"`, snapshot: sql.LevelRepeatableRead}
	d.url = d.server.NewDatabase(t)
	d.connect(t, open(t, "pgx", d.url))
	return d
}

func openMariaDB(t *testing.T) *database {
	d := &database{name: "mariadb", server: testdb.StartMariaDB(t, testdb.Options{}), quote: "`", snapshot: sql.LevelRepeatableRead}
	d.url = d.server.NewDatabase(t)
	c := mysqldriver.NewConfig()
	rest := strings.TrimPrefix(d.url, "mysql://")
	user, rest, _ := strings.Cut(rest, "@")
	address, name, _ := strings.Cut(rest, "/")
	name, _, _ = strings.Cut(name, "?")
	c.User, c.Net, c.Addr, c.DBName, c.Logger = user, "tcp", address, name, &mysqldriver.NopLogger{}
	connector, err := mysqldriver.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	d.connect(t, sql.OpenDB(connector))
	return d
}

func openSQLite(t *testing.T) *database {
	file := filepath.Join(t.TempDir(), "lull.db")
	d := &database{name: "sqlite", url: "sqlite:" + file, quote: `"`, noBytes: true}
	d.connect(t, open(t, "sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)"))
	return d
}

// accountsTotal is what all accounts hold together, at any time.
const (
	accounts      = 10
	accountsTotal = accounts * 1000
)

// tables are the user's own. TEXT stands for a text type that tells cases apart.
var tables = []string{
	"CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL)",
	"CREATE TABLE players (id int PRIMARY KEY, name varchar(100), score bigint NOT NULL DEFAULT 0)",
	"CREATE TABLE scores (board TEXT NOT NULL, player_id int NOT NULL, points bigint NOT NULL, PRIMARY KEY (board, player_id))",
	"CREATE TABLE page_views (page TEXT PRIMARY KEY, views bigint NOT NULL)",
	"CREATE TABLE tags (owner int NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (owner, tag))",
	"CREATE TABLE picky (id int PRIMARY KEY, n bigint, CHECK (n % 100 <> 7))",
	"CREATE TABLE parkable (id int PRIMARY KEY, n bigint NOT NULL DEFAULT 0)",
	"CREATE TABLE parents (id int PRIMARY KEY, child int, n bigint)",
	"CREATE TABLE children (parent int NOT NULL, no int NOT NULL, n bigint, PRIMARY KEY (parent, no))",
	"CREATE TABLE events (topic TEXT NOT NULL, ms bigint NOT NULL, seq bigint NOT NULL, n bigint, PRIMARY KEY (topic, ms, seq))",
}

// mappings are their configuration.
const mappings = `
unmapped: generic
tables:
  accounts: {key: "acct:{id}", type: hash}
  players: {key: "player:{id}", type: hash}
  scores: {key: "leaderboard:{board}", type: zset, member: player_id, score: points}
  page_views: {key: "views:{page*}", type: string, value: views}
  tags: {key: "tags:{owner}", type: set, member: tag}
  picky: {key: "picky:{id}", type: hash}
  parkable: {key: "parkable:{id}", type: hash}
  parents: {key: "parent:{id}", type: hash}
  children: {key: "child:{parent}:{no}", type: hash}
  events: {key: "events:{topic}", type: stream, id: [ms, seq]}
`

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// connect makes db the test's own way to the database, and the tables.
func (d *database) connect(t *testing.T, db *sql.DB) {
	t.Helper()
	d.sql = db
	t.Cleanup(func() {
		d.unlock()
		db.Close()
	})
	text := "varchar(100)"
	if d.name == "mariadb" {
		text += " CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin"
	}
	for _, statement := range tables {
		if _, err := db.Exec(strings.ReplaceAll(statement, "TEXT", text)); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for i := range accounts {
		if _, err := db.Exec(fmt.Sprintf("INSERT INTO accounts VALUES (%d, %d)", i, accountsTotal/accounts)); err != nil {
			t.Fatal(err)
		}
	}
}

// queryer is a connection or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// column returns the first column of all rows.
func (d *database) column(ctx context.Context, q queryer, query string, args ...any) ([]any, error) {
	records, err := d.records(ctx, q, query, args...)
	all := make([]any, len(records))
	for i := range records {
		all[i] = records[i][0]
	}
	return all, err
}

// records returns all rows.
func (d *database) records(ctx context.Context, q queryer, query string, args ...any) ([][]any, error) {
	query = strings.ReplaceAll(query, "~", d.quote)
	for i := 1; d.numbered && strings.Contains(query, "?"); i++ {
		query = strings.Replace(query, "?", fmt.Sprintf("$%d", i), 1)
	}
	for i := range args {
		if b, ok := args[i].([]byte); ok && d.noBytes {
			args[i] = string(b)
		}
	}
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]any
	for rows.Next() {
		vals, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range vals {
			into[i] = &vals[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, vals)
	}
	return all, rows.Err()
}

// rows are what SQL holds of a thing.
func (d *database) rows(ctx context.Context, t *thing) ([]string, error) {
	query, args := t.query()
	vals, err := d.column(ctx, d.sql, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	items := make([]string, len(vals))
	for i, v := range vals {
		if items[i], err = t.column(v); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// down takes the database away: a server is killed with kill -9, of SQLite's file
// somebody else holds the write lock.
func (d *database) down(t *testing.T) {
	t.Helper()
	if d.server != nil {
		d.server.Kill()
		return
	}
	c, err := d.sql.Conn(t.Context())
	if err == nil {
		_, err = c.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		t.Fatalf("lock the database: %v", err)
	}
	d.lock = c
}

// up brings it back.
func (d *database) up(t *testing.T) {
	t.Helper()
	if d.server != nil {
		d.server.Restart()
		return
	}
	if err := d.unlock(); err != nil {
		t.Fatalf("unlock the database: %v", err)
	}
}

func (d *database) unlock() error {
	if d.lock == nil {
		return nil
	}
	_, err := d.lock.ExecContext(context.Background(), "ROLLBACK")
	err = errors.Join(err, d.lock.Close())
	d.lock = nil
	return err
}
