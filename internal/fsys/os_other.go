//go:build unix && !linux

package fsys

import "os"

// syncData leaves the choice to Go, which knows that macOS needs F_FULLFSYNC.
func syncData(f *os.File) error { return f.Sync() }

// allocate only sets the length: the zeros that the log writes next allocate.
func allocate(f *os.File, size int64) error { return f.Truncate(size) }

func unload([]byte) {}

func uncache(*os.File) {}

// mapShared declines: only Linux promises that syncing the descriptor covers stores
// through a mapping.
func mapShared(*os.File, int64) ([]byte, error) { return nil, ErrNoMap }
