package lull

import (
	"sync/atomic"

	"github.com/lullcache/lull/internal/flush"
)

// counters count what the engine does; they only rise.
type counters struct {
	changes, loads, loadQueries atomic.Uint64
	expired, evicted            atomic.Uint64
	slowed, waited              atomic.Uint64
	hits, misses                atomic.Uint64
}

// EventKind says what an Event is about.
type EventKind string

// Event is something an operator should know: the database went away or came back, a
// table is parked, a row was set aside, the log failed.
type Event struct {
	Kind EventKind
	Text string
	Err  error // may be nil
}

// The kinds of events that the engine itself makes; those of the flusher and of the
// log carry their own names.
const (
	EventDatabaseAway EventKind = "database away"
	EventRecovered    EventKind = "recovered"
	EventCheckpoint   EventKind = "checkpoint"
	EventWarm         EventKind = "warming"
)

// Calm reports whether an event is good news or plain information.
func (e Event) Calm() bool {
	switch e.Kind {
	case EventRecovered, EventCheckpoint, EventWarm, EventKind(flush.Flushing), EventKind(flush.TableBack):
		return true
	}
	return false
}
