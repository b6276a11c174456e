package postgres

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

var syntax = &sqlsink.Syntax{
	Quote: quote,
	Param: func(n int, c *sink.Column) string {
		p := "$" + strconv.Itoa(n)
		if t := wireOf(c); t == wireText {
			return p + compareCast(c)
		}
		return p
	},
	Column: func(c *sink.Column) string { return quote(c.Name) },
	Keys:   keys,
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// keys appends the condition that columns equal one of many tuples, which travel as
// one array for each column. For a single column it is = ANY, which PostgreSQL looks up
// in the index without a join.
func keys(b *sqlsink.Builder, by []int, keys [][]value.Value) {
	if len(by) == 1 {
		anyOf(b, by[0], keys)
		return
	}
	list := make([]string, len(by))
	casts := make([]string, len(by))
	for i, c := range by {
		column := &b.Table.Columns[c]
		arg := sqlsink.Arg{Column: column, Keys: keys, Place: i}
		b.Args = append(b.Args, arg)
		w := wireFor(column, len(keys), arg.Key)
		list[i] = "$" + strconv.Itoa(len(b.Args)) + "::" + w.name + "[]"
		casts[i] = "s.c" + strconv.Itoa(i)
		if w == wireText {
			casts[i] += compareCast(column)
		}
	}
	names := make([]string, len(by))
	for i, c := range by {
		names[i] = quote(b.Table.Columns[c].Name)
	}
	b.WriteString("(" + strings.Join(names, ", ") + ") IN (SELECT " + strings.Join(casts, ", ") +
		" FROM unnest(" + strings.Join(list, ", ") + ") AS s(" + aliases(len(by)) + "))")
}

// anyOf is keys for one column.
func anyOf(b *sqlsink.Builder, by int, keys [][]value.Value) {
	column := &b.Table.Columns[by]
	arg := sqlsink.Arg{Column: column, Keys: keys}
	b.Args = append(b.Args, arg)
	w := wireFor(column, len(keys), arg.Key)
	b.WriteString(quote(column.Name))
	b.WriteString(" = ANY($")
	b.WriteString(strconv.Itoa(len(b.Args)))
	b.WriteString("::")
	b.WriteString(w.name)
	b.WriteString("[]")
	if cast := compareCast(column); w == wireText && cast != "" {
		b.WriteString(cast)
		b.WriteString("[]")
	}
	b.WriteString(")")
}

func aliases(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "c" + strconv.Itoa(i)
	}
	return strings.Join(names, ", ")
}

// wire is how the values of a column travel.
type wire struct {
	name       string
	oid, array uint32
	append     func(dst []byte, v value.Value) ([]byte, bool)
}

// The wire types. Everything that is not among them travels as text and is cast.
var (
	wireInt   = &wire{"int8", pgtype.Int8OID, pgtype.Int8ArrayOID, appendInt}
	wireFloat = &wire{"float8", pgtype.Float8OID, pgtype.Float8ArrayOID, appendFloat}
	wireBool  = &wire{"bool", pgtype.BoolOID, pgtype.BoolArrayOID, appendBool}
	wireBytea = &wire{"bytea", pgtype.ByteaOID, pgtype.ByteaArrayOID, appendText}
	wireText  = &wire{"text", pgtype.TextOID, pgtype.TextArrayOID, appendText}
)

func wireOf(c *sink.Column) *wire {
	switch c.Type.Family {
	case sink.Integer:
		return wireInt
	case sink.FloatNum:
		return wireFloat
	case sink.Bool:
		return wireBool
	case sink.Binary:
		return wireBytea
	}
	return wireText
}

// wireFor is wireOf, but text if a value has no such form: the server shall say
// what is wrong with it.
func wireFor(c *sink.Column, n int, at func(int) value.Value) *wire {
	w := wireOf(c)
	if w == wireText || w == wireBytea {
		return w
	}
	var room [8]byte
	for i := range n {
		if v := at(i); !v.IsNull() {
			if _, ok := w.append(room[:0], v); !ok {
				return wireText
			}
		}
	}
	return w
}

func appendInt(dst []byte, v value.Value) ([]byte, bool) {
	n, ok := v.Int()
	return binary.BigEndian.AppendUint64(dst, uint64(n)), ok
}

func appendFloat(dst []byte, v value.Value) ([]byte, bool) {
	f, ok := v.Float()
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f)), ok
}

func appendBool(dst []byte, v value.Value) ([]byte, bool) {
	n, ok := v.Int()
	return append(dst, byte(n)), ok && n>>1 == 0
}

func appendText(dst []byte, v value.Value) ([]byte, bool) { return v.AppendText(dst), true }

