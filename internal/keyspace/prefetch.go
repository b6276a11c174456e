//go:build amd64 || arm64

package keyspace

import "unsafe"

// prefetch has the processor load the cache line at p, and does not wait for it. p may
// be anything, also nil.
//
//go:noescape
func prefetch(p unsafe.Pointer)
