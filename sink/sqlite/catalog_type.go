package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// The years that SQLite's date functions know, but for the year 0.
const (
	minYear = 1
	maxYear = 9999
)

// decimalDigitsMax is how many digits a number keeps in a column of NUMERIC
// affinity: it becomes a double if it is not an integer.
const decimalDigitsMax = 15

// declaredPattern splits VARCHAR(20) and DECIMAL(9, 2) into name and numbers.
var declaredPattern = regexp.MustCompile(`^\s*([^(]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$`)

// families are the declared types that mean more than their affinity.
var families = map[string]sink.Family{
	"BOOL": sink.Bool, "BOOLEAN": sink.Bool,
	"DATE": sink.Date, "TIME": sink.Time, "DATETIME": sink.Timestamp, "TIMESTAMP": sink.Timestamp,
	"TIMESTAMP WITHOUT TIME ZONE": sink.Timestamp, "TIMESTAMP WITH TIME ZONE": sink.TimestampTZ, "TIMESTAMPTZ": sink.TimestampTZ,
	"UUID": sink.UUID, "GUID": sink.UUID, "JSON": sink.JSON,
	"DECIMAL": sink.Decimal, "DEC": sink.Decimal, "NUMERIC": sink.Decimal, "NUMBER": sink.Decimal,
}

// resolveType reads a declared type: first for what it means by name, then by
// SQLite's rules of affinity (www.sqlite.org/datatype3.html, 3.1). A column without
// a declared type takes bytes, kept as text where they are. A declared type that is
// neither known nor has an affinity of its own is not supported: its NUMERIC
// affinity would turn the text 007 into 7.
func resolveType(declared string, strict bool) sink.Type {
	t := sink.Type{SQL: declared}
	m := declaredPattern.FindStringSubmatch(strings.ToUpper(declared))
	if m == nil {
		return t
	}
	name := strings.Join(strings.Fields(m[1]), " ")
	first, _ := strconv.Atoi(m[2]) // 0 if there is none
	second, _ := strconv.Atoi(m[3])
	has := func(part string) bool { return strings.Contains(name, part) }
	family, named := families[name]
	switch {
	case named:
		t.Family = family
		resolveNamed(&t, m[2] != "", first, second)
	case name == "" && !strict:
		t.Family = sink.Binary
	case has("INT"):
		t.Family, t.Bits = sink.Integer, 64 // whatever its name, it holds 64
	case has("CHAR"), has("CLOB"), has("TEXT"):
		t.Family, t.NUL = sink.Text, true
		if has("CHAR") {
			t.Length = first
		}
	case has("BLOB"):
		t.Family = sink.Binary
	case has("REAL"), has("FLOA"), has("DOUB"):
		t.Family, t.Bits = sink.FloatNum, 64 // NaN would become NULL, so Infinite is false
	}
	return t
}

func resolveNamed(t *sink.Type, sized bool, first, second int) {
	switch t.Family {
	case sink.Date:
		t.MinYear, t.MaxYear = minYear, maxYear
	case sink.Time, sink.Timestamp, sink.TimestampTZ:
		t.Precision = 6
		if sized {
			t.Precision = min(first, 6)
		}
		if t.Family != sink.Time {
			t.MinYear, t.MaxYear = minYear, maxYear
		}
	case sink.JSON: // the affinity is NUMERIC
		t.Numeric = true
	case sink.Decimal:
		t.Precision, t.Scale = decimalDigitsMax, -1
		if sized {
			t.Precision, t.Scale = min(first, decimalDigitsMax), second
		}
	}
}

// constant matches a literal. CURRENT_TIMESTAMP and its like are none.
var constant = regexp.MustCompile(`(?i)^\(*\s*(?:'(?:[^']|'')*'|"(?:[^"]|"")*"|x'[0-9a-f]*'|[-+]?\s*(?:0x[0-9a-f]+|\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?)|true|false|null)\s*\)*$`)

// readDefaults tells constants from expressions, and has SQLite evaluate the
// constants.
func (r *catalogReader) readDefaults(ctx context.Context, t *catalogTable) error {
	for i := range t.Columns {
		c, expression := &t.Columns[i], t.defaults[i]
		switch {
		case !expression.Valid || !c.Insertable:
			continue
		case !constant.MatchString(expression.String):
			c.Made = true
			continue
		}
		query := "SELECT " + expression.String
		switch c.Type.Family {
		case sink.Integer, sink.Decimal, sink.FloatNum, sink.Bool:
			query = "SELECT CAST(" + expression.String + " AS NUMERIC)"
		case sink.Text:
			query = "SELECT CAST(" + expression.String + " AS TEXT)"
		}
		var v any
		if err := sqlsink.EachRow(ctx, r.q, "default of "+t.String()+"."+c.Name, query, nil, func(rows *sql.Rows) error { return rows.Scan(&v) }); err != nil {
			return err
		}
		if v != nil {
			text := defaultText(&c.Type, v)
			c.Default = &text
		}
	}
	return nil
}

// defaultText returns the canonical text of what SQLite made of a constant.
func defaultText(t *sink.Type, v any) string {
	f, number := v.(float64)
	switch x := v.(type) {
	case int64:
		f, number = float64(x), t.Family == sink.Decimal // at most 15 digits
	case []byte:
		return string(x)
	}
	switch {
	case !number:
		return fmt.Sprint(v)
	case t.Family == sink.Decimal:
		return strconv.FormatFloat(f, 'f', t.Scale, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}
