package wal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// life is one process's use of a log, until it ends or the power goes.
type life struct {
	fs       *faultfs.FS
	rng      *rand.Rand
	before   []rec // of the lives before that are left, trimmed ones included
	appended []rec // by this process
	synced   Position
	trimmed  Position
	oldest   Position
}

// run opens the log, checks it against what must be there, appends, syncs and trims.
func (f *life) run(t *testing.T, o Options, n int) error {
	o.FS = f.fs
	l, err := Open(o)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Start(); err != nil {
		return err
	}
	var all []rec
	f.oldest = l.Oldest()
	f.synced = l.Synced()
	for i := range n {
		size := f.rng.IntN(300)
		if f.rng.IntN(40) == 0 {
			size = f.rng.IntN(3 * segmentBytesMin)
		}
		if err := f.waitRoom(l); err != nil {
			return err
		}
		data := testRecord(i, size)
		pos, err := l.Append(data)
		if err != nil {
			return err
		}
		f.appended = append(f.appended, rec{pos, string(data)})
		switch f.rng.IntN(12) {
		case 0, 1, 2:
			if err := l.WaitSynced(context.Background(), pos); err != nil {
				return err
			}
			f.synced = pos
		case 3:
			all = append(append(all[:0], f.before...), f.appended...)
			if f.rng.IntN(3) == 0 && len(all) > 0 {
				if p := all[f.rng.IntN(len(all))].pos; p <= f.synced {
					f.trimmed = max(f.trimmed, p)
					l.Trim(p)
				}
			}
		}
	}
	if f.rng.IntN(2) == 0 {
		return l.Close()
	}
	return nil
}

// waitRoom waits for room, but not in a dead machine.
func (f *life) waitRoom(l *Log) error {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		err := l.WaitRoom(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if f.fs.Gone() {
			return faultfs.ErrGone
		}
	}
}

// check opens the log as the next process would. All that was synced must be there, of the rest
// a beginning, and nothing else. Trimmed records may come back, since removing a
// file is durable only later. It returns all records of the log's life that is left.
func (f *life) check(t *testing.T, o Options, powerCut bool) []rec {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatalf("open after the crash: %v", err)
	}
	defer l.Close()
	if l.Oldest() > f.trimmed && l.Oldest() > f.oldest {
		t.Fatalf("the log begins at %d, trimmed was %d, before it began at %d", l.Oldest(), f.trimmed, f.oldest)
	}
	got := mustReplay(t, l, l.Oldest())
	all := append(append([]rec{}, f.before...), f.appended...)
	var history []rec
	for len(all) > 0 && all[0].pos <= l.Oldest() {
		history, all = append(history, all[0]), all[1:]
	}
	if len(got) > len(all) {
		t.Fatalf("got %d records, only %d were appended", len(got), len(all))
	}
	sameRecords(t, got, all[:len(got)])
	must := f.synced
	if !powerCut && len(f.appended) > 0 {
		must = f.appended[len(f.appended)-1].pos
	}
	if len(got) < len(all) && all[len(got)].pos <= must {
		t.Fatalf("the record at %d is gone, everything up to %d was safe", all[len(got)].pos, must)
	}
	return append(history, got...)
}

// TestPowerCutAtEveryOperation lets the power go at each operation of a life, checks what
// is left, lets a second life run on it and be cut too, and a third.
func TestPowerCutAtEveryOperation(t *testing.T) {
	seed := seedFor(t)
	o := small(nil)
	o.SyncEvery = 2 * time.Millisecond
	o.RetainAge = time.Hour
	const ops = 400
	var ran atomic.Int64
	parallel(t, ops, func(t *testing.T, k int) {
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		fs := faultfs.New(rng.Uint64())
		o := o
		o.RetainBytes = int64(rng.IntN(3)) * segmentBytesMin
		var before []rec
		var trimmed Position
		for lives := range 3 {
			f := &life{fs: fs, rng: rng, before: before, trimmed: trimmed}
			switch lives {
			case 0:
				fs.CutAt(k)
			default:
				fs.CutAt(1 + rng.IntN(ops))
			}
			if err := f.run(t, o, 150); err != nil && !errors.Is(err, faultfs.ErrGone) {
				t.Fatalf("k=%d life %d: %v", k, lives, err)
			}
			cut := rng.IntN(4) > 0
			if cut {
				fs = fs.PowerCut(rng.Uint64())
			} else {
				fs = fs.Kill(rng.Uint64())
			}
			next := o
			next.FS = fs
			if before, trimmed = f.check(t, next, cut), f.trimmed; t.Failed() {
				t.Fatalf("k=%d life %d", k, lives)
			}
			ran.Add(1)
		}
	})
	t.Logf("%d lives", ran.Load())
}

// parallel runs f for 1 to n on two goroutines, as one test.
func parallel(t *testing.T, n int, f func(t *testing.T, k int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 2 {
		wg.Go(func() {
			for k := int(next.Add(1)); k <= n && !t.Failed(); k = int(next.Add(1)) {
				t.Run(fmt.Sprintf("k=%d", k), func(t *testing.T) { f(t, k) })
			}
		})
	}
	wg.Wait()
}

// TestFailureAtEveryOperation makes each operation of a life fail once, with EIO.
// Whatever the log then says was synced must outlive a power cut, and no
// record may be another.
func TestFailureAtEveryOperation(t *testing.T) {
	seed := seedFor(t)
	o := small(nil)
	o.SyncEvery = 2 * time.Millisecond
	parallel(t, 300, func(t *testing.T, k int) {
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		fs := faultfs.New(rng.Uint64())
		fs.FailAt(k, syscall.EIO)
		f := &life{fs: fs, rng: rng}
		if err := f.run(t, o, 120); err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatalf("k=%d: %v", k, err)
		}
		// The next process finds the page cache, which may show what is not on the
		// disk. What it builds upon must be made safe by its Start.
		fs = fs.Kill(rng.Uint64())
		f2 := &life{fs: fs, rng: rng, trimmed: f.trimmed}
		o := o
		o.FS = fs
		f2.before = f.check(t, o, true)
		if err := f2.run(t, o, 50); err != nil {
			t.Fatalf("k=%d, after the restart: %v", k, err)
		}
		o.FS = fs.PowerCut(rng.Uint64())
		f2.check(t, o, true)
	})
}

// TestPowerCutAsTheFirstSegmentBegins: its header may have been lost and what follows may
// not. There is no other segment to tell that this is no damage, and the log is begun anew.
func TestPowerCutAsTheFirstSegmentBegins(t *testing.T) {
	for cut := 1; ; cut++ {
		cuts := 0
		for seed := range uint64(64) {
			fs := faultfs.New(seed)
			fs.CutAt(cut)
			o := small(fs)
			o.Preamble = func(dst []byte) []byte { return append(dst, testRecord(0, 900)...) }
			l := mustOpen(t, o)
			err := l.Start()
			if !fs.Gone() {
				if err != nil {
					t.Fatal(err)
				}
				_ = l.Close() // perhaps its operations are those that come too late
				continue
			}
			cuts++
			o.FS = fs.PowerCut(seed)
			if l, err = Open(o); err == nil {
				err = l.Start()
			}
			if err != nil {
				t.Fatalf("cut at operation %d, seed %d: %v", cut, seed, err)
			}
			_ = l.Close()
		}
		if cuts == 0 {
			return
		}
	}
}
