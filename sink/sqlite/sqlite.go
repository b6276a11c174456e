// Package sqlite writes batches into SQLite files and reads from them, through
// modernc.org/sqlite, which needs no cgo. One connection writes, a few read; the
// file is in WAL mode, so that they do not wait for each other.
//
// A batch is one prepared statement for each set of columns, run for row after row:
// that was faster than statements with many rows. A row that is refused is known at
// once.
package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Sink is a sink.Sink over one SQLite file.
type Sink struct {
	*sqlsink.Sink
	opts  sqlsink.Options
	write *sql.DB
	read  *sql.DB
	own   *sqlsink.Own
}

var _ sink.Sink = (*Sink)(nil)

// Open returns a sink for "sqlite:path". Nothing is opened before the first call;
// the file is made if need be, its folder is not. Errors are those of the URL and
// the options.
func Open(_ context.Context, rawURL string, o sqlsink.Options) (*Sink, error) {
	path, ok := strings.CutPrefix(rawURL, "sqlite:")
	if !ok || path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, fmt.Errorf("database: want sqlite:path-of-a-file, got %q", rawURL)
	}
	o, err := o.Complete()
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if o.OwnSchema != "" {
		return nil, errors.New("sqlite: own_schema: SQLite has no schemas")
	}
	s := &Sink{opts: o, own: newOwn()}
	if s.write, err = sql.Open("sqlite", dsn(path, o, false)); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	if s.read, err = sql.Open("sqlite", dsn(path, o, true)); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	s.write.SetMaxOpenConns(2) // the session, and CreateOwn
	s.read.SetMaxOpenConns(o.ReadConns)
	s.Sink = sqlsink.New(dialect{s}, o)
	return s, nil
}

// dsn is the driver's name for the file with our settings.
func dsn(path string, o sqlsink.Options, read bool) string {
	q := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", o.LockWait.Milliseconds()),
		"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
	}}
	if read {
		q.Add("_pragma", "query_only(1)")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Dialect implements sink.Sink.
func (s *Sink) Dialect() string { return "sqlite" }

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.Shut()
	return errors.Join(s.write.Close(), s.read.Close())
}

// Catalog implements sink.Schema.
func (s *Sink) Catalog(ctx context.Context, names []string) (*sink.Catalog, error) {
	ctx, done := s.Alive(ctx)
	defer done()
	c, err := ReadCatalog(ctx, s.read, names)
	if err != nil {
		return nil, sqlsink.Classify(judge(err), err, nil)
	}
	return c, nil
}

// CreateOwn implements sink.Schema.
func (s *Sink) CreateOwn(ctx context.Context) error {
	var tables int
	err := s.write.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('`+
		strings.Join(sqlsink.OwnNames, `', '`)+`')`).Scan(&tables)
	if err != nil {
		return sqlsink.Classify(judge(err), fmt.Errorf("own tables: %w", err), nil)
	}
	if tables == len(sqlsink.OwnNames) {
		return nil
	}
	for _, statement := range s.OwnDDL() {
		if _, err := s.write.ExecContext(ctx, statement); err != nil {
			return sqlsink.Classify(judge(err), fmt.Errorf("own tables: %w", err), nil)
		}
	}
	return nil
}

// Read implements sink.Reader.
func (s *Sink) Read(ctx context.Context, queries []sink.Query, row func(query int, vals []value.Value) error) error {
	return s.reading(ctx, func(ctx context.Context, conn *sql.Conn) error {
		for i := range queries {
			if err := readOne(ctx, conn, &queries[i], func(vals []value.Value) error { return row(i, vals) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// reading calls f in one snapshot. SQLite's own backup can put an older copy under open
// connections, without a word to them, so that the floor is looked at in each snapshot.
// That is a lookup by key in this process, some microseconds.
func (s *Sink) reading(ctx context.Context, f func(ctx context.Context, conn *sql.Conn) error) error {
	ctx, done := s.Alive(ctx)
	defer done()
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return sqlsink.Classify(judge(err), fmt.Errorf("connect: %w", err), nil)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return sqlsink.Classify(judge(err), err, nil)
	}
	defer func() {
		// The context may have ended; the transaction must, before others get conn.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = conn.ExecContext(end, "ROLLBACK")
	}()
	err = s.CheckFloor(func(query string, args []any, row func([]value.Value) error) error {
		rows, err := conn.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		return sqlsink.Scan(rows, nil, convert, row)
	})
	if err != nil {
		return sqlsink.Classify(judge(err), fmt.Errorf("read lull_lanes: %w", err), nil)
	}
	return f(ctx, conn)
}

func readOne(ctx context.Context, conn *sql.Conn, q *sink.Query, row func([]value.Value) error) error {
	statements, err := syntax.Select(syntax.TableName(q.Table), q)
	if err != nil {
		return err
	}
	for _, st := range statements {
		rows, err := conn.QueryContext(ctx, st.SQL, binds(st.Args)...)
		if err == nil {
			err = sqlsink.Scan(rows, sqlsink.Picked(q), convert, row)
		}
		if err != nil {
			return readFailed(err, q.Table)
		}
	}
	return nil
}

// readFailed classifies err, unless it came of the caller.
func readFailed(err error, t *sink.Table) error {
	var caller *sqlsink.CallerError
	if errors.As(err, &caller) {
		return caller.Err
	}
	return sqlsink.Classify(judge(err), fmt.Errorf("read %s: %w", t, err), t)
}

// Count implements sink.Reader. SQLite has no estimates: the count is always exact.
func (s *Sink) Count(ctx context.Context, t *sink.Table, distinct []int, where []sink.Match, _ int64) (n int64, exact bool, err error) {
	st, err := syntax.Count(syntax.TableName(t), t, distinct, where)
	if err != nil {
		return 0, false, err
	}
	err = s.reading(ctx, func(ctx context.Context, conn *sql.Conn) error {
		if err := conn.QueryRowContext(ctx, st.SQL, binds(st.Args)...).Scan(&n); err != nil {
			return readFailed(err, t)
		}
		return nil
	})
	return n, err == nil, err
}

// dialect is what the shared layer needs.
type dialect struct{ s *Sink }

func (d dialect) Connect(ctx context.Context) (sqlsink.Session, error) {
	conn, err := d.s.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &session{conn: conn, statements: make(map[string]sqldriver.Stmt)}, nil
}

// RenewReaders implements sqlsink.Dialect: there is no other server.
func (d dialect) RenewReaders() {}

func (d dialect) OwnTable(name string) string { return quote(name) }
func (d dialect) Own() *sqlsink.Own           { return d.s.own }

func (d dialect) Judge(err error) sqlsink.Verdict { return judge(err) }
