package main

import (
	"runtime/debug"
	"runtime/metrics"
)

// garbageRoom is how much garbage may gather while the log is replayed before it is
// collected. The heap grows from nothing then, so that Go's own measure, as much garbage
// as there is of use, would have it collected again and again.
const garbageRoom = 128 << 20

// collector gives the garbage collector another measure for a while.
type collector struct {
	room    int64
	percent int // GOGC as it was; negative: off
	cycles  uint64
}

// easeCollector leaves garbageRoom to garbage, or limit if that is not 0 and less, until
// restore. adapt has to be called often: the measure is a part of what is in use.
func easeCollector(limit int64) *collector {
	c := &collector{room: garbageRoom, percent: debug.SetGCPercent(100)}
	if limit > 0 {
		c.room = min(c.room, limit)
	}
	debug.SetGCPercent(c.percent)
	c.adapt()
	return c
}

// adapt sets the measure anew if a collection has been since the last time.
func (c *collector) adapt() {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	cycles, live := sample[0].Value.Uint64(), int64(sample[1].Value.Uint64())
	if c.percent < 0 || cycles == c.cycles {
		return
	}
	c.cycles = cycles
	debug.SetGCPercent(max(c.percent, int(100*c.room/max(live, 4<<20))))
}

func (c *collector) restore() { debug.SetGCPercent(c.percent) }
