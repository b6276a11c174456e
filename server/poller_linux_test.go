package server

import (
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lullcache/lull"
)

// startSlow is a server whose PING waits for go ahead.
func startSlow(t *testing.T, o lull.Options) (s *Server, ahead chan struct{}) {
	ahead = make(chan struct{})
	return startOver(t, Options{}, o, func(s *Server) {
		rebindBasics(s)
		rebind(s, "ping", plain(func(c *call) error {
			<-ahead
			c.out.Simple("PONG")
			return nil
		}))
	}), ahead
}

// TestALongCommandKeepsNobodyWaiting: the command does not say that it waits, as one that
// works for long does not, and the watch has to see it. Once it wakes up for it.
func TestALongCommandKeepsNobodyWaiting(t *testing.T) {
	s, ahead := startSlow(t, lull.Options{Ack: lull.AckMemory})
	slow, others := dial(t, s), []*wireConn{dial(t, s), dial(t, s)}
	for range 2 {
		slow.send("PING\r\nSET last 1\r\n")
		for _, c := range others {
			c.ask("SET a 1", "+OK")
			c.ask("GET a", "$1 | 1")
		}
		ahead <- struct{}{}
		if got := slow.lines(2); got != "+PONG +OK" {
			t.Errorf("got %q", got)
		}
		eventually(t, "the watch sleeps", s.poller.asleep.Load)
	}
}

// TestWhoWaitsKeepsNobodyWaiting: for SQL, and for a client that reads nothing.
func TestWhoWaitsKeepsNobodyWaiting(t *testing.T) {
	s := startBasics(t, Options{}, lull.Options{Ack: lull.AckDatabase, WriteTimeout: hangMax})
	waits, deaf, other := dial(t, s), dial(t, s), dial(t, s)
	other.ask("SET a 0", "+OK")
	unlock := lockSQLite(t, s)
	waits.send("SET a 1\r\n")
	other.send("*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1048576\r\n" + strings.Repeat("x", 1<<20) + "\r\n")
	deaf.send(strings.Repeat("GET b\r\n", 64)) // more than the system takes for it
	third := dial(t, s)
	for range 3 {
		third.ask("PING", "+PONG")
		third.ask("GET a", "$1 | 1")
	}
	eventually(t, "they wait elsewhere", func() bool { return s.poller.away.Load() >= 2 })
	unlock()
	for _, c := range []*wireConn{waits, other} {
		if got := c.lines(1); got != "+OK" {
			t.Errorf("got %q", got)
		}
	}
	_ = deaf.Close()
	eventually(t, "none waits elsewhere", func() bool { return s.poller.away.Load() == 0 })
}

// TestAnswersWaitForOneSync: those of two connections that a worker has.
func TestAnswersWaitForOneSync(t *testing.T) {
	o := lull.Options{Ack: lull.AckDisk}
	o.Log.SyncEvery = time.Hour
	s := startBasics(t, Options{}, o)
	w := &worker{p: s.poller, rank: -1}
	var clients []net.Conn
	for range 2 {
		client, served := net.Pipe()
		defer client.Close()
		c := newConn(s, served)
		c.worker = w
		if err := c.rd.Fill(strings.NewReader("SET a 1\r\nSET b 1\r\n")); err != nil {
			t.Fatal(err)
		}
		if err := c.answer(); err != nil || !c.held {
			t.Fatalf("answered at once, or %v", err)
		}
		c.worker, c.quit = nil, true
		s.work.Add(1)
		w.held, clients = append(w.held, c), append(clients, client)
	}
	db := s.db.Load()
	before := db.Stats().Log.Syncs
	go w.run()
	for _, client := range clients {
		got := make([]byte, len("+OK\r\n+OK\r\n"))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "+OK\r\n+OK\r\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if n := db.Stats().Log.Syncs - before; n != 1 {
		t.Errorf("%d syncs, wanted 1", n)
	}
}

// endless is a client that is never done, until over.
type endless struct {
	net.Conn
	over atomic.Bool
}

func (e *endless) Read(p []byte) (int, error) {
	if e.over.Load() {
		return 0, io.EOF
	}
	return copy(p, "GET a\r\n"), nil
}

func (e *endless) Write(p []byte) (int, error) { return len(p), nil }
func (e *endless) Close() error                { return nil }

// TestAnEndlessClientKeepsNobodyWaiting: between two of its turns the worker asks who else
// has something to read.
func TestAnEndlessClientKeepsNobodyWaiting(t *testing.T) {
	s := startBasics(t, Options{}, lull.Options{Ack: lull.AckMemory})
	dial(t, s).ask("GET a", "$-1") // it serves
	client := &endless{}
	w := &worker{p: s.poller, rank: 1}
	w.more.push(newConn(s, client))
	s.work.Add(1)
	s.poller.over.Add(1)
	go w.run()
	eventually(t, "it asks", func() bool { return w.polls.Load() > 10 })
	client.over.Store(true)
}

// TestAnswersDoNotWaitForEver: others always have something to read.
func TestAnswersDoNotWaitForEver(t *testing.T) {
	s := startBasics(t, Options{}, lull.Options{Ack: lull.AckDisk})
	dial(t, s).ask("GET a", "$-1") // it serves
	s.poller.wake()                // nobody takes the bell's ring yet
	w := &worker{p: s.poller, rank: 1}
	n := 0
	for n <= gatherMax && w.gather() {
		n++
	}
	if n != gatherMax {
		t.Errorf("asked %d times, wanted %d", n, gatherMax)
	}
}

