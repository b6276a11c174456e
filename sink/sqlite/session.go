package sqlite

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"time"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
	driver "modernc.org/sqlite"
)

// statementsMax is how many prepared statements a session keeps.
const statementsMax = 200

// session is the one connection that writes. Rows go to the driver's own statements:
// database/sql would look at each argument and lock the connection for each row, which
// takes a fifth of the time.
type session struct {
	conn       *sql.Conn
	statements map[string]sqldriver.Stmt
	// immediate: foreign keys that may wait for COMMIT are looked at after each row.
	// before is what it was at the savepoint.
	immediate, before bool
}

// ID implements sqlsink.Session: a closed session leaves nothing behind.
func (c *session) ID() string { return "" }

// End implements sqlsink.Session.
func (c *session) End(context.Context, string) error { return nil }

// Close really closes the connection, with whatever is open on it.
func (c *session) Close() {
	_ = c.conn.Raw(func(any) error {
		forget(c.statements)
		return sqldriver.ErrBadConn
	})
	_ = c.conn.Close()
}

// Begin takes the file's write lock at once.
func (c *session) Begin(ctx context.Context) error {
	c.immediate = false
	return c.run(ctx, "BEGIN IMMEDIATE")
}

// Commit implements sqlsink.Session.
func (c *session) Commit(ctx context.Context) error { return c.run(ctx, "COMMIT") }

// Rollback implements sqlsink.Session.
func (c *session) Rollback(ctx context.Context) error { return c.run(ctx, "ROLLBACK") }

// Savepoint implements sqlsink.Session.
func (c *session) Savepoint(ctx context.Context) error {
	c.before = c.immediate
	return c.run(ctx, "SAVEPOINT lull")
}

// RollbackTo implements sqlsink.Session.
func (c *session) RollbackTo(ctx context.Context) error {
	c.immediate = c.before
	return c.run(ctx, "ROLLBACK TO lull; RELEASE lull")
}

// Release implements sqlsink.Session.
func (c *session) Release(ctx context.Context) error { return c.run(ctx, "RELEASE lull") }

// LockWait implements sqlsink.Session: busy_timeout covers it.
func (c *session) LockWait(context.Context, time.Duration) error { return nil }

func (c *session) run(ctx context.Context, query string) error {
	_, err := c.conn.ExecContext(ctx, query)
	return err
}

// Exec implements sqlsink.Session.
func (c *session) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := c.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query implements sqlsink.Session.
func (c *session) Query(ctx context.Context, query string, args []any, row func([]value.Value) error) error {
	rows, err := c.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	return sqlsink.Scan(rows, nil, convert, row)
}

// Immediate implements sqlsink.Session.
func (c *session) Immediate(context.Context) error {
	c.immediate = true
	return c.conn.Raw(foreignKeys)
}

// Deferred implements sqlsink.Session.
func (c *session) Deferred(context.Context) error {
	c.immediate = false
	return nil
}

// foreignKeys asks for SQLite's counter of foreign keys that are to be satisfied before
// COMMIT.
func foreignKeys(conn any) error {
	status, ok := conn.(driver.DBStatus)
	if !ok {
		return errors.New("the driver has no DBStatus")
	}
	open, _, err := status.Status(driver.DBStatusDeferredFKs, false)
	if err == nil && open != 0 {
		return errDeferred
	}
	return err
}

// RowsMax implements sqlsink.Session. The limit keeps a cancelled batch from going
// on.
func (c *session) RowsMax(*sqlsink.Op) (rows, bytes int) { return 1000, 64 << 20 }

// Apply implements sqlsink.Session, row by row.
func (c *session) Apply(ctx context.Context, op *sqlsink.Op, rows, _ []*sink.Row) (done sqlsink.Applied, err error) {
	w, ok := op.Prepared.(*writing)
	if !ok {
		if w, err = newWriting(op); err != nil {
			return done, err
		}
		op.Prepared = w
	}
	if err := ctx.Err(); err != nil {
		return done, err
	}
	if op.Kind != sink.LetterTruncate && op.Kind != sink.LetterClear {
		// Watching the context costs more than such a statement takes.
		ctx = context.WithoutCancel(ctx)
	}
	err = c.conn.Raw(func(conn any) error {
		d := &direct{conn.(sqldriver.ConnPrepareContext), c.statements, c.immediate}
		for i, row := range rows {
			n, err := d.guarded(ctx, w, row)
			done.Statements++
			if err != nil {
				return &sqlsink.RowError{Row: i, Err: err}
			}
			done.Rows += n
		}
		return nil
	})
	return done, err
}

// direct is the driver's connection, while it is ours alone.
type direct struct {
	conn       sqldriver.ConnPrepareContext
	statements map[string]sqldriver.Stmt
	immediate  bool
}

// guarded writes a row. Looked at afterwards, it may have to be taken back. A trigger may keep half of what it did, or end the whole
// transaction, where a constraint undoes the statement alone.
func (c *direct) guarded(ctx context.Context, w *writing, row *sink.Row) (n int, err error) {
	if !w.op.Table.Triggers && !c.immediate {
		n, err := c.write(ctx, w, row)
		if err != nil && c.ended(ctx) { // a trigger that was made since the catalog was read
			err = errors.Join(errUndone, err)
		}
		return n, err
	}
	if _, err := c.do(ctx, "SAVEPOINT lull_row", nil); err != nil {
		return 0, err
	}
	n, err = c.write(ctx, w, row)
	if err == nil && c.immediate {
		err = foreignKeys(c.conn)
	}
	if err == nil {
		_, err = c.do(ctx, "RELEASE lull_row", nil)
		return n, err
	}
	if _, back := c.do(ctx, "ROLLBACK TO lull_row", nil); back != nil {
		return 0, errors.Join(errUndone, err)
	}
	_, back := c.do(ctx, "RELEASE lull_row", nil)
	return 0, errors.Join(err, back)
}

// ended reports whether the transaction is over. What is written then would commit by
// itself, row by row and without the mark.
func (c *direct) ended(ctx context.Context) bool {
	if _, err := c.do(ctx, "BEGIN", nil); err != nil {
		return false // within a transaction there is no other
	}
	_, _ = c.do(ctx, "ROLLBACK", nil)
	return true
}

func (c *direct) write(ctx context.Context, w *writing, row *sink.Row) (int, error) {
	n, err := c.do(ctx, w.first, w.bind(row, w.firstOrder))
	if err == nil && n == 0 && w.second != "" {
		return c.do(ctx, w.second, w.bind(row, nil))
	}
	return n, err
}

// do runs a statement that is prepared once.
func (c *direct) do(ctx context.Context, query string, args []sqldriver.NamedValue) (int, error) {
	statement := c.statements[query]
	if statement == nil {
		if len(c.statements) >= statementsMax {
			forget(c.statements)
		}
		var err error
		if statement, err = c.conn.PrepareContext(ctx, query); err != nil {
			return 0, &prepareError{err}
		}
		c.statements[query] = statement
	}
	result, err := statement.(sqldriver.StmtExecContext).ExecContext(ctx, args)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

func forget(statements map[string]sqldriver.Stmt) {
	for _, statement := range statements {
		_ = statement.Close()
	}
	clear(statements)
}
