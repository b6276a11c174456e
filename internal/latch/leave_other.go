//go:build !linux

package latch

import "runtime"

func leaveProcessor() { runtime.Gosched() }
