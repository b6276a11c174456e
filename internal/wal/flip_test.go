package wal

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/proof"
)

const (
	flipFiles = 4
	flipBytes = 64 << 10 // of the log
)

// flipLog is a closed log of 64 KiB, filled to its end by two processes, with records of
// many sizes, and one that reaches over segments.
func flipLog(t testing.TB) (image, []rec) {
	fs := faultfs.New(1)
	o := small(fs)
	o.SegmentBytes = flipBytes / flipFiles
	o.ID = "00112233445566778899aabbccddeeff"
	o.Preamble = func(dst []byte) []byte { return append(dst, "preamble"...) }
	var want []rec
	for process := range 2 {
		l := mustStart(t, o)
		for i := 0; l.Stats().Segments < 1+3*process || process == 0 && i < 60 || l.active.rest() > 1<<10; i++ {
			size := 20 + 13*(i%40)
			if i == 45 {
				size = 9000
			}
			want = append(want, mustAppend(t, l, testRecord(len(want), size)))
			if i%7 == 0 {
				mustSync(t, l)
			}
		}
		mustClose(t, l)
	}
	im := imageOf(t, fs)
	total := 0
	for name, data := range im {
		if blank(data) {
			delete(im, name) // allocated ahead
		}
		total += len(im[name])
	}
	if len(im) != flipFiles || total != flipBytes {
		t.Fatalf("the log has %d files and %d bytes", len(im), total)
	}
	return im, want
}

// TestEveryFlippedBitIsSeen flips a bit of a log of 64 KiB, and the next: each is refused,
// or changes no record. Under make power it is each of its 524,288 bits.
func TestEveryFlippedBitIsSeen(t *testing.T) {
	im, want := flipLog(t)
	line := proof.NewLine(t, 0)
	const bits = flipBytes * 8
	chosen := proof.Even(proof.Sample(t, "LULL_POWER_FLIPS", 1500), bits)
	var refused, harmless, silent atomic.Int64
	parallel(t, 2, func(t *testing.T, k int) {
		fs := im.fs(1)
		for i := k - 1; i < len(chosen); i += 2 {
			at := chosen[i] - 1
			name := segmentName(testDir, uint64(1+at/8/(flipBytes/flipFiles)))
			b := &flippable(t, fs, name)[at/8%(flipBytes/flipFiles)]
			*b ^= 1 << (at % 8)
			switch got, err := openAndRead(fs); {
			case isRefusal(err):
				refused.Add(1)
			case err != nil:
				t.Fatalf("%s bit %d: %v", name, at, err)
			case slices.Equal(got, want):
				harmless.Add(1) // a bit that nobody reads, or that is there twice
			default:
				silent.Add(1)
				line.Invented.Add(1)
				t.Errorf("%s: bit %d was flipped, and %d records are not what they were", name, at, len(got))
			}
			*b ^= 1 << (at % 8)
		}
	})
	line.Tried(len(chosen), "bits flipped")
	line.Tried(int(refused.Load()), "refused")
	// Without meaning are unused bytes, the copies of headers, and the last marks.
	if refused.Load() < int64(len(chosen))*8/10 {
		t.Errorf("%d flips refused, %d harmless: wanted most to be refused", refused.Load(), harmless.Load())
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

// TestRepairKeepsEveryIntactRecord harms a log at a few random places, header, marks and
// records alike, and wants all records back of which no byte was touched: but for those
// behind a tail, where the damage took with it every mark that says that they were synced.
func TestRepairKeepsEveryIntactRecord(t *testing.T) {
	seed := seedFor(t)
	line := proof.NewLine(t, seed)
	whole, want := flipLog(t)
	s, err := look(whole.fs(1), testDir)
	if err != nil {
		t.Fatal(err)
	}
	records := placesOf(t, s)
	if len(records) != len(want) {
		t.Fatalf("%d records, wanted %d", len(records), len(want))
	}
	rounds := proof.Sample(t, "LULL_POWER_REPAIRS", 100)
	for k := range rounds {
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		im := whole.clone()
		for range 1 + rng.IntN(4) {
			data := im[segmentName(testDir, 1+rng.Uint64N(flipFiles))]
			at, most := rng.IntN(len(data)), []int{1, 30, 600, 5000}[rng.IntN(4)]
			noise(rng, data[at:min(len(data), at+1+rng.IntN(most))])
		}
		if kept, intact := repairKeeps(t, im, whole, records); kept < intact {
			line.Lost.Add(int64(intact - kept))
			t.Fatalf("k=%d: %d of %d intact records are there after the repair", k, kept, intact)
		}
	}
	line.Tried(rounds, "repairs")
}

// repairKeeps repairs and returns how many of the intact records are there then.
func repairKeeps(t *testing.T, im, whole image, records []placed) (kept, intact int) {
	t.Helper()
	fs := im.fs(1)
	report, err := Repair(fs, testDir)
	if err != nil {
		t.Fatalf("repair: %v", err)
	}
	tail, behind := report.Tail, Position(0)
	for _, s := range report.Segments {
		if s.File == tail.File {
			behind = s.Base + Position(tail.Offset)
		}
	}
	o := small(fs)
	o.SegmentBytes = flipBytes / flipFiles
	l := mustOpen(t, o)
	got := mustReplay(t, l, l.Oldest())
	for _, r := range records {
		same := true
		for _, f := range r.frames {
			same = same && bytes.Equal(im[f.file][f.from:f.to], whole[f.file][f.from:f.to])
		}
		if !same || tail.Bytes > 0 && r.pos > behind {
			continue
		}
		intact++
		if slices.Contains(got, r.rec) {
			kept++
		} else {
			t.Logf("gone: %d bytes at %d: %v", len(r.data), r.pos, r.frames)
		}
	}
	if kept < intact {
		t.Logf("report: %+v", report)
	}
	return kept, intact
}
