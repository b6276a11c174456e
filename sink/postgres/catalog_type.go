package postgres

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lullcache/lull/sink"
)

// typeRow is what pg_type and pg_attribute say of a column's base type.
type typeRow struct {
	name     string // pg_type.typname
	sql      string // format_type's spelling
	mod      int32  // -1: none
	enum     bool
	builtin  bool // in pg_catalog
	labels   []string
	encoding string // of the database
}

// The years that the canonical text of dates can say. PostgreSQL itself goes
// further in both directions.
const (
	minYear = 1
	maxYear = 9999
)

// varlenaHeader is what modifiers of lengths and precisions count besides.
const varlenaHeader = 4

func (r *typeRow) resolve() sink.Type {
	t := sink.Type{SQL: r.sql}
	switch {
	case r.enum:
		t.Family, t.Labels = sink.Enum, r.labels
		return t
	case r.name == "citext":
		t.Family, t.MaxRune = sink.Text, r.maxRune()
		return t
	case !r.builtin:
		return t
	}
	switch r.name {
	case "int2":
		t.Family, t.Bits = sink.Integer, 16
	case "int4":
		t.Family, t.Bits = sink.Integer, 32
	case "int8":
		t.Family, t.Bits = sink.Integer, 64
	case "float4":
		t.Family, t.Bits, t.Infinite = sink.FloatNum, 32, true
	case "float8":
		t.Family, t.Bits, t.Infinite = sink.FloatNum, 64, true
	case "numeric":
		r.resolveNumeric(&t)
	case "bool":
		t.Family = sink.Bool
	case "text", "varchar", "bpchar":
		t.Family, t.MaxRune = sink.Text, r.maxRune()
		t.Length = max(0, int(r.mod)-varlenaHeader)
		t.Fixed = r.name == "bpchar"
	case "bytea":
		t.Family = sink.Binary
	case "uuid":
		t.Family = sink.UUID
	case "json", "jsonb":
		t.Family, t.Parsed = sink.JSON, r.name == "jsonb"
	case "date", "time", "timestamp", "timestamptz":
		r.resolveTime(&t)
	}
	return t
}

// resolveNumeric reads precision and scale out of the modifier. A negative scale
// (rounding to hundreds, say) is not supported.
func (r *typeRow) resolveNumeric(t *sink.Type) {
	if r.mod < 0 {
		t.Family, t.Scale = sink.Decimal, -1
		return
	}
	mod := int(r.mod) - varlenaHeader
	scale := (mod&0x7ff ^ 1024) - 1024 // 11 bits with a sign
	if scale < 0 {
		return
	}
	t.Family, t.Precision, t.Scale = sink.Decimal, mod>>16&0xffff, scale
}

func (r *typeRow) resolveTime(t *sink.Type) {
	t.Family = map[string]sink.Family{"date": sink.Date, "time": sink.Time, "timestamp": sink.Timestamp, "timestamptz": sink.TimestampTZ}[r.name]
	if r.name != "date" {
		t.Precision = 6
		if r.mod >= 0 {
			t.Precision = int(r.mod)
		}
	}
	if r.name != "time" {
		t.Infinite, t.MinYear, t.MaxYear = true, minYear, maxYear
	}
}

// maxRune knows the encodings whose characters are an unbroken range; in others
// the database itself refuses what it lacks.
func (r *typeRow) maxRune() rune {
	if r.encoding == "LATIN1" {
		return 0xff
	}
	return 0
}

// constant matches what pg_get_expr makes of a literal, with casts behind it:
// 'it”s'::text, (-1), '{}'::jsonb, NULL::character varying, 1.5.
var constant = regexp.MustCompile(`^\(*(?:E?'(?:[^']|'')*'|[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|true|false|NULL)\)*` +
	`(?:::(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_ .]*)+(?:\(\d+(?:,\s*-?\d+)?\))?(?: with(?:out)? time zone)?(?:\[\])*\)*)*$`)

// constantExpression reports whether the default of a column is a constant. A text
// that is cast to a date at each insert is none: it may be 'now'.
func constantExpression(t *sink.Type, expression string) bool {
	switch t.Family {
	case sink.Date, sink.Time, sink.Timestamp, sink.TimestampTZ:
		if strings.Contains(expression, "::text") || strings.Contains(expression, "::character") {
			return false
		}
	}
	return constant.MatchString(expression)
}

// readDefaults has the database evaluate the constants, all of a table at once, in
// the column's type, so that lengths, scales and spellings are its own.
func (r *catalogReader) readDefaults(ctx context.Context) error {
	for len(r.defaults) > 0 {
		oid := r.defaults[0].oid
		n := 0
		for n < len(r.defaults) && r.defaults[n].oid == oid {
			n++
		}
		if err := r.evaluate(ctx, r.tables[oid], r.defaults[:n]); err != nil {
			return err
		}
		r.defaults = r.defaults[n:]
	}
	return nil
}

func (r *catalogReader) evaluate(ctx context.Context, t *sink.Table, defaults []columnDefault) error {
	texts := make([]*string, len(defaults))
	dest := make([]any, len(defaults))
	parts := make([]string, len(defaults))
	for i, d := range defaults {
		dest[i] = &texts[i]
		parts[i] = textExpression(&t.Columns[d.column].Type, d.expression)
	}
	err := r.each(ctx, "defaults of "+t.String(), "SELECT "+strings.Join(parts, ", "), nil, func(rows pgx.Rows) error { return rows.Scan(dest...) })
	if err != nil {
		return err
	}
	for i, d := range defaults {
		c := &t.Columns[d.column]
		if c.Default, err = canonicalDefault(&c.Type, texts[i]); err != nil {
			return fmt.Errorf("default of %s.%s: %w", t, c.Name, err)
		}
	}
	return nil
}

// textExpression returns SQL for the canonical text, or nearly so, of a constant:
// whatever the session's settings are, dates come in ISO form.
func textExpression(t *sink.Type, expression string) string {
	typed := fmt.Sprintf("CAST(%s AS %s)", expression, t.SQL)
	switch t.Family {
	case sink.Binary:
		return "encode(" + typed + ", 'hex')"
	case sink.Bool:
		return typed + "::int::text"
	case sink.Date, sink.Timestamp:
		return "to_json(" + typed + ") #>> '{}'"
	case sink.TimestampTZ:
		return "to_json(" + typed + " AT TIME ZONE 'UTC') #>> '{}'"
	}
	return typed + "::text"
}

func canonicalDefault(t *sink.Type, text *string) (*string, error) {
	if text == nil {
		return nil, nil
	}
	s := *text
	switch t.Family {
	case sink.Binary:
		b, err := hex.DecodeString(s)
		if err != nil {
			return nil, err
		}
		s = string(b)
	case sink.Timestamp:
		s = strings.Replace(s, "T", " ", 1)
	case sink.TimestampTZ:
		if !strings.HasSuffix(s, "infinity") {
			s += "Z"
		}
	case sink.FloatNum:
		s = strings.ToLower(strings.Replace(s, "Infinity", "inf", 1))
	case sink.Text:
		if t.Fixed {
			s = strings.TrimRight(s, " ")
		}
	}
	return &s, nil
}
