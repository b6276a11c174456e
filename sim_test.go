package lull

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lullcache/lull/internal/proof"
)

var (
	simSeeds = flag.Uint64("sim.seeds", 60, "how many seeds TestSimulation runs")
	simFrom  = flag.Uint64("sim.from", 1, "the first of them")
	simSeed  = flag.Uint64("sim.seed", 0, "the one seed to run, with its trace")
)

// simSteps is after how many steps all trouble ends.
const simSteps = 2500

// simulate runs a seed, and returns what went wrong.
func simulate(seed uint64, trace io.Writer) (s *simulation, why string) {
	s = newSimulation(seed, trace)
	defer func() {
		if r := recover(); r != nil {
			why = fmt.Sprint(r)
			if _, ok := r.(simFault); !ok {
				why += "\n" + string(debug.Stack())
			}
		}
		s.over()
	}()
	s.run(simSteps)
	return s, ""
}

// over ends all tasks. After a fault one of them has stopped in the middle, perhaps with
// locks that the others wait for: they are left as they are.
func (s *simulation) over() {
	if s.w.current != nil {
		return
	}
	s.unfork()
	if s.life != nil {
		s.crash(false)
	}
	if s.dying != nil {
		s.bury()
	}
}

// TestSimulation runs the engine through any order of events, by seeds: see
// simulation. The real log, dirty sets, cuts, flusher, letters, checkpoints, recovery and
// loads run over a disk, a database and a clock that are simulated.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		if _, why := simulate(*simSeed, os.Stdout); why != "" {
			t.Fatalf("seed %d: %s", *simSeed, why)
		}
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(2000)) // what lives is little
	line := proof.NewLine(t, *simFrom)
	var tried simCounts
	var traces uint64
	var mu sync.Mutex
	next := atomic.Uint64{}
	next.Store(*simFrom - 1)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := next.Add(1); seed < *simFrom+*simSeeds; seed = next.Add(1) {
				s, why := simulate(seed, nil)
				mu.Lock()
				tried.add(&s.counts)
				tried.add(&s.sql.counts)
				traces ^= s.w.hash
				if why != "" {
					t.Errorf("seed %d (make sim SEED=%d): %s", seed, seed, why)
					blame(line, why)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("the traces come to %016x", traces)
	line.Tried(int(*simSeeds), "seeds")
	for _, c := range tried.list() {
		line.Tried(*c.n, c.what)
	}
}

// blame counts a fault by its first word.
func blame(line *proof.Line, why string) {
	switch {
	case strings.HasPrefix(why, "lost"):
		line.Lost.Add(1)
	case strings.HasPrefix(why, "doubled"):
		line.Doubled.Add(1)
	case strings.HasPrefix(why, "torn"):
		line.Torn.Add(1)
	default:
		line.Invented.Add(1)
	}
}

// TestSimulationRepeats holds the traces of two runs of a seed against each other.
func TestSimulationRepeats(t *testing.T) {
	for seed := range uint64(12) {
		var first, second bytes.Buffer
		var wg sync.WaitGroup
		for _, trace := range []*bytes.Buffer{&first, &second} {
			wg.Go(func() { simulate(1000+seed, trace) })
		}
		wg.Wait()
		if first.Len() == 0 || first.String() != second.String() {
			t.Fatalf("seed %d: two runs differ:\n%s", 1000+seed, simDifference(first.String(), second.String()))
		}
	}
}

func simDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return strings.Join(x[max(0, i-5):i+1], "\n") + "\nor\n" + y[i]
		}
	}
	return fmt.Sprintf("%d lines or %d", len(x), len(y))
}
