package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	driver "github.com/go-sql-driver/mysql"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// writing is one piece of an operation. A statement that fails leaves nothing
// behind; a piece of several statements stands in the savepoint lull_piece.
type writing struct {
	c     *session
	op    *sqlsink.Op
	table string
	done  sqlsink.Applied
	parts bool
	ahead *ahead // of the rows before
}

func (w *writing) apply(ctx context.Context, rows []*sink.Row) error {
	switch w.op.Kind {
	case sink.LetterTruncate:
		return w.truncate(ctx)
	case sink.LetterClear, sink.LetterDelete:
		b := w.begin("DELETE FROM " + w.table + " WHERE ")
		w.in(b, rows)
		return w.run(ctx, b, -1)
	case sink.LetterAppend:
		return w.run(ctx, w.statement(rows), len(rows))
	}
	if w.updates() {
		return w.update(ctx, rows)
	}
	return w.upsert(ctx, rows, w.statement(rows))
}

// updates reports whether the rows should be in the table.
func (w *writing) updates() bool {
	return w.op.Kind == sink.LetterPut && w.op.Mode == sink.Update && len(w.op.Columns) > 0
}

// ahead is a statement that is made for rows while the server is at work on those before.
type ahead struct {
	rows []*sink.Row
	made chan *statement
}

// prepare has another goroutine make the statement for rows, which most likely follow. It
// returns nil if they need more than one.
func (w *writing) prepare(rows []*sink.Row) *ahead {
	if len(rows) < 2 || w.op.Kind != sink.LetterAppend && w.op.Kind != sink.LetterPut || w.updates() && !w.joins(rows) {
		return nil
	}
	a := &ahead{rows: rows, made: make(chan *statement, 1)}
	go func() { a.made <- w.compose(rows) }()
	return a
}

// statement returns the statement for rows: an insert, one that updates what is there,
// or an update of rows that can be joined. It is made now unless it was ahead.
func (w *writing) statement(rows []*sink.Row) *statement {
	if w.ahead != nil && slices.Equal(w.ahead.rows, rows) {
		return <-w.ahead.made
	}
	return w.compose(rows)
}

func (w *writing) compose(rows []*sink.Row) *statement {
	switch {
	case w.op.Kind == sink.LetterAppend:
		return w.insert(rows)
	case w.updates():
		return w.updateJoin(rows)
	}
	return w.insertOrUpdate(rows)
}

// statement is SQL with its arguments.
type statement struct {
	strings.Builder
	args []any
}

func (w *writing) begin(sql string) *statement {
	b := &statement{}
	b.WriteString(sql)
	return b
}

// run executes b. rows is what it changes; below 0, what the server says.
func (w *writing) run(ctx context.Context, b *statement, rows int) error {
	w.done.Statements++
	result, err := w.c.conn.ExecContext(ctx, b.String(), b.args...)
	if err != nil {
		return err
	}
	if rows < 0 {
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		rows = int(n)
	}
	w.done.Rows += rows
	return nil
}

// truncateRowsMax bounds one DELETE of a whole table: the undo of more would be
// slow, and so would one that times out.
const truncateRowsMax = 50_000

func (w *writing) truncate(ctx context.Context) error {
	st, err := syntax.Delete(w.table, w.op.Table, w.op.Where)
	if err != nil {
		return err
	}
	if err := w.savepoint(ctx); err != nil {
		return err
	}
	for {
		b := &statement{args: binds(st.Args)}
		fmt.Fprintf(b, "%s LIMIT %d", st.SQL, truncateRowsMax)
		before := w.done.Rows
		if err := w.run(ctx, b, -1); err != nil || w.done.Rows-before < truncateRowsMax {
			return err
		}
	}
}

func (w *writing) savepoint(ctx context.Context) error {
	if w.parts {
		return nil
	}
	w.parts = true
	return w.c.run(ctx, "SAVEPOINT lull_piece")
}

// insert returns INSERT INTO … VALUES (…), (…).
func (w *writing) insert(rows []*sink.Row) *statement {
	all := w.op.All()
	b := w.begin("INSERT INTO " + w.table + " (" + w.names(all) + ") VALUES ")
	w.values(b, rows, "(")
	return b
}

