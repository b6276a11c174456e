package sinktest

import (
	"testing"

	"github.com/lullcache/lull/sink"
)

// Benchmark measures Write with 10,000 rows that are there already, by mode.
func Benchmark(b *testing.B, d *Dialect) {
	const rows = 10_000
	for _, mode := range []struct {
		name string
		mode sink.Mode
	}{{"upsert", sink.Upsert}, {"update", sink.Update}, {"append", sink.Append}} {
		b.Run(mode.name, func(b *testing.B) {
			base := newBase(b, d)
			keys := 1
			if mode.mode == sink.Append {
				keys = 0
			}
			t := base.table("players", keys, "id|integer", "name|text", "score|integer", "seen|timestamp|null")
			batch := make([]sink.Row, rows)
			for i := range batch {
				batch[i] = row(i, "somebody", i, "2026-01-31 23:59:59")
			}
			base.write(put(t, mode.mode, batch...))
			b.ReportAllocs()
			for b.Loop() {
				base.write(put(t, mode.mode, batch...))
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
