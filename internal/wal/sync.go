package wal

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/world"
)

// WaitSynced returns when everything up to p is on the disk. All that wait are
// answered by the same sync; whoever comes while one is under way goes with the
// next. Errors: that of ctx, ErrFailed, ErrClosed, ErrBeyond.
func (l *Log) WaitSynced(ctx context.Context, p Position) error { return l.WaitSyncedFor(ctx, p, 1) }

// WaitSyncedFor is WaitSynced for n who wait through one caller: a sync that is about to begin
// lets as many gather as the last one answered.
func (l *Log) WaitSyncedFor(ctx context.Context, p Position, n int) error {
	for l.Synced() < p {
		if p > l.End() {
			return fmt.Errorf("%w: waiting for %d, the end is %d", ErrBeyond, p, l.End())
		}
		done, err := l.gather(n)
		if err != nil {
			return err
		}
		if !l.o.World.Wait(ctx, world.Never, done) {
			return ctx.Err()
		}
	}
	return nil
}

// SyncHere makes everything up to p durable in the caller's own time, where a sync is
// short: if the last one took longer than most, or this one failed, it is false, and WaitSynced
// knows more.
func (l *Log) SyncHere(p Position, most time.Duration) bool {
	l.mu.Lock()
	short := l.stats.SyncLast <= most
	l.mu.Unlock()
	if short && l.Synced() < p {
		l.syncOnce(false)
	}
	return l.Synced() >= p
}

// StartSync has a sync begin, and does not wait for it.
func (l *Log) StartSync() { wake(l.wakeSync) }

// waiters are all that one sync will answer.
type waiters struct {
	done chan struct{}
	n    int
}

func newWaiters() *waiters { return &waiters{done: make(chan struct{})} }

// gather joins the waiters of the next sync that begins. Joining comes first: what
// stops the log answers all who joined before.
func (l *Log) gather(n int) (done chan struct{}, err error) {
	l.waitMu.Lock()
	done = l.gathering.done
	l.gathering.n += n
	l.waitMu.Unlock()
	l.mu.Lock()
	err = l.stopped
	l.mu.Unlock()
	wake(l.wakeSync)
	return done, err
}

// gatherYieldsMax bounds how often a sync lets others run before it begins.
const gatherYieldsMax = 4

// letGather lets those who can run come along. Those whom the last sync has answered
// would else go half with this one and half with the next, and so for ever: each sync takes
// its time for half of them. Their requests may not have come through the network yet, so
// not only other goroutines get the processor but other threads and programs too.
// No time passes in which nobody runs.
func (l *Log) letGather() {
	if _, real := l.o.World.(world.Real); !real {
		return // a simulation runs one thing at a time, and chooses what
	}
	for range gatherYieldsMax {
		runtime.Gosched()
		if l.gathered() {
			return
		}
		yieldThread()
	}
}

// gathered reports whether nearly all have come who are expected: as many as the last
// sync has answered, and those that had come by its end.
func (l *Log) gathered() bool {
	l.waitMu.Lock()
	defer l.waitMu.Unlock()
	return l.gathering.n >= l.expected-l.expected/8
}

// take ends the gathering: all who are in it have appended before.
func (l *Log) take() *waiters {
	l.waitMu.Lock()
	defer l.waitMu.Unlock()
	w := l.gathering
	l.gathering = newWaiters()
	return w
}

// answer lets go those for whom a sync is done, or will not be.
func (l *Log) answer(w *waiters) {
	l.waitMu.Lock()
	l.expected = w.n + l.gathering.n
	l.waitMu.Unlock()
	close(w.done)
}

// answerLate answers whoever came when the log had stopped.
func (l *Log) answerLate() { l.answer(l.take()) }

// syncLoop syncs whenever somebody waits, and every SyncEvery.
func (l *Log) syncLoop() {
	w := l.o.World
	due := w.Now().Add(l.o.SyncEvery)
	for {
		woken := w.Wait(l.open, due.Sub(w.Now()), l.wakeSync)
		switch {
		case l.open.Err() != nil:
			return
		case woken:
			l.letGather()
			l.syncOnce(false)
		default:
			l.syncOnce(true)
			due = w.Now().Add(l.o.SyncEvery)
		}
	}
}

// syncOnce makes durable all that is appended when it begins. An idle one also
// writes a mark that says so of the last records: without it their damage would
// look like a torn tail.
func (l *Log) syncOnce(idle bool) {
	if l.o.World.Wait(context.Background(), world.Never, l.syncing) {
		defer func() { l.syncing <- struct{}{} }()
	}
	w := l.take()
	defer l.answer(w)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil || !l.dirty && !(idle && l.marked < l.End()) {
		return
	}
	if l.durable > l.marked {
		if ok, err := l.active.putMark(l.durable, &l.frameBuf); err != nil {
			l.fail(err)
			return
		} else if ok {
			l.marked = l.durable
		}
	}
	end, durable := l.End(), l.active.position()
	segments := l.unsynced
	for _, s := range segments {
		s.passed = s.off &^ (unloadBytes - 1)
	}
	l.dirty = false
	l.mu.Unlock()
	failpoint.Hit(failpoint.BeforeSync)
	start := l.o.World.Now()
	err := syncAll(segments)
	failpoint.Hit(failpoint.AfterSync)
	took := l.o.World.Since(start)
	l.mu.Lock()
	if err != nil {
		l.fail(err)
		return
	}
	l.stats.synced(took)
	l.durable = durable
	l.synced.Store(uint64(end))
	l.releaseSynced(segments)
}

// unloadBytes is the unit, whole pages on every machine, in which what was written is
// unloaded before a sync. For less the system call costs more than it saves.
const unloadBytes = 64 << 10

// syncAll syncs segments, oldest first.
func syncAll(segments []*segment) error {
	for _, s := range segments {
		if s.mem != nil && s.passed > s.unloaded {
			s.file.Unload(s.unloaded, s.passed)
			s.unloaded = s.passed
		}
		if err := s.file.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", s.name, err)
		}
	}
	return nil
}

// releaseSynced lets go of the files of segments that were synced and are full.
// l.mu is held, but not while the files are closed.
func (l *Log) releaseSynced(synced []*segment) {
	n := len(synced) - 1 // the last was active when the sync began
	for _, s := range synced {
		s.headerSynced = true
	}
	if n == 0 {
		return
	}
	done := append([]*segment{}, synced[:n]...)
	l.unsynced = append([]*segment{}, l.unsynced[n:]...)
	l.mu.Unlock()
	for _, s := range done {
		s.file.Uncache() // only a start reads it again, or a database that went back in time
		s.release()      // all is synced: what Close says changes nothing
	}
	l.mu.Lock()
	wake(l.wakeTend) // what is trimmed may now go
}
