// Package sink is the contract between Lull and a SQL database: what the flusher
// writes, what the loader reads, and how a database says no. A sink gets rows and
// knows nothing of Redis. Anyone can write one; package sinktest is the suite that
// it has to pass, package sqlsink what the three built-in ones share.
//
// # What a sink guarantees
//
// Write is one transaction: all of the batch with its watermark, or nothing. It
// stores the batch's To mark in lull_lanes only where the row still holds the
// lane's epoch and the batch's From mark; otherwise it changes nothing and
// returns an error of class Fenced. A batch can therefore never be applied twice.
//
// When Write fails with class Retry, the batch is certainly not in. When it fails
// with class Ambiguous, nobody knows: the caller must call Claim (which waits for
// or ends the old transaction and raises the epoch) and compare positions.
package sink

import (
	"context"
	"fmt"
	"time"

	"github.com/lullcache/lull/value"
)

// Sink is a database. All methods may be called from several goroutines at once,
// except Claim and Write, which the one owner of the lane calls, one at a time.
type Sink interface {
	Schema
	Writer
	Reader
	// Dialect names the kind of database, as in "postgres", for messages.
	Dialect() string
	// Close ends all connections. It waits for none of them.
	Close() error
}

// ValueLimiter is a Sink whose server bounds how large a value may be.
type ValueLimiter interface {
	// ValueMax returns the most bytes that a value and the key of its row may have
	// together; 0 is no bound.
	ValueMax(ctx context.Context) (int, error)
}

// Schema reads what the database is made of and makes Lull's own tables.
type Schema interface {
	// Catalog describes the named tables ("name" or "schema.name"), all tables of
	// the default schema if none is named. A table that is not there is left out.
	Catalog(ctx context.Context, names []string) (*Catalog, error)
	// OwnDDL returns the statements that make Lull's own tables, in order; each
	// may be run again without harm.
	OwnDDL() []string
	// CreateOwn runs OwnDDL unless all the tables are there already.
	CreateOwn(ctx context.Context) error
	// OwnTable describes one of Lull's own tables for data: "lull_keys",
	// "lull_strings", "lull_hashes", "lull_zsets", "lull_sets", "lull_lists" or
	// "lull_streams". It needs no database.
	OwnTable(name string) *Table
}

// Writer carries batches into the database.
type Writer interface {
	// Lane reads the lane's row. found is false if there is none.
	Lane(ctx context.Context, id LaneID) (state LaneState, found bool, err error)
	// Claim makes the caller the owner of the lane and returns its state. It takes
	// a new epoch (at least 1 above the old), ends what this process's former
	// session may still have open there, and waits until it is over. See Claim.
	Claim(ctx context.Context, c Claim) (LaneState, error)
	// Write applies b in one transaction. Result is valid only if err is nil; its letters may
	// share the slices of b, of which nothing else may be kept: the next batch is made in them.
	Write(ctx context.Context, b *Batch) (Result, error)
	// Seal marks the lane: its watermark may lie beyond the end of the log, since
	// the log failed while SQL went on.
	Seal(ctx context.Context) error
	// Letters returns all letters of the named Lull, oldest first.
	Letters(ctx context.Context, name string) ([]Letter, error)
}

// Reader loads rows. Every Read is one snapshot.
type Reader interface {
	// Read runs the queries in one snapshot and calls row for each row found, with
	// the query's index and the values of Query.Columns. The slice is reused; the
	// values may be kept. Values come as the database's own text or number; the
	// caller canonicalises.
	Read(ctx context.Context, queries []Query, row func(query int, vals []value.Value) error) error
	// Count counts rows, or distinct tuples of the distinct columns if there are
	// any. It may return the catalog's estimate, and says so, if that is above
	// exactMax.
	Count(ctx context.Context, t *Table, distinct []int, where []Match, exactMax int64) (n int64, exact bool, err error)
}

// Floored is a Sink that does not read from a database that has gone back: a restored
// copy, or a standby that lagged and was promoted.
type Floored interface {
	// SetFloor says what the database is known to have. Until the next call Read and Count
	// fail with ErrBehind, of class Retry, where the lane has less, is gone, or is of
	// another log. It may be called at any time.
	SetFloor(f Floor)
}

// Floor is the state of a lane below which nothing is read. The zero Floor is none.
type Floor struct {
	ID    LaneID
	LogID string
	Mark  Mark
}

// Query asks for rows of one table.
type Query struct {
	Table   *Table
	Columns []int // what to return; indexes into Table.Columns
	// By and Keys: the columns By equal one of the tuples in Keys. Keys may hold
	// thousands of tuples. With no By every row matches.
	By   []int
	Keys [][]value.Value
	// Where restricts further: all must hold.
	Where []Match
	// After, with OrderBy: only rows whose OrderBy tuple is greater (smaller with
	// Descending) than After; AtAfter includes an equal one. Until likewise bounds
	// the other end, inclusive.
	OrderBy    []int
	Descending bool
	After      []value.Value
	AtAfter    bool
	Until      []value.Value
	Distinct   bool
	Limit      int // 0: none
}

// Match compares one column with a value.
type Match struct {
	Column int
	Op     string // "=", "<", "<=", ">", ">=", "is null", "is not null"
	Value  value.Value
}

// LaneID names a lane: the Lull's name (configuration `name`) and the lane's.
type LaneID struct{ Name, Lane string }

// Mark is a watermark: everything up to Position is in, and of the cut at Next,
// if Next is not 0, the first Part operations in the batch order are in too.
type Mark struct {
	Position uint64
	Next     uint64
	Part     uint64
}

