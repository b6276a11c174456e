package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// waitLoading returns once n connections wait for their keys.
func (s *Server) waitLoading(t *testing.T, n int) {
	t.Helper()
	eventually(t, "connections wait for their keys", func() bool {
		loading := 0
		s.clients.each(func(c *conn) { loading += int(c.loads.Load() % 2) })
		return loading == n
	})
}

// TestWhoseKeysAreLoadedKeepsNoGoroutine: a worker serves others meanwhile, and one round of queries
// loads what all miss who came while the first was under way. Answers keep their order.
func TestWhoseKeysAreLoadedKeepsNoGoroutine(t *testing.T) {
	s, gate := startGated(t, lull.Options{LoadTimeout: hangMax})
	first, other := dial(t, s), dial(t, s)
	first.send("GET counter:1\r\n")
	eventually(t, "a round is under way", func() bool { return gate.began() == 1 })
	singles := []*wireConn{dial(t, s), dial(t, s), dial(t, s)}
	for _, c := range singles {
		c.send("INCR counter:2\r\n")
	}
	pipeline := dial(t, s)
	pipeline.send("PING\r\nGET counter:1\r\nINCRBY counter:3 5\r\nGET counter:200\r\nMGET counter:4 counter:2\r\nPING\r\nSE")
	s.waitLoading(t, 5)
	if away := s.poller.away.Load(); away != 0 {
		t.Errorf("%d goroutines wait", away)
	}
	other.ask("PING", "+PONG")
	gate.open()
	if got := first.lines(2); got != "$4 1001" {
		t.Errorf("the first: %q", got)
	}
	sum := ""
	for _, c := range singles {
		sum += c.lines(1)
	}
	for _, want := range []string{":1003", ":1004", ":1005"} {
		if !strings.Contains(sum, want) {
			t.Errorf("the others: %q, wanted %s among them", sum, want)
		}
	}
	pipeline.send("T counter:9 1\r\n")
	if got := pipeline.lines(11); !strings.HasPrefix(got, "+PONG $4 1001 :1008 $-1 *2 $4 1004 $4 100") || !strings.HasSuffix(got, "+PONG") {
		t.Errorf("the pipeline: %q", got)
	}
	if got := pipeline.lines(1); got != "+OK" {
		t.Errorf("what came later: %q", got)
	}
	if got := gate.began(); got != 2 {
		t.Errorf("%d rounds of queries, wanted 2", got)
	}
	if info := ask(t, client(t, s), "INFO", "stats").(string); !strings.Contains(info, "keyspace_misses:9\r") {
		t.Errorf("wanted 9 misses, one for each connection and key: %s", info)
	}
}

// TestWhoWaitsForAKeyWaitsOnce: the database does not answer. The time it takes to find that out is not
// spent again by the command itself.
func TestWhoWaitsForAKeyWaitsOnce(t *testing.T) {
	s, gate := startGated(t, lull.Options{LoadTimeout: 50 * time.Millisecond})
	c := dial(t, s)
	c.send("GET counter:1\r\n")
	if got := c.lines(1); !strings.HasPrefix(got, "-NODB") {
		t.Errorf("got %q", got)
	}
	if got := gate.began(); got != 1 {
		t.Errorf("it was asked %d times", got)
	}
	gate.open()
	c.ask("GET counter:1", "$4 | 1001")
}

// TestShutdownWaitsForNoKey: when its time is over.
func TestShutdownWaitsForNoKey(t *testing.T) {
	s, gate := startGated(t, lull.Options{LoadTimeout: hangMax})
	for range 3 {
		dial(t, s).send("GET counter:1\r\nGET counter:2\r\n")
	}
	s.waitLoading(t, 3)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(over); err == nil {
		t.Error("nobody was cut off")
	}
	gate.open()
}
