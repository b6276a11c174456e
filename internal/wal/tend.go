package wal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/fsys"
)

var (
	errBehind = fmt.Errorf("%w: the disk is slower than the writers, and no segment is allocated ahead", ErrFull)
	errQuit   = errors.New("the log is closing")
	// errNames: it is not known what the directory on the disk says.
	errNames = errors.New("names of segments are not durable")
)

// tendEvery is how often a full disk is tried again, and kept log looked at.
const tendEvery = time.Second

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
		select {
		case <-room.changed:
		case <-ctx.Done():
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

// waitReady waits until n segments are ready. It does not wait if the last attempt
// to allocate failed. l.mu is held, and let go meanwhile.
func (l *Log) waitReady(n int) error {
	for l.stopped == nil && len(l.ready) < n {
		if l.full != nil {
			return l.full
		}
		l.want = max(l.want, n)
		wake(l.wakeTend)
		l.readyMore.Wait()
	}
	l.want = segmentsAhead
	return l.stopped
}

// Trim says that everything up to p is kept elsewhere. Segments that hold nothing
// later may go, when RetainBytes and RetainAge let them.
func (l *Log) Trim(p Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = max(l.trimmed, min(p, l.End()))
	now := l.o.Now()
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
	defer l.running.Done()
	every := time.NewTicker(tendEvery)
	defer every.Stop()
	told := false
	for {
		if err := l.Err(); err == nil {
			l.tend()
		} else if !told {
			told = true
			l.o.OnEvent(Event{Kind: EventFailed, Err: err})
		}
		select {
		case <-l.wakeTend:
		case <-every.C:
		case <-l.quit:
			return
		}
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
	if old == nil && isNoSpace(err) {
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
	l.readyMore.Broadcast()
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
	l.readyMore.Broadcast()
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
	if hard || l.o.Now().Sub(l.chain[0].trimmedAt) >= l.o.RetainAge {
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

// allocate makes a segment full of zeros that is on the disk, with its name, from
// old if that is not nil. Under its own name there is never anything but zeros until
// it is used.
func (l *Log) allocate(old *segment) (*segment, error) {
	temp := tempName(l.o.Dir)
	file, err := l.openTemp(temp, old)
	if err != nil {
		return nil, err
	}
	s, err := l.fill(file)
	if err == nil {
		if err = l.fs.Rename(temp, s.name); err != nil && !isNoSpace(err) {
			err = fmt.Errorf("%w: %w", errNames, err)
		}
	}
	if err != nil {
		file.Close()
		l.fs.Remove(temp) // the next attempt begins with that too
		return nil, fmt.Errorf("allocate a segment: %w", err)
	}
	if err := l.fs.SyncDir(l.o.Dir); err != nil {
		file.Close()
		return nil, fmt.Errorf("%w: allocate a segment: %w", errNames, err)
	}
	return s, nil
}

func (l *Log) openTemp(temp string, old *segment) (fsys.File, error) {
	if old == nil {
		if err := l.fs.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("allocate a segment: %w", err)
		}
		file, err := l.fs.Create(temp)
		if err != nil {
			return nil, fmt.Errorf("allocate a segment: %w", err)
		}
		return file, nil
	}
	failpoint.Hit(failpoint.BeforeTrim)
	err := l.fs.Rename(old.name, temp)
	if err == nil {
		err = l.fs.SyncDir(l.o.Dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: recycle %s: %w", errNames, old.name, err)
	}
	failpoint.Hit(failpoint.AfterTrim)
	return l.fs.Open(temp)
}

// zeroesPerSync bounds what a commit's sync may have to queue behind.
const zeroesPerSync = 8 << 20

// fill makes a file of zeros of it and gives it the next number.
func (l *Log) fill(file fsys.File) (*segment, error) {
	size := l.o.SegmentBytes
	if err := file.Allocate(size); err != nil {
		return nil, err
	}
	for off := int64(0); off < size; {
		select {
		case <-l.quit:
			return nil, errQuit
		default:
		}
		n := min(int64(len(zeros)), size-off)
		if _, err := file.WriteAt(zeros[:n], off); err != nil {
			return nil, err
		}
		if off += n; off%zeroesPerSync == 0 || off == size {
			if err := file.Sync(); err != nil {
				return nil, err
			}
		}
	}
	l.nextNumber++
	return l.newSegment(l.nextNumber-1, file)
}

func isNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
