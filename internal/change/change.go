// Package change says what a command did, as data: never the request itself.
//
// An atomic unit (a command, or a MULTI) is a slice of changes in the order in
// which they happened. The same slice is encoded into one log record, applied to
// the dirty set, and, after a crash, decoded and applied again.
//
// A change names its table by the table's number in a Dictionary. A table with a
// row for each key (a mapped hash or string) has Row == ""; a table with many rows
// for each key (sorted sets, sets, streams, lists, generic hashes) names the row
// within the key by Row.
package change

import "github.com/lullcache/lull/value"

// Op is the kind of a change. The numbers are in the log: never reuse one.
type Op uint8

// The kinds of change.
const (
	// Set gives columns of a row absolute values, creating the row if it is not
	// there. Columns that Cells does not name keep their values.
	Set Op = 1
	// Delete removes a row, if it is there.
	Delete Op = 2
	// Append inserts a row that no other change will name again under this
	// identity, unless it is deleted (a stream's entry).
	Append Op = 3
	// Clear removes every row of a key, in every table of the key's space.
	Clear Op = 4
	// ClearTable removes every row of a table (FLUSHDB, FLUSHALL). Key and Row are
	// empty. For a table with PerDB set only the rows of DB go.
	ClearTable Op = 5
	// add (a delta) is reserved: 6.
)

// Known says what the engine knew, when it made a Set or Delete, about the row in
// the state that this change was applied to.
type Known uint8

// What was known.
const (
	// Unknown: the row may or may not be there (a blind SET).
	Unknown Known = 0
	// Present: the row was there; an UPDATE is enough and no column but those
	// written is needed.
	Present Known = 1
	// Absent: the row was not there; an INSERT is right.
	Absent Known = 2
)

// Cell is one column's new value.
type Cell struct {
	Col uint16 // index into TableDef.Columns
	Val value.Value
}

// Change is one change. Key and Row are tuples in the form that AppendTuple
// gives: the values of the key columns, and of the columns that tell rows of one
// key apart.
type Change struct {
	Op    Op
	Known Known
	DB    uint8 // database number; 0 for mapped tables
	Table uint16
	Key   string
	Row   string
	Cells []Cell // Set and Append only
}

// TableDef is what a log record says of a table, so that replay needs no
// configuration: names only. Types come from the live database.
type TableDef struct {
	// Mapping is the mapping's name in the configuration.
	Mapping string
	// Schema and Name are the SQL table's. Schema may be empty.
	Schema, Name string
	// Space groups the tables in which a key lives as one: every mapping has a
	// space of its own, the generic tables share one. Clear speaks of a space.
	Space uint16
	// PerDB is true for generic tables, whose rows carry the database number.
	PerDB bool
	// KeyColumns and RowColumns name the columns of the key tuple and of the row
	// tuple; Columns names those that a Cell may set.
	KeyColumns, RowColumns, Columns []string
}

// Numbers of the generic tables that hold a key by themselves: a string has a row in
// the one, a key of any other kind in the other, with children that go with it. They
// are generic, and these numbers theirs, if PerDB is set.
const (
	KeysTable    = 0
	StringsTable = 1
)

// Dictionary numbers tables: Change.Table is an index into it.
type Dictionary []TableDef
