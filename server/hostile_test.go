package server

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/resp"
)

// The tests of this file are clients that mean harm. The server must stay within
// bounds, and go on to serve others.

// heap is what is in use after a collection, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// allocated is what was ever allocated, in bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// wellServed fails the test if another client is not answered.
func wellServed(t *testing.T, s *Server) {
	t.Helper()
	c := dial(t, s)
	if s.opts.Password != "" {
		c.ask("AUTH "+s.opts.Password, "+OK")
	}
	c.ask("PING", "+PONG")
	_ = c.Close()
}

func gone(t *testing.T, s *Server) {
	t.Helper()
	eventually(t, "all hostile clients are gone", func() bool { return s.clients.count() == 0 })
}

// TestAnAnnouncementCostsNothing: a connection with headers that announce up to 512 MiB
// allocates less than 64 KiB, of all that belongs to a connection.
func TestAnAnnouncementCostsNothing(t *testing.T) {
	const clients, most = 64, 64 << 10
	for _, header := range []string{
		"*1048576\r\n", "*2\r\n$4\r\nECHO\r\n$536870912\r\n", "*1048576\r\n$536870912\r\nabc", "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870911\r\nx",
	} {
		s := start(t, Options{})
		wellServed(t, s)
		gone(t, s)
		before := allocated()
		open := make([]*wireConn, clients)
		for i := range open {
			open[i] = dial(t, s)
			open[i].send(header)
		}
		want := uint64(clients * len(header))
		eventually(t, "the headers have arrived", func() bool { return s.stats.bytesIn.Load() >= want })
		if each := (allocated() - before) / clients; each > most {
			t.Errorf("%q: allocated %d bytes for each connection, want %d at most", header, each, most)
		}
		wellServed(t, s)
		for _, c := range open {
			_ = c.Close()
		}
		gone(t, s)
	}
}