// After reports whether m is further than other.
func (m Mark) After(other Mark) bool {
	if m.Position != other.Position {
		return m.Position > other.Position
	}
	return m.Next != 0 && (other.Next == 0 || m.Next == other.Next && m.Part > other.Part)
}

func (m Mark) String() string {
	if m.Next == 0 {
		return fmt.Sprintf("position %d", m.Position)
	}
	return fmt.Sprintf("position %d and %d operations towards %d", m.Position, m.Part, m.Next)
}

// LaneState is a row of lull_lanes.
type LaneState struct {
	LogID      string
	Epoch      uint64
	Mark       Mark
	Sealed     bool
	CatchingUp bool
	FlushedAt  time.Time
}

// Claim says whose lane is to be taken, and on what condition.
type Claim struct {
	ID LaneID
	// LogID names the log that the caller writes from now on.
	LogID string
	// Start is true at a process's start: the lane is taken from whoever holds it.
	// A reconnect has Start false: only where the row still holds Held (log id and
	// epoch) is the epoch raised; otherwise the error is of class Fenced.
	Start bool
	Held  LaneState
	// Mark is stored if the lane has no row yet, or if Reset is set.
	Mark  Mark
	Reset bool
	// ClearSealed clears the mark that Seal left.
	ClearSealed bool
	// Seen is the lane as it was when Mark, Reset and ClearSealed were decided on; the
	// zero LaneState says that there was none. If the row is not as it was (log id, epoch,
	// mark, seal), nothing is changed, and the error is of class Retry and wraps
	// ErrLaneMoved: the caller has to look again. nil: however it is now.
	Seen *LaneState
}

// Check reports whether the lane, now the zero LaneState if there is none, is as it was
// seen.
func (c *Claim) Check(now LaneState) error {
	if c.Seen == nil {
		return nil
	}
	was := *c.Seen
	if was.LogID == now.LogID && was.Epoch == now.Epoch && was.Mark == now.Mark && was.Sealed == now.Sealed {
		return nil
	}
	return &Error{Class: Retry, Err: fmt.Errorf("%w: it was of log %q, epoch %d, %s; now it is of log %q, epoch %d, %s",
		ErrLaneMoved, was.LogID, was.Epoch, was.Mark, now.LogID, now.Epoch, now.Mark)}
}

// Batch is one transaction's work. The sink applies, in this order: Truncate,
// Clear and Delete of all tables from the last to the first, then Put and Append
// of all tables from the first to the last (so Tables stands parents first), then
// letters, then the watermark.
type Batch struct {
	From, To   Mark
	CatchingUp bool
	// Sealed: the lane is sealed, and is to be so also if a backup has taken its place
	// that was made before.
	Sealed bool
	Tables []TableOps
	// DropLetters are letters that this batch settles besides those that its rows
	// name.
	DropLetters []int64
}

// TableOps is what a batch does to one table.
type TableOps struct {
	Table *Table
	// Key are the columns that identify a row: Row.Vals begins with them.
	Key []int
	// Truncate removes all rows; with Where only those that match.
	Truncate bool
	Where    []Match
	// ClearBy are the columns that Clear's tuples hold: all rows that match go.
	ClearBy []int
	Clear   []Row
	// Delete removes single rows; Row.Vals is the key.
	Delete []Row
	// Put holds rows by the set of columns they write.
	Put []Group
	// Parked: do not touch the table, put everything into letters with this reason.
	Parked *Reason
}

// Mode says how a group's rows get into the table.
type Mode uint8

// The modes.
const (
	// Upsert: insert, or update the row that has this key.
	Upsert Mode = iota
	// Update: the row is known to be there. A row that turns out not to be is
	// upserted.
	Update
	// Insert: the row is known not to be there. If it turns out to be, it is
	// updated.
	Insert
	// Append: insert, never look for an existing row (streams).
	Append
)

// Group is rows that write the same columns in the same way.
type Group struct {
	Mode    Mode
	Columns []int // indexes into Table.Columns, without the key columns
	Rows    []Row // Vals: key columns, then Columns
}

// Row is one row's operation.
type Row struct {
	Vals []value.Value
	// Letter is the letter that this row's earlier change lies in, 0 for none: it
	// is removed if this goes through, and replaced if it does not.
	Letter int64
}

// Result is what became of a batch that was committed.
type Result struct {
	// Letters are those newly written or replaced by this batch.
	Letters []Letter
	// Statements that were sent, and rows that were changed, for the metrics.
	Statements, Rows int
	CommittedAt      time.Time
}

// LetterState tells why a change waits in lull_dead_letters.
type LetterState string

// The states of a letter.
const (
	Refused  LetterState = "refused"  // the database refused this row
	Parked   LetterState = "parked"   // its table is gone, changed or forbidden
	Refusing LetterState = "refusing" // too many rows of its table were refused in one flush
)

// Letter is a row of lull_dead_letters: one row's operation that the database did
// not take.
type Letter struct {
	ID       int64
	State    LetterState
	Position uint64 // the cut it came from
	At       time.Time
	Reason   Reason
	Schema   string
	Table    string
	Op       LetterOp
	// Key and Columns by name, so that a letter outlives a changed mapping. The key of
	// a truncate is its conditions: the column's name, with the operator and a space
	// between unless it is "=".
	KeyNames []string
	Key      []value.Value
	Names    []string
	Vals     []value.Value
}

// LetterOp is what a letter would do.
type LetterOp string

// The operations of letters.
const (
	LetterPut      LetterOp = "put"
	LetterAppend   LetterOp = "append"
	LetterDelete   LetterOp = "delete"
	LetterClear    LetterOp = "clear"
	LetterTruncate LetterOp = "truncate"
)

// Reason is why the database refused something.
type Reason struct {
	Code    string // the database's own: SQLSTATE, errno, result code
	Message string
}
