package matrix

import "syscall"

// endWithParent has the kernel end a server when the benchmark ends, however it does.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
