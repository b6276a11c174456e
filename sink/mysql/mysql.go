// Package mysql writes batches into MySQL (8.0 on) and MariaDB (10.5 on) with
// InnoDB tables, and reads from them. Statements of a thousand rows have their
// values put in by the driver, which escapes them: that was faster than prepared
// statements.
package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	driver "github.com/go-sql-driver/mysql"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// Sink is a sink.Sink over one database of a MySQL or MariaDB server.
type Sink struct {
	*sqlsink.Sink
	opts  sqlsink.Options
	write *sql.DB
	read  *sql.DB
	own   *sqlsink.Own
}

var _ sink.Sink = (*Sink)(nil)

// Open returns a sink for "mysql://user:password@host:3306/database". Parameters of
// the URL are the driver's, as in "?tls=true", and "socket" is the path of a Unix
// socket. Connections are made when they are needed: errors are those of the URL
// and the options.
func Open(_ context.Context, rawURL string, o sqlsink.Options) (*Sink, error) {
	o, err := o.Complete()
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	config, err := configOf(rawURL, o)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	connector, err := driver.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	s := &Sink{opts: o, write: sql.OpenDB(connector), own: newOwn(o.OwnSchema)}
	s.read = sql.OpenDB(&readConnector{connector, s})
	s.read.SetMaxOpenConns(o.ReadConns)
	s.write.SetMaxIdleConns(-1) // a session is closed after its use
	s.read.SetMaxIdleConns(o.ReadConns)
	s.read.SetConnMaxIdleTime(o.IdleTimeout)
	s.Sink = sqlsink.New(dialect{s}, o)
	return s, nil
}

// sqlMode is strict, and takes an id of 0 for what it is.
const sqlMode = "'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION," +
	"NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_AUTO_VALUE_ON_ZERO'"

// configOf reads the URL and sets what must not depend on it or on the server.
func configOf(rawURL string, o sqlsink.Options) (*driver.Config, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("want mysql://user:password@host:3306/database, got what is no URL") // it may hold a password
	}
	name := strings.TrimPrefix(u.Path, "/")
	if u.Scheme != "mysql" || name == "" {
		return nil, fmt.Errorf("want mysql://user:password@host:3306/database, got %s", u.Redacted())
	}
	q := u.Query()
	socket := q.Get("socket")
	for _, ours := range []string{"socket", "charset", "collation", "parseTime", "clientFoundRows", "interpolateParams", "multiStatements"} {
		q.Del(ours)
	}
	config, err := driver.ParseDSN("/?" + q.Encode())
	if err != nil {
		return nil, fmt.Errorf("parameters of the URL: %w", err)
	}
	config.DBName, config.User = name, u.User.Username()
	config.Passwd, _ = u.User.Password()
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	host := u.Hostname()
	if host == "" {
		host = "127.0.0.1"
	}
	config.Net, config.Addr = "tcp", net.JoinHostPort(host, port)
	if socket != "" {
		config.Net, config.Addr = "unix", socket
	}
	config.ClientFoundRows, config.InterpolateParams, config.ParseTime = true, true, false
	config.MaxAllowedPacket = 0 // ask the server
	config.Timeout, config.WriteTimeout = o.ConnectTimeout, o.StatementTimeout+grace
	config.ReadTimeout = slow*o.StatementTimeout + grace
	config.Logger = &driver.NopLogger{}
	if config.Params == nil {
		config.Params = make(map[string]string)
	}
	config.Params["time_zone"] = "'+00:00'"
	config.Params["sql_mode"] = sqlMode
	return config, nil
}

// Dialect implements sink.Sink.
func (s *Sink) Dialect() string { return "mysql" }

// Close implements sink.Sink.
func (s *Sink) Close() error {
	s.Shut()
	return errors.Join(s.write.Close(), s.read.Close())
}

// ValueMax implements sink.ValueLimiter: a row has to fit into one packet.
func (s *Sink) ValueMax(ctx context.Context) (int, error) {
	var packet int
	if err := s.read.QueryRowContext(ctx, `SELECT @@max_allowed_packet`).Scan(&packet); err != nil {
		return 0, sqlsink.Classify(judge(err), fmt.Errorf("max_allowed_packet: %w", err), nil)
	}
	return packet - packetOverhead, nil
}

