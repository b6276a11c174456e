// Package fuzz has the fuzz target of the whole server. It stands apart from the server's
// other tests for what those import: with the fuzzer's counters in it, go-redis alone
// compiles for minutes.
package fuzz

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
	"github.com/lullcache/lull/server"
)

// serve starts a server over an empty database, and returns its address.
func serve(f *testing.F) string {
	f.Helper()
	db, err := lull.Open(f.Context(), lull.Options{
		DataDir: f.TempDir(), Sink: newVoid(), Ack: lull.AckMemory,
		Log:   lull.LogOptions{SegmentBytes: 1 << 20},
		Flush: lull.FlushOptions{Lull: time.Hour, MaxDelay: time.Hour}, // what is in memory is not read from the void
	})
	if err != nil {
		f.Fatal(err)
	}
	s, err := server.Listen(server.Options{DB: db, Addr: "127.0.0.1:0", ReplyMax: 1 << 20})
	if err != nil {
		f.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	f.Cleanup(func() {
		_ = s.Shutdown(context.Background())
		if err := <-served; !errors.Is(err, server.ErrClosed) {
			f.Errorf("serve: %v", err)
		}
		if err := db.Close(context.Background()); err != nil {
			f.Logf("close: %v", err)
		}
	})
	return s.Addr().String()
}

// send is a client that sends its bytes, hears all answers, and goes away.
func send(t *testing.T, addr string, data []byte) (answers []byte) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	go func() {
		_, _ = nc.Write(data)
		_ = nc.(*net.TCPConn).CloseWrite()
	}()
	_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	answers, err = io.ReadAll(nc)
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Fatalf("%q: not answered in 20 s", data)
	}
	return answers
}

// FuzzServer gives the whole server bytes as they come: nothing may panic or stall, and the
// next client is answered.
func FuzzServer(f *testing.F) {
	all := command.All()
	for i := range all {
		words := []string{strings.ToUpper(all[i].Name)}
		for n := max(all[i].Arity, -all[i].Arity); len(words) < n; {
			words = append(words, "1")
		}
		f.Add([]byte(strings.Join(words, " ") + "\r\n"))
	}
	for _, seed := range []string{
		"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n10\r\n", "HELLO 3\r\nMULTI\r\nINCR a\r\nINFO\r\nUNWATCH\r\nEXEC\r\n", "ZADD z 1 a 2 b\r\nZUNION 1 z WEIGHTS inf\r\n",
		"XADD s 1-* f v\r\nXREAD STREAMS s 0\r\nXINFO STREAM s FULL\r\n", "*1048576\r\n$536870912\r\n", "RPUSH l a b\r\nLPOS l a RANK -1 COUNT 0\r\n", "*-1\r\n\r\n*0\r\nPING\r\n",
		"SCAN 0 MATCH [a-\\\\ COUNT 5\r\nHSET h f v\r\nHSCAN h 0\r\n", "EXPIRE a 9223372036854775807\r\nSETRANGE a 5 x\r\nLCS a b IDX\r\n",
	} {
		f.Add([]byte(seed))
	}
	addr := serve(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		upper := bytes.ToUpper(data)
		for _, word := range []string{"PAUSE", "WAIT", "SYNC"} { // these may wait long, as they should
			if bytes.Contains(upper, []byte(word)) {
				t.Skip()
			}
		}
		send(t, addr, data)
		if got := send(t, addr, []byte("FLUSHALL\r\nPING\r\n")); string(got) != "+OK\r\n+PONG\r\n" {
			t.Errorf("the next client got %q", got)
		}
	})
}
