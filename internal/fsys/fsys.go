// Package fsys is the little of a file system that the log needs, so that a test
// can put one underneath that loses power, runs full or fails on purpose (package
// faultfs).
//
// Nothing here is durable by itself. The bytes of a file are on the disk after its
// Sync, its name after the SyncDir of its directory.
package fsys

import (
	"errors"
	"fmt"
	"io"
)

// FS is a file system. All paths are in the form of the operating system.
type FS interface {
	// Create makes a new, empty file for reading and writing. That the name
	// exists is an error (fs.ErrExist).
	Create(name string) (File, error)
	// Open opens a file for reading and writing, or for reading alone where
	// writing is not permitted. A missing file is fs.ErrNotExist.
	Open(name string) (File, error)
	Remove(name string) error
	// Rename gives a file another name in one step, replacing what had it.
	Rename(from, to string) error
	// ReadDir returns the names in a directory, sorted.
	ReadDir(dir string) ([]string, error)
	// MkdirAll makes a directory and its missing parents, durably.
	MkdirAll(dir string) error
	// SyncDir makes creations, renames and removals in a directory durable.
	SyncDir(dir string) error
	// Lock takes a directory for this process until the lock is closed or the
	// process ends, however it ends. If another has it: *LockedError.
	Lock(dir string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync returns when the bytes are on the disk, whether they came by WriteAt
	// or through the mapping. After an error nothing is known about any byte
	// since the last success: a second Sync may well succeed and lie.
	Sync() error
	// Allocate reserves size bytes on the disk and makes the file that long.
	Allocate(size int64) error
	// Map returns the file's bytes as shared memory, valid until Close, or
	// ErrNoMap. A store is in the page cache at once. The file must be allocated
	// first and must not shrink: the process dies of a page that is not there.
	Map() ([]byte, error)
	// Unload says that the bytes of the mapping from one offset to another, both at
	// the beginning of a page, are not written to for now. They stay where they
	// are; but a Sync need not make each page watch for stores again, which stops
	// all processors for a moment, page by page.
	Unload(from, to int64)
	// Uncache says of a synced file, whose mapping is not used any more, that it will
	// not be read soon: the system need not keep its bytes in memory.
	Uncache()
	Size() (int64, error)
	Close() error
}

// Errors of this package.
var (
	// ErrNoMap: this file system has no mapping that Sync covers; use WriteAt.
	ErrNoMap = errors.New("file cannot be mapped")
	// ErrLocked: another process holds the directory. Always in a *LockedError.
	ErrLocked = errors.New("directory is in use")
)

// LockedError says who holds a directory.
type LockedError struct {
	Dir string
	PID int // 0 if the holder did not say
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("%s is in use by process %d", e.Dir, e.PID)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }
