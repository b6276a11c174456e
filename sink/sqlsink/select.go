package sqlsink

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// Syntax is how a dialect spells the parts of a query.
type Syntax struct {
	Quote func(name string) string
	// Param spells the n-th parameter, from 1, to be compared with column c.
	Param func(n int, c *sink.Column) string
	// Column spells a column that is to be returned.
	Column func(c *sink.Column) string
	// Keys appends the condition that the columns by equal one of the tuples; nil
	// means a list of parameters.
	Keys func(b *Builder, by []int, keys [][]value.Value)
	// KeysAsRows is set where a list of tuples has to be VALUES (…), (…).
	KeysAsRows bool
	// NoRowOrder is set where (a, b) > (x, y) cannot use an index.
	NoRowOrder bool
	// ParamsMax is how many parameters a statement takes, 0: no limit; BytesMax how
	// many bytes of keys, 0: no limit.
	ParamsMax, BytesMax int
}

// Arg is a parameter: one value for a column, or, if Keys is set, those at a place in
// each of many tuples.
type Arg struct {
	Column *sink.Column
	Value  value.Value
	Keys   [][]value.Value
	Place  int
}

// Key returns the value of the i-th tuple.
func (a *Arg) Key(i int) value.Value { return a.Keys[i][a.Place] }

// Builder makes one statement.
type Builder struct {
	strings.Builder
	Args   []Arg
	Table  *sink.Table
	Syntax *Syntax
}

// Statement is a statement with its parameters.
type Statement struct {
	SQL  string
	Args []Arg
}

// TableName returns t's name, quoted, with its schema if it has one.
func (s *Syntax) TableName(t *sink.Table) string {
	if t.Schema == "" {
		return s.Quote(t.Name)
	}
	return s.Quote(t.Schema) + "." + s.Quote(t.Name)
}

// Select returns the statements that q is made of: more than one if it has more
// keys than one can take, which excludes an order and a limit.
func (s *Syntax) Select(name string, q *sink.Query) ([]Statement, error) {
	if len(q.By) > 0 && len(q.Keys) == 0 {
		return nil, nil
	}
	if err := checkQuery(q); err != nil {
		return nil, err
	}
	var statements []Statement
	for keys := q.Keys; ; {
		n := s.keysThatFit(q, keys)
		b := s.builder(q.Table)
		b.Grow(textRoom)
		b.query(name, q, keys[:n])
		statements = append(statements, Statement{b.String(), b.Args})
		if keys = keys[n:]; len(keys) == 0 {
			break
		}
	}
	if len(statements) > 1 && (len(q.OrderBy) > 0 || q.Limit > 0 || q.Distinct) {
		return nil, invalid(fmt.Errorf("read: %d keys are too many for one ordered or limited statement", len(q.Keys)))
	}
	return statements, nil
}

// textRoom is room for the text of most queries.
const textRoom = 256

// Count returns the statement that counts rows or distinct tuples.
func (s *Syntax) Count(name string, t *sink.Table, distinct []int, where []sink.Match) (Statement, error) {
	b := s.builder(t)
	b.WriteString("SELECT count(*) FROM ")
	if len(distinct) > 0 {
		b.WriteString("(SELECT DISTINCT ")
		b.names(distinct)
		b.WriteString(" FROM ")
	}
	b.WriteString(name)
	err := b.Where(where, " WHERE ")
	if len(distinct) > 0 {
		b.WriteString(") AS found")
	}
	return Statement{b.String(), b.Args}, err
}

// Delete returns the statement that removes the rows that match where.
func (s *Syntax) Delete(name string, t *sink.Table, where []sink.Match) (Statement, error) {
	b := s.builder(t)
	b.WriteString("DELETE FROM " + name)
	err := b.Where(where, " WHERE ")
	return Statement{b.String(), b.Args}, err
}

func (s *Syntax) builder(t *sink.Table) *Builder { return &Builder{Table: t, Syntax: s} }

func checkQuery(q *sink.Query) error {
	if (len(q.After) > 0 && len(q.After) != len(q.OrderBy)) || (len(q.Until) > 0 && len(q.Until) != len(q.OrderBy)) {
		return invalid(errors.New("read: After and Until want a value for each column of OrderBy"))
	}
	for _, k := range q.Keys {
		if len(k) != len(q.By) {
			return invalid(fmt.Errorf("read: want keys of %d values, got %d", len(q.By), len(k)))
		}
	}
	if len(q.Columns) == 0 {
		return invalid(errors.New("read: want at least one column"))
	}
	for _, m := range q.Where {
		if !validOps[m.Op] {
			return invalid(fmt.Errorf("read: unknown comparison %q", m.Op))
		}
	}
	return nil
}

func (s *Syntax) keysThatFit(q *sink.Query, keys [][]value.Value) int {
	n, bytes := len(keys), 0
	if s.ParamsMax > 0 && len(q.By) > 0 {
		others := len(q.Where) + (len(q.After)+len(q.Until))*(len(q.OrderBy)+1) + 1
		n = min(n, (s.ParamsMax-others)/len(q.By))
	}
	for i := 0; s.BytesMax > 0 && i < n; i++ {
		for _, v := range keys[i] {
			bytes += 2*v.Size() + 40
		}
		if i > 0 && bytes > s.BytesMax {
			return i
		}
	}
	return n
}

