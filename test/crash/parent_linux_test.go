package crash

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// endWithParent makes a process end with the test's, however that ends.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// stopped reports whether a process stands still by SIGSTOP.
func stopped(pid int) (bool, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false, err
	}
	_, rest, _ := bytes.Cut(stat, []byte(") ")) // behind the program's name
	return bytes.HasPrefix(rest, []byte("T")), nil
}
