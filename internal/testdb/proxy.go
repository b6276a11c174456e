package testdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Direction is one of a connection's two.
type Direction uint8

// The directions.
const (
	ToServer Direction = iota
	ToClient
)

// Proxy passes TCP connections on to a server, until told otherwise. Its methods
// may be called from any goroutine and stay in force until the next call.
type Proxy struct {
	t      testing.TB
	target string
	port   *port
	pumps  sync.WaitGroup

	// mu guards all below. It is never held during I/O on a connection.
	mu       sync.Mutex
	changed  *sync.Cond // signals that hanging or closed changed
	listener net.Listener
	hanging  bool
	closed   bool
	budget   [2]int64 // bytes still to pass before the cut; below 0: no cut is set
	passed   [2]int64
	cuts     int
	accepted int
	// then is called after a message to the server in which text stands; deaf: meanwhile
	// nothing is passed on to clients.
	text string
	then func()
	deaf bool
	// redirected is the target of new connections, if not target.
	redirected string
	open       map[*link]struct{}
}

// link is one client's connection and its continuation to the server.
type link struct{ client, server net.Conn }

// StartProxy starts a proxy to target (host:port). It ends with the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{t: t, target: target, budget: [2]int64{-1, -1}, open: map[*link]struct{}{}}
	p.changed = sync.NewCond(&p.mu)
	var err error
	if p.port, err = freePort(); err == nil {
		err = p.listen()
	}
	if err != nil {
		t.Fatalf("testdb: proxy: %v", err)
	}
	t.Cleanup(p.close)
	return p
}

// Addr returns the proxy's host:port.
func (p *Proxy) Addr() string { return fmt.Sprintf("127.0.0.1:%d", p.port.number) }

// Through returns the URL with the target's address replaced by the proxy's.
func (p *Proxy) Through(url string) string { return strings.Replace(url, p.target, p.Addr(), 1) }

// Redirect leads new connections to another target (host:port), and cuts the old ones:
// a failover, as a virtual address or a name makes it.
func (p *Proxy) Redirect(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.redirected = target
	p.cut()
}

// CutAfter lets n more bytes pass in the direction, counted over all connections,
// and cuts all connections in place of the next byte. It works once; new
// connections pass. CutAfter(ToClient, 0) loses the next answer: the server has
// done what was asked, and the client cannot know. n < 0 takes the order back.
func (p *Proxy) CutAfter(d Direction, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget[d] = n
}

// CutOn calls then once, when it has passed on to the server what holds text, and then cuts
// all connections: whatever the server answers meanwhile is lost.
func (p *Proxy) CutOn(text string, then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.then = text, then
}

// Cut cuts all connections now. New ones pass.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

// Cuts returns how many times connections were cut, by Cut, CutAfter or Refuse.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// Accepted returns how many connections clients have opened so far. None can be
// counted while Refuse is in force; a stopped target counts.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Passed returns how many bytes went through in the direction so far.
func (p *Proxy) Passed(d Direction) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[d]
}

// Refuse cuts all connections and refuses new ones, until Resume.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	p.cut()
}

// Hang holds back all bytes, on old connections and new ones, which it still
// accepts. Resume lets them go on; nothing is lost.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hanging = true
}

// Resume ends Refuse and Hang and takes back what CutAfter ordered.
func (p *Proxy) Resume() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hanging = false
	p.budget = [2]int64{-1, -1}
	p.changed.Broadcast()
	if p.listener != nil {
		return
	}
	if err := p.listen(); err != nil {
		p.t.Errorf("testdb: proxy: resume: %v", err)
	}
}

// listen is called with mu held, or before others know the proxy.
func (p *Proxy) listen() error {
	l, err := net.Listen("tcp", p.Addr())
	if err != nil {
		return err
	}
	p.listener = l
	p.pumps.Go(func() { p.accept(l) })
	return nil
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return // closed by Refuse or close
		}
		p.mu.Lock()
		p.accepted++
		p.mu.Unlock()
		p.pumps.Go(func() { p.connect(client) })
	}
}

// connect joins a new client with the server. A server that refuses shows to the
// client as a connection that ends.
func (p *Proxy) connect(client net.Conn) {
	if !p.pass(ToServer, nil) {
		client.Close()
		return
	}
	p.mu.Lock()
	target := p.target
	if p.redirected != "" {
		target = p.redirected
	}
	p.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		client.Close()
		return
	}
	ln := &link{client: client, server: server}
	p.mu.Lock()
	if p.closed || p.listener == nil {
		ln.close()
	} else {
		p.open[ln] = struct{}{}
	}
	p.mu.Unlock()
	p.pumps.Go(func() { p.pump(ln, ToServer, client, server) })
	p.pumps.Go(func() { p.pump(ln, ToClient, server, client) })
}

// pump carries bytes one way until the connection ends on either side.
func (p *Proxy) pump(ln *link, d Direction, from io.Reader, to io.Writer) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		ln.close()
		delete(p.open, ln)
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !p.forward(d, buf[:n], to) {
			return
		}
		if err != nil {
			return
		}
	}
}

// forward writes b, or as much of it as passes before a cut, which it makes.
func (p *Proxy) forward(d Direction, b []byte, to io.Writer) bool {
	allowed := len(b)
	cut := false
	var then func()
	if !p.pass(d, func() {
		if p.then != nil && d == ToServer && bytes.Contains(b, []byte(p.text)) {
			then, p.then, p.deaf = p.then, nil, true
		}
		if p.budget[d] >= 0 {
			allowed = int(min(p.budget[d], int64(len(b))))
			cut = allowed < len(b)
			p.budget[d] -= int64(allowed)
		}
		p.passed[d] += int64(allowed)
		if cut {
			p.budget[d] = -1
		}
	}) {
		return false
	}
	if _, err := to.Write(b[:allowed]); err != nil {
		return false
	}
	if then != nil {
		then()
		cut = true
	}
	if cut {
		p.Cut()
	}
	return !cut
}

// pass waits while the proxy hangs, then runs under the lock what is given. It
// reports false if the proxy was closed.
func (p *Proxy) pass(d Direction, then func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for (p.hanging || p.deaf && d == ToClient) && !p.closed {
		p.changed.Wait()
	}
	if then != nil && !p.closed {
		then()
	}
	return !p.closed
}

// cut is called with mu held.
func (p *Proxy) cut() {
	p.cuts++
	if p.deaf {
		p.deaf = false
		p.changed.Broadcast()
	}
	for ln := range p.open {
		ln.close()
		delete(p.open, ln)
	}
}

func (ln *link) close() { _ = errors.Join(ln.client.Close(), ln.server.Close()) }

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	if p.listener != nil {
		p.listener.Close()
	}
	p.cut()
	p.changed.Broadcast()
	p.mu.Unlock()
	p.pumps.Wait()
	p.port.release()
}
