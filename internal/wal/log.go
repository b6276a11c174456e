package wal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/fsys"
)

// Position is a byte offset in the endless log: the end of a record. "Everything up
// to p" are the records that end at or before p. Positions only rise; none is given
// out twice.
type Position uint64

// Options say where and how large a log is. Zero values mean what each field says.
type Options struct {
	FS  fsys.FS // nil: the operating system's
	Dir string  // made by Start if it is not there

	// SegmentBytes is the size of a new segment, a multiple of 4096 between 4 KiB
	// and 2 GiB. 0: 64 MiB.
	SegmentBytes int64
	// MaxBytes limits all segments together, those allocated ahead included. It
	// must have room for three. 0: no limit.
	MaxBytes int64
	// RetainBytes and RetainAge keep log after it was trimmed. Whichever is
	// reached first lets go, so that 0 in either keeps none.
	RetainBytes int64
	RetainAge   time.Duration
	// SyncEvery is how often the log is synced when nobody waits for it. 0: 1 s.
	SyncEvery time.Duration
	// ID names a new log, by 32 hexadecimal digits. An existing log keeps its own.
	// Empty: a random one.
	ID string
	// Preamble appends to dst the record that begins each new segment. It is called
	// within Append and must neither block nor call the log. nil: there is none.
	Preamble func(dst []byte) []byte
	// Now is the clock. nil: time.Now.
	Now func() time.Time
	// OnEvent is told what happens in the background. It must not call Close. nil:
	// nobody is told.
	OnEvent func(Event)
}

const (
	segmentBytesDefault = 64 << 20
	syncEveryDefault    = time.Second
	segmentsAhead       = 2
	segmentsLeast       = segmentsAhead + 1
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = fsys.OS{}
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = segmentBytesDefault
	}
	if o.SyncEvery == 0 {
		o.SyncEvery = syncEveryDefault
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("log directory: want a path, got none"))
	}
	if o.SegmentBytes < segmentBytesMin || o.SegmentBytes > segmentBytesMax || o.SegmentBytes%4096 != 0 {
		errs = append(errs, fmt.Errorf("log segment of %d bytes: want a multiple of 4096 from %d to %d",
			o.SegmentBytes, segmentBytesMin, int64(segmentBytesMax)))
	}
	if o.MaxBytes != 0 && o.MaxBytes < segmentsLeast*o.SegmentBytes {
		errs = append(errs, fmt.Errorf("log limit of %d bytes: want at least %d, which is %d segments",
			o.MaxBytes, segmentsLeast*o.SegmentBytes, segmentsLeast))
	}
	if o.ID != "" {
		if _, err := parseLogID(o.ID); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Log is an open log. Its methods may be called by any number of goroutines, Open,
// SkipTo and Start excepted.
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
	active     *segment   // the last of chain
	ready      []*segment // allocated ahead
	want       int        // how many should be ready
	readyMore  sync.Cond  // ready has grown, or cannot
	full       error      // why the last allocation did not succeed
	dirty      bool       // appended to since the last sync began
	durable    Position   // all bytes below are on the disk
	marked     Position   // durable, as the last mark or header says
	unsynced   []*segment // to be synced, oldest first; the last is active
	trimmed    Position
	replaying  int   // walks under way; no segment goes meanwhile
	bytes      int64 // of all segments, the ready ones included
	nextNumber uint64
	preamble   []byte // buffer
	frameBuf   []byte // buffer, for files that are not mapped
	stats      Stats

	// waitMu guards gathering, the waiters that the next sync will answer.
	waitMu    sync.Mutex
	gathering *waiters

	wakeSync chan struct{}
	wakeTend chan struct{}
	quit     chan struct{}
	running  sync.WaitGroup // syncLoop and tendLoop
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
		wakeSync:  make(chan struct{}, 1),
		wakeTend:  make(chan struct{}, 1),
		quit:      make(chan struct{}),
	}
	l.readyMore.L = &l.mu
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

// Append adds a record of up to 1 GiB and returns its end. When it returns, the
// record survives the death of the process, but not yet of the machine: that is
// WaitSynced. Append keeps nothing of rec and allocates nothing.
//
// It waits for I/O only if the segments allocated ahead are used up, which Room
// foretells, or if the record itself is larger than they are; other appends then
// wait with it. Errors: ErrFull, ErrFailed, ErrTooLarge, ErrClosed, ErrNotStarted. After
// an error nothing of the record is in the log, except that after ErrFailed
// it may be found there by the next Open.
func (l *Log) Append(rec []byte) (Position, error) {
	sum := crc32.Checksum(rec, castagnoli)
	size := frameSize(len(rec))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped != nil {
		return 0, l.stopped
	}
	if size > l.active.rest() {
		if err := l.appendOver(rec, sum); err != nil {
			return 0, err
		}
	} else if err := l.put(kindRecord, rec, sum); err != nil {
		return 0, err
	}
	pos := l.active.position()
	l.end.Store(uint64(pos))
	l.dirty = true
	l.stats.Records++
	l.stats.RecordBytes += int64(len(rec))
	return pos, nil
}

// put writes one frame, which must fit, to the active segment. l.mu is held.
func (l *Log) put(k kind, data []byte, sum uint32) error {
	if err := l.active.put(k, data, sum, &l.frameBuf); err != nil {
		return l.fail(err)
	}
	return nil
}

