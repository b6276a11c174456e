package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// Column is one column of a mapped table.
type Column struct {
	Name  string // the Redis field
	Index int    // in the SQL table's Columns
	// Managed columns are filled by Lull, never by a client: updated_at and expires.
	Managed bool
	sink.Column
	table string
}

// ValueError says that a column does not take a value. It is what the database
// would have said, before anything was acknowledged.
type ValueError struct {
	Table, Column string
	Value         string // shortened and quoted; empty for NULL
	What          string // as in "is not an integer"
	Allowed       string // may be empty
}

func (e *ValueError) Error() string {
	s := e.Table + "." + e.Column + ": "
	if e.Value != "" {
		s += e.Value + " "
	}
	s += e.What
	if e.Allowed != "" {
		s += "; allowed are " + e.Allowed
	}
	return s
}

// Canon checks text against the column and returns the canonical value: Int for
// Integer within int64, Float for whole FloatNum below 2^62, Bytes with the
// canonical text (see sink.Family) for all else. The error is a *ValueError. It
// keeps nothing of text.
//
// Accepted, and brought to the canonical form, is what the databases accept too:
// leading zeros and a plus sign; exponents, and zeros behind a decimal's scale
// (other digits there are refused, not rounded); true, false, t, f for Bool; labels
// in another case; UUIDs in braces or without dashes. For times see parseTime.
func (c *Column) Canon(text []byte) (value.Value, error) {
	switch c.Type.Family {
	case sink.Integer, sink.Decimal, sink.FloatNum, sink.Bool, sink.Enum, sink.Date, sink.Time, sink.Timestamp, sink.TimestampTZ:
		return c.canon(view(text)) // the values of these never share the text
	}
	return c.canon(string(text))
}

// CanonString is Canon for an immutable text, whose bytes the value may share.
func (c *Column) CanonString(text string) (value.Value, error) { return c.canon(text) }

func (c *Column) canon(s string) (value.Value, error) {
	v, bad := c.read(s)
	if bad != "" {
		return value.Value{}, c.refuse(s, bad)
	}
	return v, nil
}

// CanonLoaded brings what a sink read to the canonical form: the same that Canon
// gives for that cell. What stands in the database and Canon would not take (years
// before 1 in PostgreSQL, text in SQLite's integer columns) comes as it is, together
// with a *ValueError; it may be shown.
func (c *Column) CanonLoaded(v value.Value) (value.Value, error) {
	switch v.Kind() {
	case value.Null:
		return v, nil
	case value.Int:
		if c.Type.Family == sink.Integer {
			return v, nil
		}
	case value.Bytes:
		switch c.Type.Family {
		case sink.Text:
			return value.OfString(c.unpad(v.String())), nil
		case sink.Binary, sink.Enum:
			return v, nil
		}
	case value.Float:
		if c.Type.Family == sink.FloatNum {
			f, _ := v.Float()
			return c.float(f), nil
		}
	}
	s := v.String()
	if f, ok := v.Float(); ok && v.Kind() == value.Float {
		s = floatText(f, 64)
	}
	canonical, bad := c.read(s)
	if bad != "" {
		return value.OfString(s), c.refuse(s, bad)
	}
	return canonical, nil
}

// Null returns nil if the column takes NULL, else a *ValueError.
func (c *Column) Null() error {
	if c.Nullable {
		return nil
	}
	return &ValueError{Table: c.table, Column: c.Column.Name, What: "may not be NULL"}
}

// read returns the canonical value of s, or what is wrong with it. The value may
// share s except for the families that Canon lists.
func (c *Column) read(s string) (v value.Value, bad string) {
	switch c.Type.Family {
	case sink.Integer:
		return readInteger(&c.Type, s)
	case sink.Decimal:
		s, bad = readDecimal(&c.Type, s)
	case sink.FloatNum:
		return c.readFloat(s)
	case sink.Bool:
		s, bad = readBool(s)
	case sink.Text:
		s = c.unpad(s)
		bad = checkText(&c.Type, s)
	case sink.Binary:
		s, bad = readBinary(&c.Type, s)
	case sink.Date, sink.Time, sink.Timestamp, sink.TimestampTZ:
		s, bad = readTime(&c.Type, s)
	case sink.UUID:
		s, bad = readUUID(&c.Type, s)
	case sink.JSON:
		s, bad = readJSON(&c.Type, s)
	case sink.Enum:
		s, bad = readLabel(c.Type.Labels, s)
	default:
		bad = "cannot be written: the type " + c.Type.SQL + " is not supported"
	}
	if bad != "" {
		return value.Value{}, bad
	}
	return value.OfString(s), ""
}

// canonical returns nil if s is the canonical text of a value of the column. It
// allocates nothing for the families that keys are made of.
func (c *Column) canonical(s string) error {
	if c.Type.Family == sink.Integer && plainInteger(&c.Type, s) {
		return nil
	}
	v, bad := c.read(s)
	if bad != "" {
		return c.refuse(s, bad)
	}
	var room [64]byte
	if text := v.AppendText(room[:0]); v.Kind() != value.Bytes && string(text) != s || v.Kind() == value.Bytes && v.String() != s {
		return fmt.Errorf("%s.%s: %s must be written as %s: %w", c.table, c.Column.Name, shorten(s), shorten(v.String()), ErrNotCanonical)
	}
	return nil
}

func (c *Column) refuse(s, bad string) error {
	what, allowed, _ := strings.Cut(bad, "; allowed are ")
	return &ValueError{Table: c.table, Column: c.Column.Name, Value: shorten(s), What: what, Allowed: allowed}
}

// unpad strips the blanks with which char(n) is filled up.
func (c *Column) unpad(s string) string {
	if c.Type.Fixed {
		return strings.TrimRight(s, " ")
	}
	return s
}

// valueShownMax is how many bytes of a value a message shows.
const valueShownMax = 40

func shorten(s string) string {
	if len(s) <= valueShownMax {
		return strconv.Quote(s)
	}
	cut := valueShownMax
	for cut > valueShownMax-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "…"
}
