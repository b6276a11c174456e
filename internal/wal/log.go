package wal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/world"
)

// Position is a byte offset in the endless log: the end of a record. "Everything up
// to p" are the records that end at or before p. Positions only rise; none is given
// out twice.
type Position uint64

// Log is an open log. Its methods may be called by any number of goroutines, Open,
// Start excepted.
type Log struct {
	o    Options
	fs   fsys.FS
	id   logID
	seen *survey // what Open found; nil after Start
	tail ending

	end    atomic.Uint64 // end of the last record
	synced atomic.Uint64 // end of the last record that is on the disk
	room   atomic.Pointer[roomState]

	// mu orders the appends. It is held for a copy of memory, and never for I/O
	// (but for the appends of a file system that cannot map).
	mu         sync.Mutex
	stopped    error // why nothing can be appended
	failure    error // the disk's failure, if there was one
	closed     bool
	chain      []*segment
	active     *segment      // the last of chain
	ready      []*segment    // allocated ahead
	want       int           // how many should be ready
	readyMore  chan struct{} // closed when ready has grown, or cannot
	full       error         // why the last allocation did not succeed
	dirty      bool          // appended to since the last sync began
	durable    Position      // all bytes below are on the disk
	marked     Position      // durable, as the last mark or header says
	unsynced   []*segment    // to be synced, oldest first; the last is active
	trimmed    Position
	replaying  int   // walks under way; no segment goes meanwhile
	bytes      int64 // of all segments, the ready ones included
	nextNumber uint64
	preamble   []byte // buffer
	frameBuf   []byte // buffer, for files that are not mapped
	stats      Stats

	// syncing has one in it, which whoever syncs takes for as long, before mu. It is waited for
	// through World: a process that a simulation ended keeps it.
	syncing   chan struct{}
	waitMu    sync.Mutex // guards what follows
	gathering *waiters   // those whom the next sync will answer
	expected  int        // how many they will be if all come back

	wakeSync chan struct{}
	wakeTend chan struct{}
	open     context.Context // ends when the log is closed
	quit     context.CancelFunc
	running  []<-chan struct{} // syncLoop and tendLoop
}

// Open reads what is in the directory and finds the end of the log. It writes
// nothing. Damage is a *DamageError, a newer format a *VersionError.
func Open(o Options) (*Log, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	l := &Log{
		o: o, fs: o.FS,
		stopped:   ErrNotStarted,
		want:      segmentsAhead,
		gathering: newWaiters(),
		syncing:   make(chan struct{}, 1),
		wakeSync:  make(chan struct{}, 1),
		wakeTend:  make(chan struct{}, 1),
		readyMore: make(chan struct{}),
	}
	l.syncing <- struct{}{}
	l.open, l.quit = context.WithCancel(context.Background())
	l.room.Store(&roomState{err: ErrNotStarted, changed: make(chan struct{})})
	if err := l.read(); err != nil {
		return nil, err
	}
	return l, nil
}

// ID returns the log's name, 32 hexadecimal digits. That of a new log lasts from
// Start on.
func (l *Log) ID() string { return l.id.String() }

// End returns the end of the last record, 0 if there never was one.
func (l *Log) End() Position { return Position(l.end.Load()) }

// Next returns the least position that a further record can have. All that were ever
// given out are lower, also those of records that a crash has taken. Call it after Start.
func (l *Log) Next() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.active.position()
}

// Synced returns the position up to which everything is on the disk.
func (l *Log) Synced() Position { return Position(l.synced.Load()) }

// Oldest returns the position after which a replay can begin.
func (l *Log) Oldest() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return oldest(l.chainFiles(), l.End())
}

// Bytes returns the size on disk of all segments, those kept after a trim and those
// allocated ahead included.
func (l *Log) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// Err returns the failure (ErrFailed), nil if there was none.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failure
}

// fail stops the log for good, by the first failure. l.mu is held.
func (l *Log) fail(cause error) error {
	if l.failure == nil {
		l.failure = fmt.Errorf("%w: %w", ErrFailed, cause)
		if !l.closed {
			l.stopped = l.failure
		}
		l.updateRoom()
		l.tellReady()
		wake(l.wakeSync)
		wake(l.wakeTend)
	}
	return l.failure
}

// Close syncs the log and ends its goroutines. Waiters that are not covered by the
// sync get ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed, l.stopped = true, ErrClosed
	l.updateRoom()
	l.tellReady()
	if l.seen != nil { // not started
		defer l.mu.Unlock()
		return l.releaseAll()
	}
	l.mu.Unlock()
	l.quit()
	for _, done := range l.running {
		l.o.World.Wait(context.Background(), world.Never, done)
	}
	l.syncOnce(true)
	l.syncOnce(true) // the mark that says the first one was done
	l.answerLate()
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.failure, l.releaseAll())
}

// releaseAll closes all files. l.mu is held.
func (l *Log) releaseAll() error {
	var err error
	for _, s := range append(l.unsynced, l.ready...) {
		err = errors.Join(err, s.release())
	}
	l.unsynced, l.ready = nil, nil
	return err
}

// wake makes the next receive from c succeed at once.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func newLogID(id string) (logID, error) {
	if id != "" {
		return parseLogID(id)
	}
	var b logID
	_, err := rand.Read(b[:])
	return b, err
}
