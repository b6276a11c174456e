package server

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/resp"
)

const (
	replyFlush = 1 << 20  // bytes of answers that are sent before the batch is through
	replyKeep  = 64 << 10 // a reply buffer larger than this is given back
	argsKeep   = 8 << 10  // slices for more arguments, keys or commands than this are given back

	writeMax = 1 << 20 // bytes handed to the socket at once; a client must take some in StallTimeout
)

// conn is one client. Whoever serves it, a goroutine of its own or a worker's, owns all but
// claims, sock and the fields of view.
type conn struct {
	srv  *Server
	sock *socket
	id   int64
	db   *lull.DB      // nil while it is opened
	sess *lull.Session // until then it only knows its database number
	rd   resp.Reader
	out  resp.Writer
	view view

	authed  bool
	quit    bool // close after the answers are sent
	broken  bool // the client did not keep to the protocol
	call    call
	multi   *multi     // what is queued since MULTI; nil outside
	before  lull.Stats // as EXEC began, if it reports them
	batch   [][][]byte // the commands of the batch under way
	running int        // index of the running one
	fetched bool       // the batch's keys were loaded ahead
	keys    [][]byte
	members [][]byte // of the next commands, while their keys are fetched ahead
	needs   []lull.KeyNeed
	spans   []span // answers of the batch that wait for their ticket

	parsed     bool         // the command waits until a worker runs it
	waiting    bool         // the running command waits until needs are in memory
	behind     error        // what came behind the batch meanwhile
	loads      atomic.Int32 // odd while needs are loaded
	held       bool         // the answers wait until a worker sends them
	claims     atomic.Int32 // 0: it rests; above 1: there is more to read
	worker     *worker      // whose turn it is; nil: the goroutine has nothing else to do
	workerTurn uint64
}

// span is the part of the reply buffer that answers one unit.
type span struct {
	start, end int
	ticket     lull.Ticket
}

// view is what others see of a connection: CLIENT LIST, the janitor.
type view struct {
	created    int64        // ms since 1970
	active     atomic.Int64 // time of the last command, ms since 1970
	writing    atomic.Int64 // since when a write has made no progress; 0: none
	command    atomic.Pointer[command.Command]
	db         atomic.Int32
	queued     atomic.Int32 // commands in MULTI; -1 outside
	version    atomic.Int32
	queryBytes atomic.Int64 // read buffer in use
	queryCap   atomic.Int64
	replyBytes atomic.Int64 // not yet sent
	noEvict    atomic.Bool

	mu         sync.Mutex // guards the texts below
	name       string
	libName    string
	libVersion string
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, sock: newSocket(nc), sess: new(lull.Session), authed: s.opts.Password == ""}
	c.call.conn, c.call.out = c, &c.out
	c.out.SetLimit(s.opts.ReplyMax)
	now := s.stats.now.Load()
	c.view.created = now
	c.view.active.Store(now)
	c.join()
	c.publish(nil)
	c.limit()
	return c
}

// limit sets the reader's limits, tighter before AUTH.
func (c *conn) limit() {
	if c.authed {
		c.rd.SetLimits(c.srv.limits, false)
		return
	}
	c.rd.SetLimits(resp.UnauthLimits, true)
}

// state is what a connection does next.
type state uint8

const (
	resting state = iota // nothing until the client sends more
	reading              // there may be more to read
	parsed               // its command runs later
	waiting              // its keys have to be loaded first
	holding              // its answers are sent later
	ended
)

// serve answers commands until the client or the server ends the connection, on a
// goroutine of its own.
func (c *conn) serve() {
	defer c.end()
	for c.turn() != ended {
	}
}

// turn reads once and answers, or does what is left of that.
func (c *conn) turn() state {
	switch {
	case c.held:
		c.held = false
		return c.after(c.conclude())
	case c.parsed:
		c.parsed = false
		return c.after(c.run(nil))
	case c.waiting:
		return c.after(c.resume())
	}
	before := c.rd.Buffered()
	switch err := c.rd.Fill(c.sock); {
	case err == errDry:
		return c.after(nil)
	case err != nil:
		return ended
	}
	c.srv.stats.bytesIn.Add(uint64(c.rd.Buffered() - before))
	c.view.active.Store(c.srv.stats.now.Load())
	return c.after(c.answer())
}

// after is what comes after a turn that ended with err.
func (c *conn) after(err error) state {
	switch {
	case c.parsed:
		return parsed
	case c.waiting:
		return waiting
	case c.held:
		return holding
	case err != nil || c.quit || c.srv.closing.Load():
		return ended
	case c.sock.dry:
		return resting
	}
	return reading
}

// claim has the caller serve a connection that rests. If somebody does, he learns that
// there is more to read.
func (c *conn) claim() bool { return c.claims.Add(1) == 1 }

// rest ends what claim began. It is false if there is more to read since.
func (c *conn) rest() bool {
	if c.claims.CompareAndSwap(1, 0) {
		return !c.srv.closing.Load() || !c.claim()
	}
	c.claims.Store(1)
	return false
}

// finish serves the connection, which is in state, on this goroutine until it rests.
func (c *conn) finish(s state) {
	for {
		switch s {
		case resting:
			if c.rest() {
				return
			}
		case ended:
			c.end()
			c.srv.left(c)
			return
		case waiting:
			c.sess.Prefetch(c.srv.ctx, c.needs)
		}
		s = c.turn()
	}
}

