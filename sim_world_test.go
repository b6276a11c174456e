package lull

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/world"
)

// simWorld runs processes, each made of tasks, one task at a time: a coroutine that
// has control until it waits. So nothing happens at once, nothing depends on the machine,
// and a seed repeats exactly.
type simWorld struct {
	random  *rand.Rand
	now     time.Time
	tasks   []*simTask // those that have not ended, in the order in which they began
	current *simTask
	steps   int
	slow    bool // the disk: syncs begin late

	hash  uint64 // of all that was noted
	trace io.Writer
}

func newSimWorld(seed uint64) *simWorld {
	return &simWorld{
		random: rand.New(rand.NewPCG(seed, 17)), hash: 14695981039346656037,
		now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

// note adds to the trace.
func (w *simWorld) note(what string, numbers ...uint64) {
	for i := range len(what) {
		w.hash = (w.hash ^ uint64(what[i])) * 1099511628211
	}
	for _, n := range numbers {
		w.hash = (w.hash ^ n) * 1099511628211
	}
	if w.trace == nil {
		return
	}
	who := "-"
	if w.current != nil {
		who = w.current.name
	}
	text := strings.TrimSpace(fmt.Sprintln(what, numbers))
	fmt.Fprintf(w.trace, "%5d %9s %-12s %s\n", w.steps, w.now.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), who, strings.TrimSuffix(text, "[]"))
}

// one reports true once in n.
func (w *simWorld) one(n int) bool { return w.random.IntN(n) == 0 }

// simProc is a process: its tasks end with it, at once, wherever they are.
type simProc struct {
	w    *simWorld
	name string
	dead bool
	// stopped: nothing of it runs for now, as after SIGSTOP.
	stopped bool
	gone    int // calls of Go
}

// simTask is what a goroutine is to the machine.
type simTask struct {
	proc   *simProc
	name   string
	seldom int // it runs once in so many times that it could
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool

	// What it waits for, if waits.
	waits bool
	ctx   context.Context
	until time.Time // zero: never
	c     <-chan struct{}
	gave  bool
}

// begin starts a task of the process.
func (p *simProc) begin(name string, f func()) *simTask {
	t := &simTask{proc: p, name: p.name + "/" + name, seldom: 1}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		f()
	})
	p.w.tasks = append(p.w.tasks, t)
	return t
}

// pause gives control back, and returns when the task is chosen again. A process that
// was killed runs on, alone and unseen, until all its tasks have come to their ends: its
// disk and its database are gone.
func (t *simTask) pause() { t.yield(struct{}{}) }

// point is a place at which anything else may happen first.
func (p *simProc) point() {
	if t := p.w.current; t != nil && t.proc == p {
		t.pause()
	}
}

// bury has the tasks of a dead process come to their ends.
func (p *simProc) bury() {
	for _, t := range slices.Clone(p.w.tasks) {
		if t.proc == p {
			p.finish(t)
		}
	}
	p.w.forget(func(t *simTask) bool { return t.proc == p })
}

func (p *simProc) finish(t *simTask) {
	p.w.current = t
	t.stop()
	p.w.current = nil
}

func (w *simWorld) forget(which func(*simTask) bool) {
	left := w.tasks[:0]
	for _, t := range w.tasks {
		if !which(t) {
			left = append(left, t)
		}
	}
	clear(w.tasks[len(left):])
	w.tasks = left
}

// ready reports whether the task can go on.
func (t *simTask) ready() bool {
	if !t.waits || t.gave {
		return true
	}
	select {
	case <-t.c:
		t.gave = true
		return true
	default:
	}
	return t.ctx.Err() != nil || !t.until.IsZero() && !t.proc.w.now.Before(t.until)
}

// run lets one task go on that can, by chance, and reports whether there was one.
func (w *simWorld) run() bool {
	w.steps++
	var can []*simTask
	for _, t := range w.tasks {
		if !t.proc.stopped && t.ready() && (t.seldom == 1 || w.one(t.seldom)) {
			can = append(can, t)
		}
	}
	if len(can) == 0 {
		return false
	}
	t := can[w.random.IntN(len(can))]
	w.current = t
	_, more := t.next()
	w.current = nil
	if !more {
		w.forget(func(x *simTask) bool { return x == t })
	}
	return true
}

// pass lets time go by: until the next task is due, or somewhat longer.
func (w *simWorld) pass() {
	var next time.Time
	for _, t := range w.tasks {
		if t.waits && !t.proc.stopped && !t.until.IsZero() && t.until.After(w.now) && (next.IsZero() || t.until.Before(next)) && t.seldom == 1 {
			next = t.until
		}
	}
	if next.IsZero() {
		next = w.now.Add(time.Second)
	}
	w.now = next
	if w.one(4) {
		w.now = w.now.Add(time.Duration(w.random.IntN(3000)) * time.Millisecond)
	}
}

// seldomOf says how rarely what the engine begins, by the order in which it does, is
// chosen: the sweeps look at all shards each time.
var seldomOf = map[string]int{"expire": 40, "evict": 2, "expiresql": 10}

var simWork = []string{"sync", "tend", "flush", "expire", "evict", "expiresql", "load", "load"}

// simProc is a world.World to what runs in it.
var _ world.World = (*simProc)(nil)

func (p *simProc) Now() time.Time                  { return p.w.now }
func (p *simProc) Since(t time.Time) time.Duration { return p.w.now.Sub(t) }
func (p *simProc) Random() uint64                  { return p.w.random.Uint64() }

func (p *simProc) Wait(ctx context.Context, d time.Duration, c <-chan struct{}) bool {
	t := p.w.current
	if p.dead && t == nil {
		return false
	}
	if t == nil || t.proc != p {
		panic("simulation: a wait outside of its process's tasks")
	}
	t.ctx, t.c, t.gave, t.waits, t.until = ctx, c, false, true, time.Time{}
	if d < world.Never {
		t.until = p.w.now.Add(max(d, 0))
	}
	t.pause()
	if p.dead {
		t.ready() // nobody has looked
	}
	t.waits = false
	return t.gave
}

func (p *simProc) Go(f func()) <-chan struct{} {
	done := make(chan struct{})
	name := simWork[p.gone%len(simWork)]
	p.gone++
	t := p.begin(name, func() {
		f()
		close(done)
	})
	if n := seldomOf[name]; n > 0 {
		t.seldom = n
	}
	if name == "sync" && p.w.slow {
		t.seldom = 20
	}
	return done
}
