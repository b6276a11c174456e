package testdb

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// guardScript ends the server and removes its folder when the test process is
// gone, which it learns from the end of its input. It is told what runs by lines
// of "run PID", "idle" and "over". A process that only waits to be reaped has ended:
// not every system has an init that reaps at once. PostgreSQL takes SIGQUIT as "end at once,
// with all your processes, and leave no shared memory"; the others get SIGKILL.
const guardScript = `
trap '' HUP INT TERM
runs() { kill -0 "$1" && ! grep -q '^State:.*Z' "/proc/$1/status"; }
pid=
while read -r word arg; do
	case $word in
	run) pid=$arg ;;
	idle) pid= ;;
	over) exit 0 ;;
	esac
done
if [ -n "$pid" ]; then
	for status in $(grep -l "^PPid:.$pid\$" /proc/[0-9]*/status); do # a paused server's children
		status=${status%/status}
		kill -CONT "${status#/proc/}"
	done
	kill -CONT "$pid"
	kill -QUIT "$pid"
	n=0
	while [ $n -lt 80 ] && runs "$pid"; do
		sleep 0.1
		n=$((n + 1))
	done
	kill -KILL "$pid"
fi
rm -rf "$1"
`

// waitScript becomes the server (same pid) once it is told to, or ends if the
// test process is gone before that.
const waitScript = `read -r go <&3 || exit 1; exec 3<&-; exec "$@"`

// guard is the shell that outlives the test process by the moment it takes to end
// the server. It guards one server over all its restarts.
type guard struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

func newGuard(dir string) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "lull-testdb-guard", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // ^C at a terminal is not for it
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return &guard{cmd: cmd, in: in}, nil
}

// start starts argv as a process of the account, with its output in dir/log, and
// makes it known to the guard before it runs.
func (g *guard) start(argv []string, dir string, as *account) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	wait, release, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer release.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", waitScript, "lull-testdb"}, argv...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = serverEnv(dir)
	cmd.ExtraFiles = []*os.File{wait}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: as.credential()}
	err = cmd.Start()
	wait.Close()
	if err != nil {
		return nil, err
	}
	p := watch(cmd)
	if _, err = fmt.Fprintf(g.in, "run %d\n", p.pid); err == nil {
		_, err = release.WriteString("go\n")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guard: %w", err), p.killAll())
	}
	return p, nil
}

// idle tells the guard that the server is stopped.
func (g *guard) idle() error {
	_, err := io.WriteString(g.in, "idle\n")
	return err
}

// end dismisses the guard: the caller removes the folder itself.
func (g *guard) end() error {
	_, err := io.WriteString(g.in, "over\n")
	return errors.Join(err, g.in.Close(), g.cmd.Wait())
}

// serverEnv is a small environment: the machine's settings (PGDATA, PGPORT,
// MYSQL_HOME and so on) are not the tests'.
func serverEnv(dir string) []string {
	return []string{"PATH=" + os.Getenv("PATH") + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		"HOME=" + dir, "TMPDIR=" + dir, "LC_ALL=C", "TZ=UTC"}
}
