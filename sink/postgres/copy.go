package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// copy appends rows through COPY in text form, which every type has. Tables with
// row-level security take no COPY: they get an insert.
func (w *writing) copy(ctx context.Context) (sqlsink.Applied, error) {
	done := sqlsink.Applied{Statements: 1}
	all := w.op.All()
	sql := w.c.endPiece() + "SAVEPOINT lull_piece; COPY " + w.table + " (" + w.names(all) + ") FROM STDIN"
	w.c.piece = true
	tag, err := w.c.conn.CopyFrom(ctx, &copyText{op: w.op, columns: all, rows: w.rows}, sql)
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

// copyText reads as rows in the text form of COPY. They are made as they are sent, so
// that the server is at work meanwhile.
type copyText struct {
	op      *sqlsink.Op
	columns []int
	rows    []*sink.Row
	line    []byte // what is left of a line that did not fit, in buf
	buf     []byte
	scratch []byte
}

// Read implements io.Reader.
func (t *copyText) Read(dst []byte) (n int, err error) {
	for n < len(dst) {
		if len(t.line) == 0 {
			if len(t.rows) == 0 {
				break
			}
			t.buf = t.appendRow(t.buf[:0], t.rows[0])
			t.line = t.buf
			t.rows = t.rows[1:]
		}
		m := copy(dst[n:], t.line)
		n += m
		t.line = t.line[m:]
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (t *copyText) appendRow(dst []byte, row *sink.Row) []byte {
	for i, c := range t.columns {
		if i > 0 {
			dst = append(dst, '\t')
		}
		v := row.Vals[i]
		switch {
		case v.IsNull():
			dst = append(dst, `\N`...)
		case t.op.Table.Columns[c].Type.Family == sink.Binary:
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
