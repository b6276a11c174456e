package testdb

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ports are taken from below the range that systems use for outgoing connections,
// so that none takes the port of a server that is stopped for a while.
const (
	portMin = 12000
	portMax = 32000
)

// port is a loopback port that no other process of this package uses until it is
// released, or until the process ends.
type port struct {
	number int
	lock   *os.File
}

func freePort() (*port, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	for range 200 {
		n := portMin + rand.IntN(portMax-portMin)
		f, err := os.OpenFile(filepath.Join(cache, fmt.Sprintf("port-%d", n)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("port lock: %w", err)
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && listens(n) {
			return &port{number: n, lock: f}, nil
		}
		f.Close()
	}
	return nil, errors.New("no free loopback port found in 200 tries")
}

// Address returns a loopback host:port for a server of the test's own, which may be
// stopped and started again: until t ends no other test gets it, and no connection that
// goes out, as happens to ports that the system chose.
func Address(t testing.TB) string {
	t.Helper()
	p, err := freePort()
	if err != nil {
		t.Fatalf("testdb: %v", err)
	}
	t.Cleanup(p.release)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number))
}

// listens reports whether the port can be listened on.
func listens(n int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", n))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// release lets others use the port.
func (p *port) release() { p.lock.Close() }