// values appends (…), (…) with the rows' values. open is how each begins. Integers are
// written as they are, which saves the driver most of its work.
func (w *writing) values(b *statement, rows []*sink.Row, open string) {
	all := w.op.All()
	b.Grow(len(rows) * (len(open) + 12*len(all)))
	var room [20]byte
	for i, row := range rows {
		b.WriteString(separator(i))
		b.WriteString(open)
		for j, c := range all {
			b.WriteString(separator(j))
			v := row.Vals[j]
			if n, ok := v.Int(); ok && v.Kind() == value.Int && w.op.Table.Columns[c].Type.Family == sink.Integer {
				b.Write(strconv.AppendInt(room[:0], n, 10))
				continue
			}
			b.WriteString("?")
			b.args = append(b.args, bind(&w.op.Table.Columns[c], v))
		}
		b.WriteString(")")
	}
}

// upsert inserts rows or updates those with the same key, with what insertOrUpdate made.
func (w *writing) upsert(ctx context.Context, rows []*sink.Row, b *statement) error {
	err := w.run(ctx, b, len(rows))
	var e *driver.MySQLError
	if len(rows) == 1 && errors.As(err, &e) && e.Number == outOfRange {
		// An insert that cannot turn into an update says which key it was.
		return w.run(ctx, w.insert(rows), 1)
	}
	return err
}

func (w *writing) insertOrUpdate(rows []*sink.Row) *statement {
	b := w.insert(rows)
	b.WriteString(" ON DUPLICATE KEY UPDATE ")
	sets := make([]string, len(w.op.Columns))
	for i, c := range w.op.Columns {
		name := quote(w.op.Table.Columns[c].Name)
		sets[i] = name + " = VALUES(" + name + ")"
		if i == 0 {
			sets[i] = name + " = IF(" + w.guard() + ", VALUES(" + name + "), NULL)"
		}
	}
	if len(sets) == 0 {
		name := quote(w.op.Table.Columns[w.op.By[0]].Name)
		sets = []string{name + " = IF(" + w.guard() + ", " + name + ", NULL)"}
	}
	b.WriteString(strings.Join(sets, ", "))
	return b
}

// guard is true where the row that ON DUPLICATE KEY found is the one with our key.
// Any unique key of the table may have found it, and then it would be another row
// that gets our values: the guard makes the statement fail instead, by a number
// out of range. That number depends on the row, so that it is not computed
// beforehand.
func (w *writing) guard() string {
	parts := make([]string, len(w.op.By))
	for i, c := range w.op.By {
		name := quote(w.op.Table.Columns[c].Name)
		parts[i] = name + " <=> VALUES(" + name + ")"
	}
	first := quote(w.op.Table.Columns[w.op.By[0]].Name)
	return "(" + strings.Join(parts, " AND ") + ") OR EXP(710 + LENGTH(" + first + ")) > 0"
}

// update updates rows that should be there, and upserts those that are not. It is
// no ON DUPLICATE KEY UPDATE, which wants a value for each column that has no
// default, also of a row that is there.
func (w *writing) update(ctx context.Context, rows []*sink.Row) error {
	if err := w.savepoint(ctx); err != nil {
		return err
	}
	if len(rows) > 1 && w.joins(rows) {
		return w.updated(ctx, rows, w.statement(rows))
	}
	for len(rows) > 0 {
		n := w.updateSize(rows)
		if err := w.updated(ctx, rows[:n], w.updateCases(rows[:n])); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// joins reports whether rows can be joined by their key as values of a table of its
// own. Text cannot: there it would not have the column's collation, and the index would
// not serve. One value for all is compared as it stands.
func (w *writing) joins(rows []*sink.Row) bool {
	for i, c := range w.op.By {
		switch w.op.Table.Columns[c].Type.Family {
		case sink.Integer, sink.Binary:
		default:
			if !same(rows, i) {
				return false
			}
		}
	}
	return true
}

// same reports whether all rows have one value at i.
func same(rows []*sink.Row, i int) bool {
	for _, row := range rows {
		if !row.Vals[i].Equal(rows[0].Vals[i]) {
			return false
		}
	}
	return true
}

// updateJoin updates from VALUES, which takes half of the time that cases take.
func (w *writing) updateJoin(rows []*sink.Row) *statement {
	all := w.op.All()
	b := w.begin("UPDATE (WITH s (")
	for i := range all {
		fmt.Fprintf(b, "%sc%d", separator(i), i)
	}
	b.WriteString(") AS (VALUES ")
	w.values(b, rows, w.c.row)
	b.WriteString(") SELECT * FROM s) AS s STRAIGHT_JOIN " + w.table + " AS t ON ")
	for i, c := range w.op.By {
		if i > 0 {
			b.WriteString(" AND ")
		}
		column := &w.op.Table.Columns[c]
		b.WriteString("t." + quote(column.Name) + " = ")
		switch column.Type.Family {
		case sink.Integer, sink.Binary:
			fmt.Fprintf(b, "s.c%d", i)
		default:
			b.WriteString(syntax.Param(0, column))
			b.args = append(b.args, bind(column, rows[0].Vals[i]))
		}
	}
	b.WriteString(" SET ")
	for i, c := range w.op.Columns {
		fmt.Fprintf(b, "%st.%s = s.c%d", separator(i), quote(w.op.Table.Columns[c].Name), len(w.op.By)+i)
	}
	return b
}

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ", "
}

// updateSize minds that the key is sent once more for each column.
func (w *writing) updateSize(rows []*sink.Row) int {
	_, limit := w.c.RowsMax(w.op)
	bytes := 0
	for i, row := range rows[:min(len(rows), caseRowsMax)] {
		for j, v := range row.Vals {
			size := v.Size() + 8
			if j < len(w.op.By) {
				size *= len(w.op.Columns) + 1
			}
			bytes += size
		}
		if i > 0 && bytes > limit {
			return i
		}
	}
	return min(len(rows), caseRowsMax)
}

func (w *writing) updateCases(rows []*sink.Row) *statement {
	b := w.begin("UPDATE " + w.table + " SET ")
	for i, c := range w.op.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(w.op.Table.Columns[c].Name) + " = ")
		column, at := &w.op.Table.Columns[c], len(w.op.By)+i
		if len(rows) == 1 {
			b.WriteString("?")
			b.args = append(b.args, bind(column, rows[0].Vals[at]))
			continue
		}
		w.cases(b, rows, func(row int) any { return bind(column, rows[row].Vals[at]) })
	}
	b.WriteString(" WHERE ")
	w.in(b, rows)
	return b
}