// encodeArray returns a one-dimensional array in binary form: dimensions, flag for
// NULLs, type, length, lower bound, then each element with its length.
func encodeArray(w *wire, n int, at func(int) value.Value) []byte {
	size, nulls := 20, uint32(0)
	for i := range n {
		v := at(i)
		size += 4 + v.Size()
		if v.IsNull() {
			nulls = 1
		}
	}
	dst := make([]byte, 0, size+16)
	dst = binary.BigEndian.AppendUint32(dst, 1)
	dst = binary.BigEndian.AppendUint32(dst, nulls)
	dst = binary.BigEndian.AppendUint32(dst, w.oid)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	dst = binary.BigEndian.AppendUint32(dst, 1)
	for i := range n {
		v := at(i)
		if v.IsNull() {
			dst = binary.BigEndian.AppendUint32(dst, math.MaxUint32)
			continue
		}
		start := len(dst)
		dst = binary.BigEndian.AppendUint32(dst, 0)
		dst, _ = w.append(dst, v)
		binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	}
	return dst
}

// baseType is the type of a cast without length and precision: an explicit cast to
// varchar(3) would cut silently, where storing a longer text is an error.
func baseType(t *sink.Type) string {
	sql := t.SQL
	if open := strings.IndexByte(sql, '('); open >= 0 && !strings.Contains(sql, `"`) {
		end := open + strings.IndexByte(sql[open:], ')') + 1
		sql = sql[:open] + sql[end:]
	}
	return sql
}

// storeCast returns the cast for text that is to be stored in c.
func storeCast(c *sink.Column) string {
	if c.Type.Family == sink.Text {
		return "" // assignment checks the length
	}
	return "::" + baseType(&c.Type)
}

// compareCast returns the cast for text that is to be compared with c, so that c's
// index serves.
func compareCast(c *sink.Column) string {
	if c.Type.Family == sink.Text {
		if c.Type.Fixed {
			return "::bpchar"
		}
		return ""
	}
	return "::" + baseType(&c.Type)
}

// params are parameters as pgconn wants them.
type params struct {
	values  [][]byte
	oids    []uint32
	formats []int16
}

const binaryFormat = 1

func (p *params) add(oid uint32, format int16, v []byte) {
	p.values, p.oids, p.formats = append(p.values, v), append(p.oids, oid), append(p.formats, format)
}

var textColumn = sink.Column{Type: sink.Type{Family: sink.Text, SQL: "text"}}

func paramsOf(args []sqlsink.Arg) *params {
	p := &params{}
	for i := range args {
		a := &args[i]
		switch {
		case a.Keys != nil:
			w := wireFor(a.Column, len(a.Keys), a.Key)
			p.add(w.array, binaryFormat, encodeArray(w, len(a.Keys), a.Key))
		case a.Value.IsNull():
			p.add(wireOf(a.Column).oid, 0, nil)
		case a.Column.Type.Family == sink.Binary:
			p.add(pgtype.ByteaOID, binaryFormat, []byte(a.Value.String()))
		default:
			p.add(wireOf(a.Column).oid, 0, []byte(a.Value.String()))
		}
	}
	return p
}

// resultFormats asks for numbers and bytea in binary form, and for text of all others. It
// goes by what the server says it will return: a column may have another type by now.
func resultFormats(columns []*sink.Column, fields []pgconn.FieldDescription) []int16 {
	formats := make([]int16, len(columns))
	for i, c := range columns {
		if i >= len(fields) {
			break
		}
		switch fields[i].DataTypeOID {
		case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID:
			formats[i] = binaryIf(c.Type.Family == sink.Integer)
		case pgtype.Float8OID:
			formats[i] = binaryIf(c.Type.Family == sink.FloatNum)
		case pgtype.ByteaOID:
			formats[i] = binaryIf(c.Type.Family == sink.Binary)
		}
	}
	return formats
}

func binaryIf(yes bool) int16 {
	if yes {
		return binaryFormat
	}
	return 0
}

// decode reads a value in a format of resultFormats.
func decode(c *sink.Column, format int16, data []byte) value.Value {
	if data != nil && format == binaryFormat {
		switch c.Type.Family {
		case sink.Integer:
			return value.OfInt(bigEndian(data))
		case sink.FloatNum:
			return value.OfFloat(math.Float64frombits(binary.BigEndian.Uint64(data)))
		}
	}
	return decodeText(c, data)
}

// bigEndian reads a signed integer of 2, 4 or 8 bytes.
func bigEndian(b []byte) int64 {
	switch len(b) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(b)))
	}
	return int64(binary.BigEndian.Uint64(b))
}

// decodeText reads a value in text, or a bytea.
func decodeText(c *sink.Column, text []byte) value.Value {
	if text == nil {
		return value.Value{}
	}
	if c == nil {
		return value.OfBytes(text)
	}
	switch c.Type.Family {
	case sink.Integer:
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return value.OfInt(n)
		}
	case sink.FloatNum:
		if f, err := strconv.ParseFloat(string(text), 64); err == nil {
			return value.OfFloat(f)
		}
	case sink.Bool:
		if string(text) == "t" {
			return value.OfInt(1)
		}
		return value.OfInt(0)
	case sink.TimestampTZ:
		if at, ok := strings.CutSuffix(string(text), "+00"); ok {
			return value.OfString(strings.Replace(at, " ", "T", 1) + "Z")
		}
	}
	return value.OfBytes(text)
}
