package sqlsink

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// messageBytesMax is how much of a database's message a letter keeps.
const messageBytesMax = 2000

// storeLetters removes the letters that this batch settles and writes those of the
// rows that were set aside. A row whose former letter is replaced keeps its number.
func (s *Sink) storeLetters(ctx context.Context, session Session, b *sink.Batch, r *run) error {
	table := s.d.Own().tables[letterTable]
	gone := append(append([]int64(nil), b.DropLetters...), r.settled...)
	for _, a := range r.aside {
		if a.row.Letter != 0 {
			gone = append(gone, a.row.Letter)
		}
	}
	drop := &Op{Table: table, Kind: sink.LetterDelete, By: []int{0, 1}}
	rows := make([]*sink.Row, len(gone))
	for i, id := range gone {
		rows[i] = &sink.Row{Vals: []value.Value{value.OfString(s.lane.Name), value.OfInt(id)}}
	}
	if err := s.applyOwn(ctx, session, r, drop, rows); err != nil || len(r.aside) == 0 {
		return err
	}
	letters, err := s.letters(ctx, session, b, r.aside)
	if err != nil {
		return err
	}
	add := &Op{Table: table, Kind: sink.LetterAppend, By: []int{0, 1}, Mode: sink.Append, Columns: columnsFrom(2, len(table.Columns))}
	rows = make([]*sink.Row, len(letters))
	for i := range letters {
		rows[i] = &sink.Row{Vals: s.letterRow(&letters[i])}
	}
	r.result.Letters = letters
	return s.applyOwn(ctx, session, r, add, rows)
}

// applyOwn runs op on one of Lull's own tables, in which no row may be refused.
func (s *Sink) applyOwn(ctx context.Context, session Session, r *run, op *Op, rows []*sink.Row) error {
	for len(rows) > 0 {
		n := r.size(op, rows)
		done, err := session.Apply(ctx, op, rows[:n], nil)
		r.result.Statements += done.Statements
		if err != nil {
			if s.d.Judge(err).Kind == Clash {
				return &sink.Error{Class: sink.Retry, Err: fmt.Errorf("letters: another lane took the number: %w", err)}
			}
			return s.failure(fmt.Errorf("letters: %w", err), nil)
		}
		rows = rows[n:]
	}
	return nil
}

// letters makes a letter of each row that was set aside.
func (s *Sink) letters(ctx context.Context, session Session, b *sink.Batch, rows []aside) ([]sink.Letter, error) {
	var last int64
	err := session.Query(ctx, `SELECT coalesce(max(id), 0) FROM `+s.d.OwnTable(letterTable)+` WHERE name = ?`,
		[]any{s.lane.Name}, func(vals []value.Value) error {
			last, _ = vals[0].Int()
			return nil
		})
	if err != nil {
		return nil, s.failure(err, nil)
	}
	for _, a := range rows {
		last = max(last, a.row.Letter)
	}
	// No number is given twice by this process, so that a letter that was dropped is
	// never taken for a new one.
	last = max(last, s.lastLetter)
	position := b.To.Next
	if position == 0 {
		position = b.To.Position
	}
	at := time.Now().UTC().Truncate(time.Millisecond)
	letters := make([]sink.Letter, len(rows))
	for i := range rows {
		letters[i] = letterOf(&rows[i])
		letters[i].Position, letters[i].At = position, at
		if letters[i].ID == 0 {
			last++
			letters[i].ID = last
		}
	}
	s.lastLetter = last
	return letters, nil
}

func letterOf(a *aside) sink.Letter {
	op := a.op
	l := sink.Letter{
		ID: a.row.Letter, State: a.state, Schema: op.Table.Schema, Table: op.Table.Name, Op: op.Kind,
		Reason: sink.Reason{Code: clean(a.reason.Code), Message: clean(a.reason.Message)},
	}
	for i, c := range op.All() {
		name, v := op.Table.Columns[c].Name, a.row.Vals[i]
		if i < len(op.By) {
			l.KeyNames, l.Key = append(l.KeyNames, name), append(l.Key, v)
		} else {
			l.Names, l.Vals = append(l.Names, name), append(l.Vals, v)
		}
	}
	for _, m := range op.Where {
		name := op.Table.Columns[m.Column].Name
		if m.Op != "=" {
			name += " " + m.Op
		}
		l.KeyNames = append(l.KeyNames, name)
		l.Key = append(l.Key, m.Value)
	}
	return l
}

// letterRow returns the values of lull_dead_letters in the order of its columns.
func (s *Sink) letterRow(l *sink.Letter) []value.Value {
	texts := []string{clean(l.Reason.Code), clean(l.Reason.Message), l.Schema, l.Table, string(l.Op),
		encodeRow(l.KeyNames, l.Key), encodeRow(l.Names, l.Vals)}
	row := []value.Value{value.OfString(s.lane.Name), value.OfInt(l.ID), value.OfString(s.lane.Lane), value.OfString(string(l.State)),
		value.OfInt(int64(l.Position)), value.OfString(l.At.Format("2006-01-02T15:04:05.000Z"))}
	for _, text := range texts {
		row = append(row, value.OfString(text))
	}
	return row
}

// Letters implements sink.Writer.
func (s *Sink) Letters(ctx context.Context, name string) ([]sink.Letter, error) {
	var letters []sink.Letter
	err := s.ask(ctx, `SELECT id, state, position, at, code, message, schema_name, table_name, op, row_key, data FROM `+
		s.d.OwnTable(letterTable)+` WHERE name = ? ORDER BY id`, []any{name}, func(vals []value.Value) error {
		l, err := readLetter(vals)
		letters = append(letters, l)
		return err
	})
	if err != nil {
		return nil, s.failure(fmt.Errorf("letters: %w", err), nil)
	}
	return letters, nil
}

func readLetter(vals []value.Value) (l sink.Letter, err error) {
	l.ID, _ = vals[0].Int()
	position, _ := vals[2].Int()
	l.State, l.Position = sink.LetterState(vals[1].String()), uint64(position)
	if l.At, err = parseStamp(vals[3].String()); err != nil {
		return l, fmt.Errorf("letter %d: at: %w", l.ID, err)
	}
	l.Reason = sink.Reason{Code: vals[4].String(), Message: vals[5].String()}
	l.Schema, l.Table, l.Op = vals[6].String(), vals[7].String(), sink.LetterOp(vals[8].String())
	if l.KeyNames, l.Key, err = decodeRow(vals[9].String()); err != nil {
		return l, fmt.Errorf("letter %d: row_key: %w", l.ID, err)
	}
	if l.Names, l.Vals, err = decodeRow(vals[10].String()); err != nil {
		return l, fmt.Errorf("letter %d: data: %w", l.ID, err)
	}
	return l, nil
}

// clean makes a message storable in every database.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= messageBytesMax {
		return s
	}
	n := messageBytesMax
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func columnsFrom(first, end int) []int {
	columns := make([]int, 0, end-first)
	for c := first; c < end; c++ {
		columns = append(columns, c)
	}
	return columns
}
