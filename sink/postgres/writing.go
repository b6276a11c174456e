package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// writing is one piece of an operation: rows that go into the database together or
// not at all, in the savepoint lull_piece. next is the piece that most likely follows:
// its statement is made while the server is at work on this one.
type writing struct {
	c          *session
	op         *sqlsink.Op
	rows, next []*sink.Row
	table      string
}

// ready is a statement that was made ahead, for just these rows.
type ready struct {
	rows []*sink.Row
	sql  string
	p    *params
}

func (w *writing) apply(ctx context.Context, limit time.Duration) (sqlsink.Applied, error) {
	switch w.op.Kind {
	case sink.LetterTruncate:
		st, err := syntax.Delete(w.table, w.op.Table, w.op.Where)
		if err != nil {
			return sqlsink.Applied{}, err
		}
		return w.patiently(ctx, limit, st.SQL, paramsOf(st.Args))
	case sink.LetterClear:
		p := &params{}
		return w.patiently(ctx, limit, w.delete(p), p)
	case sink.LetterAppend:
		if len(w.rows) >= copyRowsMin && !w.op.Table.View {
			return w.copy(ctx)
		}
	}
	done, err := w.send(ctx, w.statement())
	if err == nil && w.updates() && done.Rows < len(w.rows) {
		err = w.upsertMissing(ctx, &done)
	}
	return done, err
}

// updates reports whether the rows should be in the table.
func (w *writing) updates() bool {
	return w.op.Kind == sink.LetterPut && w.op.Mode == sink.Update && len(w.op.Columns) > 0
}

// statement returns the statement for the rows, made now unless it is ready.
func (w *writing) statement() *ready {
	if r, ok := w.op.Prepared.(*ready); ok && slices.Equal(r.rows, w.rows) {
		w.op.Prepared = nil
		return r
	}
	r := &ready{rows: w.rows, p: &params{}}
	switch {
	case w.op.Kind == sink.LetterDelete:
		r.sql = w.delete(r.p)
	case w.op.Kind == sink.LetterAppend:
		r.sql = w.insert(r.p)
	case w.updates():
		r.sql = w.update(r.p)
	default:
		r.sql = w.insert(r.p) + w.onConflict()
	}
	return r
}

// send runs a statement in a savepoint of its own. All travels in one round trip, and
// the next statement is made meanwhile. The savepoint goes with what is sent next.
func (w *writing) send(ctx context.Context, r *ready) (sqlsink.Applied, error) {
	batch := &pgconn.Batch{}
	at := w.c.startPiece(batch)
	batch.ExecParams(r.sql, r.p.values, r.p.oids, r.p.formats, nil)
	return w.finish(w.c.conn.ExecBatch(ctx, batch), at)
}

// startPiece adds what ends the savepoint before and sets the next, and returns how
// many statements that is.
func (c *session) startPiece(batch *pgconn.Batch) int {
	n := 1
	if c.piece {
		batch.ExecParams("RELEASE lull_piece", nil, nil, nil, nil)
		n++
	}
	batch.ExecParams("SAVEPOINT lull_piece", nil, nil, nil, nil)
	c.piece = true
	return n
}

// finish makes the next statement, reads the results, and counts those of the
// statement with index at.
func (w *writing) finish(reader *pgconn.MultiResultReader, at int) (sqlsink.Applied, error) {
	if len(w.next) > 0 {
		w.op.Prepared = (&writing{c: w.c, op: w.op, rows: w.next, table: w.table}).statement()
	}
	results, err := reader.ReadAll()
	done := sqlsink.Applied{Statements: 1}
	for _, result := range results {
		if err == nil {
			err = result.Err
		}
	}
	if err == nil {
		done.Rows = int(results[at].CommandTag.RowsAffected())
	}
	return done, err
}

// patiently is send for what may take long.
func (w *writing) patiently(ctx context.Context, limit time.Duration, sql string, p *params) (sqlsink.Applied, error) {
	set := func(d time.Duration) string { return fmt.Sprintf("SET LOCAL statement_timeout = %d", d.Milliseconds()) }
	batch := &pgconn.Batch{}
	batch.ExecParams(set(limit), nil, nil, nil, nil)
	at := 1 + w.c.startPiece(batch)
	batch.ExecParams(sql, p.values, p.oids, p.formats, nil)
	done, err := w.finish(w.c.conn.ExecBatch(ctx, batch), at)
	if err == nil {
		err = w.c.run(ctx, set(w.c.s.opts.StatementTimeout))
	}
	return done, err
}

