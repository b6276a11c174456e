//go:build !race

package wal

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// TestPowerCutWithMaps is TestPowerCutAtEveryOperation with mapped files, where the
// simulated kernel reads pages while they are written, as the real one does: the
// race detector would not have it.
func TestPowerCutWithMaps(t *testing.T) {
	seed := seedFor(t)
	o := small(nil)
	o.SyncEvery = time.Millisecond
	parallel(t, 300, func(t *testing.T, k int) {
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		fs := faultfs.New(rng.Uint64())
		fs.Maps = true
		var before []rec
		var trimmed Position
		for lives := range 3 {
			f := &life{fs: fs, rng: rng, before: before, trimmed: trimmed}
			fs.CutAt(1 + rng.IntN(200))
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
			before, trimmed = f.check(t, next, cut), f.trimmed
		}
	})
}

// TestAppendAllocatesNothing counts allocations, which the race detector adds to.
func TestAppendAllocatesNothing(t *testing.T) {
	l := mustStart(t, Options{Dir: t.TempDir()})
	defer mustClose(t, l)
	data := testRecord(0, 100)
	n := testing.AllocsPerRun(1000, func() {
		if _, err := l.Append(data); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for each record", n)
	}
}
