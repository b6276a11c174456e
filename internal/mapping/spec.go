package mapping

import (
	"strconv"
	"strings"
	"time"
)

// Spec is one entry of `tables:`, as it was written.
type Spec struct {
	// Name is the mapping's name.
	Name string
	// Table is the SQL table, "table" or "schema.table"; empty: Name.
	Table string
	// Key is the key pattern, as in "order:{customer}:{no}".
	Key string
	// Type is hash, string, zset, set or stream.
	Type string
	// Value is a string table's value column, Member the member column of a set or
	// sorted set, Score a sorted set's score column.
	Value, Member, Score string
	// Fields renames: Redis field to column. Columns restricts a hash or stream to
	// these columns; empty: all the rest.
	Fields  map[string]string
	Columns []string
	// ID names a stream's id columns: one of text, or two of bigint.
	ID []string
	// Tail is how many entries of a stream stay in memory; 0: 10,000. OnTrim is
	// "keep" (or empty) or "delete".
	Tail   int
	OnTrim string
	// UpdatedAt names a column that takes the time of each write.
	UpdatedAt string
	// Expires names the column that holds when the row expires. OnExpire is
	// "delete", "evict", or empty: EXPIRE is refused.
	Expires, OnExpire string
	// MaxAge is how old a clean entry may get before it is loaded again; 0 with
	// MaxAgeSet: any age. Not set: a minute for hashes and strings.
	MaxAge    time.Duration
	MaxAgeSet bool
	// Warm loads the table at start.
	Warm bool
	// Cascade "forget" allows foreign keys that change rows of this table when a
	// row of another mapped table is deleted.
	Cascade string
	// Ack is memory, disk, database, or empty: the server's.
	Ack string
	// MaxLoadRows bounds the rows that one key may load; 0: the server's.
	MaxLoadRows int
	// Line is where the entry stands in File, FieldLines where its settings do (by
	// name); for messages only.
	File       string
	Line       int
	FieldLines map[string]int
}

// Problem is a complaint about a configuration.
type Problem struct {
	File string // empty if there is none
	Line int    // 0 if not known
	// Where is the setting, as in "tables.players.key". What is wrong with it, and
	// the Remedy: what to write or do instead; it may be empty.
	Where, What, Remedy string
}

func (p Problem) Error() string {
	var b strings.Builder
	switch {
	case p.File != "" && p.Line > 0:
		b.WriteString(p.File + ":" + strconv.Itoa(p.Line) + ": ")
	case p.File != "":
		b.WriteString(p.File + ": ")
	case p.Line > 0:
		b.WriteString("line " + strconv.Itoa(p.Line) + ": ")
	}
	if p.Where != "" {
		b.WriteString(p.Where + ": ")
	}
	b.WriteString(p.What)
	if p.Remedy != "" {
		b.WriteString("; " + p.Remedy)
	}
	return b.String()
}

// TableNames returns the SQL tables that specs name, for sink.Schema.Catalog.
func TableNames(specs []Spec) []string {
	names := make([]string, len(specs))
	for i := range specs {
		names[i] = specs[i].sqlName()
	}
	return names
}

// line returns where a setting of the entry stands.
func (s *Spec) line(setting string) int {
	if n := s.FieldLines[setting]; n > 0 {
		return n
	}
	return s.Line
}

// sqlName returns the SQL table's name.
func (s *Spec) sqlName() string {
	if s.Table != "" {
		return s.Table
	}
	return s.Name
}
