package wal

import (
	"fmt"
	"time"
)

// EventKind says what happened.
type EventKind int

// The kinds of event.
const (
	// EventTailCut: Open found bytes at the end that were never durable and do not
	// form records, and Start left them out. File, Offset, Bytes.
	EventTailCut EventKind = iota + 1
	// EventFull: no segment can be allocated ahead; tried again every second. Err.
	EventFull
	// EventRoom: allocation works again.
	EventRoom
	// EventFailed: the disk failed; the log takes no more. Err.
	EventFailed
)

// Event is what the log reports of its own accord.
type Event struct {
	Kind   EventKind
	File   string
	Offset int64 // in File
	Bytes  int64
	Err    error
}

// String says it in a sentence for the server's own log.
func (e Event) String() string {
	switch e.Kind {
	case EventTailCut:
		return fmt.Sprintf("log: cut off an unfinished end of %d bytes that had not been synced: %s at offset %d", e.Bytes, e.File, e.Offset)
	case EventFull:
		return fmt.Sprintf("log: no room: %v", e.Err)
	case EventRoom:
		return "log: there is room again"
	case EventFailed:
		return fmt.Sprintf("%v; nothing more can be written until a restart", e.Err)
	}
	return fmt.Sprintf("log: event %d", e.Kind)
}

// Stats are counters since Start, and the state of now.
type Stats struct {
	Segments int   // in use or kept, without those ahead
	Ahead    int   // allocated ahead
	Bytes    int64 // of both, on disk

	Records     int64
	RecordBytes int64 // without frames

	Syncs    int64
	SyncTime time.Duration // of all syncs together
	SyncLast time.Duration
	SyncMax  time.Duration
}

func (s *Stats) synced(took time.Duration) {
	s.Syncs++
	s.SyncTime += took
	s.SyncLast = took
	s.SyncMax = max(s.SyncMax, took)
}

// Stats returns the counters.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Segments, s.Ahead, s.Bytes = len(l.chain), len(l.ready), l.bytes
	return s
}
