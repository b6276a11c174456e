package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lullcache/lull/internal/fsys/faultfs"
)

func TestRecordsComeBackInOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
	}{
		{"none", nil},
		{"one empty", []int{0}},
		{"empty ones", []int{0, 0, 0}},
		{"every padding", []int{8, 9, 10, 11, 12, 13, 14, 15, 16, 17}},
		{"many over several segments", bytesOf(200, 100)},
		{"one as large as a segment", []int{4096}},
		{"larger than a segment, among small ones", []int{10, 10000, 10, 9, 30000, 1}},
		{"far larger than what is allocated ahead", []int{8, 200000, 8}},
		{"ends near the ends of segments", steps(2900, 3100, 7)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := small(faultfs.New(1))
			var want []rec
			for range 3 { // three lives
				l := mustStart(t, o)
				for _, size := range c.sizes {
					data := testRecord(len(want), size)[:size]
					want = append(want, mustAppend(t, l, data))
				}
				sameRecords(t, mustReplay(t, l, 0), want)
				mustClose(t, l)
			}
			l := mustOpen(t, o)
			sameRecords(t, mustReplay(t, l, 0), want)
			for i, r := range want {
				sameRecords(t, mustReplay(t, l, r.pos), want[i+1:])
			}
			if len(want) > 0 && l.End() != want[len(want)-1].pos {
				t.Fatalf("end: got %d, want %d", l.End(), want[len(want)-1].pos)
			}
		})
	}
}

