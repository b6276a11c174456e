package server

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// tcpPair is both ends of a connection.
func tcpPair(t *testing.T) (client, served *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dialed.Close(); _ = accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// TestAnEndThatComesWithTheLastBytes: a read that is not followed by another cannot see
// it, so the janitor's question has to.
func TestAnEndThatComesWithTheLastBytes(t *testing.T) {
	if !directIO {
		t.Skip("reads go through package net here, which sees every end")
	}
	client, served := tcpPair(t)
	if _, err := client.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	s := newSocket(served)
	time.Sleep(50 * time.Millisecond) // for both to arrive, which loopback does at once
	s.reads = readsProbed
	done := make(chan struct{})
	var got bytes.Buffer
	go func() {
		defer close(done)
		s.run(func() bool {
			p := make([]byte, 64)
			n, err := s.Read(p)
			got.Write(p[:n])
			return err == nil || err == errDry
		})
	}()
	for !s.ended() {
		select {
		case <-done:
			return // it came later, and was seen
		case <-time.After(time.Millisecond):
		}
	}
	s.cut()
	<-done
	if got.String() != "last" {
		t.Errorf("read %q", got.String())
	}
}

// TestClientsThatEndAtOnce: whether their end comes with the last bytes or later, they are
// answered and the connection is closed.
func TestClientsThatEndAtOnce(t *testing.T) {
	s := start(t, Options{})
	for i := range 12 {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for range i {
			if _, err := c.Write([]byte("PING\r\n")); err != nil {
				t.Fatal(err)
			}
			var p [7]byte
			if _, err := io.ReadFull(c, p[:]); err != nil {
				t.Fatal(err)
			}
		}
		_, err = c.Write([]byte("PING\r\nPING\r\n"))
		if err == nil {
			err = c.(*net.TCPConn).CloseWrite()
		}
		if err != nil {
			t.Fatal(err)
		}
		want := len("+PONG\r\n+PONG\r\n")
		rest, err := io.ReadAll(c)
		if err != nil || len(rest) != want {
			t.Fatalf("client %d: read %q, %v", i, rest, err)
		}
		_ = c.Close()
	}
}
