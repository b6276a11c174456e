// Package world is what the engine takes from around it besides files and databases: the
// time, waiting, work that goes on beside, and chance. Real is the machine's. The
// simulation puts its own in its place, which runs one thing at a time and draws from a
// seed what comes next; so a run repeats exactly.
package world

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// World is the time, waiting, work beside, and chance.
type World interface {
	Now() time.Time
	// Since is the time since a Now, and cheaper than another Now.
	Since(t time.Time) time.Duration
	// Wait returns true when c is closed or gives something, and false when d has
	// passed or ctx has ended. A nil c never gives; see Never for d.
	Wait(ctx context.Context, d time.Duration, c <-chan struct{}) bool
	// Go runs f beside the caller; done is closed when f has returned.
	Go(f func()) (done <-chan struct{})
	// Random returns 64 random bits.
	Random() uint64
}

// Never is a Wait without an end of its own.
const Never time.Duration = math.MaxInt64

// Real is the machine's world.
type Real struct{}

// Now implements World.
func (Real) Now() time.Time { return time.Now() }

// Since implements World.
func (Real) Since(t time.Time) time.Duration { return time.Since(t) }

// Wait implements World.
func (Real) Wait(ctx context.Context, d time.Duration, c <-chan struct{}) bool {
	var after <-chan time.Time
	if d < Never {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-c:
		return true
	case <-after:
	case <-ctx.Done():
	}
	return false
}

// Go implements World.
func (Real) Go(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

// Random implements World.
func (Real) Random() uint64 { return rand.Uint64() }
