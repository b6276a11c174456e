package server

import (
	"io"
	"net"
	"testing"
)

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
