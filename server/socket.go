package server

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
)

// socket is a client's connection to read from and write to.
//
// Where the system allows, it makes its calls without telling Go's scheduler: they never
// wait, so there is nothing to hand the processor over for, and the scheduler need not
// watch them. After a read that brought less than was asked for it does not read
// again to be told that there is nothing more: together that is a fifth of what a single
// command costs.
type socket struct {
	nc  net.Conn
	raw syscall.RawConn // nil: nc does all
	fd  int             // while run is under way with raw
	dry bool            // there is nothing to read until the system says so
	// reads counts the reads up to readsProbed.
	reads int
	// parked is set while run waits for bytes.
	parked atomic.Bool
}

// readsProbed is how many reads of a connection are followed by one that finds nothing.
// That one would see at once if the end has come along with the last bytes; later the
// janitor sees it. So short connections end without delay.
const readsProbed = 8

var errDry = errors.New("nothing to read")

func newSocket(nc net.Conn) *socket {
	s := &socket{nc: nc}
	if sc, ok := nc.(syscall.Conn); ok && directIO {
		s.raw, _ = sc.SyscallConn() // without it nc does all
	}
	return s
}

// run calls turn whenever there are bytes to read from s, until it is false.
func (s *socket) run(turn func() bool) {
	if s.raw == nil {
		for turn() {
		}
		return
	}
	// One call for all reads: between two, the system's word of new bytes would be lost.
	_ = s.raw.Read(func(fd uintptr) (done bool) {
		s.parked.Store(false)
		s.fd = int(fd)
		for s.dry = false; !s.dry; {
			if !turn() {
				return true
			}
		}
		s.parked.Store(true)
		return false
	})
	s.fd = 0
}

// Read implements io.Reader. errDry says that there is nothing to read for now.
func (s *socket) Read(p []byte) (int, error) {
	if s.fd == 0 {
		return s.nc.Read(p)
	}
	n, err := readDirect(s.fd, p)
	switch {
	case err == syscall.EAGAIN:
		s.dry = true
		return 0, errDry
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	if s.reads < readsProbed {
		s.reads++
	} else {
		s.dry = n < len(p)
	}
	return n, nil
}

// Write implements io.Writer.
func (s *socket) Write(p []byte) (int, error) {
	n := 0
	if s.fd != 0 {
		n, _ = writeDirect(s.fd, p)
		if n == len(p) {
			return n, nil
		}
		n = max(n, 0) // whatever it was, nc says it better
	}
	m, err := s.nc.Write(p[n:])
	return n + m, err
}

// ended reports whether the client's end has come while run waits, and nobody was
// told. The janitor calls it.
func (s *socket) ended() (end bool) {
	if s.raw == nil || !s.parked.Load() {
		return false
	}
	err := s.raw.Control(func(fd uintptr) { end = endedDirect(int(fd)) })
	return err == nil && end && s.parked.Load()
}

// cut ends the connection. Any goroutine may call it; the connection's own notices when
// it next reads or writes.
func (s *socket) cut() {
	go s.nc.Close() // waits until run is in none of its calls
}
