package crash

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
)

// killAt kills Lull at a named place, with a random number of passes before: plainly,
// with cuts in parts, or after an outage. It reports whether the place was reached: a
// checkpoint is not if the log was full before.
func (w *world) killAt(p failpoint.Point) bool {
	c := conditions{}
	switch p {
	case failpoint.BeforeSegment, failpoint.AfterSegment, failpoint.BeforeTrim, failpoint.AfterTrim: // take long: the log would fill
	default:
		c.transactionRows = []int{0, 0, 20}[w.rng.IntN(3)]
	}
	if p == failpoint.Folding {
		c = conditions{logMiB: 6, ack: "disk"}
	} else {
		c.more = "max_dirty_rows: 10000\n" // writers that outrun the database would make each flush longer than the one before
	}
	w.configure(c)
	w.in.env = []string{fmt.Sprintf("LULL_FAILPOINT=%s:%d=kill", p, w.passes(p))}
	proc := w.in.launch()
	if err := w.in.ready(proc); err != nil {
		w.in.wait()
		if proc.exitCode() != -1 {
			w.t.Fatalf("%s: the start failed: %v\n%s", p, err, tail(proc.stderr.String()))
		}
		w.reached() // within the start
		return true
	}
	stop := w.load()
	outage := p == failpoint.Folding || p != failpoint.Claimed && w.rng.IntN(4) == 0
	full := false
	if outage {
		w.depart()
		full = p == failpoint.Folding && w.fullBefore(proc)
		w.between(10*time.Millisecond, 150*time.Millisecond)
		w.comeBack()
	}
	if !full {
		w.await(proc, p)
		w.reached()
		w.in.wait()
	}
	w.killLull(stop)
	return !full
}

// fullBefore waits until the process has killed itself, or has no room in its log.
func (w *world) fullBefore(proc *process) bool {
	for {
		select {
		case <-proc.done:
			return false
		case <-time.After(5 * time.Millisecond):
			if strings.Contains(proc.stderr.String(), logFull) {
				return true
			}
		}
	}
}

// reached counts a kill.
func (w *world) reached() {
	w.rep.kills.Add(1)
	w.rep.failpoints.Add(1)
}

// await waits until the process has killed itself.
func (w *world) await(proc *process, p failpoint.Point) {
	w.t.Helper()
	select {
	case <-proc.done:
	case <-time.After(endWait):
		w.t.Fatalf("%s is not reached in %v of load\n%s", p, endWait, tail(proc.stderr.String()))
	}
}

// passes is how often a place is passed before it kills: few of those that are seldom
// reached.
func (w *world) passes(p failpoint.Point) int {
	switch p {
	case failpoint.BeforeAppend, failpoint.AfterAppend, failpoint.BeforeAck, failpoint.AfterAck:
		return 1 + w.rng.IntN(300)
	case failpoint.BeforeSegment, failpoint.AfterSegment, failpoint.BeforeTrim, failpoint.AfterTrim, failpoint.Folding, failpoint.Claimed:
		return 1
	}
	return 1 + w.rng.IntN(6)
}

// TestReleaseHasNoFailpoints: what kills at will is not in what is shipped.
func TestReleaseHasNoFailpoints(t *testing.T) {
	for _, b := range []struct {
		program *program
		want    bool
	}{{release, false}, {failpoints, true}} {
		data, err := os.ReadFile(b.program.build(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range failpoint.All() {
			if got := bytes.Contains(data, []byte(p)); got != b.want {
				t.Errorf("built with tags %q the program holds %q: %v, want %v", b.program.tags, p, got, b.want)
			}
		}
		if got := bytes.Contains(data, []byte("LULL_FAILPOINT")); got != b.want {
			t.Errorf("built with tags %q the program knows LULL_FAILPOINT: %v, want %v", b.program.tags, got, b.want)
		}
	}
}
