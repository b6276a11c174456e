package crash

import (
	"bufio"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
		t.Logf("%d faults: %v; at most %.0f goroutines, %.0f files, %.0f MiB", s.steps, s.tried, s.most[0], s.most[1], s.most[2]/(1<<20))
	})
}

type soaking struct {
	w       *world
	metrics string
	steps   int
	tried   map[string]int
	// first and most are goroutines, files and bytes of memory: of this process when it
	// had started, and of any at any time.
	first, most [3]float64
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
	if w.in.proc != nil && w.rng.IntN(3) == 0 {
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

// start starts a process; every other has a slow disk under its log.
func (s *soaking) start() {
	in := s.w.in
	s.w.configure(conditions{})
	if in.program = release; s.slow {
		in.program, in.env = failpoints, []string{fmt.Sprintf("LULL_FAILPOINT=%s:1=slow", failpoint.BeforeSync)}
		s.tried["slow disk"]++
	}
	in.start()
	s.first, s.slow = [3]float64{}, !s.slow
}

// fault chooses what to break. The function breaks and mends it; without one Lull is
// to be killed.
func (s *soaking) fault() (name string, breakIt func()) {
	w, d := s.w, s.w.d
	pause := func() { w.between(*faultEvery/10, *faultEvery/2) }
	n := w.rng.IntN(8)
	switch {
	case n == 0:
		return "Lull killed", nil
	case n == 6:
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

// behind are the gauges of what SQL does not have, or what is wrong.
var behind = []string{
	"lull_dirty_rows", "lull_dirty_bytes", "lull_dirty_oldest_seconds", "lull_flush_pending_operations", "lull_flush_lag_bytes",
	"lull_flush_catching_up", "lull_flush_paused", "lull_letters", "lull_letters_bytes", "lull_parked_tables", "lull_fenced",
	"lull_log_failed", "lull_log_full",
}

// held are what a process may hold no more of than it did at first, but for these
// allowances: a pool of connections, and memory that the collector has not given back.
var held = [3]struct {
	name      string
	allowance float64
}{
	{"go_goroutines", 16}, {"process_open_fds", 16}, {"process_resident_memory_bytes", 256 << 20},
}

// drained waits until nothing is behind and nothing is held.
func (s *soaking) drained(after string) {
	t := s.w.t
	t.Helper()
	var wrong []string
	for deadline := time.Now().Add(endWait); ; time.Sleep(20 * time.Millisecond) {
		values, err := s.scrape()
		if err != nil {
			t.Fatalf("metrics: %v\n%s", err, tail(s.w.in.proc.stderr.String()))
		}
		wrong = s.judge(values)
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v after %s, without load: %s; the seed is %d\n%s", endWait, after, strings.Join(wrong, ", "), *seed, tail(s.w.in.proc.stderr.String()))
		}
	}
}

// judge names what is not as it should be.
func (s *soaking) judge(values map[string]float64) (wrong []string) {
	for _, name := range behind {
		if v, ok := values[name]; v != 0 || !ok {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want 0", name, v))
		}
	}
	for i, h := range held {
		v, ok := values[h.name]
		s.most[i] = max(s.most[i], v)
		switch {
		case !ok:
			wrong = append(wrong, h.name+" is not told")
		case s.first[i] == 0 && len(wrong) == 0:
			s.first[i] = v
		case s.first[i] > 0 && v > s.first[i]+h.allowance:
			wrong = append(wrong, fmt.Sprintf("%s is %v, at first it was %v", h.name, v, s.first[i]))
		}
	}
	return wrong
}

// scrape reads the metrics that have no labels.
func (s *soaking) scrape() (map[string]float64, error) {
	resp, err := (&http.Client{Timeout: endWait, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + s.metrics + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, text, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(text, 64); ok && err == nil {
			values[name] = v
		}
	}
	return values, nil
}
