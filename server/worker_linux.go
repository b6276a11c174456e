package server

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lullcache/lull"
)

// eventsMax is how many connections a worker takes at once: few, so that others can
// take the rest.
const eventsMax = 32

// worker answers connections one after the other. The goroutine that is in run has it
// to itself, but for turn and polls.
type worker struct {
	p    *poller
	rank int // in poller.workers; -1: it ends with what it was given
	// turn is odd while a connection is being answered. Whoever then makes it even has
	// the worker: the goroutine itself as it comes back, or another that takes it over.
	turn   atomic.Uint64
	polls  atomic.Uint64
	came   atomic.Uint64 // connections that had something to read, of all polls
	active atomic.Bool   // of those that help

	events [eventsMax]unix.EpollEvent
	n, at  int        // events that came, and are done
	parsed queue      // with a command to run
	ready  int        // of parsed, those whose keys were fetched
	batch  [][][]byte // those commands
	sends  queue      // with answers to send
	held   []*conn    // with answers that wait for the disk
	more   queue      // with more to read
	round  int        // of more, those who have a turn before the system is asked again
	asked  int        // how often it was since the first of held came
	kept   int        // how often it was asked with the processor kept

	seen, seenPolls, seenCame uint64 // the watch's
}

// queue is connections in the order in which they have their turn.
type queue struct {
	conns []*conn
	taken int
}

func (q *queue) len() int            { return len(q.conns) - q.taken }
func (q *queue) push(conns ...*conn) { q.conns = append(q.conns, conns...) }

func (q *queue) pop() *conn {
	c := q.conns[q.taken]
	q.conns[q.taken] = nil
	q.taken++
	switch {
	case q.taken == len(q.conns):
		q.conns, q.taken = q.conns[:0], 0
	case q.taken >= 1024: // it is never empty
		q.conns, q.taken = append([]*conn(nil), q.conns[q.taken:]...), 0
	}
	return c
}

// run serves connections until there is nothing to do or another goroutine has the worker.
func (w *worker) run() {
	for {
		c := w.next()
		switch {
		case c != nil:
			if !w.serve(c) {
				return
			}
		case len(w.held) > 0:
			if !w.gather() && !w.commit() {
				return
			}
		case w.more.len() > 0:
			if w.rank >= 0 {
				w.ask(0)
			}
			w.round = w.more.len()
		case w.rank < 0 || !w.poll():
			return
		}
	}
}

// next returns a connection that has something to do; nil if none is known.
func (w *worker) next() *conn {
	if w.p.loaded.n.Load() > 0 && w.rank >= 0 {
		w.parsed.push(w.p.loaded.take()...)
	}
	for w.ready == 0 && w.at < w.n && w.parsed.len() < lull.ApproachMax {
		e := &w.events[w.at]
		w.at++
		c := w.p.at(int(e.Fd))
		if c == nil {
			continue // it was closed meanwhile, or is a bell
		}
		if e.Events&^unix.EPOLLIN != 0 {
			c.sock.ended.Store(true)
		}
		if c.claim() {
			return c
		}
	}
	if w.parsed.len() > 0 {
		if w.ready == 0 {
			w.approach()
		}
		w.ready--
		return w.parsed.pop()
	}
	if w.sends.len() > 0 {
		return w.sends.pop()
	}
	if w.round > 0 {
		w.round--
		return w.more.pop()
	}
	return nil
}

// approach has the keys of all commands that are to run fetched from memory at once.
func (w *worker) approach() {
	clear(w.batch)
	w.batch = w.batch[:0]
	all := w.parsed.conns[w.parsed.taken:]
	for _, c := range all {
		if c.sess.Database() == all[0].sess.Database() {
			w.batch = append(w.batch, c.batch[c.running])
		}
	}
	all[0].approach(w.batch)
	w.ready = len(all)
}

// ask asks the system which connections have something to read, and waits for one as
// epoll_wait does.
func (w *worker) ask(timeout int) (n int) {
	if timeout < 0 && len(w.p.workers) > 1 && w.p.away.Load() == 0 {
		n = w.askShortly()
	}
	if n == 0 {
		n, _ = unix.EpollWait(w.p.epoll, w.events[:], timeout) // the error is EINTR
	}
	w.at, w.n = 0, max(n, 0)
	w.polls.Store(w.polls.Load() + 1)
	w.came.Store(w.came.Load() + uint64(w.n))
	return w.n
}

// heldMs is how long a worker that waits keeps its processor, in ms.
const heldMs = 1

