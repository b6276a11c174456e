package wal

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// fillUp appends until there is no room and returns what it appended.
func fillUp(t *testing.T, l *Log) (all []rec) {
	t.Helper()
	for i := range 1000 {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		err := l.WaitRoom(ctx)
		cancel()
		if errors.Is(err, ErrFull) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data := testRecord(i, 500)
		pos, err := l.Append(data)
		if err != nil {
			t.Fatalf("append with room: %v", err)
		}
		all = append(all, rec{pos, string(data)})
	}
	t.Fatal("the log never filled up")
	return nil
}

// recorder collects events.
type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *recorder) kinds() (k []EventKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		k = append(k, e.Kind)
	}
	return k
}

func TestLimitIsReachedAndLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events recorder
		o := small(faultfs.New(1))
		o.MaxBytes = 5 * segmentBytesMin
		o.OnEvent = events.add
		l := mustStart(t, o)
		all := fillUp(t, l)
		if l.Bytes() > o.MaxBytes {
			t.Fatalf("%d bytes, the limit is %d", l.Bytes(), o.MaxBytes)
		}
		if err := l.Room(); !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), "limit") {
			t.Fatalf("room: %v", err)
		}
		mustSync(t, l)
		l.Trim(l.End())
		if err := l.WaitRoom(t.Context()); err != nil {
			t.Fatal(err)
		}
		all = append(all, mustAppend(t, l, []byte("after")))
		if got := mustReplay(t, l, all[len(all)-2].pos); len(got) != 1 {
			t.Fatalf("got %d records", len(got))
		}
		mustClose(t, l)
		if k := events.kinds(); len(k) < 2 || k[0] != EventFull || k[1] != EventRoom {
			t.Fatalf("events %v", k)
		}
	})
}

func TestFullDiskIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New(1)
		fs.SetCapacity(6*segmentBytesMin + 100)
		var events recorder
		o := small(fs)
		o.OnEvent = events.add
		l := mustStart(t, o)
		all := fillUp(t, l)
		if err := l.Room(); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("room: %v", err)
		}
		// What was under way still fits; then it is refused, at once.
		for {
			pos, err := l.Append(testRecord(0, 500))
			if errors.Is(err, ErrFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rec{pos, string(testRecord(0, 500))})
		}
		mustSync(t, l)
		fs.SetCapacity(0)
		start := time.Now()
		if err := l.WaitRoom(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 2*tendEvery {
			t.Fatalf("room after %v", took)
		}
		all = append(all, mustAppend(t, l, []byte("after")))
		sameRecords(t, mustReplay(t, l, 0), all)
		mustClose(t, l)
		if k := events.kinds(); len(k) != 2 || k[0] != EventFull || k[1] != EventRoom {
			t.Fatalf("events %v", k)
		}
	})
}

func TestStartOnAFullDisk(t *testing.T) {
	fs := faultfs.New(1)
	fs.SetCapacity(100)
	l := mustOpen(t, small(fs))
	if err := l.Start(); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v", err)
	}
	fs.SetCapacity(0)
	if err := l.Start(); err != nil {
		t.Fatalf("tried again: %v", err)
	}
	mustAppend(t, l, []byte("x"))
	for l.Stats().Ahead < segmentsAhead {
		time.Sleep(time.Millisecond)
	}
	mustClose(t, l)
	// With the segments that are ready, a restart needs no space.
	fs.SetCapacity(1)
	l = mustStart(t, small(fs))
	mustAppend(t, l, []byte("y"))
	mustClose(t, l)
}

func TestRetention(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes int64
		age   time.Duration
		after time.Duration
		least int // segments kept
		most  int
	}{
		{"none", 0, 0, 0, 1, 1},
		{"no bytes", 0, time.Hour, 0, 1, 1},
		{"no age", 1 << 30, 0, 0, 1, 1},
		{"all while young", 1 << 30, time.Hour, 30 * time.Minute, 10, 99},
		{"none when old", 1 << 30, time.Hour, 61 * time.Minute, 1, 1},
		{"some by size", 3 * segmentBytesMin, time.Hour, time.Minute, 4, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := faultfs.New(1)
				o := small(fs)
				o.RetainBytes, o.RetainAge = c.bytes, c.age
				l := mustStart(t, o)
				for i := range 100 {
					mustAppend(t, l, testRecord(i, 300))
				}
				mustSync(t, l)
				l.Trim(l.End())
				time.Sleep(c.after + 2*time.Second)
				synctest.Wait()
				if n := l.Stats().Segments; n < c.least || n > c.most {
					t.Errorf("%d segments are kept, want %d to %d", n, c.least, c.most)
				}
				if err := l.Replay(l.Oldest(), nil, func(Position, []byte) error { return nil }); err != nil {
					t.Error(err)
				}
				if l.Oldest() > 0 {
					if err := l.Replay(0, nil, nil); !errors.Is(err, ErrTrimmed) {
						t.Errorf("replay from before what is kept: %v", err)
					}
				}
				mustClose(t, l)
			})
		})
	}
}

