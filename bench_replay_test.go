package lull_test

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// BenchmarkReplay reads a log of a million units, as a start does after a crash. The least
// CPU time of the rounds is the steadiest figure on a busy machine.
func BenchmarkReplay(b *testing.B) {
	const records = 1_000_000
	for _, name := range []string{"SET", "HSET", "INCR", "SET-1M-keys"} {
		b.Run(name, func(b *testing.B) {
			db := replayDB(b)
			keys := int64(benchKeys)
			if name == "SET-1M-keys" {
				keys = 1_000_000
			}
			writeUnits(b, db, name, records, keys)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			least := time.Duration(math.MaxInt64)
			b.ResetTimer()
			for range b.N {
				cpu := cpuTime()
				if rows, err := lull.Replay(db); err != nil || rows == 0 {
					b.Fatalf("%d rows, %v", rows, err)
				}
				least = min(least, cpuTime()-cpu)
			}
			b.StopTimer()
			runtime.ReadMemStats(&after)
			done := float64(b.N) * records
			b.ReportMetric(done/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(least.Nanoseconds())/records, "least-cpu-ns/record")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/done, "B/record")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/done, "allocs/record")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// replayDB is an engine that never flushes.
func replayDB(b *testing.B) *lull.DB {
	b.Helper()
	p := newPlace(b, "sqlite")
	db, err := lull.Open(b.Context(), lull.Options{DataDir: b.TempDir(), Sink: p.sink(b), Ack: lull.AckMemory,
		MaxDirtyRows: 100_000_000, MaxDirtyBytes: 1 << 40, ShutdownTimeout: time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	db.Pause()
	b.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = db.Close(ended) // what is dirty is of no worth
	})
	return db
}

func writeUnits(b *testing.B, db *lull.DB, name string, records int, keys int64) {
	b.Helper()
	s, rnd := db.NewSession(), rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 64)
	set, incr := &setCall{val: value}, &incrCall{}
	hset := &hsetCall{pairs: [4][]byte{[]byte("score"), []byte("17"), []byte("seen"), value}}
	for range records {
		key := strconv.AppendInt([]byte("key:00000"), rnd.Int64N(keys), 10)
		set.key, incr.key, hset.key[0] = key, key, key
		var r lull.Runner = set
		switch name {
		case "HSET":
			r = hset
		case "INCR":
			r = incr
		}
		if _, err := s.Exec(b.Context(), [][]byte{key}, true, r); err != nil {
			b.Fatal(err)
		}
	}
}
