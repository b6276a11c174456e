package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestTheCollectorIsEasedForAWhile(t *testing.T) {
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	before := percent()
	runtime.GC()
	c := easeCollector(0)
	runtime.GC()
	c.adapt()
	small := percent()
	if small <= before {
		t.Errorf("GOGC %d before, and %d with little on the heap", before, small)
	}
	hold := make([]byte, 4*garbageRoom)
	runtime.GC()
	c.adapt()
	if got := percent(); got != before {
		t.Errorf("GOGC %d with much more on the heap than garbage may take, wanted %d", got, before)
	}
	runtime.KeepAlive(hold)
	c.restore()
	if got := percent(); got != before {
		t.Errorf("GOGC %d afterwards, wanted %d", got, before)
	}
}
