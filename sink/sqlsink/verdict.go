package sqlsink

import (
	"context"
	"errors"

	"github.com/lullcache/lull/sink"
)

// Kind says what an error means for the transaction that met it, before COMMIT.
type Kind uint8

// The kinds.
const (
	// Lost: no definite answer of the server; the session is of no more use.
	Lost Kind = iota
	// Again: the whole transaction may work later, maybe on another server: the session
	// is given up.
	Again
	// Conflict: another transaction was in the way (a deadlock, a lock, a serialization
	// failure); the same may work at once.
	Conflict
	// Refused: this row, whatever else is in the transaction.
	Refused
	// Clash: this row as long as other rows are as they are: a unique or foreign key.
	Clash
	// Schema: a table or column is missing, of another type, or forbidden.
	Schema
	// Undone: a row was refused, and the database ended the whole transaction for it
	// (a SQLite trigger with RAISE(ROLLBACK)).
	Undone
)

// Verdict is a database error, judged.
type Verdict struct {
	Kind   Kind
	Reason sink.Reason
}

// Classify returns err as a *sink.Error, for work that is certainly not committed
// or that changes nothing. t is the table that was at work, nil for Lull's own.
func Classify(v Verdict, err error, t *sink.Table) error {
	var classified *sink.Error
	if err == nil || errors.As(err, &classified) {
		return err
	}
	e := &sink.Error{Class: sink.Retry, Reason: v.Reason, Err: err, Conflict: v.Kind == Conflict}
	switch {
	case v.Kind == Lost || v.Kind == Again || v.Kind == Conflict:
	case t == nil:
		e.Class = sink.OwnTables
	case v.Kind == Schema:
		e.Class, e.Schema, e.Table = sink.TableGone, t.Schema, t.Name
	default: // a value that does not suit the column, where nothing can be set aside
		e.Class = sink.Invalid
	}
	return e
}

func (s *Sink) failure(err error, t *sink.Table) error {
	return Classify(s.d.Judge(err), err, t)
}

// invalid returns an error of class Invalid.
func invalid(err error) error { return &sink.Error{Class: sink.Invalid, Err: err} }

// Canceled reports whether err came of the context and says nothing of the server.
func Canceled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
