package wal

import (
	"context"
	"errors"

	"github.com/lullcache/lull/internal/world"
)

// roomState is what Room answers, until changed is closed.
type roomState struct {
	err     error
	changed chan struct{}
}

// Room returns nil if appends will not have to wait for the disk: at least one
// whole segment is allocated ahead. Else it is ErrFull with the reason, or why the
// log takes nothing at all. It costs one atomic load.
func (l *Log) Room() error { return l.room.Load().err }

// WaitRoom waits while Room is ErrFull. Errors: that of ctx joined to ErrFull, or
// what Room says else.
func (l *Log) WaitRoom(ctx context.Context) error {
	for {
		room := l.room.Load()
		if !errors.Is(room.err, ErrFull) {
			return room.err
		}
		if !l.o.World.Wait(ctx, world.Never, room.changed) {
			return errors.Join(room.err, ctx.Err())
		}
	}
}

// updateRoom works out what Room says. l.mu is held.
func (l *Log) updateRoom() {
	err := l.stopped
	switch {
	case err != nil || len(l.ready) > 0:
	case l.full != nil:
		err = l.full
	default:
		err = errBehind
	}
	if old := l.room.Load(); old.err != err {
		l.room.Store(&roomState{err: err, changed: make(chan struct{})})
		close(old.changed)
	}
}

// tellReady answers those who wait for ready segments. l.mu is held.
func (l *Log) tellReady() {
	close(l.readyMore)
	l.readyMore = make(chan struct{})
}

// waitReady waits until n segments are ready. It does not wait if the last attempt
// to allocate failed. l.mu is held, and let go meanwhile.
func (l *Log) waitReady(n int) error {
	for l.stopped == nil && len(l.ready) < n {
		if l.full != nil {
			return l.full
		}
		l.want = max(l.want, n)
		wake(l.wakeTend)
		more := l.readyMore
		l.mu.Unlock()
		l.o.World.Wait(l.open, world.Never, more)
		l.mu.Lock()
	}
	l.want = segmentsAhead
	return l.stopped
}