// source returns "unnest(…) AS s(c0, c1, …)" over the values of the given columns,
// which are the row's from first on, and the expressions that have the columns'
// types. The arrays stand in SELECTs to hide how long they are: seeing a thousand rows the
// planner reads the whole of a middle-sized table, where the index takes half the time.
func (w *writing) source(p *params, columns []int, cast func(i int, c *sink.Column) string) (from string, exprs []string) {
	arrays := make([]string, len(columns))
	exprs = make([]string, len(columns))
	for i, c := range columns {
		column := &w.op.Table.Columns[c]
		at := func(row int) value.Value { return w.rows[row].Vals[i] }
		wire := wireFor(column, len(w.rows), at)
		p.add(wire.array, binaryFormat, encodeArray(wire, len(w.rows), at))
		arrays[i] = "(SELECT $" + strconv.Itoa(len(p.values)) + ")"
		exprs[i] = "s.c" + strconv.Itoa(i)
		if wire == wireText {
			exprs[i] += cast(i, column)
		}
	}
	return "unnest(" + strings.Join(arrays, ", ") + ")", exprs
}

func toStore(_ int, c *sink.Column) string   { return storeCast(c) }
func toCompare(_ int, c *sink.Column) string { return compareCast(c) }

func (w *writing) insert(p *params) string {
	all := w.op.All()
	from, exprs := w.source(p, all, toStore)
	return "INSERT INTO " + w.table + " (" + w.names(all) + ") SELECT " + strings.Join(exprs, ", ") +
		" FROM " + from + " AS s(" + aliases(len(all)) + ")"
}

func (w *writing) onConflict() string {
	conflict := " ON CONFLICT (" + w.names(w.op.By) + ") DO "
	if len(w.op.Columns) == 0 {
		return conflict + "NOTHING"
	}
	sets := make([]string, len(w.op.Columns))
	for i, c := range w.op.Columns {
		name := quote(w.op.Table.Columns[c].Name)
		sets[i] = name + " = excluded." + name
	}
	return conflict + "UPDATE SET " + strings.Join(sets, ", ")
}

func (w *writing) delete(p *params) string {
	from, exprs := w.source(p, w.op.By, toCompare)
	return "DELETE FROM " + w.table + " AS t USING " + from + " AS s(" + aliases(len(w.op.By)) + ") WHERE " + w.match(exprs)
}

// match compares the table's By columns with expressions.
func (w *writing) match(exprs []string) string {
	parts := make([]string, len(w.op.By))
	for i, c := range w.op.By {
		parts[i] = "t." + quote(w.op.Table.Columns[c].Name) + " = " + exprs[i]
	}
	return strings.Join(parts, " AND ")
}

// update updates rows that should be there.
func (w *writing) update(p *params) string {
	by := len(w.op.By)
	from, exprs := w.source(p, w.op.All(), func(i int, c *sink.Column) string {
		if i < by {
			return compareCast(c)
		}
		return storeCast(c)
	})
	sets := make([]string, len(w.op.Columns))
	for i, c := range w.op.Columns {
		sets[i] = quote(w.op.Table.Columns[c].Name) + " = " + exprs[by+i]
	}
	return "UPDATE " + w.table + " AS t SET " + strings.Join(sets, ", ") + " FROM " + from +
		" AS s(" + aliases(len(exprs)) + ") WHERE " + w.match(exprs)
}

// upsertMissing writes the rows that an update did not find, in the savepoint of the
// update.
func (w *writing) upsertMissing(ctx context.Context, done *sqlsink.Applied) error {
	missing, err := w.missing(ctx)
	done.Statements++
	if err != nil || len(missing) == 0 { // a trigger may have kept rows as they are
		return err
	}
	rest, p := writing{c: w.c, op: w.op, rows: missing, table: w.table}, &params{}
	result := w.c.conn.ExecParams(ctx, rest.insert(p)+rest.onConflict(), p.values, p.oids, p.formats, nil).Read()
	done.Statements++
	done.Rows += int(result.CommandTag.RowsAffected())
	return result.Err
}

// missing returns the rows whose key is not in the table.
func (w *writing) missing(ctx context.Context) ([]*sink.Row, error) {
	p := &params{}
	from, exprs := w.source(p, w.op.By, toCompare)
	sql := "SELECT s.n FROM " + from + " WITH ORDINALITY AS s(" + aliases(len(w.op.By)) + ", n)" +
		" WHERE NOT EXISTS (SELECT FROM " + w.table + " AS t WHERE " + w.match(exprs) + ") ORDER BY s.n"
	result := w.c.conn.ExecParams(ctx, sql, p.values, p.oids, p.formats, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	var missing []*sink.Row
	for _, texts := range result.Rows {
		n, err := strconv.Atoi(string(texts[0]))
		if err != nil || n < 1 || n > len(w.rows) {
			return nil, fmt.Errorf("missing rows: want a number up to %d, got %q", len(w.rows), texts[0])
		}
		missing = append(missing, w.rows[n-1])
	}
	return missing, nil
}

func (w *writing) names(columns []int) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quote(w.op.Table.Columns[c].Name)
	}
	return strings.Join(names, ", ")
}
