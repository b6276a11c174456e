package wal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/proof"
)

const pageSize = 4096

// crashed is a log as a crash finds it: what was synced, what was written, and what lay in
// the files' blocks before.
type crashed struct {
	synced, written, old image
	files                []string // of the chain, oldest first
	records              []placed
	safe                 int // records that were synced
}

// placed is a record with where its bytes are.
type placed struct {
	rec
	frames []place
}

type place struct {
	file     string
	from, to int64
}

// crashedLog writes records of about size bytes into n segments of so many pages each, and
// syncs the first three of them.
func crashedLog(t *testing.T, pages, n, size int) *crashed {
	t.Helper()
	fs := faultfs.New(1)
	o := small(fs)
	o.SegmentBytes = int64(pages) * pageSize
	o.ID = "00112233445566778899aabbccddeeff"
	// An earlier life of the same blocks: the same log, frames at the same places, in
	// segments of other numbers.
	l := mustStart(t, o)
	for l.Stats().Segments < n+1 {
		mustAppend(t, l, testRecord(7, size))
	}
	mustClose(t, l)
	c := &crashed{old: image{}}
	for num := range uint64(n) {
		c.old[segmentName(testDir, num+1)] = fs.Bytes(segmentName(testDir, num+2))
	}
	fs = faultfs.New(2)
	o.FS = fs
	l = mustStart(t, o)
	for i := range 3 {
		mustAppend(t, l, testRecord(i, size))
	}
	mustSync(t, l)
	c.safe = 3
	for l.Stats().Ahead < segmentsAhead {
		time.Sleep(time.Millisecond)
	}
	c.synced = imageOf(t, fs)
	for i := c.safe; ; i++ {
		if l.Stats().Segments == n && l.active.rest() < frameSize(size) {
			break
		}
		mustAppend(t, l, testRecord(i, size))
	}
	fs = fs.Kill(1)
	l.Close()
	c.written = imageOf(t, fs)
	c.place(t, fs)
	return c
}

// place finds where records are.
func (c *crashed) place(t *testing.T, fs *faultfs.FS) {
	t.Helper()
	s, err := look(fs, testDir)
	if err != nil {
		t.Fatal(err)
	}
	c.records = placesOf(t, s)
	for _, f := range s.chain {
		c.files = append(c.files, f.name)
	}
}

// placesOf returns the records of a log with the places of their frames.
func placesOf(t *testing.T, s *survey) (all []placed) {
	t.Helper()
	var frames []place
	_, err := walk(s.fs, s.id, s.chain, positionMax, visitor{
		frame: func(seg int, f frame, rec []byte) error {
			switch f.kind {
			case kindRecord, kindFirst, kindMiddle, kindLast:
				frames = append(frames, place{s.chain[seg].name, f.off, f.next})
			}
			return nil
		},
		record: func(pos Position, data []byte) error {
			all = append(all, placed{rec{pos, string(data)}, frames})
			frames = nil
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// whole returns how many records are there, from the first on, before one that is not as
// it was written.
func (c *crashed) whole(im image) int {
	for i, r := range c.records {
		for _, f := range r.frames {
			if !bytes.Equal(im[f.file][f.from:f.to], c.written[f.file][f.from:f.to]) {
				return i
			}
		}
	}
	return len(c.records)
}

// check opens what is left, wants exactly the whole records, and that the log goes on
// behind them, with nothing coming back.
func (c *crashed) check(t *testing.T, im image, what string) {
	t.Helper()
	fs := im.fs(1)
	o := small(fs)
	o.SegmentBytes = int64(len(im[c.files[0]]))
	var want []rec
	for _, r := range c.records[:max(c.safe, c.whole(im))] {
		want = append(want, r.rec)
	}
	l, err := Open(o)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	got, err := replayAll(l, 0)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%s: got %d records and %v, wanted the first %d", what, len(got), err, len(want))
	}
	if err := l.Start(); err != nil {
		t.Fatalf("%s: start: %v", what, err)
	}
	want = append(want, mustAppend(t, l, []byte("more")))
	mustClose(t, l)
	if got, err = replayAll(mustOpen(t, o), 0); err != nil || !slices.Equal(got, want) {
		t.Fatalf("%s: after it went on: got %d records and %v, wanted %d", what, len(got), err, len(want))
	}
}

func (im image) clone() image {
	to := image{}
	for name, data := range im {
		to[name] = bytes.Clone(data)
	}
	return to
}

// TestTornLogAtEveryByte ends the last records, and the header between two segments, at
// every byte. Behind it are zeros, noise to the end of the file and in the next, or what an
// earlier life of a recycled segment left there.
func TestTornLogAtEveryByte(t *testing.T) {
	seed := seedFor(t)
	line := proof.NewLine(t, seed)
	c := crashedLog(t, 1, 2, 300)
	noisy := rand.New(rand.NewPCG(seed, 0))
	behind := map[string]func(name string, at int64, b []byte){
		"zeros": func(_ string, _ int64, b []byte) { clear(b) },
		"noise": func(_ string, _ int64, b []byte) { noise(noisy, b) },
		"old":   func(name string, at int64, b []byte) { copy(b, c.old[name][at:]) },
	}
	for kind, fill := range behind {
		tried := 0
		for i, name := range c.files {
			first := int64(0)
			if i == 0 {
				first = c.records[c.safe-1].frames[0].to
			}
			for _, at := range proof.Even(proof.Sample(t, "LULL_POWER_CUTS", 100), int(pageSize-first)) {
				cut := first + int64(at) - 1
				im := c.written.clone()
				fill(name, cut, im[name][cut:])
				for _, later := range c.files[i+1:] {
					fill(later, 0, im[later])
				}
				c.check(t, im, fmt.Sprintf("%s from byte %d of %s", kind, cut, name))
				tried++
			}
		}
		line.Tried(tried, "cuts before "+kind)
	}
}

// TestPagesLostInAnyCombination loses pages that were not synced: every combination of
// those of three segments of four pages, in favour of the zeros that were there, or of an
// earlier life's records.
func TestPagesLostInAnyCombination(t *testing.T) {
	seed := seedFor(t)
	line := proof.NewLine(t, seed)
	c := crashedLog(t, 4, 3, 1200)
	type page struct {
		file string
		at   int
	}
	var pages []page
	for _, name := range c.files {
		for at := 0; at < len(c.written[name]); at += pageSize {
			if !bytes.Equal(c.written[name][at:at+pageSize], c.synced[name][at:at+pageSize]) {
				pages = append(pages, page{name, at})
			}
		}
	}
	if len(pages) < 10 {
		t.Fatalf("only %d pages were not synced", len(pages))
	}
	var tried atomic.Int64
	combinations := proof.Even(proof.Sample(t, "LULL_POWER_COMBINATIONS", 150), 1<<len(pages))
	parallel(t, 2, func(t *testing.T, k int) {
		for _, n := range combinations {
			im := c.written.clone()
			for i, p := range pages {
				before := c.synced[p.file]
				if k == 2 && p.file != c.files[0] {
					before = c.old[p.file]
				}
				if (n-1)&(1<<i) == 0 {
					copy(im[p.file][p.at:p.at+pageSize], before[p.at:])
				}
			}
			c.check(t, im, fmt.Sprintf("combination %d of %d pages, case %d", n, len(pages), k))
			tried.Add(1)
		}
	})
	line.Tried(int(tried.Load()), "combinations of pages")
}
