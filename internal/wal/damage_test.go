package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// image is the bytes of a log's files.
type image map[string][]byte

func imageOf(t testing.TB, fs *faultfs.FS) image {
	t.Helper()
	names, err := fs.ReadDir(testDir)
	if err != nil {
		t.Fatal(err)
	}
	im := image{}
	for _, name := range names {
		path := filepath.Join(testDir, name)
		im[path] = fs.Bytes(path)
	}
	return im
}

func (im image) fs(seed uint64) *faultfs.FS {
	fs := faultfs.New(seed)
	for name, data := range im {
		fs.Put(name, data)
	}
	return fs
}

// sampleLog is a closed log of a few segments from two processes, with a record
// that reaches over segments.
func sampleLog(t testing.TB) (image, []rec) {
	fs := faultfs.New(1)
	o := small(fs)
	o.ID = "00112233445566778899aabbccddeeff"
	o.Preamble = func(dst []byte) []byte { return append(dst, "preamble"...) }
	var want []rec
	for range 2 {
		l := mustStart(t, o)
		for i := range 9 {
			size := 40 + 7*i
			if i == 4 {
				size = 3500
			}
			want = append(want, mustAppend(t, l, testRecord(len(want), size)))
			if i%3 == 0 {
				mustSync(t, l)
			}
		}
		mustClose(t, l)
	}
	return imageOf(t, fs), want
}

// openAndRead opens a log and reads all of it.
func openAndRead(fs *faultfs.FS) ([]rec, error) {
	l, err := Open(small(fs))
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return replayAll(l, l.Oldest())
}

func isRefusal(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion)
}

func mustFile(t testing.TB, fs *faultfs.FS, name string) fsys.File {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTornTailAtEveryByte cuts what a killed process left behind at every byte.
func TestTornTailAtEveryByte(t *testing.T) {
	fs := faultfs.New(1)
	l := mustStart(t, small(fs))
	var want []rec
	for i := range 6 {
		want = append(want, mustAppend(t, l, testRecord(i, 30+i)))
	}
	name := segmentName(testDir, l.active.num)
	end := l.active.off
	im := imageOf(t, fs.Kill(1))
	l.Close() // fails: its machine is gone
	whole := im[name]
	for cut := int64(frameStart); cut <= end; cut++ {
		for _, noise := range []bool{false, true} {
			data := append([]byte{}, whole...)
			for i := cut; i < end; i++ {
				if data[i] = 0; noise {
					data[i] = byte(i*7 + cut)
				}
			}
			im[name] = data
			fs := im.fs(1)
			got, err := openAndRead(fs)
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			n := 0
			for n < len(want) && (dataEnd(want[n]) <= cut && !noise || int64(want[n].pos) <= cut) {
				n++
			}
			sameRecords(t, got, want[:n])
			// It goes on behind the cut.
			l := mustStart(t, small(fs))
			more := append(got, mustAppend(t, l, []byte("more")))
			mustClose(t, l)
			sameRecords(t, mustReplay(t, mustOpen(t, small(fs)), 0), more)
		}
	}
}

// dataEnd is where the data of a record in the first segment end, and padding
// begins.
func dataEnd(r rec) int64 {
	return int64(r.pos) - frameSize(len(r.data)) + frameHeader + int64(len(r.data))
}

func TestTailCutIsReported(t *testing.T) {
	fs := faultfs.New(1)
	l := mustStart(t, small(fs))
	mustAppend(t, l, testRecord(0, 100))
	r := mustAppend(t, l, testRecord(1, 100))
	name := segmentName(testDir, l.active.num)
	im := imageOf(t, fs.Kill(1))
	l.Close()
	im[name][r.pos-50]++
	o := small(im.fs(1))
	var events []Event
	o.OnEvent = func(e Event) { events = append(events, e) }
	l = mustOpen(t, o)
	if len(events) != 1 || events[0].Kind != EventTailCut || events[0].File != name ||
		events[0].Offset != int64(l.End()) || events[0].Bytes == 0 {
		t.Fatalf("events: %v, end %d", events, l.End())
	}
	if !strings.Contains(events[0].String(), name) {
		t.Fatalf("event text: %s", events[0])
	}
}

func TestDamageSaysWhatToDo(t *testing.T) {
	im, _ := sampleLog(t)
	name := segmentName(testDir, 1)
	im[name][frameStart+100]++
	_, err := openAndRead(im.fs(1))
	var damage *DamageError
	if !errors.As(err, &damage) || damage.File != name || damage.Offset < frameStart || damage.Offset > frameStart+100 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{name, "offset", "lull log verify", "lull log repair"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %q", err, want)
		}
	}
}

