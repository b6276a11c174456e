package testdb

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a running server. PostgreSQL's has child processes, each in a session
// of its own, so that signals have to go to each by its pid.
type process struct {
	pid  int
	done chan struct{} // closed when the process is reaped
}

// watch takes over a started command and reaps it.
func watch(cmd *exec.Cmd) *process {
	p := &process{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended shows in its log
		close(p.done)
	}()
	return p
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// wait waits for the process to end, at most d, and reports whether it did.
func (p *process) wait(d time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(d):
		return false
	}
}

func (p *process) signal(sig syscall.Signal) error {
	if p.ended() {
		return nil
	}
	return ignoreGone(syscall.Kill(p.pid, sig))
}

// signalAll signals the children first: a server that is let go on finds them
// going on.
func (p *process) signalAll(sig syscall.Signal) error {
	kids, err := children(p.pid)
	for _, kid := range kids {
		err = errors.Join(err, ignoreGone(syscall.Kill(kid, sig)))
	}
	return errors.Join(err, p.signal(sig))
}

// freeze stops the process, so that it makes no more children, and then these.
func (p *process) freeze() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(5 * time.Millisecond) // the signal takes effect when the process next leaves the kernel
	return p.signalAll(syscall.SIGSTOP)
}

// killAll ends the process and its children with SIGKILL and waits until none is
// left.
func (p *process) killAll() error {
	if err := p.freeze(); err != nil {
		return err
	}
	kids, err := children(p.pid)
	if err = errors.Join(err, p.signal(syscall.SIGKILL)); err != nil {
		return err
	}
	for _, kid := range kids {
		err = errors.Join(err, ignoreGone(syscall.Kill(kid, syscall.SIGKILL)))
	}
	if !p.wait(stopTimeMax) {
		return errors.Join(err, fmt.Errorf("process %d did not end in %v after SIGKILL", p.pid, stopTimeMax))
	}
	deadline := time.Now().Add(stopTimeMax)
	for _, kid := range kids {
		for alive(kid) {
			if time.Now().After(deadline) {
				return errors.Join(err, fmt.Errorf("child process %d did not end in %v after SIGKILL", kid, stopTimeMax))
			}
			time.Sleep(time.Millisecond)
		}
	}
	return err
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// alive reports whether the process runs; one that only waits to be reaped does
// not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	_, state, ok := procStat(pid)
	return !ok || state != "Z"
}

// children returns the pids of the process's direct children.
func children(pid int) ([]int, error) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return childrenByPS(pid)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var kids []int
	for _, dir := range dirs {
		kid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if parent, _, ok := procStat(kid); ok && parent == pid {
			kids = append(kids, kid)
		}
	}
	return kids, nil
}

// procStat reads the parent and the state of a process from Linux's /proc.
func procStat(pid int) (parent int, state string, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", false
	}
	// The command's name, in parentheses, may hold anything: look behind the last.
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(fields) < 2 {
		return 0, "", false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, fields[0], err == nil
}

func childrenByPS(pid int) ([]int, error) {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var kids []int
	for line := range strings.Lines(string(out)) {
		var kid, parent int
		if _, err := fmt.Sscan(line, &kid, &parent); err == nil && parent == pid {
			kids = append(kids, kid)
		}
	}
	return kids, nil
}
