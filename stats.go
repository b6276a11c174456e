package lull

import (
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/internal/flush"
)

// counters count what the engine does; they only rise.
type counters struct {
	loads, loadQueries atomic.Uint64
	expired, evicted   atomic.Uint64
	slowed, waited     atomic.Uint64
	cutLongest         atomic.Int64 // ns
}

// Stats is a snapshot of what the engine does and how it is. Counts begin at the
// start of the process.
type Stats struct {
	At      time.Time
	Changes uint64 // of rows, made by units
	Dirty   DirtyStats
	Flush   FlushStats
	Log     LogStats
	Memory  MemoryStats
	Loads   LoadStats
	// WritersSlowed and WritersWaited count units that were held up near a limit, and
	// at one.
	WritersSlowed, WritersWaited uint64
	// Tables are the mapped ones, in the configuration's order, then those of Lull's
	// own that were written to.
	Tables []TableStats
	// Stopped is why nothing is written to the database any more, nil if it is: another
	// process has taken over, or the database is not where it was left.
	Stopped error
}

// DirtyStats says what SQL has not seen.
type DirtyStats struct {
	Rows, Bytes          int64
	RowsLimit, ByteLimit int64         // at either writers wait
	OldestAge            time.Duration // of the oldest change; 0 if nothing is dirty
}

// FlushStats says how the database takes what is written.
type FlushStats struct {
	State     string // flushing, retrying, own tables gone, or stopped
	Summary   string // one line: what the database takes, what writers send, what is wrong
	LastError string
	ErrorAt   time.Time
	Paused    bool
	// CatchingUp: a large cut is being written in parts.
	CatchingUp bool
	FlushedAt  time.Time // of the last transaction; zero before the first
	// Position is how far the database is in the log, Lag how many bytes of log it is
	// behind.
	Position, Lag uint64

	Batches, Rows, Statements uint64
	Pending                   int // operations of the cut that is on its way
	LastDuration, Duration    time.Duration
	// CutLongest is the longest that taking a cut stopped writers.
	CutLongest time.Duration
	// CPU is what flushing took of it, without what the garbage collector and drivers do
	// for it on other threads. 0 where the system does not tell (it does on Linux).
	CPU                time.Duration
	Retries, Ambiguous uint64
	Conflicts          uint64 // retries because another transaction was in the way
	// RowsPerSecond is what the database takes while it is written to,
	// ChangesPerSecond what writers send, both over the last seconds.
	RowsPerSecond, ChangesPerSecond float64
	// Coalesced is how many changes became one row, on the average.
	Coalesced float64

	Letters       int // in lull_dead_letters now, parked ones included
	LetterBytes   int64
	Refused       uint64 // rows that were refused since the start
	ParkedTables  int
	ParkedChanges uint64 // changes that were put aside for a parked table since the start
}

// LogStats describes the log; all zero with Log.Off.
type LogStats struct {
	On                bool
	ID                string
	Position, Synced  uint64
	Oldest            uint64 // position from which log is kept
	Bytes             int64  // of all segments on disk
	ByteLimit         int64
	Segments, Ahead   int
	Records, Recorded uint64 // records, and their bytes
	Syncs             uint64
	SyncDuration      time.Duration // of all together
	SyncLast, SyncMax time.Duration
	// Failed: the disk has failed under the log, nothing can be written until a
	// restart. Full: a limit is reached, or the disk is full; it passes by itself.
	Failed, Full error
}

// MemoryStats describes the keyspace.
type MemoryStats struct {
	Bytes, ByteLimit int64 // ByteLimit 0: none
	// Entries counts keys in memory by database number, remembered absences
	// included.
	Entries          [dbCount]int64
	Expired, Evicted uint64
	// Hits counts keys that were in memory when a unit needed them, Misses those
	// that had to be loaded first.
	Hits, Misses uint64
}

// LoadStats counts loads from the database.
type LoadStats struct{ Keys, Queries uint64 }

// TableStats describes one table.
type TableStats struct {
	Name, SQL string // of the mapping, and of the table
	Key, Type string // pattern and Redis type; empty for Lull's own tables
	Ack       Ack    // what writes to it wait for at least; 0: nothing of its own
	// Operations is how many rows' operations the database has taken since the start.
	Operations uint64
	Letters    int    // now
	Parked     string // why the table is parked, empty if it is not
}

