package fsys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData is fdatasync(2): it also writes pages dirtied through a shared mapping,
// since Linux has one page cache for both, and it reports each write-back error
// since the descriptor was opened once.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}

func allocate(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EOPNOTSUPP):
			return f.Truncate(size) // the zeros written next will allocate
		default:
			return os.NewSyscallError("fallocate", err)
		}
	}
}

// unload takes pages out of the process's table, all with one interrupt of the other
// processors. Of a shared mapping nothing is lost. If it is refused, all is as before.
func unload(mem []byte) { _ = unix.Madvise(mem, unix.MADV_DONTNEED) }

// uncache is advice: if it is refused, all is as before.
func uncache(f *os.File) { _ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED) }

func mapShared(f *os.File, size int64) ([]byte, error) {
	mem, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOMEM) {
		return nil, ErrNoMap
	}
	return mem, os.NewSyscallError("mmap", err)
}
