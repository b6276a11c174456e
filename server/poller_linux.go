package server

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// poller serves the connections with few goroutines, which it calls workers: one asks the
// system which connections have bytes to read, and answers them one after the other. A
// goroutine for each connection would be woken and put to sleep for each batch, by threads
// that look for work all over (docs/performance.md says what that costs).
//
// A worker whose connection has to wait, for SQL, the disk or the client, gives all else
// to a new goroutine and stays with that connection until it is idle. The watch does so for
// connections whose commands take long, and starts more workers while one cannot
// keep up.
type poller struct {
	srv   *Server
	epoll int
	bell  int // an eventfd that wakes the worker that waits
	// conns are the connections by descriptor. It grows under growing.
	conns   atomic.Pointer[[]atomic.Pointer[conn]]
	growing sync.Mutex

	workers []*worker    // the first always runs
	away    atomic.Int32 // goroutines that were workers, and serve what had to wait
	loaded  loaded
	asleep  atomic.Bool
	stir    chan struct{} // wakes the watch
	done    chan struct{}
	over    sync.WaitGroup // the workers in poller.workers and the watch
}

func newPoller(s *Server) (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &poller{srv: s, epoll: epoll, stir: make(chan struct{}, 1), done: make(chan struct{})}
	if p.bell, err = newBell(epoll, 0); err != nil {
		_ = unix.Close(epoll)
		return nil, err
	}
	if p.loaded.bell, err = newBell(epoll, edgeTriggered); err != nil {
		_ = unix.Close(epoll)
		_ = unix.Close(p.bell)
		return nil, err
	}
	p.conns.Store(new([]atomic.Pointer[conn]))
	for range s.opts.Workers {
		p.workers = append(p.workers, &worker{p: p, rank: len(p.workers)})
	}
	p.over.Go(p.watch)
	p.over.Add(1)
	go p.workers[0].run()
	return p, nil
}

// newBell returns an eventfd whose ring epoll tells.
func newBell(epoll int, how uint32) (int, error) {
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return 0, fmt.Errorf("eventfd: %w", err)
	}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN | how, Fd: int32(bell)}); err != nil {
		_ = unix.Close(bell)
		return 0, fmt.Errorf("epoll: %w", err)
	}
	return bell, nil
}

// add has the workers serve c from now on.
func (p *poller) add(c *conn) error {
	fd := c.sock.fd
	p.growing.Lock()
	conns := *p.conns.Load()
	if fd >= len(conns) {
		grown := make([]atomic.Pointer[conn], max(2*len(conns), fd+1, 64))
		for i := range conns {
			grown[i].Store(conns[i].Load())
		}
		p.conns.Store(&grown)
		conns = grown
	}
	conns[fd].Store(c)
	p.growing.Unlock()
	err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | edgeTriggered, Fd: int32(fd)})
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if p.srv.closing.Load() {
		p.wake() // it may have come after the others were ended
	}
	return nil
}

// edgeTriggered has each arrival told once.
const edgeTriggered = 1 << 31

// forget lets go of the connection at fd, which is about to be closed.
func (p *poller) forget(fd int) {
	p.growing.Lock()
	defer p.growing.Unlock()
	(*p.conns.Load())[fd].Store(nil)
}

// at returns the connection at fd; nil if it has been closed.
func (p *poller) at(fd int) *conn {
	if conns := *p.conns.Load(); fd < len(conns) {
		return conns[fd].Load()
	}
	return nil
}

// wake ends the connections that are idle, once the server is closing.
func (p *poller) wake() {
	one := [8]byte{0: 1}
	_, _ = unix.Write(p.bell, one[:]) // full: it rings already
}

// close ends the workers, once no connection is left.
func (p *poller) close() {
	close(p.done)
	p.wake()
	p.over.Wait()
	_ = unix.Close(p.epoll)
	_ = unix.Close(p.bell)
	_ = unix.Close(p.loaded.bell)
}

const (
	// watchPeriod is how long a command may keep a worker's other connections waiting.
	watchPeriod = 2 * time.Millisecond
	// watchRest is after how many periods without work the watch sleeps.
	watchRest = 50
	// crowd is from how many connections each time a worker asks on another one
	// helps it.
	crowd = 4
)

// watch gives the connections of a worker whose command takes long to another goroutine,
// and starts workers while one cannot keep up.
func (p *poller) watch() {
	ticker := time.NewTicker(watchPeriod)
	defer ticker.Stop()
	for rested := 0; ; rested++ {
		select {
		case <-p.done:
			return
		case <-ticker.C:
		}
		crowded := false
		for _, w := range p.workers {
			worked, many := w.look()
			crowded = crowded || many
			if worked {
				rested = 0
			}
		}
		if crowded {
			p.help()
		}
		if rested < watchRest {
			continue
		}
		// A worker looks at asleep when its turn has begun: one of the two sees the other.
		p.asleep.Store(true)
		if !p.resting() && p.asleep.CompareAndSwap(true, false) {
			continue
		}
		ticker.Stop()
		select {
		case <-p.done:
			return
		case <-p.stir:
		}
		rested = 0
		ticker.Reset(watchPeriod)
	}
}

// resting reports whether no worker did anything since the watch looked.
func (p *poller) resting() bool {
	for _, w := range p.workers {
		if w.turn.Load() != w.seen {
			return false
		}
	}
	return true
}

// help starts one worker more, if there is one.
func (p *poller) help() {
	for _, w := range p.workers[1:] {
		if w.active.CompareAndSwap(false, true) {
			p.over.Add(1)
			go w.run()
			return
		}
	}
}
