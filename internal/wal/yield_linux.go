package wal

import "syscall"

// yieldThread lets other threads have this one's processor, if any of them can run.
func yieldThread() { _, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
