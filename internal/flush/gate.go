package flush

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lullcache/lull/internal/world"
)

// gate is where those who wait for the database stand.
type gate struct {
	// mu guards the fields beneath.
	mu      sync.Mutex
	done    uint64 // SQL has everything up to here
	waiters []*waiter
	paused  bool
	drain   bool
	asked   []*request // for Run's goroutine
	closed  error
}

type waiter struct {
	position uint64
	told     chan struct{} // closed; err is valid then
	err      error
}

func (w *waiter) tell(err error) {
	w.err = err
	close(w.told)
}

func (g *gate) init(done uint64) { g.done = done }

// wait returns what is told when SQL has everything up to position, nil if it has.
func (g *gate) wait(position uint64) (w *waiter, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if position <= g.done {
		return nil, nil
	}
	if g.closed != nil {
		return nil, g.closed
	}
	w = &waiter{position: position, told: make(chan struct{})}
	g.waiters = append(g.waiters, w)
	return w, nil
}

func (g *gate) leave(w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiters = slices.DeleteFunc(g.waiters, func(x *waiter) bool { return x == w })
}

// settle tells all who wait for a position up to done.
func (g *gate) settle(done uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done = done
	left := g.waiters[:0]
	for _, w := range g.waiters {
		if w.position <= done {
			w.tell(nil)
		} else {
			left = append(left, w)
		}
	}
	clear(g.waiters[len(left):])
	g.waiters = left
}

func (g *gate) close(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = err
	for _, w := range g.waiters {
		w.tell(err)
	}
	for _, r := range g.asked {
		r.answer(err)
	}
	g.waiters, g.asked = nil, nil
}

// put has a request done between two flushes.
func (g *gate) put(r *request) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.asked = append(g.asked, r)
	}
	return g.closed
}

// withdraw takes a request back that nobody has begun.
func (g *gate) withdraw(r *request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = slices.DeleteFunc(g.asked, func(x *request) bool { return x == r })
}

// take returns the next request, nil if there is none.
func (g *gate) take() *request {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.asked) == 0 {
		return nil
	}
	r := g.asked[0]
	g.asked = g.asked[1:]
	return r
}

// urgent reports whether somebody waits for more than SQL has.
func (g *gate) urgent() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiters) > 0
}

func (g *gate) mayFlush() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.paused || g.drain
}

func (g *gate) set(paused bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paused = paused
}

// Wait returns when SQL has everything up to position: what was set aside counts
// as in (see Refused). It has a flush made at once, the same one for all who wait.
// Errors: ctx's, and ErrStopped.
func (f *Flusher) Wait(ctx context.Context, position uint64) error {
	w, err := f.gate.wait(position)
	if w == nil {
		return err
	}
	f.Kick()
	if f.o.World.Wait(ctx, world.Never, w.told) {
		return w.err
	}
	f.gate.leave(w)
	return ctx.Err()
}

// Kick has the flusher look at once whether a flush is due: for a source whose
// pressure has risen by a lot. It never blocks.
func (f *Flusher) Kick() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}

// Doubt has the flusher look at once whether the database has gone back, even if it is
// paused or nothing is dirty: for a source that was refused a read with sink.ErrBehind.
// It never blocks.
func (f *Flusher) Doubt() {
	f.doubt.Store(true)
	f.Kick()
}

// Pause keeps flushes from starting until Resume. One that is under way goes on.
func (f *Flusher) Pause() { f.gate.set(true) }

// Resume undoes Pause.
func (f *Flusher) Resume() {
	f.gate.set(false)
	f.Kick()
}

// Drain flushes everything that is dirty when it is called, even when paused: for
// the end. It returns how it ended and what is left if ctx ends first.
func (f *Flusher) Drain(ctx context.Context) error {
	f.gate.mu.Lock()
	f.gate.drain = true
	f.gate.mu.Unlock()
	p := f.src.Pressure()
	if p.Rows == 0 && !f.busy.Load() {
		return nil
	}
	if err := f.Wait(ctx, p.Position); err != nil {
		return fmt.Errorf("flush before the end: %w; %s", err, f.Stats())
	}
	return nil
}

// await returns when a flush or upkeep is due.
func (f *Flusher) await(ctx context.Context) error {
	for {
		d := f.dueIn(f.now())
		if d <= 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		f.o.World.Wait(ctx, d, f.kick)
		for r := f.gate.take(); r != nil && ctx.Err() == nil; r = f.gate.take() {
			r.answer(r.do(ctx))
		}
	}
}

// dueIn returns how long nothing needs to be done, 0 for work that is due.
func (f *Flusher) dueIn(now time.Time) time.Duration {
	if f.doubt.Load() {
		return 0
	}
	d := f.flushIn(now)
	for _, at := range f.upkeepTimes() {
		d = min(d, at.Sub(now))
	}
	return d
}

// flushIn returns how long no flush is due, the time until the next look at most.
func (f *Flusher) flushIn(now time.Time) time.Duration {
	if !f.gate.mayFlush() {
		return f.o.Lull
	}
	p := f.src.Pressure()
	f.stats.pressure(now, p)
	switch {
	case len(f.pending) > 0 || f.gate.urgent():
		return 0
	case p.Rows == 0:
		return f.o.Lull
	case p.Rows >= f.o.MaxRows || p.Bytes >= f.o.MaxBytes:
		return 0
	}
	return min(f.o.Lull, p.Oldest.Add(f.o.MaxDelay).Sub(now), p.LastWrite.Add(f.o.Lull).Sub(now))
}
