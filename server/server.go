// Package server speaks the Redis protocol for a lull.DB. It is a client of the
// root package: what it can do, a Go program can do.
//
// Whoever serves a connection (see poller) reads what has arrived, runs all complete
// commands in it in order, waits once until the engine has made sure of their
// effects, and answers with one write. Commands are dispatched by the table of
// package command to handlers, one file for each family.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/resp"
)

// Options configures a Server. Addr is required; zero fields mean the default that
// each names.
type Options struct {
	// DB is the engine. nil: one is opened meanwhile, and clients are told so until
	// Server.Use.
	DB *lull.DB
	// Addr is the host:port to listen on. Other addresses than loopback need a
	// Password.
	Addr string
	// Password is what clients have to give with AUTH or HELLO. Empty: none.
	Password string
	// MaxClients is the most connections at a time; one more is told so and closed.
	// Default 10,000.
	MaxClients int
	// IdleTimeout closes a connection that sent nothing for so long. 0: never.
	IdleTimeout time.Duration
	// StallTimeout closes a connection that took none of its answers for so long.
	// Default 60 s.
	StallTimeout time.Duration
	// ReplyMax is the most bytes of answers that may wait for one client; above it
	// the connection is closed. Default 1 GiB.
	ReplyMax int
	// Workers is how many connections are served at a time, each worker by a processor of its
	// own: what else Go has to do needs others. Linux. Default GOMAXPROCS.
	Workers int
	// KeepAlive is the period of TCP keepalive. Default 300 s, negative: none.
	KeepAlive time.Duration
	// Settings are what CONFIG GET shows, and CONFIG SET may change, besides the
	// server's own; they win over those of the same name.
	Settings map[string]Setting
	// Version is Lull's version, for INFO.
	Version string
	// OnError, if set, is told of connections that could not be accepted. It must not
	// block.
	OnError func(error)
}

func (o Options) withDefaults() Options {
	if o.MaxClients == 0 {
		o.MaxClients = 10_000
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = 60 * time.Second
	}
	if o.ReplyMax == 0 {
		o.ReplyMax = 1 << 30
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = 300 * time.Second
	}
	if o.OnError == nil {
		o.OnError = func(error) {}
	}
	return o
}

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("server closed")

// Server is a listener and its connections.
type Server struct {
	opts     Options
	db       atomic.Pointer[lull.DB] // nil while it is opened
	replay   replay
	listener net.Listener
	poller   *poller   // nil: each connection has a goroutine
	handlers []handler // by command.Command.Number
	limits   resp.Limits
	params   params
	clients  clients
	stats    stats
	runID    string
	started  time.Time

	// Live copies of settings that CONFIG SET may change.
	maxClients  atomic.Int64
	idleTimeout atomic.Int64 // ns

	ctx     context.Context // of every unit; ends when Shutdown's time is over
	cancel  context.CancelFunc
	closing atomic.Bool
	done    chan struct{}  // closed when Shutdown begins
	work    sync.WaitGroup // connections and the janitor
}

// Listen opens the port. Clients are served once Serve is called.
//
// It refuses an address that other machines could reach if there is no Password.
func Listen(o Options) (*Server, error) {
	o = o.withDefaults()
	if err := checkExposure(o.Addr, o.Password); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{KeepAlive: o.KeepAlive}).Listen(context.Background(), "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &Server{opts: o, listener: l, limits: resp.DefaultLimits, done: make(chan struct{}),
		runID: newRunID(), started: time.Now()}
	s.db.Store(o.DB)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.maxClients.Store(int64(o.MaxClients))
	s.idleTimeout.Store(int64(o.IdleTimeout))
	s.handlers = bindHandlers()
	s.params = s.newParams()
	s.clients.byID = make(map[int64]*conn)
	s.stats.tick(s.started)
	if s.poller, err = newPoller(s); err != nil {
		_ = l.Close()
		return nil, err
	}
	return s, nil
}

// checkExposure refuses to serve other machines without a password.
func checkExposure(addr, password string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", addr, err)
	}
	ip := net.ParseIP(host)
	if password != "" || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("listen address %q: other machines could connect and there is no password: set a password, or listen on 127.0.0.1", addr)
}

// Addr returns the address that the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve accepts connections until Shutdown, then returns ErrClosed.
func (s *Server) Serve() error {
	s.work.Add(1)
	defer s.work.Done()
	s.work.Go(s.janitor)
	for pause := time.Duration(0); ; {
		nc, err := s.listener.Accept()
		if s.closing.Load() {
			if err == nil {
				_ = nc.Close()
			}
			return ErrClosed
		}
		if err != nil { // too many open files, say: it may pass
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.opts.OnError(fmt.Errorf("accept: %w", err))
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.accept(nc)
	}
}

func (s *Server) accept(nc net.Conn) {
	s.stats.connections.Add(1)
	c := newConn(s, nc)
	tcp, ok := nc.(*net.TCPConn)
	polled := ok && s.poller != nil && c.sock.adopt(tcp) == nil // before others may look at c
	if !s.clients.add(c, s.maxClients.Load()) {
		s.stats.rejected.Add(1)
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = c.sock.write([]byte("-ERR max number of clients reached\r\n"), func() {})
		c.sock.close()
		return
	}
	s.work.Add(1)
	if !polled {
		go func() {
			c.serve()
			s.left(c)
		}()
	} else if err := s.poller.add(c); err != nil {
		s.opts.OnError(err)
		c.end()
		s.left(c)
	}
}

// left is called when a connection has ended.
func (s *Server) left(c *conn) {
	s.clients.remove(c)
	s.work.Done()
}

// Shutdown stops accepting, lets the commands that have arrived be answered, and
// closes the connections. When ctx ends it no longer waits for the answers. The DB
// stays open.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.closing.Swap(true) {
		return ErrClosed
	}
	close(s.done)
	err := s.listener.Close()
	s.clients.each(func(c *conn) { c.sock.wake() })
	if s.poller != nil {
		s.poller.wake()
	}
	finished := make(chan struct{})
	go func() {
		s.work.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
		s.cancel()
		s.clients.each(func(c *conn) {
			c.sock.cut()
			if s.poller != nil {
				s.poller.giveUp(c)
			}
		})
		<-finished
	}
	s.cancel()
	if s.poller != nil {
		s.poller.close()
	}
	return err
}

// janitorPeriod is how often connections are looked at, and how exact the times in
// CLIENT LIST and the timeouts are.
const janitorPeriod = 100 * time.Millisecond

// janitor keeps the coarse clock, takes samples for INFO, and closes connections
// that are idle or stalled for too long. Deadlines on the sockets would cost each
// answer more than this costs in a second.
func (s *Server) janitor() {
	ticker := time.NewTicker(janitorPeriod)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.stats.tick(now)
			s.clients.each(func(c *conn) { c.expire(now.UnixMilli()) })
		case <-s.done:
			return
		}
	}
}

// port is the port as text, for INFO.
func (s *Server) port() string {
	addr := s.Addr().String()
	return addr[strings.LastIndexByte(addr, ':')+1:]
}
