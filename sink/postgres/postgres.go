// Package postgres writes batches into PostgreSQL and reads from it, through pgx's
// protocol layer: rows travel as one binary array for each column, so that a
// statement has as many parameters as columns, whatever the number of rows.
//
// Upserts are INSERT … SELECT FROM unnest … ON CONFLICT, rows known to be there are
// UPDATE … FROM unnest, and appended rows go through COPY. PostgreSQL ends a
// transaction at its first error, so each of these stands in a savepoint, which
// travels in the same round trip.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// Sink is a sink.Sink over one PostgreSQL database.
type Sink struct {
	*sqlsink.Sink
	opts   sqlsink.Options
	config *pgxpool.Config
	own    *sqlsink.Own

	mu   sync.Mutex
	pool *pgxpool.Pool // for reading; made at first use
}

var _ sink.Sink = (*Sink)(nil)

// Open returns a sink for a "postgres://…" URL with all that libpq takes in one.
// Connections are made when they are needed: errors are those of the URL and the
// options.
func Open(_ context.Context, url string, o sqlsink.Options) (*Sink, error) {
	o, err := o.Complete()
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err) // pgx leaves the password out
	}
	s := &Sink{opts: o, config: config, own: newOwn(o.OwnSchema)}
	config.MaxConns, config.MinConns = int32(o.ReadConns), 0
	config.ConnConfig.ConnectTimeout = o.ConnectTimeout
	config.ConnConfig.Config.AfterConnect = s.prepareConn
	config.ConnConfig.RuntimeParams["application_name"] = "lull " + o.Name
	s.Sink = sqlsink.New(dialect{s}, o)
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { // of the pool, which reads
		return s.CheckFloor(func(sql string, args []any, row func([]value.Value) error) error {
			return plainQuery(ctx, conn.PgConn(), sql, args, row)
		})
	}
	return s, nil
}

// prepareConn sets what must not depend on the server's configuration. It is SET
// and no startup parameter, so that poolers in between take it. Whether transactions
// are read-only is left as it is: operators and hosts set it to stop all writes.
func (s *Sink) prepareConn(ctx context.Context, conn *pgconn.PgConn) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(`SET client_encoding = 'UTF8'; SET timezone = 'UTC'; SET datestyle = 'ISO, YMD';
		SET bytea_output = 'hex'; SET extra_float_digits = 1; SET jit = off; SET statement_timeout = %d;
		SET idle_in_transaction_session_timeout = %d; SET lock_timeout = 0;
		SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
		SET default_transaction_isolation = 'read committed'; SET default_transaction_deferrable = off`,
		s.opts.StatementTimeout.Milliseconds(), s.opts.IdleTimeout.Milliseconds())).ReadAll()
	return err
}

// Dialect implements sink.Sink.
func (s *Sink) Dialect() string { return "postgres" }

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.Shut()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool != nil {
		s.pool.Close()
	}
	return nil
}

// reading calls f with a connection of the pool. What f returns is judged as an
// error about t. If the connection turns out to have ended while it was idle, or a
// statement that was prepared on it does not fit its table any more, f is called once
// more with a new one, unless it gave rows to its caller already.
func (s *Sink) reading(ctx context.Context, t *sink.Table, f func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, done := s.Alive(ctx)
	defer done()
	pool, err := s.readers()
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return sqlsink.Classify(judge(err), fmt.Errorf("connect: %w", &oneLine{err}), nil)
		}
		err = f(ctx, conn.Conn())
		conn.Release() // closes a connection that is still in a transaction
		if try == 0 && ended(err) && ctx.Err() == nil {
			pool.Reset() // the others will have ended too
			continue
		}
		var caller *sqlsink.CallerError
		if errors.As(err, &caller) {
			return caller.Err
		}
		return sqlsink.Classify(judge(err), err, t)
	}
}

// ended reports whether err only says that the connection is gone, or of no more use.
func ended(err error) bool {
	var given *givenError
	var classified *sink.Error
	if err == nil || errors.As(err, &given) || (errors.As(err, &classified) && classified.Class != sink.Retry) {
		return false
	}
	return judge(err).Kind == sqlsink.Lost || stale(err)
}

// givenError is an error after the first rows were given to the caller.
type givenError struct{ err error }

func (e *givenError) Error() string { return e.err.Error() }
func (e *givenError) Unwrap() error { return e.err }

// readers returns the pool, made at first use.
func (s *Sink) readers() (*pgxpool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == nil {
		pool, err := pgxpool.NewWithConfig(context.Background(), s.config)
		if err != nil {
			return nil, &sink.Error{Class: sink.Invalid, Err: err}
		}
		s.pool = pool
	}
	return s.pool, nil
}

// Catalog implements sink.Schema. It is read in one snapshot.
func (s *Sink) Catalog(ctx context.Context, names []string) (c *sink.Catalog, err error) {
	err = s.reading(ctx, nil, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			c, err = ReadCatalog(ctx, tx, names)
			return err
		})
	})
	return c, err
}