// TestRepliesAreBounded: a short request whose answer would be a thousand times the
// limit ends its own connection, and the answer is never built.
func TestRepliesAreBounded(t *testing.T) {
	const value, replyMax = 64 << 10, 1 << 20
	s := start(t, Options{ReplyMax: replyMax})
	c := dial(t, s)
	c.send(fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n", value, strings.Repeat("v", value)))
	c.send(fmt.Sprintf("*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n$1\r\nf\r\n$%d\r\n%s\r\n", value, strings.Repeat("v", value)))
	if got := c.lines(2); got != "+OK :1" {
		t.Fatalf("got %q", got)
	}
	queue := "MULTI\r\n" + strings.Repeat("GET k\r\n", 4000)
	for what, request := range map[string]string{
		"MGET of one key":       "MGET" + strings.Repeat(" k", 16_000) + "\r\n",
		"HMGET of one field":    "HMGET h" + strings.Repeat(" f", 16_000) + "\r\n",
		"GET in a transaction":  queue + "EXEC\r\n",
		"MGET in a transaction": "MULTI\r\nMGET" + strings.Repeat(" k", 16_000) + "\r\nPING\r\nLPUSH k 1\r\nEXEC\r\n",
	} {
		before := allocated()
		c := dial(t, s)
		c.send(request)
		answer, _ := io.ReadAll(c.in)
		if bytes.Contains(answer, []byte("vvv")) {
			t.Errorf("%s: got a part of the answer, %d bytes in all", what, len(answer))
		}
		if grown := allocated() - before; grown > 32*replyMax {
			t.Errorf("%s: allocated %d MiB, the limit of replies is %d MiB", what, grown>>20, replyMax>>20)
		}
		wellServed(t, s)
	}
}

// TestAHugeMultiIsBounded: what is queued counts as the memory that it takes, however
// short the commands are.
func TestAHugeMultiIsBounded(t *testing.T) {
	const queryMax = 4 << 20
	s := startOver(t, Options{}, lull.Options{Ack: lull.AckMemory}, func(s *Server) { s.limits.QueryMax = queryMax })
	c := dial(t, s)
	c.ask("PING", "+PONG")
	time.Sleep(100 * time.Millisecond) // the engine's own start
	before := heap()
	c.send("MULTI\r\n")
	if got := c.lines(1); got != "+OK" {
		t.Fatalf("got %q", got)
	}
	const part, parts = 10_000, 30
	go func() {
		for range parts {
			if _, err := c.Write([]byte(strings.Repeat("PING\r\n", part))); err != nil {
				return
			}
		}
	}()
	refused := 0
	for i := range part * parts {
		if line := c.lines(1); strings.HasPrefix(line, "-ERR the commands queued since MULTI") {
			refused++
		} else if refused > 0 || line != "+QUEUED" {
			t.Fatalf("command %d: got %q", i, line)
		}
		if i%part == 0 {
			if grown := heap() - before; grown > 4*queryMax {
				t.Fatalf("after %d commands the heap has grown by %d MiB, the bound is %d MiB", i, grown>>20, 4*queryMax>>20)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	c.ask("EXEC", "-EXECABORT Transaction discarded because of previous errors.")
	c.ask("PING", "+PONG")
}

// TestIdleConnectionsHoldLittle: one long command leaves nothing large behind.
func TestIdleConnectionsHoldLittle(t *testing.T) {
	const clients, args, most = 8, 1 << 18, 1 << 20
	s := start(t, Options{})
	request := []byte(fmt.Sprintf("*%d\r\n$6\r\nEXISTS\r\n", args+1) + strings.Repeat("$1\r\nk\r\n", args))
	before := heap()
	for range clients {
		c := dial(t, s)
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		c.lines(1)
		c.ask("PING", "+PONG")
	}
	if each := (heap() - before) / clients; each > most {
		t.Errorf("an idle connection holds %d KiB after a command of %d arguments, want %d KiB at most", each>>10, args, most>>10)
	}
}

// TestClientsThatNeverRead: their pipelines have no end, and the server holds no more
// than one reply buffer for each until it closes them.
func TestClientsThatNeverRead(t *testing.T) {
	const clients, most = 16, 8 << 20
	s := start(t, Options{StallTimeout: time.Second})
	before := heap()
	var running sync.WaitGroup
	one := fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", 32<<10, strings.Repeat("x", 32<<10))
	for range clients {
		c := dial(t, s)
		running.Go(func() {
			for { // until it is closed
				if _, err := io.WriteString(c, one); err != nil {
					return
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	if each := (heap() - before) / clients; each > most {
		t.Errorf("a client that does not read holds %d MiB, want %d MiB at most", each>>20, most>>20)
	}
	wellServed(t, s)
	running.Wait()
	gone(t, s)
}

// TestUnauthenticatedFlood: without the password there are short commands only, many
// connections are refused, and whoever has the password is served again afterwards.
func TestUnauthenticatedFlood(t *testing.T) {
	const clients, most = 128, 2 << 20
	s := start(t, Options{Password: "secret", MaxClients: clients})
	before := heap()
	var running sync.WaitGroup
	for i := range clients * 2 {
		nc, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(time.Second))
		running.Go(func() {
			defer nc.Close()
			go func() { _, _ = io.Copy(io.Discard, nc) }()
			flood := []string{
				strings.Repeat("GET a\r\n", 1000), strings.Repeat("AUTH wrong\r\n", 1000), "*10\r\n$16384\r\n" + strings.Repeat("x", 16000),
				"*11\r\n", "*1\r\n$16385\r\n", strings.Repeat("y", 100_000), strings.Repeat("HELLO 3 AUTH default no\r\n", 500),
			}[i%7]
			for {
				if _, err := io.WriteString(nc, flood); err != nil {
					return
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	if each := (heap() - before) / clients; each > most {
		t.Errorf("a client without the password holds %d KiB, want %d KiB at most", each>>10, most>>10)
	}
	running.Wait()
	gone(t, s)
	wellServed(t, s)
	if n := s.db.Load().Stats().Loads.Keys; n > 0 {
		t.Errorf("the database was asked for %d keys", n)
	}
}

// TestSlowClientsAreAnswered: one byte at a time, many at once, and no one waits for
// another.
func TestSlowClientsAreAnswered(t *testing.T) {
	s := start(t, Options{})
	request := "*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$5\r\nvalue\r\nGET slow\r\n"
	var running sync.WaitGroup
	for range 32 {
		c := dial(t, s)
		running.Go(func() {
			for i := range request {
				if _, err := c.Write([]byte(request[i : i+1])); err != nil {
					t.Error(err)
					return
				}
				time.Sleep(time.Millisecond)
			}
			var got [3]string
			for i := range got {
				got[i], _ = c.in.ReadString('\n')
			}
			if got != [3]string{"+OK\r\n", "$5\r\n", "value\r\n"} {
				t.Errorf("got %q", got)
			}
		})
	}
	began := time.Now()
	wellServed(t, s)
	if waited := time.Since(began); waited > 2*time.Second {
		t.Errorf("another client waited %v", waited)
	}
	running.Wait()
}

// TestNoiseEndsItsOwnConnectionOnly: requests with bytes changed, cut and doubled at
// random, over connections that break in the middle.
func TestNoiseEndsItsOwnConnectionOnly(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := startOver(t, Options{}, lull.Options{Ack: lull.AckMemory}, func(s *Server) {
		s.limits = resp.Limits{BulkMax: 1 << 16, ArgsMax: 1 << 10, QueryMax: 1 << 18}
	})
	seeds := []string{
		"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n10\r\n", "MULTI\r\nINCR a\r\nGET a\r\nEXEC\r\n", "HSET h f v g w\r\nHGETALL h\r\n",
		"ZADD z 1 a 2 b\r\nZRANGE z 0 -1 WITHSCORES\r\n", "XADD s * f v\r\nXRANGE s - +\r\n", "RPUSH l a b c\r\nLRANGE l 0 -1\r\n",
		"HELLO 3\r\nCLIENT LIST\r\nSCAN 0 MATCH [a-\\\\*?? COUNT 5\r\n", "EXPIRE a 9223372036854775807\r\nSETRANGE a -1 x\r\nSETBIT a -1 1\r\n",
		"LRANGE l -9223372036854775808 9223372036854775807\r\nSRANDMEMBER x -9223372036854775808\r\n", "COMMAND DOCS get\r\nLULL STATUS\r\nINFO all\r\n",
		"LULL DEADLETTERS LIST 0 -1\r\nOBJECT ENCODING a\r\nLCS a b IDX\r\n", "SELECT 3\r\nMOVE a 4\r\nCOPY a b DB 15 REPLACE\r\n", "WATCH a\r\nMULTI\r\nDISCARD\r\nRESET\r\n",
	}
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		request := []byte(seeds[rng.IntN(len(seeds))] + seeds[rng.IntN(len(seeds))])
		for range rng.IntN(6) {
			at := rng.IntN(len(request))
			switch rng.IntN(4) {
			case 0:
				request[at] = byte(rng.Uint32())
			case 1:
				request = append(request[:at:at], request[min(len(request), at+rng.IntN(5)):]...)
			case 2:
				request = append(request[:at:at], append([]byte("999999999999"), request[at:]...)...)
			default:
				request = append(request[:at:at], append(bytes.Clone(request[rng.IntN(at+1):]), request[at:]...)...)
			}
			if len(request) == 0 {
				request = []byte("*")
			}
		}
		nc, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Millisecond))
		_, _ = nc.Write(request)
		_, _ = io.Copy(io.Discard, nc) // what it says to noise matters to nobody
		_ = nc.Close()
	}
	gone(t, s)
	wellServed(t, s)
}
