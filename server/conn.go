package server

import (
	"errors"
	"io"
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
	replyFlush  = 1 << 20  // bytes of answers that are sent before the batch is through
	replyKeep   = 64 << 10 // a reply buffer larger than this is given back
	argsKeep    = 8 << 10  // slices for more arguments, keys or commands than this are given back
	lingerTime  = 200 * time.Millisecond
	lingerBytes = 4 << 20

	writeMax = 1 << 20 // bytes handed to the socket at once; a client must take some in StallTimeout
)

// conn is one client. Its goroutine owns all but the fields of view.
type conn struct {
	srv  *Server
	nc   net.Conn
	sock *socket
	id   int64
	fd   int
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
	needs   []lull.KeyNeed
	spans   []span // answers of the batch that wait for their ticket
	probed  int64  // the janitor's: the value of view.active at which it last asked for the end
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
	c := &conn{srv: s, nc: nc, sock: newSocket(nc), fd: fileDescriptor(nc), sess: new(lull.Session), authed: s.opts.Password == ""}
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

// serve answers commands until the client or the server ends the connection.
func (c *conn) serve() {
	defer c.end()
	c.sock.run(c.turn)
}

// turn reads once and answers. It is false when the connection is to end.
func (c *conn) turn() bool {
	before := c.rd.Buffered()
	switch err := c.rd.Fill(c.sock); {
	case err == errDry:
		return !c.srv.closing.Load()
	case err != nil:
		return false
	}
	c.srv.stats.bytesIn.Add(uint64(c.rd.Buffered() - before))
	c.view.active.Store(c.srv.stats.now.Load())
	return c.answer() == nil && !c.quit && !c.srv.closing.Load()
}

func (c *conn) end() {
	c.discard()
	if c.broken {
		c.linger()
	}
	_ = c.nc.Close()
}

// linger takes some of what a client with a broken request is still sending: a
// socket closed with bytes unread would make the client's system drop our answer.
func (c *conn) linger() {
	tcp, ok := c.nc.(*net.TCPConn)
	if !ok || tcp.CloseWrite() != nil {
		return
	}
	_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, tcp, lingerBytes)
}

// answer runs the commands that have arrived whole, and sends their answers.
func (c *conn) answer() error {
	c.join()
	c.out.Ready()
	for !c.quit {
		err := c.parse()
		for c.running = 0; c.running < len(c.batch) && !c.quit; c.running++ {
			if c.running%lull.ApproachMax == 0 {
				c.approach(c.batch[c.running:])
			}
			c.execute(c.batch[c.running])
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
	}
	err := c.flush()
	c.release()
	return err
}

// approach has the keys of the next commands fetched from memory at once. The
// first argument is nearly always a key; if it is not, nothing is found under it.
func (c *conn) approach(batch [][][]byte) {
	if len(batch) < 2 || c.db == nil {
		return
	}
	c.sess.StopClock()
	c.keys = c.keys[:0]
	for _, args := range batch[:min(len(batch), lull.ApproachMax)] {
		if len(args) > 1 {
			c.keys = append(c.keys, args[1])
		}
	}
	c.sess.Approach(c.keys)
}

// parse takes all complete commands; before AUTH just one, since what it does
// decides the limits for the next.
func (c *conn) parse() error {
	clear(c.batch)
	c.batch, c.fetched = c.batch[:0], false
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
		n, err := c.sock.Write(b[:min(len(b), writeMax)])
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
	if active != c.probed && now-active >= janitorPeriod.Milliseconds() {
		c.probed = active
		if c.sock.ended() {
			c.sock.cut()
			return
		}
	}
	idle := time.Duration(c.srv.idleTimeout.Load())
	if idle > 0 && now-active > idle.Milliseconds() {
		c.sock.cut()
	}
}

// wake makes a connection that waits for commands see that the server is closing.
func (c *conn) wake() { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) }

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

// fileDescriptor returns nc's descriptor, for CLIENT LIST.
func fileDescriptor(nc io.Closer) int {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return -1
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1
	}
	fd := -1
	_ = raw.Control(func(p uintptr) { fd = int(p) }) // -1 if the socket is closed already
	return fd
}
