//go:build !race

package resp

import (
	"bytes"
	"testing"
)

// TestLongRepliesMakeNoBuffers: whoever sends long replies has a buffer of the last one,
// and holds none in between. The race detector has pools forget what they were given.
func TestLongRepliesMakeNoBuffers(t *testing.T) {
	const keep = 1 << 10
	var w Writer
	long := bytes.Repeat([]byte("x"), 100*keep)
	send := func() {
		w.Ready()
		w.Bulk(long)
		w.Reset(keep)
		if w.Cap() != 0 {
			t.Fatalf("holds %d bytes between replies", w.Cap())
		}
	}
	send()
	if n := testing.AllocsPerRun(100, send); n >= 1 {
		t.Errorf("%v allocations for each reply", n)
	}
	w.Ready()
	w.Null()
	w.Reset(keep)
	if w.Ready(); w.Cap() > 0 {
		t.Error("took a long buffer though the last reply was short")
	}
}
