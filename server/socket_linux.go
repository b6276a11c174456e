package server

import (
	"syscall"
	"unsafe"
)

// directIO says that sockets can be read and written without the scheduler's help.
const directIO = true

// readDirect is read(2) on a socket that never makes it wait.
func readDirect(fd int, p []byte) (int, error) { return direct(syscall.SYS_READ, fd, p) }

// writeDirect is write(2) on a socket that never makes it wait.
func writeDirect(fd int, p []byte) (int, error) { return direct(syscall.SYS_WRITE, fd, p) }

func direct(call uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return -1, errno
		}
	}
}

// endedDirect reports whether all was read and no more will come.
func endedDirect(fd int) bool {
	var p [1]byte
	n, _, err := syscall.Recvfrom(fd, p[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n == 0 && err == nil
}
