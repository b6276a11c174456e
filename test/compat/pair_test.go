// Package compat holds Lull against a real Redis: the same commands are sent to both,
// in both protocols, and the answers compared byte for byte, errors included. Commands come
// from scripts (testdata/<family>.txt) and from generators with a seed. Lull's answers are also
// compared while keys are dropped from memory before each command, so that everything was
// loaded from SQL, and over restarts.
package compat

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/server"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// pair is a Redis and a Lull, each with a connection.
type pair struct {
	t     testing.TB
	proto int
	redis *client
	lull  *client
	node  *node
	// history is the last commands, for reports.
	history [][]string
	// queued is what stands since the last MULTI.
	queued  [][]string
	inMulti bool
	// cold drops the keys from Lull's memory before each command.
	cold bool
	// names are words that were arguments: what cold may have to drop.
	names map[string]bool
}

func startPair(t testing.TB, proto int) *pair {
	t.Helper()
	p := &pair{t: t, proto: proto, node: startNode(t), names: make(map[string]bool)}
	p.redis = dial(t, "redis", testdb.Redis(t), proto)
	p.lull = dial(t, "lull", p.node.addr(), proto)
	return p
}

// node is a Lull over SQLite that can be restarted.
type node struct {
	t      testing.TB
	dir    string
	db     *lull.DB
	srv    *server.Server
	served chan error
	close  func()
}

func startNode(t testing.TB) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir()}
	n.start()
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *node) addr() string { return n.srv.Addr().String() }

func (n *node) start() {
	n.t.Helper()
	ctx := context.Background()
	s, err := sqlite.Open(ctx, "sqlite:"+filepath.Join(n.dir, "lull.db"), sqlsink.Options{})
	if err != nil {
		n.t.Fatal(err)
	}
	n.close = func() { _ = s.Close() }
	n.db, err = lull.Open(ctx, lull.Options{
		DataDir: filepath.Join(n.dir, "data"), Sink: s, Ack: lull.AckMemory,
		Log: lull.LogOptions{SegmentBytes: 4 << 20},
		OnEvent: func(e lull.Event) {
			if e.Err != nil {
				n.t.Errorf("lull: event %s: %s: %v", e.Kind, e.Text, e.Err)
			}
		},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	if n.srv, err = server.Listen(server.Options{DB: n.db, Addr: "127.0.0.1:0"}); err != nil {
		n.t.Fatal(err)
	}
	n.served = make(chan error, 1)
	go func() { n.served <- n.srv.Serve() }()
}

// hangMax is the only bound on how long something may take: the machine may have other work.
const hangMax = 2 * time.Minute

func (n *node) stop() {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangMax)
	defer cancel()
	if err := n.srv.Shutdown(ctx); err != nil {
		n.t.Errorf("lull: shutdown: %v", err)
	}
	if err := <-n.served; !errors.Is(err, server.ErrClosed) {
		n.t.Errorf("lull: serve: %v", err)
	}
	if err := n.db.Close(ctx); err != nil {
		n.t.Errorf("lull: close: %v", err)
	}
	n.close()
}

// restart stops Lull and starts it again over the same files.
func (p *pair) restart() {
	p.t.Helper()
	p.node.stop()
	p.node.start()
	p.lull = dial(p.t, "lull", p.node.addr(), p.proto)
	p.redis.do("SELECT", "0")
}

// reset empties both.
func (p *pair) reset() {
	p.t.Helper()
	for _, c := range []*client{p.redis, p.lull} {
		c.do("SELECT", "0")
		if r := c.do("FLUSHALL"); r.kind == '-' {
			p.t.Fatalf("%s: FLUSHALL: %s", c.name, r)
		}
	}
	p.history = nil
	clear(p.names)
}

// forget brings SQL up to date and drops the keys from Lull's memory.
func (p *pair) forget() {
	p.t.Helper()
	ctx := p.t.Context()
	if err := p.node.db.Sync(ctx); err != nil {
		p.t.Fatalf("lull: sync: %v", err)
	}
	s := p.node.db.NewSession()
	for n := range 16 {
		if err := s.Select(n); err != nil {
			p.t.Fatal(err)
		}
		for name := range p.names {
			s.Forget([]byte(name))
		}
	}
}

// note remembers commands for reports and for forget.
func (p *pair) note(commands [][]string) {
	p.history = append(p.history, commands...)
	if n := len(p.history); n > 400 {
		p.history = append([][]string(nil), p.history[n-200:]...)
	}
	for _, args := range commands {
		for _, a := range args[1:] {
			if len(a) < 100 {
				p.names[a] = true
			}
		}
	}
}

// send sends the commands to both and compares the answers. It reports whether they
// are the same.
func (p *pair) send(commands ...[]string) bool {
	p.t.Helper()
	if p.cold {
		p.forget()
	}
	p.note(commands)
	if len(commands) == 1 {
		if s := shapeOf(commands[0]); s.scan > 0 && !p.inMulti {
			return p.compare(commands[0], scanAll(p.redis, commands[0], s), scanAll(p.lull, commands[0], s))
		}
	}
	want, got := p.redis.pipe(commands), p.lull.pipe(commands)
	for i, args := range commands {
		same := false
		if n := len(p.queued); strings.EqualFold(args[0], "EXEC") && len(want[i].items) == n && len(got[i].items) == n {
			same = p.compareAll(p.queued, want[i].items, got[i].items)
		} else {
			same = p.compare(args, want[i], got[i])
		}
		switch {
		case !same:
			return false
		case want[i].text == "QUEUED":
			p.queued = append(p.queued, args)
		case strings.EqualFold(args[0], "MULTI"):
			p.queued, p.inMulti = nil, true
		default:
			p.inMulti = false
		}
	}
	return true
}

func (p *pair) compareAll(commands [][]string, want, got []reply) bool {
	p.t.Helper()
	for i, args := range commands {
		if !p.compare(args, want[i], got[i]) {
			return false
		}
	}
	return true
}

func (p *pair) compare(args []string, want, got reply) bool {
	p.t.Helper()
	if shapeOf(args).same(want, got) || intended(args, want, got) != nil {
		return true
	}
	p.t.Errorf("RESP%d: %s\n  redis: %.600s\n  lull:  %.600s", p.proto, line(args), want, got)
	return false
}

// scanAll repeats a command with a cursor until its end and returns everything that
// came, sorted, once each. An error is returned as it is.
func scanAll(c *client, args []string, s shape) reply {
	c.t.Helper()
	args = append([]string(nil), args...)
	if args[s.scan] != "0" {
		return c.do(args...)
	}
	name := strings.ToUpper(args[0])
	width := 1
	if name == "HSCAN" || name == "ZSCAN" {
		width = 2
	}
	all := reply{kind: '*'}
	seen := make(map[string]bool)
	for range 100_000 {
		r := c.do(args...)
		if r.kind == '-' || len(r.items) != 2 {
			return r
		}
		items := r.items[1].items
		for i := 0; i+width <= len(items); i += width {
			id := items[i].String()
			if !seen[id] {
				seen[id] = true
				all.items = append(all.items, items[i:i+width]...)
			}
		}
		if args[s.scan] = r.items[0].text; args[s.scan] == "0" {
			return all.sorted(width)
		}
	}
	c.t.Fatalf("%s: %s does not come to an end", c.name, line(args))
	return all
}

// report writes the last n commands.
func (p *pair) report(n int) {
	p.t.Helper()
	from := max(len(p.history)-n, 0)
	var b strings.Builder
	for _, args := range p.history[from:] {
		b.WriteString("\n  " + line(args))
	}
	p.t.Logf("the last commands:%s", b.String())
}
