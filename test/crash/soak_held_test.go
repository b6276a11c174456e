package crash

import (
	"bufio"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// behind are the gauges of what SQL does not have, or what is wrong.
var behind = []string{
	"lull_dirty_rows", "lull_dirty_bytes", "lull_dirty_oldest_seconds", "lull_flush_pending_operations", "lull_flush_lag_bytes",
	"lull_flush_catching_up", "lull_flush_paused", "lull_letters", "lull_letters_bytes", "lull_parked_tables", "lull_fenced",
	"lull_log_failed", "lull_log_full",
}

// held are what a process at rest may hold no more of than when it first rested, but for these
// allowances: four connections that read and one that writes, with a goroutine or a file or two each, a
// segment of the log, and memory, of which keys have more until they are renewed, and the collector
// has not given all back.
var held = [3]struct {
	name      string
	allowance float64
}{
	{"go_goroutines", 6}, {"process_open_fds", 8}, {"process_resident_memory_bytes", 256 << 20},
}

// holding is how much a process has of each.
type holding [len(held)]float64

// restLooks is how many looks in a row have to find a process at rest. What it holds is the least
// that they see: SQLite's driver and database/sql make a goroutine for each statement, which ends
// when it next gets a processor, so that in mid-flush there are hundreds.
const restLooks = 4

// drained waits until nothing is behind, and no more is held than at first.
func (s *soaking) drained(after string) {
	t, in := s.w.t, s.w.in
	t.Helper()
	var wrong []string
	for deadline := time.Now().Add(endWait); time.Now().Before(deadline); {
		var least holding
		if least, wrong = s.rest(); len(wrong) == 0 {
			wrong = s.more(least)
		}
		if len(wrong) == 0 {
			return
		}
	}
	t.Fatalf("%v after %s, without load: %s; the seed is %d\n%s\n%s", endWait, after, strings.Join(wrong, ", "), *seed, tail(in.proc.stderr.String()), in.goroutines())
}

// rest looks at a process without load: the least that it holds, and what is not as it should be.
func (s *soaking) rest() (least holding, wrong []string) {
	s.w.t.Helper()
	for look := range restLooks {
		time.Sleep(20 * time.Millisecond)
		values, err := s.scrape()
		if err != nil {
			s.w.t.Fatalf("metrics: %v\n%s", err, tail(s.w.in.proc.stderr.String()))
		}
		for _, name := range behind {
			if v, ok := values[name]; v != 0 || !ok {
				wrong = append(wrong, fmt.Sprintf("%s is %v, want 0", name, v))
			}
		}
		if len(wrong) > 0 {
			return least, wrong
		}
		for i, h := range held {
			v := values[h.name]
			if v == 0 {
				return least, []string{h.name + " is not told"}
			}
			if look == 0 || v < least[i] {
				least[i] = v
			}
		}
	}
	return least, nil
}

// more names what a process at rest holds more of than at first.
func (s *soaking) more(now holding) (wrong []string) {
	if s.first == (holding{}) {
		s.first = now
	}
	for i, h := range held {
		if s.most[i] = max(s.most[i], now[i]); now[i] > s.first[i]+h.allowance {
			wrong = append(wrong, fmt.Sprintf("%s is %v, at first it was %v", h.name, now[i], s.first[i]))
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

// goroutines has the process say what its goroutines do, which ends it.
func (in *instance) goroutines() string {
	in.signal(syscall.SIGQUIT)
	select {
	case <-in.proc.done:
	case <-time.After(endWait):
		return "it does not say what its goroutines do"
	}
	return goroutineKinds(in.proc.stderr.String())
}

var goroutineText = regexp.MustCompile(`(?m)^goroutine \d+.* \[([^\],]+).*\]:\n(?:runtime\..*\n\t.*\n)*(\S+)\((?:.*\n)+?(?:created by (\S+).*|)\n`)

// goroutineKinds counts goroutines in a dump of their stacks by what they wait for, where, and
// what made them, the most first.
func goroutineKinds(dump string) string {
	counts := map[string]int{}
	for _, g := range goroutineText.FindAllStringSubmatch(dump+"\n", -1) {
		counts[fmt.Sprintf("%s in %s, made by %s", g[1], g[2], g[3])]++
	}
	kinds := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return counts[b] - counts[a] })
	text := "goroutines:\n"
	for _, kind := range kinds {
		text += fmt.Sprintf("%6d %s\n", counts[kind], kind)
	}
	return text
}

func TestGoroutineKinds(t *testing.T) {
	var waiting sync.WaitGroup
	stop := make(chan struct{})
	for range 7 {
		waiting.Go(func() { <-stop })
	}
	var text string
	for end := time.Now().Add(endWait); time.Now().Before(end); time.Sleep(time.Millisecond) {
		dump := make([]byte, 8<<20)
		text = goroutineKinds(string(dump[:runtime.Stack(dump, true)]))
		if strings.Contains(text, "     7 chan receive in github.com/lullcache/lull/test/crash.TestGoroutineKinds.func1, made by sync.(*WaitGroup).Go\n") {
			break
		}
	}
	close(stop)
	waiting.Wait()
	if !strings.Contains(text, "     7 chan receive in ") || !strings.Contains(text, "     1 running in ") {
		t.Errorf("seven goroutines wait and one runs: %s", text)
	}
}
