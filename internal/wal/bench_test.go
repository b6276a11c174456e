package wal

import (
	"fmt"
	"testing"
)

func benchLog(b *testing.B) *Log {
	l := mustStart(b, Options{Dir: b.TempDir()})
	b.Cleanup(func() { l.Close() })
	return l
}

// appendTrimmed appends and lets go at once, so that segments are recycled.
func appendTrimmed(b *testing.B, l *Log, data []byte) Position {
	if l.Room() != nil {
		l.WaitSynced(b.Context(), l.End())
		l.Trim(l.End())
		if err := l.WaitRoom(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	pos, err := l.Append(data)
	if err != nil {
		b.Fatal(err)
	}
	return pos
}

// BenchmarkAppend is what a write costs under its shard's lock: out of reach of a
// kill. At full speed it waits for segments too, which waits/op shows.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 1000} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			l := benchLog(b)
			data := testRecord(0, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				appendTrimmed(b, l, data)
			}
		})
	}
}

// BenchmarkAppendWarm appends within a segment that was allocated and filled with
// zeros ahead: the cost without the disk's.
func BenchmarkAppendWarm(b *testing.B) {
	data := testRecord(0, 100)
	l := benchLog(b)
	left := 0
	b.ReportAllocs()
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			l.Close()
			l = benchLog(b)
			left = int(l.o.SegmentBytes/frameSize(len(data))) - 20
			b.StartTimer()
		}
		if _, err := l.Append(data); err != nil {
			b.Fatal(err)
		}
		left--
	}
}

// BenchmarkGroupCommit64 has 64 writers of 100 bytes, each waiting for its sync.
func BenchmarkGroupCommit64(b *testing.B) {
	l := benchLog(b)
	data := testRecord(0, 100)
	b.SetParallelism(32) // times GOMAXPROCS
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			pos := appendTrimmed(b, l, data)
			if err := l.WaitSynced(b.Context(), pos); err != nil {
				b.Error(err)
				return
			}
		}
	})
	s := l.Stats()
	b.ReportMetric(float64(s.Records)/float64(max(1, s.Syncs)), "records/sync")
	b.ReportMetric(float64(s.SyncTime.Microseconds())/float64(max(1, s.Syncs)), "µs/sync")
}