// updated runs an update, and upserts the rows that it did not find.
func (w *writing) updated(ctx context.Context, rows []*sink.Row, b *statement) error {
	before := w.done.Rows
	if err := w.run(ctx, b, -1); err != nil || w.done.Rows-before >= len(rows) {
		return err
	}
	missing, err := w.missing(ctx, rows)
	if err != nil || len(missing) == 0 {
		return err
	}
	return w.upsert(ctx, missing, w.insertOrUpdate(missing))
}

// missing returns the rows whose key is not in the table.
func (w *writing) missing(ctx context.Context, rows []*sink.Row) ([]*sink.Row, error) {
	b := w.begin("SELECT ")
	w.cases(b, rows, func(row int) any { return int64(row) })
	b.WriteString(" FROM " + w.table + " WHERE ")
	w.in(b, rows)
	w.done.Statements++
	found, err := w.c.conn.QueryContext(ctx, b.String(), b.args...)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	there := make([]bool, len(rows))
	for found.Next() {
		var n int
		if err := found.Scan(&n); err != nil {
			return nil, err
		}
		there[n] = true
	}
	var missing []*sink.Row
	for i, row := range rows {
		if !there[i] {
			missing = append(missing, row)
		}
	}
	return missing, found.Err()
}

// cases appends CASE WHEN key = … THEN … END.
func (w *writing) cases(b *statement, rows []*sink.Row, then func(row int) any) {
	b.WriteString("CASE")
	for i, row := range rows {
		b.WriteString(" WHEN ")
		for j, c := range w.op.By {
			column := &w.op.Table.Columns[c]
			if j > 0 {
				b.WriteString(" AND ")
			}
			b.WriteString(quote(column.Name) + " = " + syntax.Param(0, column))
			b.args = append(b.args, bind(column, row.Vals[j]))
		}
		b.WriteString(" THEN ?")
		b.args = append(b.args, then(i))
	}
	b.WriteString(" END")
}

// in appends (key) IN ((…), (…)).
func (w *writing) in(b *statement, rows []*sink.Row) {
	open, end := "(", ")"
	if len(w.op.By) == 1 {
		open, end = "", ""
	}
	b.WriteString(open + w.names(w.op.By) + end + " IN (")
	for i, row := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(open)
		for j, c := range w.op.By {
			if j > 0 {
				b.WriteString(", ")
			}
			b.WriteString(syntax.Param(0, &w.op.Table.Columns[c]))
			b.args = append(b.args, bind(&w.op.Table.Columns[c], row.Vals[j]))
		}
		b.WriteString(end)
	}
	b.WriteString(")")
}

func (w *writing) names(columns []int) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = quote(w.op.Table.Columns[c].Name)
	}
	return strings.Join(names, ", ")
}
