package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lingerTime  = 200 * time.Millisecond
	lingerBytes = 4 << 20
)

// socket is a client's connection to read from and write to.
//
// One that a poller serves is a descriptor of its own, of which Go's scheduler knows nothing:
// its calls never wait, so there is nothing to hand the processor over for. After a read
// that brought less than was asked for it is not read again to be told that there is
// nothing more.
type socket struct {
	nc net.Conn // that it came as; closed, and only good for its addresses, if fd is set
	fd int      // -1: nc does all

	dry   bool        // there is nothing to read until the system says so
	ended atomic.Bool // the system said that the end has come, or will be read

	mu     sync.Mutex // guards fd's number against its use by others
	closed bool
}

var errDry = errors.New("nothing to read")

func newSocket(nc net.Conn) *socket { return &socket{nc: nc, fd: -1} }

// polled reports whether a poller serves the connection.
func (s *socket) polled() bool { return s.fd >= 0 }

// Read implements io.Reader. errDry says that there is nothing to read for now.
func (s *socket) Read(p []byte) (int, error) {
	if s.fd < 0 {
		return s.nc.Read(p)
	}
	ended := s.ended.Load()
	n, err := readDirect(s.fd, p)
	switch {
	case isAgain(err):
		s.dry = true
		return 0, errDry
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	s.dry = n < len(p) && !ended
	return n, nil
}

// write writes all of p. If the client takes it slowly, waits is called before the wait.
func (s *socket) write(p []byte, waits func()) (int, error) {
	if s.fd < 0 {
		return s.nc.Write(p)
	}
	n, _ := writeDirect(s.fd, p)
	if n == len(p) {
		return n, nil
	}
	n = max(n, 0) // whatever it was, the net package says it better
	waits()
	nc, err := s.patient()
	if err != nil {
		return n, err
	}
	defer nc.Close()
	m, err := nc.Write(p[n:])
	return n + m, err
}

// linger takes some of what a client with a broken request is still sending: a
// socket closed with bytes unread would make the client's system drop our answer.
func (s *socket) linger() {
	nc := s.nc
	if s.fd >= 0 {
		patient, err := s.patient()
		if err != nil {
			return
		}
		defer patient.Close()
		nc = patient
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok || tcp.CloseWrite() != nil {
		return
	}
	_ = tcp.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, tcp, lingerBytes)
}

// cut ends the connection. Any goroutine may call it; whoever serves the connection
// notices when it next reads or writes.
func (s *socket) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.fd < 0:
		_ = s.nc.Close()
	case !s.closed:
		shutDirect(s.fd)
	}
}

// close is called by whoever serves the connection.
func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		_ = s.nc.Close()
	} else if !s.closed {
		closeDirect(s.fd)
	}
	s.closed = true
}

// wake has a connection with a goroutine of its own see that the server is closing.
func (s *socket) wake() {
	if s.fd < 0 {
		_ = s.nc.SetReadDeadline(time.Unix(1, 0))
	}
}
