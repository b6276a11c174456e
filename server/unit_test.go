package server

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

func TestUnitsRunAloneAndInMulti(t *testing.T) {
	for _, ack := range []lull.Ack{lull.AckMemory, lull.AckDisk, lull.AckDatabase} {
		t.Run(ack.String(), func(t *testing.T) {
			s := startBasics(t, Options{}, lull.Options{Ack: ack})
			c, other := dial(t, s), dial(t, s)
			c.ask("SET a 1", "+OK")
			c.ask("GET a", "$1 | 1")
			c.send("SET a 2\r\nGET a\r\nINCR a\r\nGET a\r\nGET nothing\r\n")
			if got := c.lines(7); got != "+OK $1 2 :3 $1 3 $-1" {
				t.Errorf("a pipeline: got %q", got)
			}
			for _, line := range []string{"INCR a", "SET b x", "INCR b", "GET b"} {
				if line == "INCR a" {
					c.ask("MULTI", "+OK")
				}
				c.ask(line, "+QUEUED")
			}
			c.ask("EXEC", "*4 | :4 | +OK | -ERR value is not an integer or out of range | $1 | x")
			c.ask("WATCH a", "+OK")
			other.ask("INCR a", ":5")
			c.ask("MULTI", "+OK")
			c.ask("SET a 100", "+QUEUED")
			c.ask("EXEC", "*-1")
			c.ask("GET a", "$1 | 5")
			c.ask("WATCH a", "+OK")
			c.ask("MULTI", "+OK")
			c.ask("INCR a", "+QUEUED")
			c.ask("EXEC", "*1 | :6")
			c.ask("WAIT 1 5000", ":1")
			c.ask("WAITAOF 1 1 5000", "*2 | :1 | :1")
		})
	}
}

// TestMissesOfAPipelineAreLoadedTogether counts the runs of GET after a restart: each
// once, and the first of the batch once more, for its miss.
func TestMissesOfAPipelineAreLoadedTogether(t *testing.T) {
	const keys = 20
	ctx := context.Background()
	dir := t.TempDir()
	open := func() (*lull.DB, func()) {
		database, err := sqlite.Open(ctx, "sqlite:"+filepath.Join(dir, "lull.db"), sqlsink.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o := lull.Options{DataDir: filepath.Join(dir, "data"), Sink: database, Ack: lull.AckMemory}
		o.Log.SegmentBytes = 1 << 20
		db, err := lull.Open(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		return db, func() {
			if err := db.Close(ctx); err != nil {
				t.Error(err)
			}
			_ = database.Close()
		}
	}
	serve := func(db *lull.DB, pipeline string, lines int, runs *atomic.Int64) string {
		s, err := Listen(Options{DB: db, Addr: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		rebindBasics(s)
		rebind(s, "get", unit(func(c *call, tx *lull.Tx) error {
			runs.Add(1)
			return basics["get"].unit(c, tx)
		}))
		go func() { _ = s.Serve() }() // ErrClosed
		defer func() { _ = s.Shutdown(ctx) }()
		c := dial(t, s)
		c.send(pipeline)
		return c.lines(lines)
	}
	var sets, gets strings.Builder
	for i := range keys {
		fmt.Fprintf(&sets, "SET key:%d %d\r\n", i, i)
		fmt.Fprintf(&gets, "GET key:%d\r\n", i)
	}
	var runs atomic.Int64
	db, end := open()
	serve(db, sets.String(), keys, &runs)
	end()
	db, end = open()
	defer end()
	got := serve(db, gets.String(), 2*keys, &runs)
	if want := "$1 0 $1 1 "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q", got)
	}
	if n := runs.Load(); n != keys+1 {
		t.Errorf("GET ran %d times for %d keys, wanted %d", n, keys, keys+1)
	}
}

// TestAFailedWaitBecomesTheAnswer locks the database file, so that writes which are
// to be answered once it has them are not in time.
func TestAFailedWaitBecomesTheAnswer(t *testing.T) {
	s := startBasics(t, Options{}, lull.Options{Ack: lull.AckDatabase, WriteTimeout: 500 * time.Millisecond})
	c := dial(t, s)
	c.ask("SET a 0", "+OK")
	unlock := lockSQLite(t, s)
	c.send("SET a 1\r\nPING\r\nSET b 2\r\nGET b\r\n")
	answers := []string{c.lines(1), c.lines(1), c.lines(1), c.lines(2)}
	unlock()
	for i, want := range []string{"-TIMEOUT ", "+PONG", "-TIMEOUT ", "$1 2"} {
		if !strings.HasPrefix(answers[i], want) {
			t.Errorf("answer %d: got %q, wanted %q", i, answers[i], want)
		}
	}
	c.ask("WAIT 1 5000", ":1")
	c.ask("SET c 3", "+OK")
}

// lockSQLite takes the write lock of the server's database until unlock.
func lockSQLite(t *testing.T, s *Server) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", s.opts.Settings["test-database"].Get())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = conn.Close()
		_ = db.Close()
	}
}

// loopConn is a client that sends the same bytes for ever and takes all answers.
type loopConn struct {
	net.Conn
	data []byte
	at   int
	out  int
}

func (l *loopConn) Read(p []byte) (int, error) {
	n := copy(p, l.data[l.at:])
	l.at = (l.at + n) % len(l.data)
	return n, nil
}

func (l *loopConn) Write(p []byte) (int, error) { l.out += len(p); return len(p), nil }

func BenchmarkConnection(b *testing.B) {
	s := startBasics(b, Options{}, lull.Options{Ack: lull.AckMemory})
	for _, bench := range []struct{ name, request string }{
		{"ping", "*1\r\n$4\r\nPING\r\n"},
		{"get", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"},
		{"set", "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\n12345\r\n"},
		{"incr", "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"},
	} {
		for _, pipeline := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", bench.name, pipeline), func(b *testing.B) {
				nc := &loopConn{data: []byte(strings.Repeat(bench.request, pipeline))}
				c := newConn(s, nc)
				b.ReportAllocs()
				for n := 0; n < b.N; n += pipeline {
					if err := c.rd.Fill(nc); err != nil {
						b.Fatal(err)
					}
					if err := c.answer(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkSockets(b *testing.B) {
	s := startBasics(b, Options{}, lull.Options{Ack: lull.AckMemory})
	client := redis.NewClient(&redis.Options{Addr: s.Addr().String()})
	defer client.Close()
	ctx := context.Background()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
				b.Error(err)
			}
		}
	})
}
