package crash

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
)

// reachedWait is how long a place may take to be reached under load.
const reachedWait = 30 * time.Second

// TestFailpoints kills Lull at each named place, with a random number of passes before.
func TestFailpoints(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		w := newWorld(t, d, failpoints)
		for _, p := range failpoint.All() {
			if w.rep.broken() > 0 {
				t.FailNow()
			}
			w.configure("")
			w.in.env = []string{fmt.Sprintf("LULL_FAILPOINT=%s:%d=kill", p, w.passes(p))}
			proc := w.in.launch()
			if err := w.in.ready(proc); err != nil {
				w.in.wait()
				if proc.exitCode() != -1 {
					t.Fatalf("%s: the start failed: %v\n%s", p, err, tail(proc.stderr.String()))
				}
				w.rep.failpoints.Add(1) // reached within the start
				continue
			}
			stop := w.load()
			select {
			case <-proc.done:
				w.rep.failpoints.Add(1)
			case <-time.After(reachedWait):
				t.Errorf("%s is not reached in %v of load", p, reachedWait)
			}
			w.killLull(stop)
		}
		w.finish()
	})
}

// passes is how often a place is passed before it kills: few of those that are seldom
// reached.
func (w *world) passes(p failpoint.Point) int {
	switch p {
	case failpoint.BeforeAppend, failpoint.AfterAppend, failpoint.BeforeAck, failpoint.AfterAck:
		return 1 + w.rng.IntN(300)
	case failpoint.BeforeSegment, failpoint.AfterSegment, failpoint.BeforeTrim, failpoint.AfterTrim:
		return 1
	}
	return 1 + w.rng.IntN(4)
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
