//go:build !linux

package crash

import (
	"bytes"
	"os/exec"
	"strconv"
	"syscall"
)

// endWithParent asks for nothing: this system cannot end a process with another.
func endWithParent() *syscall.SysProcAttr { return nil }

// stopped reports whether a process stands still by SIGSTOP.
func stopped(pid int) (bool, error) {
	state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	return bytes.HasPrefix(state, []byte("T")), err
}
