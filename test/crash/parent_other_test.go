//go:build !linux

package crash

import "syscall"

// endWithParent asks for nothing: this system cannot end a process with another.
func endWithParent() *syscall.SysProcAttr { return nil }
