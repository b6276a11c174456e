package lull_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/proof"
)

// faultOps is how many file operations a run makes that has one of them fail.
const faultOps = 700

// TestFailureOfEveryOperation has the n-th file operation of a running engine fail, as a bad
// disk or a full one. Where that was on a segment that is in use, nothing is answered from
// then on; where it was in allocating, it passes without a restart. Either way reads and
// flushing go on, SQL gets everything that was answered, and the next start is a good one.
func TestFailureOfEveryOperation(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	dir := memoryDir(t)
	empty := filepath.Join(dir, "empty.db")
	catalog := makeOwnTables(t, empty)
	for _, fault := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		for _, ack := range []lull.Ack{lull.AckMemory, lull.AckDisk} {
			t.Run(fmt.Sprintf("%d/%s", fault, ack), func(t *testing.T) {
				t.Parallel()
				line := proof.NewLine(t, seed)
				for _, n := range proof.Even(proof.Sample(t, "LULL_POWER_CUTS", 12), faultOps) {
					if line.Broken() > 0 || t.Failed() {
						return
					}
					f := &faulty{fault: fault, powered: powered{line: line, ack: ack, k: n, catalog: catalog, forgotten: new(atomic.Int64)}}
					f.rng = rand.New(rand.NewPCG(seed, uint64(n)<<8|uint64(ack)))
					f.file = filepath.Join(dir, fmt.Sprintf("%d-%s-%d.db", fault, ack, n))
					copyFile(t, empty, f.file)
					synctest.Test(t, f.run)
					removeSQLite(t, f.file)
				}
			})
		}
	}
}

// faulty is an engine whose k-th file operation fails.
type faulty struct {
	powered
	fault syscall.Errno
	told  atomic.Bool // a writer was told that the log has failed
}

func (f *faulty) run(t *testing.T) {
	f.fs = faultfs.New(f.rng.Uint64())
	f.fs.FailAt(f.k, f.fault)
	for i := range f.writers {
		f.writers[i] = &proof.Writer{Name: fmt.Sprintf("w%d", i)}
	}
	if err := f.failing(t); err != nil {
		fault, _ := f.fs.Fault()
		t.Errorf("ack %s, %v at operation %d, %s of %s: %v", f.ack, f.fault, f.k, fault.Op, fault.Name, err)
		return
	}
	if f.k%3 == 0 {
		f.fs = f.fs.Kill(f.rng.Uint64())
	} else {
		f.fs = f.fs.PowerCut(f.rng.Uint64())
	}
	f.line.Tried(1, "failures")
	f.cutAt = time.Now()
	if err := f.live(t, 0); err != nil {
		t.Errorf("ack %s, %v at operation %d, the start after it: %v", f.ack, f.fault, f.k, err)
	}
}

// failing is the life in which the operation fails.
func (f *faulty) failing(t *testing.T) error {
	s := &mortal{Sink: sqliteAt(t, f.file), dead: f.fs.Gone, catalog: f.catalog}
	defer s.Close()
	db, err := onFS(t, f.fs, s, f.options)
	if err != nil {
		if !errors.Is(err, f.fault) {
			return fmt.Errorf("start: %w", err)
		}
		return nil
	}
	var work sync.WaitGroup
	for i, w := range f.writers {
		rng := rand.New(rand.NewPCG(f.rng.Uint64(), uint64(i)))
		work.Go(func() {
			if err := f.write(t, db, w, rng); err != nil {
				t.Errorf("ack %s, %v at operation %d: %s: %v", f.ack, f.fault, f.k, w.Name, err)
			}
		})
	}
	work.Wait()
	fault, happened := f.fs.Fault()
	if happened && f.inUse(fault) && !f.told.Load() {
		return errors.New("the log failed and writes went on")
	}
	if err := f.keepsServing(t, db); err != nil {
		return err
	}
	err = db.Close(context.Background())
	if f.told.Load() {
		return nil // it says how the log failed
	}
	return err
}

// inUse reports whether a fault met a segment that is written to, or names that are not
// known to be on the disk: the log has failed then.
func (f *faulty) inUse(fault faultfs.Fault) bool {
	return strings.HasSuffix(fault.Name, ".log") && (fault.Op == "write" || fault.Op == "sync")
}