// Stats takes a snapshot. It stops nobody for longer than it takes to read a few
// counters, and may be called every second.
func (db *DB) Stats() Stats {
	s := Stats{
		At: time.UnixMilli(db.now()), Changes: db.changes(),
		Loads:         LoadStats{Keys: db.stats.loads.Load(), Queries: db.stats.loadQueries.Load()},
		WritersSlowed: db.stats.slowed.Load(), WritersWaited: db.stats.waited.Load(),
		Flush: db.flushStats(), Log: db.logStats(), Memory: db.memoryStats(), Tables: db.tableStats(),
		Stopped: db.fencedErr(),
	}
	s.Dirty.Rows, s.Dirty.Bytes = db.unflushedRows.Load(), db.unflushedBytes.Load()
	s.Dirty.RowsLimit, s.Dirty.ByteLimit = db.opts.MaxDirtyRows, db.opts.MaxDirtyBytes
	if oldest := db.oldestDirty(); oldest > 0 && s.Dirty.Rows > 0 {
		s.Dirty.OldestAge = max(0, s.At.Sub(time.UnixMilli(oldest)))
	}
	if p := db.position(); p > s.Flush.Position && s.Dirty.Rows > 0 {
		s.Flush.Lag = p - s.Flush.Position
	}
	return s
}

// changes is how many changes units have made.
func (db *DB) changes() (n uint64) {
	for i := range db.shards {
		n += db.shards[i].changes.Load()
	}
	return n
}

// oldestDirty is the time of the oldest change that SQL has not seen, 0 if there is
// none.
func (db *DB) oldestDirty() int64 {
	if at := db.cuts.oldest(); at > 0 {
		return at
	}
	return db.firstDirty.Load()
}

func (db *DB) flushStats() FlushStats {
	f := db.flusher.Stats()
	return FlushStats{
		State: f.State, Summary: f.String(), LastError: f.LastError, ErrorAt: f.ErrorAt,
		Paused: f.Paused, CatchingUp: f.CatchingUp, FlushedAt: f.FlushedAt, Position: f.Mark.Position,
		Batches: f.Batches, Rows: f.Rows, Statements: f.Statements, Pending: f.Pending,
		LastDuration: f.LastDuration, Duration: f.DurationsSum, CPU: f.CPU,
		CutLongest: time.Duration(db.stats.cutLongest.Load()),
		Retries:    f.Retries, Ambiguous: f.Ambiguous, Conflicts: f.Conflicts,
		RowsPerSecond: f.RowsPerSecond, ChangesPerSecond: f.ChangesPerSecond, Coalesced: f.Coalesced,
		Letters: f.Letters, LetterBytes: f.LetterBytes, Refused: f.Refused,
		ParkedTables: f.ParkedTables, ParkedChanges: f.Parked,
	}
}

func (db *DB) logStats() LogStats {
	if db.log == nil {
		return LogStats{}
	}
	w := db.log.Stats()
	s := LogStats{
		On: true, ID: db.log.ID(), Position: uint64(db.log.End()), Synced: uint64(db.log.Synced()), Oldest: uint64(db.log.Oldest()),
		Bytes: w.Bytes, ByteLimit: db.opts.Log.MaxBytes, Segments: w.Segments, Ahead: w.Ahead,
		Records: uint64(w.Records), Recorded: uint64(w.RecordBytes),
		Syncs: uint64(w.Syncs), SyncDuration: w.SyncTime, SyncLast: w.SyncLast, SyncMax: w.SyncMax,
		Failed: db.log.Err(),
	}
	if s.Failed == nil {
		s.Full = db.log.Room()
	}
	return s
}

func (db *DB) memoryStats() MemoryStats {
	m := MemoryStats{
		Bytes: db.used.Load(), ByteLimit: db.memoryMax.Load(),
		Expired: db.stats.expired.Load(), Evicted: db.stats.evicted.Load(),
	}
	for i := range db.shards {
		sh := &db.shards[i]
		sh.mu.Lock()
		m.Hits, m.Misses = m.Hits+sh.lookups-sh.misses, m.Misses+sh.misses
		for n, t := range sh.dbs {
			if t != nil {
				m.Entries[n] += int64(t.Len())
			}
		}
		sh.mu.Unlock()
	}
	return m
}

func (db *DB) tableStats() (all []TableStats) {
	flushed := db.flusher.Tables()
	add := func(id int, t TableStats) {
		f := flushed[uint16(id)]
		t.Operations, t.Letters = f.Operations, f.Letters
		if f.Parked != nil {
			t.Parked = f.Parked.Message
		}
		all = append(all, t)
	}
	for _, t := range db.maps.Tables() {
		add(int(t.ID), TableStats{Name: t.Name, SQL: t.SQL.String(), Key: t.Spec.Key, Type: t.Kind.String(), Ack: db.tables[t.ID].ack})
	}
	for id, def := range db.dictionary {
		mapped := id >= genericTables && id < len(db.tables)
		if _, any := flushed[uint16(id)]; any && !mapped {
			add(id, TableStats{Name: def.Name, SQL: def.Name})
		}
	}
	return all
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
	EventCheckpoint   EventKind = "checkpoint"
	EventWarm         EventKind = "warming"
)

// Calm reports whether an event is good news or plain information.
func (e Event) Calm() bool {
	switch e.Kind {
	case EventCheckpoint, EventWarm, EventKind(flush.Flushing), EventKind(flush.TableBack):
		return true
	}
	return false
}
