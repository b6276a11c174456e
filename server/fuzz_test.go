package server

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
	"github.com/lullcache/lull/internal/resp"
)

// rawConn is a client that sends its bytes, part by part, and goes away.
type rawConn struct {
	net.Conn
	data []byte
	out  int
}

func (r *rawConn) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 100)], r.data)
	r.data = r.data[n:]
	return n, nil
}

func (r *rawConn) Write(p []byte) (int, error) { r.out += len(p); return len(p), nil }
func (r *rawConn) Close() error                { return nil }
func (r *rawConn) LocalAddr() net.Addr         { return &net.TCPAddr{} }
func (r *rawConn) RemoteAddr() net.Addr        { return &net.TCPAddr{} }

// FuzzServer gives the whole server, over a real database, bytes as they come: nothing may
// panic, and the next client is answered.
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
	s := startOver(f, Options{ReplyMax: 1 << 20}, lull.Options{Ack: lull.AckMemory}, func(s *Server) {
		s.limits = resp.Limits{BulkMax: 1 << 16, ArgsMax: 1 << 10, QueryMax: 1 << 18}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		if bytes.Contains(bytes.ToUpper(data), []byte("PAUSE")) { // then WAIT may wait for ever, as it should
			t.Skip()
		}
		send := func(data []byte) (out int) {
			nc := &rawConn{data: data}
			c := newConn(s, nc)
			for !c.quit && c.rd.Fill(nc) == nil && c.answer() == nil {
			}
			c.discard()
			return nc.out
		}
		send(data)
		if n := send([]byte("FLUSHALL\r\nPING\r\n")); n != len("+OK\r\n+PONG\r\n") {
			t.Errorf("the next client got %d bytes", n)
		}
	})
}
