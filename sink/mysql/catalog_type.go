package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// columnRow is what information_schema.COLUMNS says of a column.
type columnRow struct {
	data, full       string // DATA_TYPE "int", COLUMN_TYPE "int(10) unsigned"
	extra            string // in lower case
	expression       sql.NullString
	length           sql.NullInt64
	precision, scale sql.NullInt64
	fraction         sql.NullInt64
	charset          sql.NullString
	collation        sql.NullString
}

// TIMESTAMP ends in January 2038; years are the unit here, so 2037 is the last.
const (
	minYear          = 1
	maxYear          = 9999
	timestampMinYear = 1970
	timestampMaxYear = 2037
)

// integerBits are the widths of the integer types.
var integerBits = map[string]int{"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}

// jsonDepthMax is how deep a document nests that MariaDB's json_valid takes.
const jsonDepthMax = 31

// maxRunes are the character sets that end before U+10FFFF in an unbroken range. In
// those that are neither here nor complete the server refuses what it lacks.
var maxRunes = map[string]rune{"utf8": 0xffff, "utf8mb3": 0xffff, "ucs2": 0xffff, "latin1": 0xff, "ascii": 0x7f}

func (r *columnRow) resolve() sink.Type {
	t := sink.Type{SQL: r.full, Unsigned: strings.Contains(r.full, "unsigned")}
	switch r.data {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		t.Family, t.Bits = sink.Integer, integerBits[r.data]
		if r.full == "tinyint(1)" {
			t.Family, t.Bits = sink.Bool, 0
		}
	case "decimal":
		t.Family, t.Precision, t.Scale = sink.Decimal, int(r.precision.Int64), int(r.scale.Int64)
	case "float", "double":
		r.resolveFloat(&t)
	case "char", "varchar", "tinytext", "text", "mediumtext", "longtext":
		t.Family, t.NUL, t.MaxRune = sink.Text, true, maxRunes[r.charset.String]
		t.NoC1 = r.charset.String == "latin1"
		t.Length, t.Fixed, t.LengthInBytes = r.lengthMax(), r.data == "char", strings.HasSuffix(r.data, "text")
	case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob":
		t.Family, t.Length, t.Fixed = sink.Binary, r.lengthMax(), r.data == "binary"
	case "date", "time", "datetime", "timestamp":
		r.resolveTime(&t)
	case "uuid":
		t.Family, t.ByTime = sink.UUID, true
	case "json":
		t.Family, t.Parsed = sink.JSON, true
	case "enum":
		t.Family, t.Labels = sink.Enum, enumLabels(r.full)
	}
	return t
}

// resolveFloat leaves out float(7,2) and the like, which round what is written.
func (r *columnRow) resolveFloat(t *sink.Type) {
	if r.scale.Valid {
		return
	}
	t.Family, t.Bits = sink.FloatNum, 64
	if r.data == "float" {
		t.Bits = 32
	}
}

// resolveTime: TIMESTAMP is a point in time, which the server shows in the
// session's time zone; DATETIME is not.
func (r *columnRow) resolveTime(t *sink.Type) {
	t.Precision = int(r.fraction.Int64)
	switch r.data {
	case "time":
		t.Family = sink.Time
		return
	case "date":
		t.Family = sink.Date
	case "datetime":
		t.Family = sink.Timestamp
	case "timestamp":
		t.Family, t.MinYear, t.MaxYear = sink.TimestampTZ, timestampMinYear, timestampMaxYear
		return
	}
	t.MinYear, t.MaxYear = minYear, maxYear
}

func (r *columnRow) lengthMax() int { return int(min(r.length.Int64, math.MaxInt)) }

// labelPattern matches one label as COLUMN_TYPE shows it, and labelEscapes undoes its
// spelling.
var (
	labelPattern = regexp.MustCompile(`'((?:[^'\\]|''|\\.)*)'`)
	labelEscapes = strings.NewReplacer(`''`, `'`, `\\`, `\`, `\n`, "\n", `\r`, "\r", `\0`, "\x00")
)

// enumLabels reads the labels out of enum('a','it”s').
func enumLabels(full string) []string {
	var labels []string
	for _, label := range labelPattern.FindAllStringSubmatch(full, -1) {
		labels = append(labels, labelEscapes.Replace(label[1]))
	}
	return labels
}

// constant matches a literal, possibly with its character set before it, as the
// server prints it in parentheses or without.
var constant = regexp.MustCompile(`^\(*(?:(?:_[a-z0-9]+ ?)?'(?:[^'\\]|''|\\.)*'|[xX]'[0-9a-fA-F]*'|0x[0-9a-fA-F]+|[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|true|false)\)*$`)

// readDefaults tells constants from expressions. MariaDB (10.2.7 and later) gives
// every default as an expression; MySQL gives the plain text of constants, and
// marks expressions by DEFAULT_GENERATED, in which it escapes quotes.
func (r *catalogReader) readDefaults(ctx context.Context, t *catalogTable) error {
	for i := range t.Columns {
		c, row := &t.Columns[i], &t.rows[i]
		if !row.expression.Valid || !c.Insertable || r.mariadb && row.expression.String == "NULL" {
			continue
		}
		expression, evaluate := row.expression.String, r.mariadb
		if strings.Contains(row.extra, "default_generated") {
			expression, evaluate = strings.ReplaceAll(expression, `\'`, `'`), true
		}
		switch {
		case evaluate && !constant.MatchString(expression):
			c.Made = true
			continue
		case evaluate:
			if err := sqlsink.EachRow(ctx, r.q, "default of "+t.String()+"."+c.Name, "SELECT "+expression, nil, func(rows *sql.Rows) error {
				return rows.Scan(&expression)
			}); err != nil {
				return err
			}
		case strings.HasPrefix(strings.ToUpper(expression), "CURRENT_TIMESTAMP"): // MySQL before 8.0
			c.Made = true
			continue
		}
		text, err := canonicalDefault(&c.Type, expression)
		if err != nil {
			return fmt.Errorf("default of %s.%s: %w", t, c.Name, err)
		}
		if !c.Made {
			c.Default = &text
		}
	}
	return nil
}

// canonicalDefault is but for TIMESTAMP what the server prints. Its session must
// be in UTC for that, as the sink's are.
func canonicalDefault(t *sink.Type, text string) (string, error) {
	switch t.Family {
	case sink.TimestampTZ:
		day, clock, ok := strings.Cut(text, " ")
		if !ok {
			return "", fmt.Errorf("got %q, want a date and a time", text)
		}
		return day + "T" + trimFraction(clock) + "Z", nil
	case sink.Timestamp, sink.Time:
		return trimFraction(text), nil
	case sink.Binary:
		if t.Fixed && len(text) < t.Length {
			text += strings.Repeat("\x00", t.Length-len(text))
		}
	}
	return text, nil
}

func trimFraction(clock string) string {
	if !strings.Contains(clock, ".") {
		return clock
	}
	return strings.TrimSuffix(strings.TrimRight(clock, "0"), ".")
}