func TestNewerVersionStops(t *testing.T) {
	im, _ := sampleLog(t)
	name := segmentName(testDir, 2)
	for _, at := range []int{0, headerCopyAt} {
		h := im[name][at:]
		h[8] = 7
		putVersionSum(h)
	}
	_, err := openAndRead(im.fs(1))
	var version *VersionError
	if !errors.As(err, &version) || version.Got != 7 || version.File != name {
		t.Fatalf("got %v", err)
	}
}

// TestRepair damages a log in many ways, and wants the intact records back, where
// they were.
func TestRepair(t *testing.T) {
	seed := seedFor(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	first := segmentName(testDir, 1)
	for _, c := range []struct {
		name string
		lost int // records at most
		harm func(im image)
	}{
		{"nothing", 0, func(image) {}},
		{"a bit of a record", 1, func(im image) { im[first][frameStart+80] ^= 4 }},
		{"a frame's length", 1, func(im image) { im[first][frameStart+24+4] ^= 0x80 }},
		{"the preamble before a record's last part", 0, func(im image) { im[segmentName(testDir, 2)][frameStart+8] ^= 1 }},
		{"a sector", 9, func(im image) { copy(im[first][frameStart+512:], make([]byte, 512)) }},
		{"first header of a segment", 0, func(im image) { clear(im[first][:headerCopyAt]) }},
		{"both headers of the first segment", 0, func(im image) { clear(im[first][:frameStart]) }},
		{"both headers of the second segment", 1, func(im image) { clear(im[segmentName(testDir, 2)][:frameStart]) }},
		{"both headers of the last segment", 1, func(im image) { noise(rng, im[lastUsed(im)][:frameStart]) }},
		{"a whole segment of noise", 9, func(im image) { noise(rng, im[segmentName(testDir, 2)]) }},
		{"the first segment is missing", 9, func(im image) { delete(im, first) }},
		{"the second segment is missing", 9, func(im image) { delete(im, segmentName(testDir, 2)) }},
		{"a truncated segment", 9, func(im image) { im[first] = im[first][:2048] }},
		{"noise in every segment", 18, func(im image) {
			for name := range im {
				if !blank(im[name]) {
					noise(rng, im[name][frameStart+rng.IntN(2000):][:40])
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			im, want := sampleLog(t)
			c.harm(im)
			checkRepair(t, im, want, c.lost)
		})
	}
}

func noise(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
}

func lastUsed(im image) (last string) {
	for name, data := range im {
		if !blank(data) && name > last {
			last = name
		}
	}
	return last
}

// checkRepair repairs and wants a log that opens, has all records but at most lost,
// at their positions, and goes on.
func checkRepair(t *testing.T, im image, want []rec, lost int) {
	t.Helper()
	fs := im.fs(1)
	before, err := Verify(fs, testDir)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if now := imageOf(t, fs); len(now) != len(im) {
		t.Fatal("verify changed files")
	}
	report, err := Repair(fs, testDir)
	if err != nil {
		t.Fatalf("repair: %v", err)
	}
	if len(report.Damage) != len(before.Damage) || report.Records != before.Records {
		t.Fatalf("repair did not do what verify said: %+v, %+v", report, before)
	}
	got, err := openAndRead(fs)
	if err != nil {
		t.Fatalf("read after repair: %v (report %+v)", err, report)
	}
	subsequence(t, got, want)
	if len(want)-len(got) > lost || int64(len(got)) != report.Records {
		t.Fatalf("%d of %d records came back, the report says %d; damage %v, lost %v",
			len(got), len(want), report.Records, report.Damage, report.Lost)
	}
	if len(got) < len(want) && len(report.Lost) == 0 && report.Tail.Bytes == 0 && report.Oldest == 0 {
		t.Fatalf("%d records are gone and the report says nothing", len(want)-len(got))
	}
	again, err := Verify(fs, testDir)
	if err != nil || len(again.Damage) > 0 {
		t.Fatalf("verify after repair: %v, %v", err, again.Damage)
	}
	l := mustStart(t, small(fs))
	got = append(got, mustAppend(t, l, []byte("more")))
	mustClose(t, l)
	l = mustOpen(t, small(fs))
	sameRecords(t, mustReplay(t, l, l.Oldest()), got)
}

// subsequence fails unless got is want without some.
func subsequence(t *testing.T, got, want []rec) {
	t.Helper()
	i := 0
	for _, r := range got {
		for i < len(want) && want[i] != r {
			i++
		}
		if i == len(want) {
			t.Fatalf("a record that nobody wrote there: %.60q at %d", r.data, r.pos)
		}
	}
}

// TestRepairOfRandomDamage harms a log at random places.
func TestRepairOfRandomDamage(t *testing.T) {
	seed := seedFor(t)
	for k := range 300 {
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		im, want := sampleLog(t)
		var used []string
		for n := uint64(1); n < 20; n++ {
			if data := im[segmentName(testDir, n)]; len(data) > 0 && !blank(data) {
				used = append(used, segmentName(testDir, n))
			}
		}
		for range 1 + rng.IntN(4) {
			data := im[used[rng.IntN(len(used))]]
			at := rng.IntN(len(data))
			noise(rng, data[at:min(len(data), at+1+rng.IntN(200))])
		}
		checkRepair(t, im, want, len(want))
		if t.Failed() {
			t.Fatalf("k=%d", k)
		}
	}
}

// TestALostPreambleIsNotReplacedByAnother: two processes wrote with preambles of their own.
// Where that of a segment is damaged, its records come after the same from elsewhere, or not
// at all.
func TestALostPreambleIsNotReplacedByAnother(t *testing.T) {
	fs := faultfs.New(1)
	all := func(l *Log) (got []string, err error) {
		now := ""
		err = l.Replay(0, func(p []byte) error { now = string(p); return nil }, func(_ Position, rec []byte) error {
			got = append(got, now+" "+string(rec[:8]))
			return nil
		})
		return got, err
	}
	var numbers [][]*segment
	n := 0
	for life, segments := range []int{1, 3, 1} {
		o := small(fs)
		o.Preamble = func(dst []byte) []byte { return fmt.Appendf(dst, "preamble %d", life) }
		l := mustStart(t, o)
		from := len(l.chain) - 1
		for len(l.chain) < from+segments || n < 3 {
			mustAppend(t, l, testRecord(n, 300))
			n++
		}
		mustAppend(t, l, testRecord(n, 300))
		n++
		numbers = append(numbers, l.chain[from:])
		mustClose(t, l)
	}
	l := mustOpen(t, small(fs))
	want, err := all(l)
	if err != nil || len(want) != n {
		t.Fatal(len(want), err)
	}
	im := imageOf(t, fs.Kill(1))
	for _, c := range []struct {
		segment *segment
		found   bool
	}{{numbers[0][0], false}, {numbers[1][0], true}, {numbers[1][1], true}, {numbers[1][2], true}, {numbers[2][0], false}} {
		damaged := im.clone()
		damaged[c.segment.name][frameStart+frameHeader]++
		fs := damaged.fs(1)
		if _, err := Repair(fs, testDir); err != nil {
			t.Fatal(err)
		}
		got, err := all(mustOpen(t, small(fs)))
		if c.found && (err != nil || !slices.Equal(got, want)) {
			t.Errorf("%s: %q, %v", c.segment.name, got, err)
		}
		if !c.found && (!errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "preamble")) {
			t.Errorf("%s: %q, %v", c.segment.name, got, err)
		}
	}
}
