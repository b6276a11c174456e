package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// session is the one connection that writes.
type session struct {
	s    *Sink
	conn *pgconn.PgConn
	id   string
	// piece is true while the savepoint lull_piece of the last piece is there: it goes
	// with what is sent next.
	piece bool
}

// grace is how much longer than the server we wait for its own timeout.
const grace = 5 * time.Second

// slow is how much longer the removal of whole tables and collections may take.
const slow = 10

// ID implements sqlsink.Session: a name that no other session has.
func (c *session) ID() string { return c.id }

// End implements sqlsink.Session.
func (c *session) End(ctx context.Context, id string) error {
	_, err := c.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ? AND pid <> pg_backend_pid()`, id)
	return err
}

// Close implements sqlsink.Session.
func (c *session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	_ = c.conn.Close(ctx)
}

// Begin implements sqlsink.Session.
func (c *session) Begin(ctx context.Context) error {
	c.piece = false
	return c.run(ctx, "BEGIN")
}

// Commit implements sqlsink.Session.
func (c *session) Commit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.StatementTimeout+grace)
	defer cancel()
	results, err := c.conn.Exec(ctx, "COMMIT").ReadAll()
	if err == nil && len(results) == 1 && results[0].CommandTag.String() != "COMMIT" {
		return errRolledBack
	}
	return err
}

// Rollback implements sqlsink.Session.
func (c *session) Rollback(ctx context.Context) error { return c.run(ctx, "ROLLBACK") }

// Savepoint implements sqlsink.Session.
func (c *session) Savepoint(ctx context.Context) error {
	return c.run(ctx, c.endPiece()+"SAVEPOINT lull")
}

// RollbackTo implements sqlsink.Session.
func (c *session) RollbackTo(ctx context.Context) error {
	c.piece = false
	return c.run(ctx, "ROLLBACK TO lull; RELEASE lull")
}

// Release implements sqlsink.Session.
func (c *session) Release(ctx context.Context) error {
	c.piece = false
	return c.run(ctx, "RELEASE lull")
}

// endPiece returns what ends the savepoint of the last piece.
func (c *session) endPiece() string {
	if !c.piece {
		return ""
	}
	c.piece = false
	return "RELEASE lull_piece; "
}

// LockWait implements sqlsink.Session.
func (c *session) LockWait(ctx context.Context, d time.Duration) error {
	return c.run(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", d.Milliseconds()))
}

// Immediate implements sqlsink.Session.
func (c *session) Immediate(ctx context.Context) error {
	return c.run(ctx, "SET CONSTRAINTS ALL IMMEDIATE")
}

// Deferred implements sqlsink.Session.
func (c *session) Deferred(ctx context.Context) error {
	return c.run(ctx, "SET CONSTRAINTS ALL DEFERRED")
}

func (c *session) run(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.StatementTimeout+grace)
	defer cancel()
	_, err := c.conn.Exec(ctx, sql).ReadAll()
	return err
}

// Exec implements sqlsink.Session.
func (c *session) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.StatementTimeout+grace)
	defer cancel()
	sql, values := numbered(sql, args)
	result := c.conn.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	return result.CommandTag.RowsAffected(), result.Err
}

// Query implements sqlsink.Session.
func (c *session) Query(ctx context.Context, sql string, args []any, row func([]value.Value) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.StatementTimeout+grace)
	defer cancel()
	return plainQuery(ctx, c.conn, sql, args, row)
}

// plainQuery returns every column as text.
func plainQuery(ctx context.Context, conn *pgconn.PgConn, sql string, args []any, row func([]value.Value) error) error {
	sql, values := numbered(sql, args)
	result := conn.ExecParams(ctx, sql, values, nil, nil, nil).Read()
	if result.Err != nil {
		return result.Err
	}
	for _, texts := range result.Rows {
		vals := make([]value.Value, len(texts))
		for i, text := range texts {
			vals[i] = decodeText(nil, text)
		}
		if err := row(vals); err != nil {
			return err
		}
	}
	return nil
}

// numbered turns ? into $1, $2, …, and arguments into text, whose type the server
// infers.
func numbered(sql string, args []any) (string, [][]byte) {
	var b strings.Builder
	values := make([][]byte, len(args))
	for i, arg := range args {
		before, after, _ := strings.Cut(sql, "?")
		b.WriteString(before + "$" + strconv.Itoa(i+1))
		sql = after
		values[i] = fmt.Append(nil, arg)
	}
	return b.String() + sql, values
}

// How many rows and bytes go into one statement, by measurement.
const (
	rowsMax     = 1000
	copyRowsMax = 10_000
	copyRowsMin = 50 // below, an insert saves the round trips
	bytesMax    = 4 << 20
)

// RowsMax implements sqlsink.Session.
func (c *session) RowsMax(op *sqlsink.Op) (rows, bytes int) {
	if op.Kind == sink.LetterAppend {
		return copyRowsMax, bytesMax
	}
	return rowsMax, bytesMax
}

// Apply implements sqlsink.Session.
func (c *session) Apply(ctx context.Context, op *sqlsink.Op, rows, next []*sink.Row) (sqlsink.Applied, error) {
	limit := c.s.opts.StatementTimeout
	if op.Kind == sink.LetterTruncate || op.Kind == sink.LetterClear {
		limit *= slow
	}
	ctx, cancel := context.WithTimeout(ctx, limit+grace)
	defer cancel()
	w := &writing{c: c, op: op, rows: rows, next: next, table: c.s.tableName(op.Table)}
	done, err := w.apply(ctx, limit)
	if err == nil {
		return done, nil
	}
	if k := judge(err).Kind; k == sqlsink.Refused || k == sqlsink.Clash {
		c.piece = false
		if back := c.run(ctx, "ROLLBACK TO lull_piece; RELEASE lull_piece"); back != nil {
			return done, back
		}
	}
	return sqlsink.Applied{Statements: done.Statements}, err
}
