package flush

import "errors"

// Errors.
var (
	// ErrStopped: the flusher has stopped; nothing will reach the database until the
	// next start. The wrapped error says why.
	ErrStopped = errors.New("flushing has stopped")
	// ErrFenced: another process has taken the lane over.
	ErrFenced = errors.New("another process writes this lane now")
	// ErrMark: the database's mark is none that this process can go on from.
	ErrMark = errors.New("the database is not where it was left")
	// ErrNoLetter: there is no letter of this number.
	ErrNoLetter = errors.New("no such letter")
)

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	// DatabaseAway: a flush failed and is retried; told once, until Flushing.
	DatabaseAway EventKind = "database away"
	// Flushing: a flush went through after DatabaseAway or OwnTablesGone.
	Flushing EventKind = "flushing"
	// OwnTablesGone: Lull's own tables are missing or refused.
	OwnTablesGone EventKind = "own tables gone"
	// TableParked and TableBack: a table is gone, changed or forbidden; it is right again.
	TableParked EventKind = "table parked"
	TableBack   EventKind = "table back"
	// RowsRefused: rows were put in letters.
	RowsRefused EventKind = "rows refused"
	// GivenUp: a removal that the database had refused was dropped, since rows were
	// written after it.
	GivenUp EventKind = "removal given up"
	// Sealed: the log has failed, and SQL goes on beyond its end.
	Sealed EventKind = "lane sealed"
	// Rewound: the database is older than it was, and is brought up again from the log.
	Rewound EventKind = "database went back"
	// Stopped: the end; see ErrStopped.
	Stopped EventKind = "flushing stopped"
)

// Event is something that an operator should know.
type Event struct {
	Kind  EventKind
	Table string // the table's name, if it is about one
	Text  string
	Err   error // may be nil
}

// About is the table and the text.
func (e Event) About() string {
	if e.Table == "" || e.Text == "" {
		return e.Table + e.Text
	}
	return e.Table + ": " + e.Text
}
