package server

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lullcache/lull"
)

// loaded are the connections whose keys were loaded since they had a turn: any worker
// takes them. Meanwhile nobody serves them, so that no goroutine waits for them.
type loaded struct {
	n     atomic.Int32 // len(conns)
	mu    sync.Mutex
	conns []*conn
	bell  int // an eventfd that wakes a worker that waits; nobody reads it
}

// load has what c needs loaded; c goes on then. The caller has nothing to do with it any more.
func (p *poller) load(c *conn) {
	missing, ok := c.sess.Missing(c.needs)
	if !ok {
		p.loaded.put(c)
		return
	}
	load := c.loads.Add(1)
	missing.Load(p.srv.ctx, func() { p.goOn(c, load) })
}

// goOn has a worker serve c again, if it still waits for that load.
func (p *poller) goOn(c *conn, load int32) {
	if load%2 == 1 && c.loads.CompareAndSwap(load, load+1) {
		p.loaded.put(c)
	}
}

// giveUp has c wait no longer.
func (p *poller) giveUp(c *conn) { p.goOn(c, c.loads.Load()) }

func (l *loaded) put(c *conn) {
	l.mu.Lock()
	l.conns = append(l.conns, c)
	l.n.Store(int32(len(l.conns)))
	first := len(l.conns) == 1
	l.mu.Unlock()
	if first {
		one := [8]byte{0: 1}
		_, _ = unix.Write(l.bell, one[:])
	}
}

// take takes as many as have their keys fetched from memory together.
func (l *loaded) take() []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.conns), lull.ApproachMax)
	taken := l.conns[:n:n]
	l.conns = l.conns[n:]
	l.n.Store(int32(len(l.conns)))
	if len(l.conns) == 0 {
		l.conns = nil
	}
	return taken
}
