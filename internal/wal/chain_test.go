package wal

import (
	"errors"
	"testing"

	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// TestTrimWaitsForTheNextHeader: all of a full segment is synced and trimmed, and the
// next was begun but not synced. Without the old one a power cut would leave nothing.
func TestTrimWaitsForTheNextHeader(t *testing.T) {
	for seed := range uint64(30) {
		fs := faultfs.New(seed)
		l := mustStart(t, small(fs))
		var last rec
		for l.Stats().Segments == 1 {
			mustSync(t, l)
			last = mustAppend(t, l, testRecord(0, 300))
		}
		l.Trim(last.pos - 1)
		for l.Stats().Ahead < segmentsAhead {
			l.mu.Lock()
			wake(l.wakeTend)
			l.mu.Unlock()
		}
		id := l.ID()
		fs = fs.PowerCut(seed)
		l.Close()
		l = mustOpen(t, small(fs))
		if l.ID() != id || l.Oldest() >= last.pos {
			t.Fatalf("seed %d: log %s begins at %d; it was log %s, synced to before %d", seed, l.ID(), l.Oldest(), id, last.pos)
		}
	}
}

// TestVoidSegmentStaysVoid: a cut-off segment comes back after the log went on.
func TestVoidSegmentStaysVoid(t *testing.T) {
	fs := faultfs.New(1)
	l := mustStart(t, small(fs))
	var all []rec
	for l.Stats().Segments < 2 {
		all = append(all, mustAppend(t, l, testRecord(len(all), 300)))
	}
	all = append(all, mustAppend(t, l, testRecord(len(all), 300)))
	first, void := l.chain[0].name, l.active.name
	im := imageOf(t, fs.Kill(1))
	l.Close()
	im[first][all[3].pos-100]++ // a page that did not make it
	fs = im.fs(1)
	l = mustStart(t, small(fs))
	want := append(append([]rec{}, all[:3]...), mustAppend(t, l, []byte("more")))
	mustClose(t, l)
	fs.Put(void, im[void])
	got, err := openAndRead(fs)
	if err != nil {
		t.Fatal(err)
	}
	sameRecords(t, got, want)
	// Even with the missing page back.
	im[first][all[3].pos-100]--
	fs.Put(first, im[first])
	if got, err = openAndRead(fs); err != nil {
		t.Fatal(err)
	}
	sameRecords(t, got, want)
}

// TestPositionsOfLostRecordsAreNotGivenAgain: the power takes all pages of the segments
// behind the first, and goes again at each operation of the next start.
func TestPositionsOfLostRecordsAreNotGivenAgain(t *testing.T) {
	for _, blanks := range []bool{true, false} {
		for k := 0; k < 40; k++ {
			fs := faultfs.New(1)
			l := mustStart(t, small(fs))
			var last rec
			for l.Stats().Segments < 4 {
				last = mustAppend(t, l, testRecord(0, 300))
			}
			im := imageOf(t, fs.Kill(1))
			for _, s := range l.chain[1:] {
				clear(im[s.name])
				if !blanks {
					im[s.name][2000] = 1
				}
			}
			l.Close()
			fs = im.fs(1)
			fs.CutAt(k)
			if l, err := Open(small(fs)); err == nil {
				_ = l.Start()
				l.Close()
			}
			l = mustStart(t, small(fs.PowerCut(uint64(k))))
			if next := mustAppend(t, l, testRecord(1, 300)); next.pos <= last.pos {
				t.Fatalf("cut at operation %d, blanks %v: %d was given out, and then %d", k, blanks, last.pos, next.pos)
			}
			mustClose(t, l)
		}
	}
}

// TestFrameElsewhereInItsSegmentDoesNotPass: a misdirected write.
func TestFrameElsewhereInItsSegmentDoesNotPass(t *testing.T) {
	fs := faultfs.New(1)
	l := mustStart(t, small(fs))
	want := []rec{mustAppend(t, l, testRecord(0, 48)), mustAppend(t, l, testRecord(1, 48))}
	name := l.active.name
	im := imageOf(t, fs.Kill(1))
	l.Close()
	size := Position(frameSize(48))
	copy(im[name][want[1].pos:], im[name][want[0].pos-size:want[0].pos])
	got, err := openAndRead(im.fs(1))
	if err != nil {
		t.Fatal(err)
	}
	sameRecords(t, got, want)
}

// TestStartMakesTheOldEndDurable: what a killed process left is promised from Start
// on, so its damage is no tail any more.
func TestStartMakesTheOldEndDurable(t *testing.T) {
	fs := faultfs.New(1)
	l := mustStart(t, small(fs))
	r := mustAppend(t, l, testRecord(0, 100))
	name := l.active.name
	fs = fs.Kill(1)
	l.Close()
	l = mustStart(t, small(fs))
	if l.Synced() != r.pos {
		t.Fatalf("synced %d, want %d", l.Synced(), r.pos)
	}
	im := imageOf(t, fs.PowerCut(1))
	l.Close()
	im[name][r.pos-10]++
	if _, err := openAndRead(im.fs(1)); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
}

func TestShortenedFileIsDamage(t *testing.T) {
	im, _ := sampleLog(t)
	for name, data := range im {
		if blank(data) {
			continue
		}
		im[name] = data[:len(data)-1]
		if _, err := openAndRead(im.fs(1)); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%s: got %v", name, err)
		}
		im[name] = data
	}
}
