//go:build !amd64 && !arm64

package keyspace

import "unsafe"

func prefetch(unsafe.Pointer) {}
