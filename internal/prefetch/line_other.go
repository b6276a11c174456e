//go:build !amd64 && !arm64

// Package prefetch tells the processor which memory is wanted soon.
package prefetch

import "unsafe"

// Line does nothing on this processor.
func Line(unsafe.Pointer) {}

// At does nothing on this processor.
func At(uintptr) {}
