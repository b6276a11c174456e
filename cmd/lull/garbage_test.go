package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGarbageGathersWithinMaxMemory(t *testing.T) {
	for _, c := range []struct {
		name        string
		live, limit int64
		want        int
	}{
		{"little is in use", 10 << 20, 1 << 30, 400},
		{"a fifth is in use", 1 << 30, 5 << 30, 400},
		{"a third is in use", 1 << 30, 3 << 30, 200},
		{"in steps", 100 << 20, 290 << 20, 175},
	} {
		if got := garbageWithin(c.live, c.limit); got != c.want {
			t.Errorf("%s: got %d, wanted %d", c.name, got, c.want)
		}
		if heap := c.live + c.live*int64(c.want)/100; heap > c.limit {
			t.Errorf("%s: a heap of %d, wanted at most %d", c.name, heap, c.limit)
		}
	}
	for _, limit := range []int64{0, 1 << 20, 1 << 30} {
		if got := garbageWithin(1<<30, limit); got > garbagePercent {
			t.Errorf("limit %d of which more is in use: got %d, wanted Go's own measure at most", limit, got)
		}
	}
}

// goPercent is GOGC as the runtime has it.
func goPercent() int {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}

func TestTheCollectorFollowsWhatIsInUse(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(goPercent())
	c := newCollector()
	runtime.GC()
	c.replaying(0)
	if got := goPercent(); got <= garbagePercent {
		t.Errorf("GOGC %d while the log is replayed and little is on the heap", got)
	}
	hold := make([]byte, 4*garbageRoom)
	runtime.GC()
	c.replaying(0)
	if got := goPercent(); got != garbagePercent {
		t.Errorf("GOGC %d with much more on the heap than garbage may take, wanted %d", got, garbagePercent)
	}
	stop := c.serving(func() int64 { return 1 << 40 })
	defer stop()
	for deadline := time.Now().Add(time.Minute); goPercent() != garbagePercentMax; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("GOGC %d while serving with plenty of memory, wanted %d", goPercent(), garbagePercentMax)
		}
	}
	runtime.KeepAlive(hold)
}

func TestGOGCInTheEnvironmentDecides(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := goPercent()
	c := newCollector()
	runtime.GC()
	c.replaying(0)
	if got := goPercent(); got != before {
		t.Errorf("GOGC %d, wanted %d as it was", got, before)
	}
}