// packetOverhead is what a statement takes besides one value and its key.
const packetOverhead = 64 << 10

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
	ctx, done := s.Alive(ctx)
	defer done()
	var tables int
	err := s.read.QueryRowContext(ctx, `SELECT count(*) FROM information_schema.tables WHERE table_schema = `+s.schema(s.opts.OwnSchema)+
		` AND table_name IN ('`+strings.Join(sqlsink.OwnNames, `', '`)+`')`).Scan(&tables)
	if err != nil {
		return sqlsink.Classify(judge(err), fmt.Errorf("own tables: %w", err), nil)
	}
	if tables == len(sqlsink.OwnNames) {
		return nil
	}
	for _, statement := range s.OwnDDL() {
		if _, err := s.read.ExecContext(ctx, statement); err != nil {
			return sqlsink.Classify(judge(err), fmt.Errorf("own tables: %w", err), nil)
		}
	}
	return nil
}

// schema returns an expression for a schema's name; empty is the connection's own.
func (s *Sink) schema(name string) string {
	if name == "" {
		return "database()"
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(name) + "'"
}

// Read implements sink.Reader.
func (s *Sink) Read(ctx context.Context, queries []sink.Query, row func(query int, vals []value.Value) error) error {
	ctx, done := s.Alive(ctx)
	defer done()
	var statements [][]sqlsink.Statement
	count := 0
	for i := range queries {
		list, err := syntax.Select(s.tableName(queries[i].Table), &queries[i])
		if err != nil {
			return err
		}
		statements = append(statements, list)
		count += len(list)
	}
	if count <= 1 {
		return s.readAll(ctx, s.read, queries, statements, row)
	}
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return sqlsink.Classify(judge(err), fmt.Errorf("begin: %w", err), nil)
	}
	defer func() { _ = tx.Rollback() }()
	return s.readAll(ctx, tx, queries, statements, row)
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (s *Sink) readAll(ctx context.Context, q queryer, queries []sink.Query, statements [][]sqlsink.Statement,
	row func(query int, vals []value.Value) error) error {
	for i := range queries {
		for _, st := range statements[i] {
			rows, err := q.QueryContext(ctx, st.SQL, binds(st.Args)...)
			if err == nil {
				err = sqlsink.Scan(rows, sqlsink.Picked(&queries[i]), convert, func(vals []value.Value) error { return row(i, vals) })
			}
			if err != nil {
				return readFailed(err, queries[i].Table)
			}
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

// Count implements sink.Reader.
func (s *Sink) Count(ctx context.Context, t *sink.Table, distinct []int, where []sink.Match, exactMax int64) (n int64, exact bool, err error) {
	ctx, done := s.Alive(ctx)
	defer done()
	t = s.placed(t)
	if len(distinct) == 0 && len(where) == 0 {
		err := s.read.QueryRowContext(ctx, `SELECT coalesce(max(table_rows), 0) FROM information_schema.tables WHERE table_schema = `+
			s.schema(t.Schema)+` AND table_name = ?`, t.Name).Scan(&n)
		if err != nil {
			return 0, false, readFailed(err, t)
		}
		if n > exactMax {
			return n, false, nil
		}
	}
	st, err := syntax.Count(syntax.TableName(t), t, distinct, where)
	if err != nil {
		return 0, false, err
	}
	if err := s.read.QueryRowContext(ctx, st.SQL, binds(st.Args)...).Scan(&n); err != nil {
		return 0, false, readFailed(err, t)
	}
	return n, true, nil
}

// tableName qualifies Lull's own tables with their schema.
func (s *Sink) tableName(t *sink.Table) string { return syntax.TableName(s.placed(t)) }

// placed is t, or its copy with the schema of Lull's own tables.
func (s *Sink) placed(t *sink.Table) *sink.Table { return s.own.Placed(t, s.opts.OwnSchema) }

// dialect is what the shared layer needs.
type dialect struct{ s *Sink }

// RenewReaders implements sqlsink.Dialect. Those at work stay.
func (d dialect) RenewReaders() {
	d.s.read.SetMaxIdleConns(-1)
	d.s.read.SetMaxIdleConns(d.s.opts.ReadConns)
}

func (d dialect) OwnTable(name string) string {
	return syntax.TableName(&sink.Table{Schema: d.s.opts.OwnSchema, Name: name})
}

func (d dialect) Own() *sqlsink.Own               { return d.s.own }
func (d dialect) Judge(err error) sqlsink.Verdict { return judge(err) }