// askShortly waits for heldMs, and Go's scheduler knows nothing of it: it would look for something
// else to do with the processor, let it go, and wake a thread that watches over it, each time
// that nobody had something to read for some microseconds. What could run meanwhile is taken over
// by the other processors; but while connections wait elsewhere, the scheduler is to see at once when
// that is over.
func (w *worker) askShortly() int {
	w.kept++
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(w.p.epoll), uintptr(unsafe.Pointer(&w.events[0])), eventsMax, heldMs, 0, 0)
	if errno != 0 {
		return 0 // EINTR: the scheduler wants the processor
	}
	return int(n)
}

// poll finds connections that have something to read; the first worker waits for them. It
// is false when the worker is to end.
func (w *worker) poll() bool {
	timeout := -1
	if w.rank > 0 {
		timeout = 0
	}
	n := w.ask(timeout)
	if w.rank > 0 && n == 0 || w.p.srv.closing.Load() && !w.closing() {
		w.active.Store(false)
		w.p.over.Done()
		return false
	}
	return true
}

// gatherMax bounds how long answers wait for others: all the time somebody may have
// something to read.
const gatherMax = 4

// gather looks for more connections whose answers could wait for the disk together with
// those that are held.
func (w *worker) gather() bool {
	w.asked++
	return w.asked <= gatherMax && w.rank >= 0 && w.ask(0) > 0
}

// closing has the connections that rest see that the server is closing. It is false when
// all are gone; then the bell rings on, for the other workers.
func (w *worker) closing() bool {
	var rings [8]byte
	_, _ = unix.Read(w.p.bell, rings[:])
	select {
	case <-w.p.done: // looked at after the ring was taken: it may have been that of done
		w.p.wake()
		return false
	default:
	}
	w.p.srv.clients.each(func(c *conn) {
		if c.sock.polled() && c.claim() {
			w.more.push(c)
		}
	})
	return true
}

// begin begins a turn, under the eyes of the watch.
func (w *worker) begin() (turn uint64) {
	turn = w.turn.Load() + 1
	w.turn.Store(turn)
	if w.p.asleep.Load() && w.p.asleep.CompareAndSwap(true, false) {
		w.p.stir <- struct{}{}
	}
	return turn
}

// leave gives the worker to another goroutine, if it is still in this turn.
func (w *worker) leave(turn uint64) {
	if w.turn.CompareAndSwap(turn, turn+1) {
		w.p.away.Add(1)
		go w.run()
	}
}

// serve lets c do what it has to do. It is false if another goroutine has the worker
// since.
func (w *worker) serve(c *conn) bool {
	turn := w.begin()
	c.worker, c.workerTurn = w, turn
	state := c.turn()
	c.worker = nil
	if !w.turn.CompareAndSwap(turn, turn+1) {
		c.finish(state)
		w.p.away.Add(-1)
		return false
	}
	switch {
	case state == parsed:
		w.parsed.push(c)
	case state == waiting:
		w.p.load(c)
	case state == holding && len(c.spans) > 0:
		w.held = append(w.held, c)
	case state == holding:
		w.sends.push(c)
	case state == ended && c.broken:
		go c.finish(state) // it takes its time
	case state == ended:
		c.finish(state)
	case state != resting || !c.rest():
		w.more.push(c)
	}
	return true
}

// commit has all answers that are held wait once for the disk. It is false if another
// goroutine has the worker since.
func (w *worker) commit() bool {
	group := w.held
	w.held, w.asked = nil, 0
	var last lull.Ticket
	for _, c := range group {
		if t := c.latest(); t.Position > last.Position {
			last = t
		}
	}
	turn := w.begin()
	// Each asks again, and answers an error.
	_ = group[0].db.WaitDisk(w.p.srv.ctx, last, len(group), func() { w.leave(turn) })
	if w.turn.CompareAndSwap(turn, turn+1) {
		w.sends.push(group...)
		return true
	}
	late := &worker{p: w.p, rank: -1}
	late.sends.push(group...)
	late.run()
	w.p.away.Add(-1)
	return false
}

// look is the watch's. It takes the worker from a turn that has lasted since it last looked. It
// reports whether the worker did something since, and whether it cannot keep up.
func (w *worker) look() (worked, crowded bool) {
	turn, polls, came := w.turn.Load(), w.polls.Load(), w.came.Load()
	turns, asked, conns := turn-w.seen, polls-w.seenPolls, came-w.seenCame
	w.seen, w.seenPolls, w.seenCame = turn, polls, came
	if turns == 0 && turn%2 == 1 {
		w.leave(turn)
		return true, false
	}
	return turns > 0, conns >= crowd*max(asked, 1)
}