// leave is called before the connection waits for something: the worker's other
// connections go on without it.
func (c *conn) leave() {
	if w := c.worker; w != nil {
		c.worker = nil
		w.leave(c.workerTurn)
	}
}

func (c *conn) end() {
	c.discard()
	if c.broken {
		c.sock.linger()
	}
	if c.sock.polled() {
		c.srv.poller.forget(c.sock.fd)
	}
	c.sock.close()
}

// answer runs the commands that have arrived whole, and sends their answers.
func (c *conn) answer() error {
	c.join()
	c.out.Ready()
	err := c.parse()
	if err == nil && c.worker != nil && c.single() {
		c.parsed = true
		return nil
	}
	return c.run(err)
}

// resume runs the command that waited, and those after it.
func (c *conn) resume() error {
	c.waiting = false
	clear(c.needs)
	c.approach(c.batch[c.running:])
	return c.run(c.behind)
}

// run runs the commands that were parsed, from the running one on; err is what came behind
// them.
func (c *conn) run(err error) error {
	for !c.quit {
		for ; c.running < len(c.batch) && !c.quit; c.running++ {
			if c.running%lull.ApproachMax == 0 {
				c.approach(c.batch[c.running:])
			}
			if !c.execute(c.batch[c.running]) {
				c.waiting, c.behind = true, err
				return nil
			}
			if c.out.Len() >= replyFlush {
				if err := c.flush(); err != nil {
					return err
				}
				c.out.Ready()
			}
		}
		c.srv.stats.commands.Add(uint64(c.running))
		if err != nil && !c.quit {
			c.reject(err)
		}
		if len(c.batch) == 0 || c.authed {
			break
		}
		err = c.parse()
	}
	if c.worker != nil && c.holds() {
		c.held = true
		return nil
	}
	return c.conclude()
}

// conclude sends the answers of a batch.
func (c *conn) conclude() error {
	err := c.flush()
	c.release()
	return err
}

// parse takes all complete commands; before AUTH just one, since what it does
// decides the limits for the next.
func (c *conn) parse() error {
	clear(c.batch)
	c.batch, c.running, c.fetched = c.batch[:0], 0, false
	for {
		args, err := c.rd.Next()
		if args == nil || err != nil {
			return err
		}
		c.batch = append(c.batch, args)
		if !c.authed {
			return nil
		}
	}
}

// reject answers a broken request, and ends the connection.
func (c *conn) reject(err error) {
	var protocol *resp.ProtocolError
	if errors.As(err, &protocol) {
		c.out.Error("ERR", protocol.Error())
		c.broken = true
	}
	c.quit = true
}

// flush waits for what the answers promise, and sends them.
func (c *conn) flush() error {
	if c.out.Over() || c.out.Len() > c.srv.opts.ReplyMax {
		return errReplyTooLong
	}
	if c.db != nil {
		c.sess.StartClock()
	}
	c.settle()
	c.publish(nil)
	c.hit(failpoint.BeforeAck)
	err := c.send(c.out.Bytes())
	c.hit(failpoint.AfterAck)
	c.out.Reset(replyKeep)
	return err
}

// hit is a place where crash tests end the process. -LOADING acknowledges nothing.
func (c *conn) hit(p failpoint.Point) {
	if c.db != nil {
		failpoint.Hit(p)
	}
}

// release gives back what one long command or pipeline made large: most connections
// are idle most of the time.
func (c *conn) release() {
	if cap(c.batch) > argsKeep {
		c.batch = nil
	}
	if cap(c.keys) > argsKeep {
		c.keys = nil
	}
	if cap(c.needs) > argsKeep {
		c.needs = nil
	}
	if cap(c.spans) > argsKeep {
		c.spans = nil
	}
	c.call.args = nil
}

// send writes to the socket in parts, so that the janitor sees whether the client
// takes any.
func (c *conn) send(b []byte) error {
	for len(b) > 0 {
		c.view.writing.Store(c.srv.stats.now.Load())
		n, err := c.sock.write(b[:min(len(b), writeMax)], c.leave)
		c.srv.stats.bytesOut.Add(uint64(n))
		if err != nil {
			return err
		}
		b = b[n:]
	}
	c.view.writing.Store(0)
	return nil
}

// expire closes the connection if it is idle or stalled for too long. Others call
// it; a closed socket ends the connection's own goroutine.
func (c *conn) expire(now int64) {
	if since := c.view.writing.Load(); since != 0 {
		if now-since > c.srv.opts.StallTimeout.Milliseconds() {
			c.sock.cut()
		}
		return
	}
	active := c.view.active.Load()
	idle := time.Duration(c.srv.idleTimeout.Load())
	if idle > 0 && now-active > idle.Milliseconds() {
		c.sock.cut()
	}
}

// publish shows others the connection's state. running is the command under way,
// nil to leave the last one.
func (c *conn) publish(running *command.Command) {
	v := &c.view
	if running == nil && c.running > 0 {
		running = c.call.cmd
	}
	if running != nil {
		v.command.Store(running)
	}
	v.db.Store(int32(c.sess.Database()))
	v.version.Store(int32(c.out.Version()))
	v.queryBytes.Store(int64(c.rd.Buffered()))
	v.queryCap.Store(int64(c.rd.Cap()))
	v.replyBytes.Store(int64(c.out.Len()))
	queued := int32(-1)
	if c.multi != nil {
		queued = int32(len(c.multi.queue))
	}
	v.queued.Store(queued)
}

var errReplyTooLong = errors.New("reply buffer limit reached")
