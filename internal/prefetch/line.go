//go:build amd64 || arm64

// Package prefetch tells the processor which memory is wanted soon.
package prefetch

import "unsafe"

// Line has the processor load the cache line at p, and does not wait for it. p may be
// anything, also nil. On other processors than amd64 and arm64 it does nothing.
//
//go:noescape
func Line(p unsafe.Pointer)

// At is Line for an address that need not be in any object, as no pointer may be.
func At(address uintptr)
