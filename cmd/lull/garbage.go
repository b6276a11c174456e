package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// collector decides how much garbage may gather before it is collected, unless GOGC in the
// environment does. Go's own measure is as much garbage as there is of use.
type collector struct {
	fixed   bool
	percent int // GOGC as it is now
	cycles  uint64
}

const (
	// garbageRoom is how much garbage may gather while the log is replayed. The heap grows
	// from nothing then, so that Go's own measure would have it collected again and again.
	garbageRoom = 128 << 20
	// garbagePercent is Go's own measure, garbagePercentMax that which is used while it
	// leaves the heap within max_memory: a collection looks at all that is of use, whatever
	// it finds, so that its share of the work is a quarter then.
	garbagePercent, garbagePercentMax = 100, 400
	// garbageSteps is how finely the measure is set: each change of it stops everything
	// for a moment.
	garbageSteps = 25
	// garbageLook is how often it is looked whether there was a collection.
	garbageLook = 250 * time.Millisecond
)

func newCollector() *collector {
	return &collector{fixed: os.Getenv("GOGC") != "", percent: garbagePercent}
}

// replaying leaves garbageRoom to garbage, or limit if that is not 0 and less. It has to be
// called often: the measure is a part of what is in use.
func (c *collector) replaying(limit int64) {
	room := int64(garbageRoom)
	if limit > 0 {
		room = min(room, limit)
	}
	c.adapt(func(live int64) int { return int(100 * room / live) })
}

// serving sets the measure by what is in use and by max_memory, which limit tells, until
// stop is called.
func (c *collector) serving(limit func() int64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		tick := time.NewTicker(garbageLook)
		defer tick.Stop()
		for c.cycles = 0; ctx.Err() == nil; {
			c.adapt(func(live int64) int { return garbageWithin(live, limit()) })
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	return func() {
		cancel()
		work.Wait()
	}
}

// garbageWithin is the measure while live bytes are in use and the heap should stay within
// limit. 0 is no limit: then nothing is known of what there is.
func garbageWithin(live, limit int64) int {
	percent := int(min(100*(limit-live)/live, garbagePercentMax))
	return percent - percent%garbageSteps
}

// adapt sets the measure anew if there was a collection since the last time. The least is
// Go's own.
func (c *collector) adapt(measure func(live int64) int) {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	cycles, live := sample[0].Value.Uint64(), int64(sample[1].Value.Uint64())
	if c.fixed || cycles == c.cycles {
		return
	}
	c.cycles = cycles
	percent := max(measure(max(live, 4<<20)), garbagePercent)
	if percent != c.percent {
		c.percent = percent
		debug.SetGCPercent(percent)
	}
}
