package sink

import "errors"

// ErrBehind is why a read is refused: see Floored.
var ErrBehind = errors.New("the database is not where it was left")

// ErrLaneMoved is why a claim is refused: see Claim.Seen.
var ErrLaneMoved = errors.New("the lane is not as it was seen")

// Class says what a database error means for the batch that met it.
type Class uint8

// The classes. An error that is no *Error counts as Ambiguous.
const (
	// Ambiguous: it is not known whether the transaction committed.
	Ambiguous Class = iota
	// Retry: certainly not committed; the same may well work later (connection
	// refused, deadlock, serialization failure, timeout, too many connections, disk
	// full there, read-only standby, busy).
	Retry
	// Fenced: another process owns the lane, or its mark is not the expected one.
	Fenced
	// OwnTables: Lull's own tables are missing or refused.
	OwnTables
	// TableGone: a table or column is missing, of another type, or forbidden. Error
	// names the table. The batch is not in; send it again with that table parked.
	TableGone
	// Invalid: the caller's mistake; never retried.
	Invalid
)

func (c Class) String() string {
	return [...]string{"ambiguous", "retry", "fenced", "own tables", "table gone", "invalid"}[c]
}

// Error is a classified database error.
type Error struct {
	Class  Class
	Table  string // for TableGone: Table.Name
	Schema string
	Reason Reason
	Err    error
	// Conflict, with Retry: another transaction was in the way.
	Conflict bool
}

// Error says the class, but for Retry: that is what databases' errors commonly are,
// and the word would read as an order.
func (e *Error) Error() string {
	s := ""
	if e.Class != Retry {
		s = e.Class.String() + ": "
	}
	if e.Table != "" {
		s += "table " + e.Table + ": "
	}
	if e.Err != nil {
		return s + e.Err.Error()
	}
	return s + e.Reason.Message
}

func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of err: Ambiguous for any error that says nothing.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Ambiguous
}
