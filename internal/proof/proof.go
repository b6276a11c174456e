// Package proof collects what the proofs of Lull's promises tried and what came of it,
// and prints one table of it when a test binary ends: the same table for the short
// forms in "make test" and for the long ones that the Makefile lists.
//
// A proof is a test. It makes a Line, counts on it from any goroutine, and is failed by
// the Line when anything was lost, doubled, invented or torn.
package proof

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
)

// Line is a row of the table: one proof, on one database where it has one.
type Line struct {
	// Lost counts what was answered and is gone, Doubled what was applied twice,
	// Invented what nobody sent, Torn what was found in a state that never was.
	Lost, Doubled, Invented, Torn atomic.Int64

	name  string
	mu    sync.Mutex
	tried []count
}

type count struct {
	what string
	n    int64
}

var all struct {
	mu    sync.Mutex
	lines []*Line
}

// NewLine begins a row named after t. When t ends, it fails if the row is not clean;
// seed is printed then, and names what was random.
func NewLine(t testing.TB, seed uint64) *Line {
	l := &Line{name: t.Name()}
	t.Cleanup(func() {
		if l.Broken() > 0 {
			t.Errorf("lost %d, doubled %d, invented %d, torn %d; the seed is %d",
				l.Lost.Load(), l.Doubled.Load(), l.Invented.Load(), l.Torn.Load(), seed)
		}
	})
	all.mu.Lock()
	defer all.mu.Unlock()
	all.lines = append(all.lines, l)
	return l
}

// Tried adds n to what the proof did, in the words of the table: "kills", "cuts",
// "bits flipped". Counts stand in the order in which they were first named.
func (l *Line) Tried(n int, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.tried, func(c count) bool { return c.what == what })
	if i < 0 {
		l.tried = append(l.tried, count{what, int64(n)})
		return
	}
	l.tried[i].n += int64(n)
}

// Broken is how often the promise did not hold.
func (l *Line) Broken() int64 {
	return l.Lost.Load() + l.Doubled.Load() + l.Invented.Load() + l.Torn.Load()
}

// Print writes the table of all lines so far. A package's TestMain calls it last.
func Print(w io.Writer) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if len(all.lines) == 0 {
		return
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "PROOF\tTRIED\tLOST\tDOUBLED\tINVENTED\tTORN")
	for _, l := range all.lines {
		fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%d\n", l.name, l.triedText(),
			l.Lost.Load(), l.Doubled.Load(), l.Invented.Load(), l.Torn.Load())
	}
	_ = out.Flush()
}

func (l *Line) triedText() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	words := make([]string, len(l.tried))
	for i, c := range l.tried {
		words[i] = fmt.Sprintf("%d %s", c.n, c.what)
	}
	return strings.Join(words, ", ")
}
