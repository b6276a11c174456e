package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// directTarget is the workload as plain SQL: each write is a statement that commits
// by itself, prepared once on each connection. SQLite has one writer at a time, so
// there the clients share one connection: waiting in the program is faster for it
// than waiting for the file's lock.
type directTarget struct{ db *database }

func newDirectTarget(o *Options, db *database) *directTarget {
	if db.dialect == "sqlite" {
		db.SetMaxOpenConns(1)
		return &directTarget{db}
	}
	db.SetMaxIdleConns(o.Clients + 2)
	return &directTarget{db}
}

func (t *directTarget) connect(ctx context.Context) (client, error) {
	c := &directClient{statements: map[*table]*sql.Stmt{}}
	prepare := t.db.PrepareContext
	if t.db.dialect != "sqlite" {
		conn, err := t.db.Conn(ctx)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		c.conn, prepare = conn, conn.PrepareContext
	}
	for _, table := range tables {
		statement, err := prepare(ctx, t.db.upsert(table, 1, table.adds))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("prepare: %w", err), c.close())
		}
		c.statements[table] = statement
	}
	return c, nil
}

// usage knows nothing of the database server: it may be anywhere.
func (t *directTarget) usage() (rows uint64, cpu time.Duration, err error) { return 0, 0, nil }

func (t *directTarget) settle(context.Context) error { return nil }

func (t *directTarget) close() error {
	t.db.SetMaxOpenConns(0)
	return nil
}

type directClient struct {
	conn       *sql.Conn // nil: the pool's
	statements map[*table]*sql.Stmt
}

// do runs the batch's statements one after the other.
func (c *directClient) do(ctx context.Context, batch []write, refused []error) error {
	for i := range batch {
		w := &batch[i]
		_, refused[i] = c.statements[w.table].ExecContext(ctx, w.table.args(w)...)
	}
	return nil
}

func (c *directClient) close() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	if c.conn != nil {
		errs = append(errs, c.conn.Close())
	}
	return errors.Join(errs...)
}
