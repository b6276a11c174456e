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

// TestEveryFlippedBitIsSeen uses one goroutine and would take minutes under the race
// detector.
func TestEveryFlippedBitIsSeen(t *testing.T) {
	im, want := sampleLog(t)
	refused, harmless := 0, 0 // in frames
	fs := im.fs(1)
	for name, data := range im {
		end, err := lastByte(mustFile(t, fs, name), 0, int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		live := flippable(t, fs, name)
		for bit := range int(end) * 8 {
			live[bit/8] ^= 1 << (bit % 8)
			got, err := openAndRead(fs)
			switch {
			case isRefusal(err):
				refused++
			case err != nil:
				t.Fatalf("%s bit %d: %v", name, bit, err)
			default:
				sameRecords(t, got, want)
				if bit/8 >= frameStart {
					harmless++
				}
			}
			live[bit/8] ^= 1 << (bit % 8)
		}
	}
	t.Logf("%d flips refused, %d harmless", refused, harmless)
	// What may change unseen are the marks behind the last record of each process.
	if most := 4 * int(frameSize(markSize)) * 8; harmless > most || refused < 50000 {
		t.Errorf("more than the %d bits of the last marks changed unseen", most)
	}
}

// flippable returns the bytes of a file that reads see.
func flippable(t testing.TB, fs *faultfs.FS, name string) []byte {
	t.Helper()
	fs.Maps = true
	defer func() { fs.Maps = false }()
	live, err := mustFile(t, fs, name).Map()
	if err != nil {
		t.Fatal(err)
	}
	return live
}
