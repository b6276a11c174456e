package sink

import "fmt"

// Catalog is what the database says of its tables.
type Catalog struct{ Tables []*Table }

// Find returns the table called name ("name" or "schema.name"), or nil.
func (c *Catalog) Find(name string) *Table {
	for _, t := range c.Tables {
		if t.Name == name || t.Schema+"."+t.Name == name {
			return t
		}
	}
	return nil
}

// Table is one live table.
type Table struct {
	Schema, Name string // Schema is empty for the default one
	Columns      []Column
	PrimaryKey   []string
	Unique       [][]string // unique keys and unique indexes on plain columns, without the primary key
	ForeignKeys  []ForeignKey
	Triggers     bool // has triggers that fire on insert or update of a row
	View         bool
}

// Column returns the index of the column called name, or -1.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// String returns the table's name as in messages.
func (t *Table) String() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Retyped returns an error that names one of the columns which holds another kind of value
// now than it had in was, so that what was made for it cannot be stored; nil if there is
// none. All kinds of numbers count as one.
func (t *Table) Retyped(was *Table, columns []string) error {
	for _, name := range columns {
		now, before := t.Column(name), was.Column(name)
		if now < 0 || before < 0 {
			continue
		}
		n, b := &t.Columns[now].Type, &was.Columns[before].Type
		if n.Family != b.Family && !(n.Family.number() && b.Family.number()) {
			return fmt.Errorf("column %s is %s now, and was %s", name, n.SQL, b.SQL)
		}
	}
	return nil
}

// Column is one column of a live table.
type Column struct {
	Name     string
	Type     Type
	Nullable bool
	// Default is the constant that the database puts in when a row is created
	// without this column, as the column's text; nil if there is none or it is not
	// a constant.
	Default *string
	// Made is true where the database makes the value itself: generated, identity,
	// serial and auto-increment columns, and defaults that are no constants (now(),
	// uuid()). Such a column is read-only for clients, unless it is a key column
	// that Insertable allows.
	Made bool
	// Insertable is true unless the database refuses a value given for the column
	// (generated columns, GENERATED ALWAYS AS IDENTITY).
	Insertable bool
	// CaseSensitive is true for text columns whose collation tells "a" from "A" and
	// does not ignore trailing spaces.
	CaseSensitive bool
}

// ForeignKey is a reference from this table's Columns to RefTable's RefColumns.
type ForeignKey struct {
	Name                 string
	Columns              []string
	RefSchema, RefTable  string
	RefColumns           []string
	OnDelete, OnUpdate   string // "no action", "restrict", "cascade", "set null", "set default"
	Deferrable, Deferred bool
}

// Family is what a column's type holds.
type Family uint8

// The families, with the canonical text that Lull shows clients and writes. A
// sink takes that text for every family and may take a faster form (an Int for
// Integer, a Float for FloatNum).
const (
	Unsupported Family = iota
	Integer            // -12
	Decimal            // 12.50, with exactly Scale digits behind the point if Scale >= 0
	FloatNum           // 1.5, 1e+300, inf, -inf, nan where the database has them
	Bool               // 1 or 0
	Text               // itself
	Binary             // itself
	Date               // 2026-01-31
	Time               // 23:59:59.123456, without trailing zeros in the fraction
	Timestamp          // 2026-01-31 23:59:59.123456, without trailing zeros in the fraction
	TimestampTZ        // 2026-01-31T23:59:59.123456Z, always UTC
	UUID               // lower case with dashes
	JSON               // json: as given, without spaces around; jsonb: as the database would write it
	Enum               // the label
)

func (f Family) number() bool { return f >= Integer && f <= Bool }

// Type is a column's type.
type Type struct {
	Family Family
	// SQL is the type as the database spells it, for messages and casts.
	SQL string
	// Bits is the width of Integer (8, 16, 24, 32, 64) and FloatNum (32, 64).
	Bits     int
	Unsigned bool
	// Precision and Scale are Decimal's; Precision 0 is unlimited, and Scale -1 any.
	// For Time, Timestamp and TimestampTZ Precision is the digits of the second's
	// fraction, 0 to 6.
	Precision, Scale int
	// Length is the most characters of Text, or the most bytes of Binary and of Text
	// with LengthInBytes; 0 is unlimited.
	Length        int
	LengthInBytes bool
	// Fixed is true for char(n) and binary(n), which the database pads or strips.
	Fixed bool
	// MaxRune is the highest code point that Text takes, 0 for all (utf8mb3: U+FFFF,
	// latin1: U+00FF); NUL is true if it takes U+0000.
	MaxRune rune
	NUL     bool
	// NoC1 is true if Text does not take U+0080 to U+009F, where MySQL's latin1 has
	// other characters.
	NoC1 bool
	// Infinite is true if FloatNum takes inf and nan, or a date type takes infinity.
	Infinite bool
	Parsed   bool     // JSON: stored parsed (jsonb), so its text is normalised
	Labels   []string // Enum
	// Numeric is true for JSON of which the database makes a number where it is one
	// (SQLite).
	Numeric bool
	// DepthMax is how deep JSON nests at most, 0 is unlimited. Where it is bounded
	// (MariaDB), escaped surrogates have to be pairs.
	DepthMax int
	// ByTime is true for UUIDs that are stored in the order of their times, which leaves
	// no room for some of versions 8 to 15 (MariaDB).
	ByTime bool
	// MinYear and MaxYear bound the date types.
	MinYear, MaxYear int
}
