package sqlite

import (
	sqldriver "database/sql/driver"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// writing is the statements of an operation: second is run for a row that first
// did not find.
type writing struct {
	op            *sqlsink.Op
	first, second string
	firstOrder    []int // which of the row's values first takes; nil: all in order
	args          []sqldriver.NamedValue
}

func newWriting(op *sqlsink.Op) (*writing, error) {
	w := &writing{op: op}
	table := syntax.TableName(op.Table)
	switch {
	case op.Kind == sink.LetterTruncate:
		st, err := syntax.Delete(table, op.Table, op.Where)
		if err != nil {
			return nil, err
		}
		w.first = st.SQL
		for _, arg := range st.Args {
			w.add(arg.Column, arg.Value)
		}
	case op.Kind == sink.LetterDelete || op.Kind == sink.LetterClear:
		w.first = "DELETE FROM " + table + " WHERE " + assignments(op.Table, op.By, " AND ")
	case op.Kind == sink.LetterAppend:
		w.first = insert(op)
	case op.Mode == sink.Update && len(op.Columns) > 0:
		w.first = "UPDATE OR ABORT " + table + " SET " + assignments(op.Table, op.Columns, ", ") +
			" WHERE " + assignments(op.Table, op.By, " AND ")
		for i := range op.Columns {
			w.firstOrder = append(w.firstOrder, len(op.By)+i)
		}
		for i := range op.By {
			w.firstOrder = append(w.firstOrder, i)
		}
		w.second = upsert(op)
	default:
		w.first = upsert(op)
	}
	return w, nil
}

// insert overrules what the table may say of conflicts, such as to replace rows.
func insert(op *sqlsink.Op) string {
	all := op.All()
	return "INSERT OR ABORT INTO " + syntax.TableName(op.Table) + " (" + names(op.Table, all) + ") VALUES (" +
		strings.TrimSuffix(strings.Repeat("?, ", len(all)), ", ") + ")"
}

func upsert(op *sqlsink.Op) string {
	var b strings.Builder
	b.WriteString(insert(op) + " ON CONFLICT (" + names(op.Table, op.By) + ") DO ")
	if len(op.Columns) == 0 {
		return b.String() + "NOTHING"
	}
	b.WriteString("UPDATE SET ")
	for i, c := range op.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		name := quote(op.Table.Columns[c].Name)
		b.WriteString(name + " = excluded." + name)
	}
	return b.String()
}

func assignments(t *sink.Table, columns []int, between string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = quote(t.Columns[c].Name) + " = ?"
	}
	return strings.Join(parts, between)
}

func names(t *sink.Table, columns []int) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = quote(t.Columns[c].Name)
	}
	return strings.Join(parts, ", ")
}

// bind returns the row's values as arguments, in the given order. The slice is
// used again.
func (w *writing) bind(row *sink.Row, order []int) []sqldriver.NamedValue {
	if w.op.Kind == sink.LetterTruncate {
		return w.args
	}
	all := w.op.By
	column := func(i int) *sink.Column {
		if i < len(all) {
			return &w.op.Table.Columns[all[i]]
		}
		return &w.op.Table.Columns[w.op.Columns[i-len(all)]]
	}
	w.args = w.args[:0]
	if order == nil {
		for i, v := range row.Vals {
			w.add(column(i), v)
		}
		return w.args
	}
	for _, i := range order {
		w.add(column(i), row.Vals[i])
	}
	return w.args
}

func (w *writing) add(c *sink.Column, v value.Value) {
	w.args = append(w.args, sqldriver.NamedValue{Ordinal: len(w.args) + 1, Value: bind(c, v)})
}