func bytesOf(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

func steps(from, to, by int) (sizes []int) {
	for n := from; n < to; n += by {
		sizes = append(sizes, n)
	}
	return sizes
}

func TestPositionsRiseOverLives(t *testing.T) {
	fs := faultfs.New(1)
	o := small(fs)
	var last Position
	for life := range 5 {
		l := mustStart(t, o)
		for i := range 20 {
			r := mustAppend(t, l, testRecord(i, 150))
			if r.pos <= last {
				t.Fatalf("life %d: got position %d after %d", life, r.pos, last)
			}
			last = r.pos
		}
		fs = fs.Kill(uint64(life))
		o.FS = fs
	}
}

func TestPreambleBeginsEverySegment(t *testing.T) {
	o := small(faultfs.New(1))
	calls := 0
	o.Preamble = func(dst []byte) []byte {
		calls++
		return fmt.Appendf(dst, "tables as of call %d", calls)
	}
	l := mustStart(t, o)
	for i := range 100 {
		mustAppend(t, l, testRecord(i, 100))
	}
	mustAppend(t, l, testRecord(100, 9000))
	mustClose(t, l)
	l = mustOpen(t, o)
	segments := l.Stats().Segments
	seen, records := 0, 0
	err := l.Replay(0, func(p []byte) error {
		seen++
		if !bytes.HasPrefix(p, []byte("tables as of call ")) {
			t.Errorf("preamble %q", p)
		}
		return nil
	}, func(Position, []byte) error {
		if records++; seen == 0 {
			t.Fatal("a record before any preamble")
		}
		return nil
	})
	if err != nil || seen != segments || records != 101 {
		t.Fatalf("got %d preambles for %d segments, %d records, error %v", seen, segments, records, err)
	}
}

func TestLogID(t *testing.T) {
	fs := faultfs.New(1)
	o := small(fs)
	o.ID = "000102030405060708090a0b0c0d0eff"
	l := mustStart(t, o)
	if l.ID() != o.ID {
		t.Fatalf("new log: got id %s, want %s", l.ID(), o.ID)
	}
	mustClose(t, l)
	o.ID = "ffffffffffffffffffffffffffffffff"
	if l = mustOpen(t, o); l.ID() != "000102030405060708090a0b0c0d0eff" {
		t.Fatalf("existing log: got id %s", l.ID())
	}
	o.ID = "nonsense"
	if _, err := Open(o); err == nil {
		t.Fatal("a nonsense id was taken")
	}
	o.ID, o.Dir = "", "other"
	a, b := mustOpen(t, o), mustOpen(t, o)
	if len(a.ID()) != 32 || a.ID() == b.ID() {
		t.Fatalf("random ids: %q and %q", a.ID(), b.ID())
	}
}

func TestOptionsComplainAllAtOnce(t *testing.T) {
	_, err := Open(Options{FS: faultfs.New(1), SegmentBytes: 5000, MaxBytes: 9000, ID: "x"})
	for _, want := range []string{"directory", "5000", "9000", `"x"`} {
		if err == nil || !bytes.Contains([]byte(err.Error()), []byte(want)) {
			t.Errorf("error %v does not mention %s", err, want)
		}
	}
}

func TestBeforeStartAndAfterClose(t *testing.T) {
	l := mustOpen(t, small(faultfs.New(1)))
	if _, err := l.Append(nil); !errors.Is(err, ErrNotStarted) {
		t.Errorf("append before start: %v", err)
	}
	if err := l.Room(); !errors.Is(err, ErrNotStarted) {
		t.Errorf("room before start: %v", err)
	}
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	r := mustAppend(t, l, []byte("x"))
	mustClose(t, l)
	mustClose(t, l)
	if _, err := l.Append(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	if err := l.WaitRoom(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("room after close: %v", err)
	}
	if err := l.WaitSynced(t.Context(), r.pos); err != nil {
		t.Errorf("close did not sync: %v", err)
	}
}

func TestWaitSynced(t *testing.T) {
	l := mustStart(t, small(faultfs.New(1)))
	defer l.Close()
	if err := l.WaitSynced(t.Context(), 0); err != nil {
		t.Fatalf("nothing to wait for: %v", err)
	}
	if err := l.WaitSynced(t.Context(), 1<<40); !errors.Is(err, ErrBeyond) {
		t.Fatalf("beyond the end: %v", err)
	}
	r := mustAppend(t, l, []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.WaitSynced(ctx, r.pos); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("with a canceled context: %v", err)
	}
	if err := l.WaitSynced(t.Context(), r.pos); err != nil || l.Synced() != r.pos {
		t.Fatalf("got %v, synced %d, want %d", err, l.Synced(), r.pos)
	}
}

func TestBackgroundSync(t *testing.T) {
	fs := faultfs.New(1)
	o := small(fs)
	o.SyncEvery = 5 * time.Millisecond
	l := mustStart(t, o)
	defer l.Close()
	r := mustAppend(t, l, []byte("x"))
	for l.Synced() < r.pos {
		time.Sleep(time.Millisecond)
	}
	// Idle: the last record gets a mark, then nothing more happens.
	time.Sleep(50 * time.Millisecond)
	before := fs.Ops()
	time.Sleep(50 * time.Millisecond)
	if after := fs.Ops(); after != before {
		t.Fatalf("an idle log went on with %d operations", after-before)
	}
	l2 := mustOpen(t, Options{FS: fs, Dir: testDir, SegmentBytes: segmentBytesMin})
	if l2.tail.durable < r.pos {
		t.Fatalf("the durable mark is %d, below the record at %d", l2.tail.durable, r.pos)
	}
}

// TestStartSyncNeedsNobodyWhoWaits: a sync that was begun ends, and no time has to pass.
func TestStartSyncNeedsNobodyWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustStart(t, small(faultfs.New(1)))
		r := mustAppend(t, l, []byte("a"))
		synctest.Wait()
		if l.Synced() >= r.pos {
			t.Fatal("synced before it was asked for")
		}
		l.StartSync()
		synctest.Wait()
		if l.Synced() < r.pos {
			t.Errorf("synced up to %d, wanted %d", l.Synced(), r.pos)
		}
		mustClose(t, l)
	})
}

func TestRecordTooLarge(t *testing.T) {
	o := small(faultfs.New(1))
	o.MaxBytes = 5 * segmentBytesMin
	l := mustStart(t, o)
	defer l.Close()
	if _, err := l.Append(make([]byte, 6*segmentBytesMin)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("got %v, want %v", err, ErrTooLarge)
	}
	want := []rec{mustAppend(t, l, []byte("goes on"))}
	sameRecords(t, mustReplay(t, l, 0), want)
}
