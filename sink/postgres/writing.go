package postgres

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// writing is one piece of an operation: rows that go into the database together or
// not at all, in the savepoint lull_piece.
type writing struct {
	c     *session
	op    *sqlsink.Op
	rows  []*sink.Row
	table string
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
	case sink.LetterDelete:
		p := &params{}
		return w.send(ctx, w.delete(p), p)
	case sink.LetterAppend:
		if len(w.rows) >= copyRowsMin && !w.op.Table.View {
			return w.copy(ctx)
		}
		p := &params{}
		return w.send(ctx, w.insert(p), p)
	}
	if w.op.Mode == sink.Update && len(w.op.Columns) > 0 {
		return w.update(ctx)
	}
	p := &params{}
	return w.send(ctx, w.insert(p)+w.onConflict(), p)
}

// send runs one statement in its savepoint, in one round trip.
func (w *writing) send(ctx context.Context, sql string, p *params) (sqlsink.Applied, error) {
	return w.batch(ctx, "", sql, p, "RELEASE lull_piece")
}

// patiently is send for what may take long.
func (w *writing) patiently(ctx context.Context, limit time.Duration, sql string, p *params) (sqlsink.Applied, error) {
	set := func(d time.Duration) string { return fmt.Sprintf("SET LOCAL statement_timeout = %d", d.Milliseconds()) }
	done, err := w.batch(ctx, set(limit), sql, p, "RELEASE lull_piece")
	if err == nil {
		err = w.c.run(ctx, set(w.c.s.opts.StatementTimeout))
	}
	return done, err
}

// batch sends before, the savepoint, sql and after together.
func (w *writing) batch(ctx context.Context, before, sql string, p *params, after string) (sqlsink.Applied, error) {
	batch, at := &pgconn.Batch{}, 1
	if before != "" {
		batch.ExecParams(before, nil, nil, nil, nil)
		at++
	}
	batch.ExecParams("SAVEPOINT lull_piece", nil, nil, nil, nil)
	batch.ExecParams(sql, p.values, p.oids, p.formats, nil)
	if after != "" {
		batch.ExecParams(after, nil, nil, nil, nil)
	}
	results, err := w.c.conn.ExecBatch(ctx, batch).ReadAll()
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

// source returns "unnest(…) AS s(c0, c1, …)" over the values of the given columns,
// which are the row's from first on, and the expressions that have the columns'
// types.
func (w *writing) source(p *params, columns []int, cast func(i int, c *sink.Column) string) (from string, exprs []string) {
	arrays := make([]string, len(columns))
	exprs = make([]string, len(columns))
	for i, c := range columns {
		column := &w.op.Table.Columns[c]
		at := func(row int) value.Value { return w.rows[row].Vals[i] }
		wire := wireFor(column, len(w.rows), at)
		p.add(wire.array, binaryFormat, encodeArray(wire, len(w.rows), at))
		arrays[i] = "$" + strconv.Itoa(len(p.values))
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

// update updates rows that should be there, and upserts those that are not.
func (w *writing) update(ctx context.Context) (sqlsink.Applied, error) {
	p, by := &params{}, len(w.op.By)
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
	sql := "UPDATE " + w.table + " AS t SET " + strings.Join(sets, ", ") + " FROM " + from +
		" AS s(" + aliases(len(exprs)) + ") WHERE " + w.match(exprs)
	done, err := w.batch(ctx, "", sql, p, "")
	if err != nil || done.Rows >= len(w.rows) {
		return w.release(ctx, done, err)
	}
	missing, err := w.missing(ctx)
	done.Statements++
	if err != nil || len(missing) == 0 { // a trigger may have kept rows as they are
		return w.release(ctx, done, err)
	}
	rest := writing{c: w.c, op: w.op, rows: missing, table: w.table}
	p = &params{}
	result := w.c.conn.ExecParams(ctx, rest.insert(p)+rest.onConflict(), p.values, p.oids, p.formats, nil).Read()
	done.Statements++
	done.Rows += int(result.CommandTag.RowsAffected())
	return w.release(ctx, done, result.Err)
}

func (w *writing) release(ctx context.Context, done sqlsink.Applied, err error) (sqlsink.Applied, error) {
	if err == nil {
		err = w.c.run(ctx, "RELEASE lull_piece")
	}
	return done, err
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

// copy appends rows through COPY in text form, which every type has. Tables with
// row-level security take no COPY: they get an insert.
func (w *writing) copy(ctx context.Context) (sqlsink.Applied, error) {
	done := sqlsink.Applied{Statements: 1}
	if err := w.c.run(ctx, "SAVEPOINT lull_piece"); err != nil {
		return done, err
	}
	all := w.op.All()
	tag, err := w.c.conn.CopyFrom(ctx, bytes.NewReader(w.copyText(all)), "COPY "+w.table+" ("+w.names(all)+") FROM STDIN")
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "0A000" && definite(e) {
		if err := w.c.run(ctx, "ROLLBACK TO lull_piece; RELEASE lull_piece"); err != nil {
			return done, err
		}
		p := &params{}
		return w.send(ctx, w.insert(p), p)
	}
	done.Rows = int(tag.RowsAffected())
	return w.release(ctx, done, err)
}

func (w *writing) copyText(columns []int) []byte {
	size := 0
	for _, row := range w.rows {
		for _, v := range row.Vals {
			size += v.Size() + 8
		}
	}
	dst := make([]byte, 0, size)
	var scratch []byte
	for _, row := range w.rows {
		for i, c := range columns {
			if i > 0 {
				dst = append(dst, '\t')
			}
			v := row.Vals[i]
			switch {
			case v.IsNull():
				dst = append(dst, `\N`...)
			case w.op.Table.Columns[c].Type.Family == sink.Binary:
				scratch = v.AppendText(scratch[:0])
				dst = hex.AppendEncode(append(dst, `\\x`...), scratch)
			case v.Kind() == value.Bytes:
				dst = appendCopied(dst, v.String())
			default:
				dst = v.AppendText(dst)
			}
		}
		dst = append(dst, '\n')
	}
	return dst
}

// appendCopied appends text as COPY wants it: escaped where it means something.
func appendCopied(dst []byte, s string) []byte {
	for i := range len(s) {
		switch b := s[i]; b {
		case '\\':
			dst = append(dst, `\\`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, b)
		}
	}
	return dst
}