// allocating reports whether a fault met a segment that is not used yet: a limit.
func (f *faulty) allocating(fault faultfs.Fault) bool {
	return strings.HasSuffix(fault.Name, ".tmp") && fault.Op != "rename" && fault.Op != "remove"
}

// write sends units until there were enough operations, or until one is refused.
func (f *faulty) write(t *testing.T, db *lull.DB, w *proof.Writer, rng *rand.Rand) error {
	for f.fs.Ops() < faultOps {
		time.Sleep(time.Duration(1+rng.IntN(8)) * time.Millisecond) // virtual: whoever has failed has said so
		fault, happened := f.fs.Fault()
		err := powerUnit(t.Context(), db, w, w.Next())
		switch {
		case errors.Is(err, lull.ErrReadOnly):
			f.told.Store(true)
			if fault, _ := f.fs.Fault(); f.allocating(fault) {
				return fmt.Errorf("%s of %s failed, which is a limit and no failure: %w", fault.Op, fault.Name, err)
			}
			return nil
		case err != nil:
			return err
		}
		w.Answered(time.Now())
		if happened && f.inUse(fault) {
			f.line.Invented.Add(1)
			return fmt.Errorf("unit %d was answered after the log had failed", w.Acked(time.Now()))
		}
	}
	return nil
}

// answered is how many units of a writer were answered.
func (p *powered) answered(i int) int { return p.writers[i].Acked(time.Now()) }

// keepsServing wants all that was answered from memory, and then in SQL.
func (f *faulty) keepsServing(t *testing.T, db *lull.DB) error {
	back, err := f.readBack(t, db)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if _, err := f.judge(back, f.answered); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), hangMax)
	defer cancel()
	if err := db.Sync(ctx); err != nil {
		return fmt.Errorf("flushing: %w", err)
	}
	if f.inSQL, err = f.judge(f.readSQL(t), f.answered); err != nil {
		return fmt.Errorf("in SQL: %w", err)
	}
	return nil
}

// TestFullDiskIsALimit fills the disk below the log. Writers are refused for as long, with
// nothing lost, and go on by themselves when there is room.
func TestFullDiskIsALimit(t *testing.T) {
	t.Parallel()
	dir := memoryDir(t)
	empty := filepath.Join(dir, "empty.db")
	catalog := makeOwnTables(t, empty)
	line := proof.NewLine(t, 0)
	synctest.Test(t, func(t *testing.T) {
		p := &powered{line: line, ack: lull.AckDisk, catalog: catalog, file: empty, fs: faultfs.New(1), rng: rand.New(rand.NewPCG(1, 0)), forgotten: new(atomic.Int64)}
		for i := range p.writers {
			p.writers[i] = &proof.Writer{Name: fmt.Sprintf("w%d", i)}
		}
		p.fs.SetCapacity(150 << 10)
		s := &mortal{Sink: sqliteAt(t, p.file), dead: p.fs.Gone, catalog: catalog}
		db, err := onFS(t, p.fs, s, func(o *lull.Options) {
			p.options(o)
			o.Flush.Lull, o.Flush.MaxDelay, o.WriteTimeout = time.Hour, time.Hour, 3*time.Second
		})
		must(t, err)
		w := p.writers[0]
		for full := range 3 {
			n := w.Next()
			for err = nil; err == nil; {
				if err = powerUnit(t.Context(), db, w, n); err == nil {
					w.Answered(time.Now())
					n = w.Next()
				}
			}
			wantErr(t, err, lull.ErrBusy)
			w.GoOn(w.Acked(time.Now())) // the last was refused
			line.Tried(1, "full disks")
			back, err := p.readBack(t, db)
			must(t, err)
			if _, err := p.judge(back, p.answered); err != nil {
				t.Error(err)
			}
			if full == 1 {
				syncDB(t, db) // what SQL has makes room
			} else {
				p.fs.SetCapacity(int64(full+2) * 150 << 10)
			}
			time.Sleep(2 * time.Second) // it is tried again every second
		}
		must(t, powerUnit(t.Context(), db, w, w.Next()))
		w.Answered(time.Now())
		must(t, db.Close(context.Background()))
		must(t, s.Close())
		p.cutAt = time.Now()
		if err := p.live(t, 0); err != nil {
			t.Error(err)
		}
	})
}
