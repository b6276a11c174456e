package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
)

var (
	errBehind = fmt.Errorf("%w: the disk is slower than the writers, and no segment is allocated ahead", ErrFull)
	errQuit   = errors.New("the log is closing")
	// errNames: it is not known what the directory on the disk says.
	errNames = errors.New("names of segments are not durable")
)

// tendEvery is how often a full disk is tried again, and kept log looked at.
const tendEvery = time.Second

// Trim says that everything up to p is kept elsewhere. Segments that hold nothing
// later may go, when RetainBytes and RetainAge let them.
func (l *Log) Trim(p Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = max(l.trimmed, min(p, l.End()))
	now := l.o.World.Now()
	for i := 0; i+1 < len(l.chain) && l.chain[i+1].prevEnd <= l.trimmed; i++ {
		if l.chain[i].trimmedAt.IsZero() {
			l.chain[i].trimmedAt = now
		}
	}
	wake(l.wakeTend)
}

// Keep takes back what Trim has said of the log after p: it is needed again. What has
// gone meanwhile is gone; Oldest tells.
func (l *Log) Keep(p Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = min(l.trimmed, p)
	for i := 0; i+1 < len(l.chain); i++ {
		if l.chain[i+1].prevEnd > p {
			l.chain[i].trimmedAt = time.Time{}
		}
	}
}

// tendLoop keeps segments allocated ahead and lets trimmed ones go.
func (l *Log) tendLoop() {
	told := false
	for l.open.Err() == nil {
		if err := l.Err(); err == nil {
			l.tend()
		} else if !told {
			told = true
			l.o.OnEvent(Event{Kind: EventFailed, Err: err})
		}
		l.o.World.Wait(l.open, tendEvery, l.wakeTend)
	}
}

func (l *Log) tend() {
	for l.wantsMore() {
		if err := l.addReady(); err != nil {
			l.cannotAllocate(err)
			break
		}
	}
	for s := l.takeTrimmed(false); s != nil; s = l.takeTrimmed(false) {
		if err := l.remove(s); err != nil {
			l.cannotAllocate(err)
			return
		}
	}
}

func (l *Log) wantsMore() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped == nil && len(l.ready) < l.want
}

// addReady allocates one segment: from a trimmed one, else new, else from one that
// was to be kept longer.
func (l *Log) addReady() error {
	old := l.takeTrimmed(false)
	if old == nil && l.overLimit() {
		if old = l.takeTrimmed(true); old == nil {
			return fmt.Errorf("the limit of %d bytes is reached", l.o.MaxBytes)
		}
	}
	if old != nil && old.size != l.o.SegmentBytes {
		if err := l.remove(old); err != nil {
			return err
		}
		old = nil
	}
	s, err := l.allocate(old)
	if old == nil && isNoSpace(err) && !errors.Is(err, errNames) {
		if old = l.takeTrimmed(true); old != nil {
			return l.remove(old) // and come again
		}
	}
	l.mu.Lock()
	if err == nil && old == nil {
		l.bytes += s.size
	} else if err != nil && old != nil {
		l.bytes -= old.size
	}
	if err != nil {
		l.mu.Unlock()
		return err
	}
	wasFull := l.full != nil
	l.full = nil
	l.ready = append(l.ready, s)
	l.updateRoom()
	l.tellReady()
	l.mu.Unlock()
	if wasFull {
		l.o.OnEvent(Event{Kind: EventRoom})
	}
	return nil
}

func (l *Log) overLimit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.o.MaxBytes > 0 && l.bytes+l.o.SegmentBytes > l.o.MaxBytes
}

// cannotAllocate notes why, for writers to be told. Where the directory is in doubt
// the log has failed: a segment that may vanish must not be used.
func (l *Log) cannotAllocate(err error) {
	l.mu.Lock()
	was := l.full
	if errors.Is(err, errNames) {
		l.fail(err)
	} else if !errors.Is(err, errQuit) {
		l.full = fmt.Errorf("%w: %w", ErrFull, err)
	}
	l.updateRoom()
	l.tellReady()
	full := l.full
	l.mu.Unlock()
	if was == nil && full != nil {
		l.o.OnEvent(Event{Kind: EventFull, Err: full})
	}
}

// takeTrimmed takes from the chain the oldest segment that may go, nil if there is
// none. hard: even if it was to be kept longer.
func (l *Log) takeTrimmed(hard bool) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return nil // an older segment may still be there
	}
	if !l.trimmable(hard) {
		return nil
	}
	s := l.chain[0]
	l.chain = append([]*segment{}, l.chain[1:]...)
	return s
}

// trimmable reports whether the oldest segment may go. The next must be on the disk
// with its header, since the log must have a beginning, and the record that
// reaches into it, if one does, must be trimmed too.
func (l *Log) trimmable(hard bool) bool {
	if l.replaying > 0 || len(l.chain) < 2 || l.chain[0].trimmedAt.IsZero() || !l.chain[1].headerSynced {
		return false
	}
	if p, ok := beginning(l.chainFiles()[1:]); !ok || p > l.trimmed {
		return false
	}
	if hard || l.o.World.Now().Sub(l.chain[0].trimmedAt) >= l.o.RetainAge {
		return true
	}
	kept := int64(0)
	for _, s := range l.chain {
		if !s.trimmedAt.IsZero() {
			kept += s.size
		}
	}
	return kept > l.o.RetainBytes
}

// remove deletes a segment that has left the chain. One at a time, so that never a
// newer one is gone and an older one there.
func (l *Log) remove(s *segment) error {
	failpoint.Hit(failpoint.BeforeTrim)
	err := l.fs.Remove(s.name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = l.fs.SyncDir(l.o.Dir)
	}
	if err != nil {
		return fmt.Errorf("%w: remove %s: %w", errNames, s.name, err)
	}
	failpoint.Hit(failpoint.AfterTrim)
	l.mu.Lock()
	l.bytes -= s.size
	l.mu.Unlock()
	return nil
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
