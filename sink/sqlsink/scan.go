package sqlsink

import (
	"database/sql"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// Scan calls row for each of rows and closes them. columns says what convert is
// told of a column; nil means nothing is known of them.
func Scan(rows *sql.Rows, columns []*sink.Column, convert func(c *sink.Column, v any) value.Value, row func([]value.Value) error) error {
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	raw, vals := make([]any, len(names)), make([]value.Value, len(names))
	into := make([]any, len(names))
	for i := range raw {
		into[i] = &raw[i]
	}
	if columns == nil {
		columns = make([]*sink.Column, len(names))
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i := range raw {
			vals[i] = convert(columns[i], raw[i])
		}
		if err := row(vals); err != nil {
			return &CallerError{err}
		}
	}
	return rows.Err()
}

// CallerError carries an error of a caller's function through a database's judging.
type CallerError struct{ Err error }

func (e *CallerError) Error() string { return e.Err.Error() }
func (e *CallerError) Unwrap() error { return e.Err }

// Picked returns the columns of a query in its order.
func Picked(q *sink.Query) []*sink.Column {
	columns := make([]*sink.Column, len(q.Columns))
	for i, c := range q.Columns {
		columns[i] = &q.Table.Columns[c]
	}
	return columns
}
