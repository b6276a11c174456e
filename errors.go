package lull

import (
	"errors"
	"fmt"
)

// What a unit may answer. Compare with errors.Is; the text of the error returned
// says more.
var (
	// ErrWrongType: the key holds another type, or its table maps another.
	ErrWrongType = errors.New("operation against a key holding the wrong kind of value")
	// ErrNoDB: the answer needs a row that is not in memory, and the database is away.
	ErrNoDB = errors.New("the database is away")
	// ErrBusy: a limit is reached and stayed so for WriteTimeout. Nothing was done.
	ErrBusy = errors.New("busy")
	// ErrReadOnly: the log has failed; nothing can be written until a restart.
	ErrReadOnly = errors.New("the log has failed")
	// ErrFenced: another process owns the database lane.
	ErrFenced = errors.New("another process has taken over")
	// ErrStopped: what is written could not be flushed any more, until a restart: the database
	// and the log do not belong together.
	ErrStopped = errors.New("flushing has stopped")
	// ErrTimeout: the write is kept, but the database has not taken it in time.
	ErrTimeout = errors.New("the outcome is pending")
	// ErrRefused: the database refused a row of this unit; it is a dead letter now.
	ErrRefused = errors.New("refused by the database")
	// ErrUnmapped: no table maps the key.
	ErrUnmapped = errors.New("no table maps the key")
	// ErrTooManyRows: the key has more rows than MaxLoadRows.
	ErrTooManyRows = errors.New("too many rows to load")
	// ErrNoExpiry: the key's table does not let keys expire.
	ErrNoExpiry = errors.New("keys of this table cannot expire")
	// ErrTooLarge: the database could not store the value.
	ErrTooLarge = errors.New("value too large for the database")
	// ErrClosed: the DB is closed.
	ErrClosed = errors.New("closed")
	// ErrChanged: a watched key was changed before the unit.
	ErrChanged = errors.New("a watched key was changed")
)

// errMiss makes a unit run again after its missing keys were loaded.
var errMiss = errors.New("not in memory")

// wrongTableType is ErrWrongType for a mapped key.
type wrongTableType struct{ table, maps string }

func (e *wrongTableType) Error() string {
	return fmt.Sprintf("%v: table %s maps keys of type %s", ErrWrongType, e.table, e.maps)
}

func (e *wrongTableType) Unwrap() error { return ErrWrongType }
