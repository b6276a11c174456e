package wal

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// seedFor returns the seed of a random test and prints it. LULL_SEED sets it.
func seedFor(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("LULL_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("LULL_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("LULL_SEED=%d", seed)
	return seed
}

const testDir = "log"

// small are options with segments that fill up at once.
func small(fs *faultfs.FS) Options {
	return Options{FS: fs, Dir: testDir, SegmentBytes: segmentBytesMin, SyncEvery: time.Hour}
}

type rec struct {
	pos  Position
	data string
}

// testRecord is record i of a test: a number, then filling.
func testRecord(i, size int) []byte {
	b := []byte(fmt.Sprintf("%08d", i))
	for len(b) < size {
		b = append(b, byte('a'+(i+len(b))%26))
	}
	return b
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l
}

func mustStart(t testing.TB, o Options) *Log {
	t.Helper()
	l := mustOpen(t, o)
	if err := l.Start(); err != nil {
		t.Fatalf("start: %v", err)
	}
	return l
}

func mustClose(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func mustAppend(t testing.TB, l *Log, data []byte) rec {
	t.Helper()
	if err := l.WaitRoom(t.Context()); err != nil {
		t.Fatalf("wait for room: %v", err)
	}
	pos, err := l.Append(data)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return rec{pos, string(data)}
}

func mustSync(t testing.TB, l *Log) {
	t.Helper()
	if err := l.WaitSynced(context.Background(), l.End()); err != nil {
		t.Fatalf("sync: %v", err)
	}
}

func replayAll(l *Log, after Position) (got []rec, err error) {
	err = l.Replay(after, nil, func(pos Position, data []byte) error {
		got = append(got, rec{pos, string(data)})
		return nil
	})
	return got, err
}

func mustReplay(t testing.TB, l *Log, after Position) []rec {
	t.Helper()
	got, err := replayAll(l, after)
	if err != nil {
		t.Fatalf("replay after %d: %v", after, err)
	}
	return got
}

// sameRecords fails unless got is exactly want.
func sameRecords(t testing.TB, got, want []rec) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("record %d: got %.40q at %d, want %.40q at %d", i, got[i].data, got[i].pos, want[i].data, want[i].pos)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
}

// putVersionSum makes the beginning of a header right again.
func putVersionSum(h []byte) {
	binary.LittleEndian.PutUint32(h[12:], crc32.Checksum(h[:12], castagnoli))
}
