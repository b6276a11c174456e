package mysql

import (
	"context"
	"crypto/rand"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// session is the one connection that writes.
type session struct {
	s      *Sink
	conn   *sql.Conn
	id     string
	packet int // the server's max_allowed_packet
	// row is how the server has a row of VALUES begin.
	row string
	// waitsShort is true after LockWait, until the usual wait is set again.
	waitsShort bool
	// looked are the tables of which the catalog was asked again in this transaction.
	looked map[*sink.Table]bool
}

// grace is how much longer than the server we wait for its own timeout.
const grace = 5 * time.Second

// slow is how much longer the removal of whole tables and collections may take.
const slow = 10

// Connect implements sqlsink.Dialect.
func (d dialect) Connect(ctx context.Context) (sqlsink.Session, error) {
	conn, err := d.s.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &session{s: d.s, conn: conn, id: "lull:" + rand.Text(), looked: map[*sink.Table]bool{}}
	if err := c.prepare(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

// prepare sets the session up. The named lock is what End finds it by: connection
// numbers are given again after a restart of the server, this name is not.
func (c *session) prepare(ctx context.Context) error {
	var version string
	if err := c.conn.QueryRowContext(ctx, `SELECT version(), @@max_allowed_packet`).Scan(&version, &c.packet); err != nil {
		return err
	}
	o := c.s.opts
	settings := []string{
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
		fmt.Sprintf("SET SESSION lock_wait_timeout = %d, wait_timeout = %d, foreign_key_checks = 1, unique_checks = 1",
			seconds(o.StatementTimeout), seconds(o.IdleTimeout)),
		lockWait(o.StatementTimeout),
	}
	c.row = "ROW("
	if strings.Contains(version, "MariaDB") {
		c.row = "("
		settings = append(settings, fmt.Sprintf("SET SESSION max_statement_time = %d, idle_transaction_timeout = %d",
			slow*seconds(o.StatementTimeout), seconds(o.IdleTimeout)))
	}
	for _, statement := range settings {
		if err := c.run(ctx, statement); err != nil {
			return err
		}
	}
	var got sql.NullInt64
	if err := c.conn.QueryRowContext(ctx, `SELECT GET_LOCK(?, 0)`, c.id).Scan(&got); err != nil {
		return err
	}
	return nil
}

func seconds(d time.Duration) int { return int(max(1, (d+time.Second-1)/time.Second)) }

func lockWait(d time.Duration) string {
	return fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d", seconds(d))
}

// ID implements sqlsink.Session: the name of a lock that the session holds.
func (c *session) ID() string { return c.id }

// End implements sqlsink.Session.
func (c *session) End(ctx context.Context, id string) error {
	var connection sql.NullInt64
	if err := c.conn.QueryRowContext(ctx, `SELECT IS_USED_LOCK(?)`, id).Scan(&connection); err != nil || !connection.Valid {
		return err
	}
	err := c.run(ctx, fmt.Sprintf("KILL %d", connection.Int64))
	var e *driver.MySQLError
	if errors.As(err, &e) && e.Number == 1094 { // it is gone already
		return nil
	}
	return err
}

// Close implements sqlsink.Session.
func (c *session) Close() {
	_ = c.conn.Raw(func(any) error { return sqldriver.ErrBadConn })
	_ = c.conn.Close()
}

// Begin implements sqlsink.Session.
func (c *session) Begin(ctx context.Context) error {
	if c.waitsShort {
		if err := c.run(ctx, lockWait(c.s.opts.StatementTimeout)); err != nil {
			return err
		}
		c.waitsShort = false
	}
	clear(c.looked)
	return c.run(ctx, "START TRANSACTION")
}

// Commit implements sqlsink.Session.
func (c *session) Commit(ctx context.Context) error { return c.run(ctx, "COMMIT") }

// Rollback implements sqlsink.Session.
func (c *session) Rollback(ctx context.Context) error { return c.run(ctx, "ROLLBACK") }

// Savepoint implements sqlsink.Session.
func (c *session) Savepoint(ctx context.Context) error { return c.run(ctx, "SAVEPOINT lull") }

// RollbackTo implements sqlsink.Session.
func (c *session) RollbackTo(ctx context.Context) error {
	if err := c.run(ctx, "ROLLBACK TO SAVEPOINT lull"); err != nil {
		return err
	}
	return c.Release(ctx)
}

// Release implements sqlsink.Session.
func (c *session) Release(ctx context.Context) error { return c.run(ctx, "RELEASE SAVEPOINT lull") }

// LockWait implements sqlsink.Session.
func (c *session) LockWait(ctx context.Context, d time.Duration) error {
	c.waitsShort = true
	return c.run(ctx, lockWait(d))
}

// Immediate implements sqlsink.Session: MySQL checks nothing at COMMIT.
func (c *session) Immediate(context.Context) error { return nil }

// Deferred implements sqlsink.Session.
func (c *session) Deferred(context.Context) error { return nil }

func (c *session) run(ctx context.Context, query string) error {
	_, err := c.Exec(ctx, query)
	return err
}

// Exec implements sqlsink.Session.
func (c *session) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.StatementTimeout+grace)
	defer cancel()
	result, err := c.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query implements sqlsink.Session.
func (c *session) Query(ctx context.Context, query string, args []any, row func([]value.Value) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.s.opts.StatementTimeout+grace)
	defer cancel()
	rows, err := c.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	return sqlsink.Scan(rows, nil, convert, row)
}

// How much goes into one statement.
const (
	rowsMax     = 1000
	caseRowsMax = 100 // an update by cases compares each row with each key
	bytesMax    = 4 << 20
)

// RowsMax implements sqlsink.Session. Escaping may double what is sent.
func (c *session) RowsMax(*sqlsink.Op) (rows, bytes int) {
	return rowsMax, min(bytesMax, c.packet/2-c.packet/16)
}

// Apply implements sqlsink.Session.
func (c *session) Apply(ctx context.Context, op *sqlsink.Op, rows, next []*sink.Row) (sqlsink.Applied, error) {
	limit := c.s.opts.StatementTimeout
	if op.Kind == sink.LetterTruncate || op.Kind == sink.LetterClear {
		limit *= slow
	}
	ctx, cancel := context.WithTimeout(ctx, limit+grace)
	defer cancel()
	if len(rows) == 1 && c.tooLarge(rows[0]) {
		return sqlsink.Applied{}, errTooLarge
	}
	w := &writing{c: c, op: op, table: c.s.tableName(op.Table)}
	w.ahead, _ = op.Prepared.(*ahead)
	op.Prepared = w.prepare(next)
	err := w.apply(ctx, rows)
	if err == nil {
		return w.done, nil
	}
	k := judge(err).Kind
	if w.parts && (k == sqlsink.Refused || k == sqlsink.Clash) {
		if back := c.run(ctx, "ROLLBACK TO SAVEPOINT lull_piece"); back != nil {
			return w.done, back
		}
	}
	if k == sqlsink.Refused && len(rows) == 1 {
		if retyped := c.retyped(ctx, op); retyped != nil {
			err = retyped
		}
	}
	return sqlsink.Applied{Statements: w.done.Statements}, err
}

// retyped looks, once in a transaction, whether a row was refused because a column is of
// another type now: other databases say so themselves.
func (c *session) retyped(ctx context.Context, op *sqlsink.Op) error {
	if c.looked[op.Table] {
		return nil
	}
	c.looked[op.Table] = true
	catalog, err := ReadCatalog(ctx, c.conn, []string{op.Table.String()})
	if err != nil {
		return err
	}
	live := catalog.Find(op.Table.String())
	if live == nil {
		return nil
	}
	var columns []string
	for _, i := range op.All() {
		columns = append(columns, op.Table.Columns[i].Name)
	}
	if err := live.Retyped(op.Table, columns); err != nil {
		return &retypedError{err}
	}
	return nil
}

// tooLarge finds what would make the server hang up.
func (c *session) tooLarge(row *sink.Row) bool {
	for _, v := range row.Vals {
		if v.Size() > c.packet-4096 {
			return true
		}
	}
	return false
}
