package crash

import (
	"sync"
	"testing"
	"time"
)

// pace knows whether the database, or the machine, was slow of late, by how long the
// reader's looks at SQL have taken.
type pace struct {
	mu       sync.Mutex
	began    time.Time // of the look under way; zero: none is
	lastSlow time.Time // when the last slow one ended
}

// slowLook is from when on a look is slow. It is seven statements. A load can wait behind
// some forty queries, if eight clients miss keys of all tables at once and four connections
// read: where a look takes less than this, those take less than a third of load_timeout.
const slowLook = 250 * time.Millisecond

func (p *pace) begin(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = now
}

// end notes how the look under way ended. A database that fails to answer is slow.
func (p *pace) end(now time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || now.Sub(p.began) >= slowLook {
		p.lastSlow = now
	}
	p.began = time.Time{}
}

// slowSince reports whether a look was slow that ended after from, or is not over at now.
func (p *pace) slowSince(from, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lastSlow.After(from) || !p.began.IsZero() && now.Sub(p.began) >= slowLook
}

func TestPace(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(1_000_000 + int64(ms)) }
	look := func(p *pace, from, to int, err error) {
		p.begin(at(from))
		p.end(at(to), err)
	}
	for _, c := range []struct {
		what string
		do   func(p *pace)
		slow bool
	}{
		{"no look at all", func(*pace) {}, false},
		{"quick looks", func(p *pace) { look(p, 9000, 9200, nil); look(p, 9800, 9900, nil) }, false},
		{"a slow look just now", func(p *pace) { look(p, 6000, 6300, nil); look(p, 9800, 9900, nil) }, true},
		{"a slow look long ago", func(p *pace) { look(p, 3000, 4900, nil); look(p, 9800, 9900, nil) }, false},
		{"a slow look that began long ago", func(p *pace) { look(p, 1000, 5100, nil) }, true},
		{"a look that failed", func(p *pace) { look(p, 7000, 7001, errEnded) }, true},
		{"a look that has been under way for long", func(p *pace) { p.begin(at(9000)) }, true},
		{"a look that has just begun", func(p *pace) { p.begin(at(9900)) }, false},
	} {
		w := &world{rep: &report{}}
		c.do(&w.pace)
		if got := w.mayBeLate(at(10_000)); got != c.slow {
			t.Errorf("%s: a load may be late: %v, want %v", c.what, got, c.slow)
		}
		w.away.Store(true)
		if !w.mayBeLate(at(10_000)) || w.rep.late.Load() != 2 || w.rep.lateInPeace.Load() != 1 {
			t.Errorf("%s, in a fault: a load may not be late, or the counts are %d and %d, want 2 and 1", c.what, w.rep.late.Load(), w.rep.lateInPeace.Load())
		}
	}
}
