package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/internal/testdb"
)

// endWait bounds whatever is waited for. The machine may have other work.
const endWait = 2 * time.Minute

// program is the real `lull` binary, built once for the test run.
type program struct {
	once sync.Once
	tags string
	path string
	err  error
}

var (
	release    = &program{}
	failpoints = &program{tags: "failpoints"}
)

func (p *program) build(t *testing.T) string {
	t.Helper()
	p.once.Do(func() {
		p.path = filepath.Join(binaries, "lull"+p.tags)
		args := []string{"build", "-o", p.path, "-tags", p.tags}
		if *raceServer {
			args = append(args, "-race")
		}
		out, err := exec.Command("go", append(args, "github.com/lullcache/lull/cmd/lull")...).CombinedOutput()
		if err != nil {
			p.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	return p.path
}

// instance is a place where a server can run: a data directory, a configuration and
// a port that stay the same over all its processes.
type instance struct {
	t       *testing.T
	program *program
	dir     string
	addr    string
	args    []string // further ones of `lull serve`

	env  []string // of the next process only
	proc *process // nil while none runs

	ended int // processes
}

// process is one run of the server.
type process struct {
	cmd    *exec.Cmd
	stderr *output
	done   chan struct{} // closed when it is reaped
}

// output keeps what a process says. It may be read while the process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// newInstance makes a place for a server. The process that runs there when the test
// ends is killed.
func newInstance(t *testing.T, p *program) *instance {
	t.Helper()
	p.build(t)
	in := &instance{t: t, program: p, dir: t.TempDir(), addr: testdb.Address(t)}
	t.Cleanup(in.kill)
	return in
}

// configure writes the configuration of the next process.
func (in *instance) configure(yaml string) {
	in.t.Helper()
	if err := os.WriteFile(filepath.Join(in.dir, "lull.yaml"), []byte(yaml), 0o600); err != nil {
		in.t.Fatal(err)
	}
}

// launch starts a process and does not wait for it.
func (in *instance) launch() *process {
	in.t.Helper()
	if in.proc != nil {
		in.t.Fatal("launch: a process runs already")
	}
	args := append([]string{"serve", "--config", filepath.Join(in.dir, "lull.yaml"), "--listen", in.addr, "--data-dir", filepath.Join(in.dir, "data")}, in.args...)
	p := &process{cmd: exec.Command(in.program.path, args...), stderr: &output{}, done: make(chan struct{})}
	p.cmd.Stderr = p.stderr
	p.cmd.Env = append(os.Environ(), in.env...)
	p.cmd.SysProcAttr = endWithParent()
	in.env = nil
	if err := p.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended stands in its state
		close(p.done)
	}()
	in.proc = p
	return p
}

// start starts a process and waits until it answers.
func (in *instance) start() *process {
	in.t.Helper()
	p := in.launch()
	if err := in.ready(p); err != nil {
		in.t.Fatalf("start: %v\n%s", err, tail(p.stderr.String()))
	}
	return p
}

var errEnded = errors.New("the process has ended")

func (in *instance) ready(p *process) error {
	ctx, cancel := context.WithTimeout(context.Background(), endWait)
	defer cancel()
	for {
		err := in.ping()
		select {
		case <-p.done:
			return errEnded
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready after %v: %w", endWait, err)
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// ping asks for PONG. A connection alone would not do: a start listens before it has read
// the log, and who dials a port of his own again and again may reach himself.
func (in *instance) ping() error {
	c, err := net.DialTimeout("tcp", in.addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	answer := make([]byte, 1)
	if err = c.SetDeadline(time.Now().Add(endWait)); err == nil {
		_, err = c.Write([]byte("PING\r\n"))
	}
	if err == nil {
		_, err = c.Read(answer)
	}
	if err == nil && answer[0] != '+' {
		err = errors.New("not ready, or our own voice")
	}
	return err
}

// kill is kill -9, if a process runs.
func (in *instance) kill() {
	if in.proc != nil {
		in.signal(syscall.SIGKILL)
		in.wait()
	}
}

func (in *instance) signal(sig syscall.Signal) {
	in.t.Helper()
	if err := in.proc.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		in.t.Fatalf("signal %v: %v", sig, err)
	}
}

// wait waits for the process to end, and returns it.
func (in *instance) wait() *process {
	in.t.Helper()
	p := in.proc
	select {
	case <-p.done:
	case <-time.After(endWait):
		in.t.Fatalf("the process has not ended in %v\n%s", endWait, tail(p.stderr.String()))
	}
	in.proc = nil
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if said := p.stderr.String(); strings.Contains(said, bad) {
			in.t.Errorf("the server says %q:\n%s", bad, head(said[strings.Index(said, bad):]))
		}
	}
	in.keep(p)
	return p
}

// keep writes down what the process has said, if that was asked for.
func (in *instance) keep(p *process) {
	if *logs == "" {
		return
	}
	in.ended++
	name := fmt.Sprintf("%s-%d.log", strings.ReplaceAll(in.t.Name(), "/", "-"), in.ended)
	if err := os.WriteFile(filepath.Join(*logs, name), []byte(p.stderr.String()), 0o600); err != nil {
		in.t.Error(err)
	}
}

// exitCode is -1 for a process that a signal has ended.
func (p *process) exitCode() int { return p.cmd.ProcessState.ExitCode() }

// waitFor waits until the process has said something.
func (p *process) waitFor(t *testing.T, words ...string) {
	t.Helper()
	deadline := time.Now().Add(endWait)
	for !containsAll(p.stderr.String(), words) {
		if time.Now().After(deadline) {
			t.Fatalf("the process has not said %q:\n%s", words, tail(p.stderr.String()))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func containsAll(s string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}

// client returns one that never sends a command twice.
func (in *instance) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: in.addr, MaxRetries: -1, DisableIdentity: true, DialerRetries: 1,
		DialTimeout: endWait, ReadTimeout: endWait, WriteTimeout: endWait,
	})
}

const tailMax = 4 << 10

func tail(s string) string { return s[max(0, len(s)-tailMax):] }

// end asks the process to end, and wants this exit code.
func (in *instance) end(code int) *process {
	in.t.Helper()
	in.signal(syscall.SIGTERM)
	p := in.wait()
	if p.exitCode() != code {
		in.t.Errorf("after SIGTERM the exit code is %d, want %d\n%s", p.exitCode(), code, tail(p.stderr.String()))
	}
	return p
}

func head(s string) string { return s[:min(len(s), tailMax)] }
