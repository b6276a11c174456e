package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// copy appends rows through COPY: in binary form, which the server need not parse, if all
// values have one, else as text, which every type has. Tables with row-level security take
// no COPY: they get an insert.
func (w *writing) copy(ctx context.Context) (sqlsink.Applied, error) {
	done := sqlsink.Applied{Statements: 1}
	all := w.op.All()
	sql := w.c.endPiece() + "SAVEPOINT lull_piece; COPY " + w.table + " (" + w.names(all) + ") FROM STDIN"
	from := &copyReader{rows: w.rows}
	if b := binaryFor(w.op.Table, all, w.rows); b != nil {
		sql += " (FORMAT binary)"
		from.form, from.left, from.end = b, []byte(binaryHead), []byte(binaryEnd)
	} else {
		from.form = &textRows{table: w.op.Table, columns: all}
	}
	w.c.piece = true
	tag, err := w.c.conn.CopyFrom(ctx, from, sql)
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "0A000" && definite(e) {
		if err := w.c.run(ctx, "ROLLBACK TO lull_piece"); err != nil {
			return done, err
		}
		return w.send(ctx, w.statement())
	}
	done.Rows = int(tag.RowsAffected())
	return done, err
}

// copyForm writes rows in a form of COPY.
type copyForm interface {
	append(dst []byte, row *sink.Row) []byte
}

// copyReader reads as rows in one form. They are made as they are sent, so that the server
// is at work meanwhile.
type copyReader struct {
	form copyForm
	rows []*sink.Row
	left []byte // what is made and not read
	end  []byte // comes after the last row
	buf  []byte
}

// Read implements io.Reader.
func (t *copyReader) Read(dst []byte) (n int, err error) {
	for n < len(dst) {
		if len(t.left) == 0 {
			if len(t.rows) == 0 && len(t.end) == 0 {
				break
			}
			if len(t.rows) == 0 {
				t.left, t.end = t.end, nil
				continue
			}
			t.buf = t.form.append(t.buf[:0], t.rows[0])
			t.left, t.rows = t.buf, t.rows[1:]
		}
		m := copy(dst[n:], t.left)
		n += m
		t.left = t.left[m:]
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// textRows is the text form.
type textRows struct {
	table   *sink.Table
	columns []int
	scratch []byte
}

func (t *textRows) append(dst []byte, row *sink.Row) []byte {
	for i, c := range t.columns {
		if i > 0 {
			dst = append(dst, '\t')
		}
		v := row.Vals[i]
		switch {
		case v.IsNull():
			dst = append(dst, `\N`...)
		case t.table.Columns[c].Type.Family == sink.Binary:
			t.scratch = v.AppendText(t.scratch[:0])
			dst = hex.AppendEncode(append(dst, `\\x`...), t.scratch)
		case v.Kind() == value.Bytes:
			dst = appendCopied(dst, v.String())
		default:
			dst = v.AppendText(dst)
		}
	}
	return append(dst, '\n')
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

// What the binary form begins with: a signature, no flags, no extension; and ends with: a
// row of -1 fields.
const (
	binaryHead = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	binaryEnd  = "\xff\xff"
)

// binaryRows is the binary form. Each column has a way of its own to write a value; false
// if the value has no such form.
type binaryRows []func(dst []byte, v value.Value) ([]byte, bool)

// binaryFor returns how rows are written in binary form, or nil if one of their values has
// none: the server shall say what is wrong with it.
func binaryFor(t *sink.Table, columns []int, rows []*sink.Row) binaryRows {
	form := make(binaryRows, len(columns))
	var room [8]byte
	for i, c := range columns {
		column := &t.Columns[c]
		if form[i] = binaryOf(&column.Type); form[i] == nil {
			return nil
		}
		if column.Type.Family == sink.Text || column.Type.Family == sink.Binary {
			continue
		}
		for _, row := range rows {
			if v := row.Vals[i]; !v.IsNull() {
				if _, ok := form[i](room[:0], v); !ok {
					return nil
				}
			}
		}
	}
	return form
}

// binaryOf returns how values of a type are written in binary form, nil for types that
// travel as text.
func binaryOf(t *sink.Type) func(dst []byte, v value.Value) ([]byte, bool) {
	switch {
	case t.Family == sink.Integer && t.Bits == 16:
		return appendInt16
	case t.Family == sink.Integer && t.Bits == 32:
		return appendInt32
	case t.Family == sink.Integer && t.Bits == 64:
		return appendInt
	case t.Family == sink.FloatNum && t.Bits == 64:
		return appendFloat
	case t.Family == sink.Bool:
		return appendBool
	case t.Family == sink.Text, t.Family == sink.Binary:
		return appendText
	}
	return nil
}

func appendInt16(dst []byte, v value.Value) ([]byte, bool) {
	n, ok := v.Int()
	return binary.BigEndian.AppendUint16(dst, uint16(n)), ok && n == int64(int16(n))
}

func appendInt32(dst []byte, v value.Value) ([]byte, bool) {
	n, ok := v.Int()
	return binary.BigEndian.AppendUint32(dst, uint32(n)), ok && n == int64(int32(n))
}

func (b binaryRows) append(dst []byte, row *sink.Row) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(b)))
	for i, appendValue := range b {
		v := row.Vals[i]
		if v.IsNull() {
			dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32)
			continue
		}
		start := len(dst)
		dst, _ = appendValue(append(dst, 0, 0, 0, 0), v)
		binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	}
	return dst
}