func (b *Builder) query(name string, q *sink.Query, keys [][]value.Value) {
	b.WriteString("SELECT ")
	if q.Distinct {
		b.WriteString("DISTINCT ")
	}
	for i, c := range q.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(b.Syntax.Column(&q.Table.Columns[c]))
	}
	b.WriteString(" FROM " + name)
	join := " WHERE "
	if len(q.By) > 0 {
		b.WriteString(join)
		join = " AND "
		b.keys(q.By, keys)
	}
	if len(q.Where) > 0 {
		_ = b.Where(q.Where, join) // checked by checkQuery
		join = " AND "
	}
	after, until := ">", "<"
	if q.Descending {
		after, until = until, after
	}
	if len(q.After) > 0 {
		b.WriteString(join)
		join = " AND "
		b.compare(q.OrderBy, after, q.AtAfter, q.After)
	}
	if len(q.Until) > 0 {
		b.WriteString(join)
		b.compare(q.OrderBy, until, true, q.Until)
	}
	for i, c := range q.OrderBy {
		b.WriteString([]string{" ORDER BY ", ", "}[min(i, 1)] + b.Syntax.Quote(q.Table.Columns[c].Name))
		if q.Descending {
			b.WriteString(" DESC")
		}
	}
	if q.Limit > 0 {
		fmt.Fprintf(b, " LIMIT %d", q.Limit)
	}
}

func (b *Builder) keys(by []int, keys [][]value.Value) {
	if b.Syntax.Keys != nil {
		b.Syntax.Keys(b, by, keys)
		return
	}
	b.tuple(by)
	b.WriteString(" IN (")
	if len(by) > 1 && b.Syntax.KeysAsRows {
		b.WriteString("VALUES ")
	}
	for i, k := range keys {
		if i > 0 {
			b.WriteString(", ")
		}
		b.params(by, k)
	}
	b.WriteString(")")
}

var validOps = map[string]bool{"=": true, "<": true, "<=": true, ">": true, ">=": true, "is null": true, "is not null": true}

// Where appends the conditions; join goes before the first.
func (b *Builder) Where(where []sink.Match, join string) error {
	for _, m := range where {
		if !validOps[m.Op] {
			return invalid(fmt.Errorf("unknown comparison %q", m.Op))
		}
		b.WriteString(join + b.Syntax.Quote(b.Table.Columns[m.Column].Name) + " " + m.Op)
		if !strings.HasPrefix(m.Op, "is") {
			b.WriteString(" ")
			b.Param(m.Column, m.Value)
		}
		join = " AND "
	}
	return nil
}

// compare appends a comparison of tuples.
func (b *Builder) compare(columns []int, op string, equal bool, vals []value.Value) {
	if len(columns) > 1 && b.Syntax.NoRowOrder {
		b.compareSpelledOut(columns, op, equal, vals)
		return
	}
	b.tuple(columns)
	b.WriteString(" " + op)
	if equal {
		b.WriteString("=")
	}
	b.WriteString(" ")
	b.params(columns, vals)
}

// compareSpelledOut appends (a > x OR a = x AND (b > y OR b = y AND c > z)), with
// a >= x before it for the index.
func (b *Builder) compareSpelledOut(columns []int, op string, equal bool, vals []value.Value) {
	quoted := func(i int) string { return b.Syntax.Quote(b.Table.Columns[columns[i]].Name) }
	b.WriteString("(" + quoted(0) + " " + op + "= ")
	b.Param(columns[0], vals[0])
	b.WriteString(" AND (")
	last := len(columns) - 1
	for i := range columns {
		b.WriteString(quoted(i) + " " + op)
		if equal && i == last {
			b.WriteString("=")
		}
		b.WriteString(" ")
		b.Param(columns[i], vals[i])
		if i < last {
			b.WriteString(" OR " + quoted(i) + " = ")
			b.Param(columns[i], vals[i])
			b.WriteString(" AND (")
		}
	}
	b.WriteString(strings.Repeat(")", len(columns)+1))
}

func (b *Builder) names(columns []int) {
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(b.Syntax.Quote(b.Table.Columns[c].Name))
	}
}

func (b *Builder) tuple(columns []int) {
	if len(columns) > 1 {
		b.WriteString("(")
		defer b.WriteString(")")
	}
	b.names(columns)
}

func (b *Builder) params(columns []int, vals []value.Value) {
	if len(columns) > 1 {
		b.WriteString("(")
		defer b.WriteString(")")
	}
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.Param(c, vals[i])
	}
}

// Param appends a parameter for a column.
func (b *Builder) Param(column int, v value.Value) {
	c := &b.Table.Columns[column]
	b.Args = append(b.Args, Arg{Column: c, Value: v})
	b.WriteString(b.Syntax.Param(len(b.Args), c))
}
