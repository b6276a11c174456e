package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	driver "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // database/sql knows it as "pgx"
	_ "modernc.org/sqlite"

	"github.com/lullcache/lull/sink/sqlsink"
)

// database is where the tables are: for the plain SQL that Lull is compared with, and
// to check totals.
type database struct {
	*sql.DB
	dialect string // postgres, mysql or sqlite
	own     bool   // Lull's own tables were there before
}

func openDatabase(ctx context.Context, rawURL string) (*database, error) {
	d := &database{}
	scheme, rest, _ := strings.Cut(rawURL, ":")
	driverName, source := "", rawURL
	switch scheme {
	case "postgres", "postgresql":
		d.dialect, driverName = "postgres", "pgx"
	case "mysql", "mariadb":
		d.dialect, driverName = "mysql", "mysql"
		var err error
		if source, err = mysqlSource(rawURL); err != nil {
			return nil, err
		}
	case "sqlite":
		d.dialect, driverName = "sqlite", "sqlite"
		source = "file:" + (&url.URL{Path: rest}).EscapedPath() + "?_txlock=immediate&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	default:
		return nil, errors.New("database: want postgres://…, mysql://… or sqlite:file")
	}
	var err error
	if d.DB, err = sql.Open(driverName, source); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := d.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("database: %w", err), d.Close())
	}
	var n int
	d.own = d.QueryRowContext(ctx, "SELECT count(*) FROM lull_lanes").Scan(&n) == nil
	return d, nil
}

// mysqlSource is the driver's name for a mysql:// URL.
func mysqlSource(rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", errors.New("database: want mysql://user:password@host:3306/database, got what is no URL")
	}
	c := driver.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.DBName, c.Net, c.Addr = strings.TrimPrefix(u.Path, "/"), "tcp", u.Host
	if u.Port() == "" {
		c.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	if socket := u.Query().Get("socket"); socket != "" {
		c.Net, c.Addr = "unix", socket
	}
	c.InterpolateParams, c.Logger = true, &driver.NopLogger{}
	return c.FormatDSN(), nil
}

// schema makes the benchmark's tables, in the words of each dialect.
var schema = map[string][]string{
	"postgres": {
		"CREATE TABLE bench_scores (board text, player_id bigint, points bigint NOT NULL, PRIMARY KEY (board, player_id))",
		"CREATE TABLE bench_counters (id bigint PRIMARY KEY, hits bigint NOT NULL)",
		"CREATE TABLE bench_events (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic text NOT NULL, user_id bigint NOT NULL, action text NOT NULL)",
		"CREATE TABLE bench_sessions (id bigint PRIMARY KEY, seen bigint NOT NULL, page text NOT NULL)",
		"CREATE TABLE bench_probe (id bigint PRIMARY KEY, seen bigint NOT NULL)",
	},
	"mysql": {
		"CREATE TABLE bench_scores (board varbinary(64), player_id bigint, points bigint NOT NULL, PRIMARY KEY (board, player_id)) ENGINE=InnoDB",
		"CREATE TABLE bench_counters (id bigint PRIMARY KEY, hits bigint NOT NULL) ENGINE=InnoDB",
		"CREATE TABLE bench_events (id bigint AUTO_INCREMENT PRIMARY KEY, topic varbinary(64) NOT NULL, user_id bigint NOT NULL, action varchar(64) NOT NULL) ENGINE=InnoDB",
		"CREATE TABLE bench_sessions (id bigint PRIMARY KEY, seen bigint NOT NULL, page varchar(255) NOT NULL) ENGINE=InnoDB",
		"CREATE TABLE bench_probe (id bigint PRIMARY KEY, seen bigint NOT NULL) ENGINE=InnoDB",
	},
	"sqlite": {
		"CREATE TABLE bench_scores (board TEXT, player_id INTEGER, points INTEGER NOT NULL, PRIMARY KEY (board, player_id))",
		"CREATE TABLE bench_counters (id INTEGER PRIMARY KEY, hits INTEGER NOT NULL)",
		"CREATE TABLE bench_events (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, user_id INTEGER NOT NULL, action TEXT NOT NULL)",
		"CREATE TABLE bench_sessions (id INTEGER PRIMARY KEY, seen INTEGER NOT NULL, page TEXT NOT NULL)",
		"CREATE TABLE bench_probe (id INTEGER PRIMARY KEY, seen INTEGER NOT NULL)",
	},
}

// makeTables makes the tables. One that is there already is an error: it may be
// somebody's.
func (d *database) makeTables(ctx context.Context) error {
	for i, statement := range schema[d.dialect] {
		if _, err := d.ExecContext(ctx, statement); err != nil {
			err = fmt.Errorf("make table %s (drop it if an earlier benchmark left it): %w", tables[i].name, err)
			return errors.Join(err, d.dropThese(ctx, tables[:i]))
		}
	}
	return nil
}

func (d *database) dropTables(ctx context.Context) error { return d.dropThese(ctx, tables) }

func (d *database) dropThese(ctx context.Context, these []*table) error {
	var errs []error
	for _, t := range these {
		_, err := d.ExecContext(ctx, "DROP TABLE "+t.name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// dropOwn removes what the Lull of a run has left in its own tables: the tables if
// the run made them, else its rows, which have its name.
func (d *database) dropOwn(ctx context.Context, name string) error {
	var errs []error
	for _, t := range slices.Backward(sqlsink.OwnNames) {
		statements := []string{"DROP VIEW IF EXISTS " + t + "_text", "DROP TABLE IF EXISTS " + t}
		if d.own {
			statements = []string{"DELETE FROM " + t + " WHERE name = '" + name + "'"}
		}
		for _, s := range statements {
			_, err := d.ExecContext(ctx, s)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// upsert is the statement that writes n rows of a table. With add the last column is
// added to, else set.
func (d *database) upsert(t *table, n int, add bool) string {
	rows := make([]string, n)
	for row := range rows {
		marks := make([]string, len(t.columns))
		for i := range marks {
			marks[i] = "?"
			if d.dialect == "postgres" {
				marks[i] = "$" + strconv.Itoa(row*len(t.columns)+i+1)
			}
		}
		rows[row] = "(" + strings.Join(marks, ", ") + ")"
	}
	statement := "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES " + strings.Join(rows, ", ")
	if len(t.key) == 0 {
		return statement
	}
	var sets []string
	for _, c := range t.columns[len(t.key):] {
		fresh := "excluded." + c
		if d.dialect == "mysql" {
			fresh = "VALUES(" + c + ")"
		}
		if add {
			fresh = t.name + "." + c + " + " + fresh
		}
		sets = append(sets, c+" = "+fresh)
	}
	conflict := " ON CONFLICT (" + strings.Join(t.key, ", ") + ") DO UPDATE SET "
	if d.dialect == "mysql" {
		conflict = " ON DUPLICATE KEY UPDATE "
	}
	return statement + conflict + strings.Join(sets, ", ")
}
