// Package matrix measures Lull beside what it is compared with, section by section, and
// writes docs/benchmarks.md. `make bench` runs it; `make test` runs a form of a few
// seconds that proves that every section works and asserts no timing.
//
// Both sides of a comparison run interleaved, A B A B, over the same load, and the one
// that is not measured is stopped with SIGSTOP, so that it takes no CPU. A ratio is
// taken in each round; its median is given with the least and the greatest.
package matrix

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	only       = flag.String("only", "", "the `sections` to measure, with commas; empty: all")
	rounds     = flag.Int("rounds", 5, "how often both sides are measured in turn")
	scaleName  = flag.String("scale", "smoke", "how much is measured: smoke, quick or full")
	docs       = flag.String("docs", "", "the `folder` of benchmarks.md and benchmarks/; empty: a temporary one")
	serverCPUs = flag.String("server-cpus", "", "the `CPUs` of the servers that are compared, as taskset wants them; empty: all")
	loadCPUs   = flag.String("load-cpus", "", "the `CPUs` of redis-benchmark; empty: all")
	renderOnly = flag.Bool("render", false, "measure nothing, write benchmarks.md from what was measured before")
)

// scale is how much is measured.
type scale struct {
	name   string
	window time.Duration // one measurement of one side
	long   time.Duration // the same where a flush has to be in it
	hold   time.Duration // what "held for 60 s" is
	keys   []int         // key counts of the commands
	items  int           // rows, members, items where one count is enough
}

var scales = []scale{
	{name: "smoke", window: 20 * time.Millisecond, long: 300 * time.Millisecond, hold: 200 * time.Millisecond, keys: []int{1000}, items: 1000},
	{name: "quick", window: 500 * time.Millisecond, long: 3 * time.Second, hold: 10 * time.Second, keys: []int{100_000}, items: 200_000},
	{name: "full", window: 800 * time.Millisecond, long: 6 * time.Second, hold: 60 * time.Second, keys: []int{100_000, 1_000_000}, items: 1_000_000},
}

func (s *scale) smoke() bool { return s.name == "smoke" }
func (s *scale) full() bool  { return s.name == "full" }

// keyCount is the greatest count of keys.
func (s *scale) keyCount() int { return s.keys[len(s.keys)-1] }

// section is one part of the matrix.
type section struct {
	name, title string
	measure     func(*run)
}

// sections stand in the order of docs/benchmarks.md.
var sections = []section{
	{"commands", "Commands, beside Redis", measureCommands},
	{"tail", "Latency while flushing", measureTail},
	{"disk", "Answers that wait for the disk", measureDisk},
	{"memory", "Memory", measureMemory},
	{"direct", "Many clients, beside plain UPDATEs", measureDirect},
	{"worker", "Beside a Redis with a worker", measureWorker},
	{"events", "Events into an append-only table", measureEvents},
	{"flush", "Flushes and loads, beside the drivers alone", measureFlush},
	{"recovery", "Recovery, cuts, and the Go API", measureRecovery},
	{"growth", "Cost as work grows", measureGrowth},
}

// run is the measurement of one section.
type run struct {
	*testing.T
	scale  *scale
	rounds int
	out    *Section
}

// sub measures a part whose servers and databases end with it. A part that fails
// leaves the others their figures.
func (b *run) sub(name string, measure func(*run)) {
	b.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
		part := *b
		part.T = t
		measure(&part)
	})
}

// say tells whoever watches what is measured now.
func (b *run) say(format string, args ...any) {
	if !b.scale.smoke() {
		fmt.Fprintf(os.Stderr, "%s  %s: %s\n", time.Now().Format("15:04:05"), b.out.Name, fmt.Sprintf(format, args...))
	}
}

func (b *run) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

var lullProgram string

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runAll builds the program and runs the tests.
func runAll(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "lull-matrix-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	lullProgram = filepath.Join(dir, "lull")
	out, err := exec.Command("go", "build", "-o", lullProgram, "github.com/lullcache/lull/cmd/lull").CombinedOutput()
	if err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// TestMatrix measures the sections and writes what came of them.
func TestMatrix(t *testing.T) {
	i := slices.IndexFunc(scales, func(s scale) bool { return s.name == *scaleName })
	if i < 0 {
		t.Fatalf("scale %q: want smoke, quick or full", *scaleName)
	}
	s := &scales[i]
	n := *rounds
	if s.smoke() {
		n = 1
	}
	dir := *docs
	if dir == "" {
		dir = t.TempDir()
	}
	results := filepath.Join(dir, "benchmarks")
	if err := os.MkdirAll(results, 0o755); err != nil {
		t.Fatal(err)
	}
	machine := describeMachine(t)
	for _, sec := range wantedSections(t) {
		t.Run(sec.name, func(t *testing.T) {
			b := &run{T: t, scale: s, rounds: n, out: newSection(sec, s, n, machine)}
			began := time.Now()
			sec.measure(b)
			b.out.TookSeconds = time.Since(began).Seconds()
			b.out.Complete = !t.Failed()
			b.must(b.out.save(results))
			if !t.Failed() && len(b.out.Rows) == 0 {
				t.Error("it gave no figure")
			}
		})
	}
	if err := writePage(dir); err != nil {
		t.Fatal(err)
	}
}

func wantedSections(t *testing.T) []section {
	if *renderOnly {
		return nil
	}
	if *only == "" {
		return sections
	}
	var wanted []section
	for name := range strings.SplitSeq(*only, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			t.Fatalf("section %q: there is none of this name", name)
		}
		wanted = append(wanted, sections[i])
	}
	return wanted
}