// TestRecycledSegmentsHoldNothingOld runs a log through its segments many times,
// with a replay of what is not trimmed, and a crash, now and then.
func TestRecycledSegmentsHoldNothingOld(t *testing.T) {
	seed := seedFor(t)
	fs := faultfs.New(seed)
	o := small(fs)
	l := mustStart(t, o)
	var all []rec
	from := Position(0)
	for i := range 2000 {
		all = append(all, mustAppend(t, l, testRecord(i, 200)))
		if i%7 == 0 {
			mustSync(t, l)
			from = all[len(all)-1].pos
			l.Trim(from)
			all = nil
		}
		if i%101 == 100 {
			sameRecords(t, mustReplay(t, l, from), all)
			mustSync(t, l)
			fs = fs.PowerCut(seed + uint64(i))
			l.Close()
			o.FS = fs
			l = mustStart(t, o)
			sameRecords(t, mustReplay(t, l, from), all)
		}
	}
	if n := l.Stats().Segments; n > 5 {
		t.Errorf("%d segments, though all is trimmed", n)
	}
	mustClose(t, l)
}

// TestOldFramesDoNotPass puts the content of one segment into another, as a disk
// that lost the zeroing would.
func TestOldFramesDoNotPass(t *testing.T) {
	fs := faultfs.New(1)
	l := mustStart(t, small(fs))
	mustAppend(t, l, testRecord(0, 100))
	for range 10 {
		mustAppend(t, l, testRecord(1, 100))
	}
	old, num := l.active.off, l.active.num
	mustClose(t, l)
	im := imageOf(t, fs)
	l = mustStart(t, small(fs))
	want := append(mustReplay(t, l, 0), mustAppend(t, l, testRecord(0, 100)))
	now, off := l.active.num, l.active.off
	mustSync(t, l)
	fs2 := fs.Kill(1)
	l.Close()
	im2 := imageOf(t, fs2)
	// The frames of the first segment, at the very offsets where they were.
	copy(im2[segmentName(testDir, now)][off:old], im[segmentName(testDir, num)][off:old])
	got, err := openAndRead(im2.fs(1))
	if err != nil {
		t.Fatal(err)
	}
	sameRecords(t, got, want)
}

func TestSyncFailureIsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events recorder
		fs := faultfs.New(1)
		o := small(fs)
		o.OnEvent = events.add
		l := mustStart(t, o)
		synctest.Wait()
		kept := mustAppend(t, l, []byte("safe"))
		mustSync(t, l)
		lost := mustAppend(t, l, []byte("at risk"))
		fs.FailAt(fs.Ops()+2, syscall.EIO) // a mark, then the sync
		err := l.WaitSynced(t.Context(), lost.pos)
		if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
			t.Fatalf("wait: %v", err)
		}
		for range 3 {
			if err := l.WaitSynced(t.Context(), lost.pos); !errors.Is(err, ErrFailed) {
				t.Fatalf("wait again: %v", err)
			}
			if _, err := l.Append(nil); !errors.Is(err, ErrFailed) {
				t.Fatalf("append: %v", err)
			}
			if err := l.WaitRoom(t.Context()); !errors.Is(err, ErrFailed) {
				t.Fatalf("room: %v", err)
			}
			time.Sleep(2 * time.Second)
		}
		if l.Synced() != kept.pos || !errors.Is(l.Err(), ErrFailed) {
			t.Fatalf("synced %d, error %v", l.Synced(), l.Err())
		}
		sameRecords(t, mustReplay(t, l, 0), []rec{kept, lost})
		if err := l.Close(); !errors.Is(err, ErrFailed) {
			t.Fatalf("close: %v", err)
		}
		if k := events.kinds(); len(k) != 1 || k[0] != EventFailed {
			t.Fatalf("events %v", k)
		}
	})
}

// TestReadErrorIsNoTail: a sector that cannot be read must not look like an end.
func TestReadErrorIsNoTail(t *testing.T) {
	im, _ := sampleLog(t)
	fs := &unreadable{FS: im.fs(1), name: segmentName(testDir, 1)}
	l, err := Open(Options{FS: fs, Dir: testDir, SegmentBytes: segmentBytesMin})
	if err == nil {
		_, err = replayAll(l, 0)
	}
	if !errors.Is(err, syscall.EIO) || isRefusal(err) {
		t.Fatalf("got %v", err)
	}
}

// unreadable fails all reads of a file but that of its header.
type unreadable struct {
	fsys.FS
	name string
}

func (u *unreadable) Open(name string) (fsys.File, error) {
	f, err := u.FS.Open(name)
	if err == nil && filepath.Clean(name) == u.name {
		f = badFile{f}
	}
	return f, err
}

type badFile struct{ fsys.File }

func (b badFile) ReadAt(p []byte, off int64) (int, error) {
	if off > 0 {
		return 0, syscall.EIO
	}
	return b.File.ReadAt(p, off)
}

// TestNoSpaceForNamesIsAFailure: with ENOSPC at any operation, also at one that makes a
// segment's name durable, the log either goes on as one that the next Open understands, or
// has failed.
func TestNoSpaceForNamesIsAFailure(t *testing.T) {
	for k := 20; k < 120; k++ {
		fs := faultfs.New(1)
		o := small(fs)
		o.RetainBytes, o.RetainAge, o.MaxBytes = 100*segmentBytesMin, time.Hour, 10*segmentBytesMin
		l := mustStart(t, o)
		fs.FailAt(fs.Ops()+k, syscall.ENOSPC)
		for range 250 {
			if l.WaitRoom(t.Context()) != nil {
				break
			}
			pos, err := l.Append(testRecord(0, 300))
			if err != nil {
				break
			}
			if l.WaitSynced(t.Context(), pos) != nil {
				break
			}
			l.Trim(pos)
		}
		fs = fs.Kill(1)
		l.Close()
		if _, err := Open(small(fs)); err != nil {
			t.Fatalf("ENOSPC at operation %d: %v", k, err)
		}
	}
}