// appendOver appends a record that does not fit what is left of the active segment:
// to the next, or, if it is large, in parts over several. l.mu is held, but let go
// while waiting for segments.
func (l *Log) appendOver(rec []byte, sum uint32) error {
	if len(rec) > recordBytesMax {
		return fmt.Errorf("%w: it has %d bytes, the most is %d", ErrTooLarge, len(rec), recordBytesMax)
	}
	if l.o.Preamble != nil {
		l.preamble = l.o.Preamble(l.preamble[:0])
	}
	capacity := l.o.SegmentBytes - frameStart - frameSize(len(l.preamble))
	if capacity < segmentBytesMin/4 {
		return fmt.Errorf("%w: the preamble has %d bytes, a segment %d", ErrTooLarge, len(l.preamble), l.o.SegmentBytes)
	}
	split := frameSize(len(rec)) > capacity/8
	for frameSize(len(rec)) > l.active.rest() {
		rolls := 1
		if split {
			rolls = partsAfter(int64(len(rec)), l.active.rest(), capacity)
		}
		if l.o.MaxBytes > 0 && int64(rolls+1)*l.o.SegmentBytes > l.o.MaxBytes {
			return fmt.Errorf("%w: it has %d bytes, and MaxBytes is %d", ErrTooLarge, len(rec), l.o.MaxBytes)
		}
		if len(l.ready) < rolls {
			if err := l.waitReady(rolls); err != nil {
				return err
			}
			continue // others may have appended meanwhile
		}
		if split {
			return l.putParts(rec)
		}
		if err := l.roll(0); err != nil {
			return err
		}
	}
	return l.put(kindRecord, rec, sum)
}

// partBytesMin is the least rest of a segment that a first part is put in.
const partBytesMin = 64

// partsAfter returns how many further segments n bytes need that begin in rest.
func partsAfter(n, rest, capacity int64) int {
	if rest >= frameHeader+partBytesMin {
		n -= rest - frameHeader
	}
	room := capacity - frameHeader
	return int((n + room - 1) / room)
}

// putParts writes a record over the rest of the active segment and those that are
// ready, of which there are enough.
func (l *Log) putParts(rec []byte) error {
	k, done := kindFirst, 0
	for done < len(rec) {
		room := l.active.rest() - frameHeader
		if room < partBytesMin {
			if err := l.roll(done); err != nil {
				return err
			}
			continue
		}
		part := rec[done:min(len(rec), done+int(room))]
		if done+len(part) == len(rec) {
			k = kindLast
			if done == 0 {
				k = kindRecord
			}
		}
		if err := l.put(k, part, crc32.Checksum(part, castagnoli)); err != nil {
			return err
		}
		k, done = kindMiddle, done+len(part)
	}
	return nil
}

// roll goes on to the first segment that is ready, in the middle of a record of
// which carried bytes are written. l.mu is held.
func (l *Log) roll(carried int) error {
	failpoint.Hit(failpoint.BeforeSegment)
	next, old := l.ready[0], l.active
	l.ready = l.ready[1:]
	next.header = header{
		id: l.id, number: next.num, base: old.base + Position(old.size), size: next.size,
		prev: old.num, prevEnd: l.End(), after: l.End(),
		durable: l.durable, carried: uint64(carried), created: l.o.Now().UnixNano(),
	}
	next.state = headerValid
	if err := next.putHeader(); err != nil {
		return l.fail(err)
	}
	l.marked = l.durable
	l.active = next
	l.chain = append(l.chain, next)
	l.unsynced = append(l.unsynced, next)
	l.updateRoom()
	wake(l.wakeTend)
	failpoint.Hit(failpoint.AfterSegment)
	return l.putPreamble()
}

// putPreamble begins the active segment with what l.preamble holds.
func (l *Log) putPreamble() error {
	if l.o.Preamble == nil {
		return nil
	}
	return l.put(kindPreamble, l.preamble, crc32.Checksum(l.preamble, castagnoli))
}

// fail stops the log for good, by the first failure. l.mu is held.
func (l *Log) fail(cause error) error {
	if l.failure == nil {
		l.failure = fmt.Errorf("%w: %w", ErrFailed, cause)
		if !l.closed {
			l.stopped = l.failure
		}
		l.updateRoom()
		l.readyMore.Broadcast()
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
	l.readyMore.Broadcast()
	if l.seen != nil { // not started
		defer l.mu.Unlock()
		return l.releaseAll()
	}
	l.mu.Unlock()
	close(l.quit)
	l.running.Wait()
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

// WaitSynced returns when everything up to p is on the disk. All that wait are
// answered by the same sync; whoever comes while one is under way goes with the
// next. Errors: that of ctx, ErrFailed, ErrClosed, ErrBeyond.
func (l *Log) WaitSynced(ctx context.Context, p Position) error {
	for l.Synced() < p {
		if p > l.End() {
			return fmt.Errorf("%w: waiting for %d, the end is %d", ErrBeyond, p, l.End())
		}
		done, err := l.gather()
		if err != nil {
			return err
		}
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func newLogID(id string) (logID, error) {
	if id != "" {
		return parseLogID(id)
	}
	var b logID
	_, err := rand.Read(b[:])
	return b, err
}
