package crash

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/proof"
)

// report is a line of the table of proofs, and the details of what went wrong.
type report struct {
	*proof.Line
	name string

	kills, failpoints, databaseKills, outages, parks, folds atomic.Int64
	sent, acked, kept, refused, unanswered, checked         atomic.Int64
	snapshots, states                                       atomic.Int64
	zombies, histories, faults                              atomic.Int64
	late, lateInPeace                                       atomic.Int64
	round                                                   atomic.Int64

	mu      sync.Mutex
	details []string
}

// newReport begins a line, which fails the test if anything in it is wrong. In a long
// run it is told every minute how far the test is.
func newReport(t *testing.T) *report {
	r := &report{Line: proof.NewLine(t, *seed), name: t.Name()}
	stop := make(chan struct{})
	go r.tellEvery(stop)
	t.Cleanup(func() {
		close(stop)
		for _, c := range r.counts() {
			if c.n.Load() > 0 {
				r.Tried(int(c.n.Load()), c.what)
			}
		}
		for _, d := range r.details {
			t.Error(d)
		}
	})
	return r
}

// tried is a count in the words of the table.
type tried struct {
	n    *atomic.Int64
	what string
}

// counts are all that were kept, in the order of the table.
func (r *report) counts() []tried {
	return []tried{
		{&r.kills, "kills"}, {&r.failpoints, "of them at failpoints"}, {&r.zombies, "stopped processes"}, {&r.histories, "histories"},
		{&r.faults, "faults"}, {&r.databaseKills, "database kills"}, {&r.outages, "outages"}, {&r.parks, "tables taken away"}, {&r.folds, "logs folded"},
		{&r.sent, "commands"}, {&r.acked, "answered"}, {&r.kept, "of them pending or set aside"}, {&r.refused, "refused"}, {&r.unanswered, "unanswered"},
		{&r.late, "not loaded within load_timeout"}, {&r.lateInPeace, "of them with nothing broken"},
		{&r.checked, "values checked"}, {&r.snapshots, "snapshots"}, {&r.states, "different states"},
	}
}

// tellEvery prints how far a long test is.
func (r *report) tellEvery(stop chan struct{}) {
	for tick := time.NewTicker(time.Minute); ; {
		select {
		case <-stop:
			tick.Stop()
			return
		case <-tick.C:
		}
		line := fmt.Sprintf("%s %s:", time.Now().Format(time.TimeOnly), r.name)
		for _, c := range r.counts() {
			if n := c.n.Load(); n > 0 {
				line += fmt.Sprintf(" %d %s,", n, c.what)
			}
		}
		fmt.Printf("%s %d broken\n", line, r.Broken())
	}
}

// wrong notes a violation of one kind.
func (r *report) wrong(kind *atomic.Int64, format string, args ...any) {
	kind.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.details) < detailsMax {
		detail := fmt.Sprintf("round %d: "+format, append([]any{r.round.Load()}, args...)...)
		fmt.Printf("%s %s: %s\n", time.Now().Format(time.TimeOnly), r.name, detail) // a long run may be stopped before its end
		r.details = append(r.details, detail)
	}
}

const detailsMax = 20