// TestHelpEnds: a worker that helps ends when there is nothing to do, and can help again.
func TestHelpEnds(t *testing.T) {
	s := startBasics(t, Options{}, lull.Options{Ack: lull.AckMemory})
	for range 3 {
		s.poller.help()
		for _, w := range s.poller.workers[1:] {
			eventually(t, "it ends", func() bool { return !w.active.Load() })
		}
	}
	dial(t, s).ask("SET a 1", "+OK")
}

// TestHelpEndsWithTheServer: the bell that ends the workers rings on, and is nothing to do.
func TestHelpEndsWithTheServer(t *testing.T) {
	s, err := Listen(Options{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.listener.Close()
	s.closing.Store(true)
	s.poller.over.Add(1)
	w := &worker{p: s.poller, rank: 1}
	closed := make(chan struct{})
	go func() {
		s.poller.close()
		close(closed)
	}()
	<-s.poller.done
	s.poller.wake()
	w.run()
	<-closed
}

// TestShutdownEnds: of a server with no clients, whose worker sees at the same time that it
// closes and that all are gone. The first server that hung was one of some thousands.
func TestShutdownEnds(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				s, err := Listen(Options{Addr: "127.0.0.1:0"})
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestWhoHasNothingToDoKeepsTheProcessor: while another worker could take over what else runs, and no
// connection waits elsewhere. The bell is heard in any case.
func TestWhoHasNothingToDoKeepsTheProcessor(t *testing.T) {
	for _, c := range []struct {
		what                   string
		workers, away, timeout int
		keeps                  bool
	}{
		{"nothing to do", 2, 0, -1, true},
		{"a look between two turns", 2, 0, 0, false},
		{"a connection waits for SQL", 2, 1, -1, false},
		{"no other worker", 1, 0, -1, false},
	} {
		p := bareWorkers(t, c.workers)
		p.away.Store(int32(c.away))
		w := p.workers[0]
		p.wake()
		if n := w.ask(c.timeout); n != 1 || w.events[0].Fd != int32(p.bell) {
			t.Errorf("%s: %d events, wanted the bell", c.what, n)
		}
		if keeps := w.kept == 1; keeps != c.keeps {
			t.Errorf("%s: keeps the processor: %v, wanted %v", c.what, keeps, c.keeps)
		}
	}
	p := bareWorkers(t, 2)
	go p.wake()                     // before, in the millisecond, or after
	for p.workers[0].ask(-1) == 0 { // a signal has come
	}
}

// bareWorkers is a poller whose workers do not run.
func bareWorkers(t *testing.T, n int) *poller {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(bell), unix.Close(epoll) })
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(bell)}); err != nil {
		t.Fatal(err)
	}
	p := &poller{epoll: epoll, bell: bell}
	for rank := range n {
		p.workers = append(p.workers, &worker{p: p, rank: rank})
	}
	return p
}

// TestCrowds: from four connections on each time that a worker asks, it gets help.
func TestCrowds(t *testing.T) {
	w := &worker{}
	for _, c := range []struct {
		turns, polls, came uint64
		worked, crowded    bool
	}{{0, 0, 0, false, false}, {8, 1, 4, true, true}, {8, 3, 4, true, false}, {80, 3, 40, true, true}, {0, 1, 0, false, false}} {
		w.turn.Add(c.turns)
		w.polls.Add(c.polls)
		w.came.Add(c.came)
		if worked, crowded := w.look(); worked != c.worked || crowded != c.crowded {
			t.Errorf("%+v: worked %v, crowded %v", c, worked, crowded)
		}
	}
}

// TestSingleCommandsAreFetchedTogether: those of several connections, of one database.
func TestSingleCommandsAreFetchedTogether(t *testing.T) {
	s := startBasics(t, Options{}, lull.Options{Ack: lull.AckMemory})
	w := &worker{p: s.poller, rank: -1}
	var clients []net.Conn
	for i, request := range []string{"SET a 1\r\n", "SET b 2\r\n", "SET c 3\r\n"} {
		client, served := net.Pipe()
		defer client.Close()
		c := newConn(s, served)
		c.worker = w
		if err := c.rd.Fill(strings.NewReader(request)); err != nil {
			t.Fatal(err)
		}
		if err := c.answer(); err != nil || c.after(nil) != parsed || c.out.Len() > 0 {
			t.Fatalf("answered at once, or %v", err)
		}
		if i == 1 {
			if err := c.sess.Select(1); err != nil {
				t.Fatal(err)
			}
		}
		c.worker = nil
		s.work.Add(1)
		w.parsed.push(c)
		clients = append(clients, client)
	}
	first := w.next()
	if len(w.batch) != 2 || w.ready != 2 {
		t.Errorf("%d commands, %d connections left; wanted 2 and 2", len(w.batch), w.ready)
	}
	w.serve(first)
	go w.run()
	for _, client := range clients {
		got := make([]byte, len("+OK\r\n"))
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "+OK\r\n" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// TestAClientIsListedWithItsDescriptor: also one that came while the list was made. The race detector
// saw what the list does not show.
func TestAClientIsListedWithItsDescriptor(t *testing.T) {
	s := startBasics(t, Options{}, lull.Options{Ack: lull.AckMemory})
	var coming sync.WaitGroup
	coming.Go(func() {
		for range 300 {
			nc, err := net.Dial("tcp", s.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			_ = nc.Close()
		}
	})
	done := make(chan struct{})
	go func() { coming.Wait(); close(done) }()
	looker := dial(t, s)
	for {
		select {
		case <-done:
			return
		default:
		}
		looker.send("CLIENT LIST\r\n")
		size, err := strconv.Atoi(strings.TrimPrefix(looker.lines(1), "$"))
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(looker.in, text); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "fd=-1 ") {
			t.Fatalf("got the list %q", text)
		}
	}
}
