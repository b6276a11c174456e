package server

import (
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adopt makes a descriptor of its own of the connection, which package net then lets go
// of.
func (s *socket) adopt(tcp *net.TCPConn) error {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	fd, failed := -1, error(nil)
	err = raw.Control(func(old uintptr) { fd, failed = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return os.NewSyscallError("dup", err)
	}
	s.fd = fd
	return tcp.Close()
}

// patient is the connection for calls that wait. It is to be closed, which does not end
// the connection.
func (s *socket) patient() (net.Conn, error) {
	fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	return net.FileConn(f)
}

func isAgain(err error) bool { return err == unix.EAGAIN }

// readDirect is read(2) on a socket that never makes it wait.
func readDirect(fd int, p []byte) (int, error) { return direct(unix.SYS_READ, fd, p) }

// writeDirect is write(2) on a socket that never makes it wait.
func writeDirect(fd int, p []byte) (int, error) { return direct(unix.SYS_WRITE, fd, p) }

func direct(call uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// shutDirect ends both directions.
func shutDirect(fd int) { _ = unix.Shutdown(fd, unix.SHUT_RDWR) } // whoever reads next sees the end

func closeDirect(fd int) { _ = unix.Close(fd) } // nothing is buffered in it
