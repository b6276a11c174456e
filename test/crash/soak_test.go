package crash

import (
	"flag"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/testdb"
)

var (
	soak       = flag.Duration("soak", 4*time.Second, "how long the soak test runs, on each database")
	faultEvery = flag.Duration("fault-every", 400*time.Millisecond, "how long the soak test lets load run between faults")
)

// TestSoak keeps a mixed load up for long and breaks something every now and then:
// the database's connections, the database, or Lull, which has a slow disk every other
// time. After each fault, with the load
// taken off, everything has to reach SQL, each gauge of what is behind has to be
// exactly zero, and the process may hold no more goroutines, files and memory than
// before.
func TestSoak(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		s := newSoak(t, d)
		for end := time.Now().Add(*soak); time.Now().Before(end) || s.steps < 2; {
			if s.w.rep.Broken() > 0 || t.Failed() {
				t.FailNow()
			}
			s.step()
		}
		if s.w.in.proc != nil {
			s.w.in.end(0)
		}
		s.w.in.program = release
		s.w.finish()
		t.Logf("%d faults: %v; at most %.0f goroutines, %.0f files, %.0f MiB at rest", s.steps, s.tried, s.most[0], s.most[1], s.most[2]/(1<<20))
	})
}

type soaking struct {
	w       *world
	metrics string
	steps   int
	tried   map[string]int
	// first is what this process held when it first rested, most what any held at rest.
	first, most holding
	slow        bool // the next process has a disk that syncs slowly
}

func newSoak(t *testing.T, d *database) *soaking {
	s := &soaking{tried: map[string]int{}, w: newWorld(t, d, release, false), slow: true}
	failpoints.build(t)
	s.metrics = testdb.Address(t)
	s.w.in.args = []string{"--metrics", s.metrics}
	return s
}

// step is some time of load with one fault in it, and a look at what is left.
func (s *soaking) step() {
	w := s.w
	if w.in.proc != nil && !s.lasting() && w.rng.IntN(3) == 0 {
		w.in.end(0)
	}
	if w.in.proc == nil {
		s.start()
	}
	if s.steps++; s.steps%5 == 0 {
		w.renew() // so that no key grows for ever
	}
	stop := w.load()
	w.between(*faultEvery/2, *faultEvery)
	name, broken := s.fault()
	s.tried[name]++
	w.rep.faults.Add(1)
	if broken == nil {
		w.killLull(stop)
		return
	}
	w.trouble()
	broken()
	w.between(*faultEvery/4, *faultEvery/2)
	stop()
	s.drained(name)
	w.away.Store(false)
}

// lasting reports whether the process is to live on through this fault. Most end after two or three;
// every other ten faults are one's alone, to whom something that each fault leaves would add up.
func (s *soaking) lasting() bool { return s.steps/10%2 == 1 }

// start starts a process; every other has a slow disk under its log.
func (s *soaking) start() {
	in := s.w.in
	s.w.configure(conditions{})
	if in.program = release; s.slow {
		in.program, in.env = failpoints, []string{fmt.Sprintf("LULL_FAILPOINT=%s:1=slow", failpoint.BeforeSync)}
		s.tried["slow disk"]++
	}
	in.start()
	s.first, s.slow = holding{}, !s.slow
}

// fault chooses what to break. The function breaks and mends it; without one Lull is
// to be killed.
func (s *soaking) fault() (name string, breakIt func()) {
	w, d := s.w, s.w.d
	pause := func() { w.between(*faultEvery/10, *faultEvery/2) }
	n := w.rng.IntN(8)
	switch {
	case n == 0 && !s.lasting():
		return "Lull killed", nil
	case n == 0 || n == 6:
		return "Lull paused", func() { w.in.signal(syscall.SIGSTOP); pause(); w.in.signal(syscall.SIGCONT) }
	case d.server == nil:
		return "file locked", func() { w.rep.outages.Add(1); d.down(w.t); pause(); d.up(w.t) }
	case n == 1:
		return "database killed", func() { w.rep.databaseKills.Add(1); d.down(w.t); pause(); d.up(w.t) }
	case n == 2:
		return "database stopped", func() { w.rep.outages.Add(1); d.server.Stop(testdb.Graceful); pause(); d.up(w.t) }
	case n == 3:
		return "database paused", func() { w.rep.outages.Add(1); d.server.Pause(); pause(); d.server.Continue() }
	case n == 7:
		return "connections without an answer", func() { w.rep.outages.Add(1); w.proxy.Hang(); pause(); w.proxy.Resume() }
	case n == 4:
		return "connections refused", func() { w.rep.outages.Add(1); w.proxy.Refuse(); w.proxy.Cut(); pause(); w.proxy.Resume() }
	}
	return "connections cut", func() { w.rep.outages.Add(1); w.proxy.Cut(); pause(); w.proxy.Cut() }
}