// CreateOwn implements sink.Schema.
func (s *Sink) CreateOwn(ctx context.Context) error {
	return s.reading(ctx, nil, func(ctx context.Context, c *pgx.Conn) error {
		conn := c.PgConn()
		missing := 0
		for _, name := range sqlsink.OwnNames {
			result := conn.ExecParams(ctx, `SELECT to_regclass($1)`, [][]byte{[]byte(s.ownTable(name))}, nil, nil, nil).Read()
			if result.Err != nil {
				return fmt.Errorf("own tables: %w", result.Err)
			}
			if result.Rows[0][0] == nil {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
		for _, statement := range s.OwnDDL() {
			if err := conn.ExecParams(ctx, statement, nil, nil, nil, nil).Read().Err; err != nil {
				return fmt.Errorf("own tables: %w", err)
			}
		}
		return nil
	})
}

// Read implements sink.Reader.
func (s *Sink) Read(ctx context.Context, queries []sink.Query, row func(query int, vals []value.Value) error) error {
	given := false
	return s.reading(ctx, nil, func(ctx context.Context, c *pgx.Conn) error {
		conn := c.PgConn()
		if len(queries) > 1 {
			if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").ReadAll(); err != nil {
				return err
			}
		}
		for i := range queries {
			err := s.readOne(ctx, conn, &queries[i], func(vals []value.Value) error {
				given = true
				return row(i, vals)
			})
			if err != nil && given {
				return &givenError{err}
			} else if err != nil {
				return err
			}
		}
		if len(queries) > 1 {
			_, err := conn.Exec(ctx, "COMMIT").ReadAll()
			return err
		}
		return nil
	})
}

func (s *Sink) readOne(ctx context.Context, conn *pgconn.PgConn, q *sink.Query, row func([]value.Value) error) error {
	name := s.tableName(q.Table)
	statements, err := syntax.Select(name, q)
	if err != nil {
		return err
	}
	for _, st := range statements {
		if err := query(ctx, conn, st, sqlsink.Picked(q), row); err != nil {
			var caller *sqlsink.CallerError
			if errors.As(err, &caller) {
				return err
			}
			return sqlsink.Classify(judge(err), fmt.Errorf("read %s: %w", q.Table, err), q.Table)
		}
	}
	return nil
}

// query runs one statement. columns are those of its result.
func query(ctx context.Context, conn *pgconn.PgConn, st sqlsink.Statement, columns []*sink.Column, row func([]value.Value) error) error {
	p := paramsOf(st.Args)
	prepared, err := prepare(ctx, conn, st.SQL, p.oids)
	if err != nil {
		return err
	}
	formats := resultFormats(columns, prepared.Fields)
	reader := conn.ExecStatement(ctx, prepared, p.values, p.formats, formats)
	vals := make([]value.Value, len(columns))
	var failed error
	for failed == nil && reader.NextRow() {
		for i, data := range reader.Values() {
			vals[i] = decode(columns[i], formats[i], data)
		}
		if err := row(vals); err != nil {
			failed = &sqlsink.CallerError{Err: err}
		}
	}
	_, err = reader.Close()
	if failed != nil {
		return failed
	}
	return err
}

// Count implements sink.Reader.
func (s *Sink) Count(ctx context.Context, t *sink.Table, distinct []int, where []sink.Match, exactMax int64) (n int64, exact bool, err error) {
	name := s.tableName(t)
	number := sink.Column{Type: sink.Type{Family: sink.Integer}}
	one := func(vals []value.Value) error {
		n, _ = vals[0].Int()
		return nil
	}
	err = s.reading(ctx, t, func(ctx context.Context, c *pgx.Conn) error {
		conn := c.PgConn()
		if len(distinct) == 0 && len(where) == 0 {
			estimate := sqlsink.Statement{
				SQL:  `SELECT coalesce((SELECT reltuples::int8 FROM pg_class WHERE oid = to_regclass($1)), 0)`,
				Args: []sqlsink.Arg{{Column: &textColumn, Value: value.OfString(name)}},
			}
			if err := query(ctx, conn, estimate, []*sink.Column{&number}, one); err != nil || n > exactMax {
				return err
			}
		}
		exact = true
		st, err := syntax.Count(name, t, distinct, where)
		if err != nil {
			return err
		}
		return query(ctx, conn, st, []*sink.Column{&number}, one)
	})
	return n, exact, err
}

// tableName qualifies Lull's own tables with their schema.
func (s *Sink) tableName(t *sink.Table) string { return syntax.TableName(s.placed(t)) }

// placed is t, or its copy with the schema of Lull's own tables.
func (s *Sink) placed(t *sink.Table) *sink.Table { return s.own.Placed(t, s.opts.OwnSchema) }

func (s *Sink) ownTable(name string) string {
	return syntax.TableName(&sink.Table{Schema: s.opts.OwnSchema, Name: name})
}

const applicationNameMax = 63

// dialect is what the shared layer needs.
type dialect struct{ s *Sink }

func (d dialect) Connect(ctx context.Context) (sqlsink.Session, error) {
	config := d.s.config.ConnConfig.Config.Copy()
	// The server shows 63 bytes, and the token is how we find our own session there.
	id := rand.Text() + " lull " + d.s.opts.Name
	id = id[:min(len(id), applicationNameMax)]
	config.RuntimeParams["application_name"] = id
	ctx, cancel := context.WithTimeout(ctx, d.s.opts.ConnectTimeout)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", &oneLine{err})
	}
	return &session{s: d.s, conn: conn, id: id}, nil
}

// RenewReaders implements sqlsink.Dialect.
func (d dialect) RenewReaders() {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if d.s.pool != nil {
		d.s.pool.Reset()
	}
}

func (d dialect) OwnTable(name string) string     { return d.s.ownTable(name) }
func (d dialect) Own() *sqlsink.Own               { return d.s.own }
func (d dialect) Judge(err error) sqlsink.Verdict { return judge(err) }
