package wal

import (
	"testing"

	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// FuzzReplay reads segments of arbitrary bytes. Nothing may panic, and whatever is
// accepted must be accepted again after a restart, and go on.
func FuzzReplay(f *testing.F) {
	im, _ := sampleLog(f)
	first, second := segmentName(testDir, 1), segmentName(testDir, 2)
	f.Add(im[first], im[second], uint16(0), byte(0))
	f.Add(im[first][:2000], []byte{}, uint16(1100), byte(1))
	f.Add(im[first], im[second][:1024], uint16(frameStart), byte(255))
	f.Fuzz(func(t *testing.T, a, b []byte, at uint16, x byte) {
		if len(a) > segmentBytesMin || len(b) > segmentBytesMin {
			return
		}
		if a = append([]byte{}, a...); int(at) < len(a) {
			a[at] ^= x
		}
		fs := faultfs.New(1)
		fs.Put(first, a)
		fs.Put(second, b)
		got, err := openAndRead(fs)
		if err != nil {
			mendAnything(t, fs)
			return
		}
		l := mustStart(t, small(fs))
		if len(got) > 0 {
			got = append(got, mustAppend(t, l, []byte("more")))
		}
		mustClose(t, l)
		again, err := openAndRead(fs)
		if err != nil {
			t.Fatalf("accepted once, then: %v", err)
		}
		sameRecords(t, again, got)
	})
}

// mendAnything wants a repair to end, and if it succeeds, a log that can be read.
func mendAnything(t *testing.T, fs *faultfs.FS) {
	if _, err := Repair(fs, testDir); err != nil {
		return
	}
	if _, err := openAndRead(fs); err != nil {
		t.Fatalf("after a repair: %v", err)
	}
}

// FuzzFrames reads the frames of one segment behind a valid header.
func FuzzFrames(f *testing.F) {
	im, _ := sampleLog(f)
	data := im[segmentName(testDir, 1)]
	f.Add(data[frameStart:])
	f.Add(data[frameStart:][:100])
	f.Fuzz(func(t *testing.T, frames []byte) {
		if len(frames) > segmentBytesMin-frameStart {
			return
		}
		b := append([]byte{}, data...)
		clear(b[frameStart:])
		copy(b[frameStart:], frames)
		fs := faultfs.New(1)
		fs.Put(segmentName(testDir, 1), b)
		if _, err := openAndRead(fs); err != nil {
			mendAnything(t, fs)
		}
	})
}
