package matrix

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/internal/resp"
	"github.com/lullcache/lull/internal/testdb"
)

// peer is one side of a comparison: a server that speaks the Redis protocol.
type peer struct {
	name    string
	addr    string
	pid     int
	control *redis.Client
	stopped bool
}

func newPeer(b *run, name, addr string, pid int) *peer {
	p := &peer{name: name, addr: addr, pid: pid, control: redis.NewClient(&redis.Options{Addr: addr, Protocol: 2,
		DialTimeout: 30 * time.Second, ReadTimeout: 10 * time.Minute, PoolSize: 2, DisableIdentity: true})}
	b.Cleanup(func() {
		if p.stopped {
			_ = syscall.Kill(p.pid, syscall.SIGCONT) // so that it can end
		}
		p.control.Close()
	})
	pin(b, pid, *serverCPUs)
	return p
}

// stop and resume take the side that is not measured off the CPUs.
func (p *peer) stop(b *run) {
	b.Helper()
	if !p.stopped {
		b.must(syscall.Kill(p.pid, syscall.SIGSTOP))
		p.stopped = true
	}
}

func (p *peer) resume(b *run) {
	b.Helper()
	if p.stopped {
		b.must(syscall.Kill(p.pid, syscall.SIGCONT))
		p.stopped = false
	}
}

// info reads INFO, by name.
func (p *peer) info(b *run) map[string]string {
	b.Helper()
	text, err := p.control.Info(context.Background(), "everything").Result()
	b.must(err)
	all := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, val, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = val
		}
	}
	return all
}

// usage is what a server has used since its start.
type usage struct {
	cpu   time.Duration // user and system, as getrusage says
	flush time.Duration // of it that of Lull's flusher
	rows  float64       // written to SQL by Lull
}

func (p *peer) usage(b *run) usage {
	b.Helper()
	info := p.info(b)
	number := func(name string) float64 {
		n, _ := strconv.ParseFloat(info[name], 64) // Redis does not have all
		return n
	}
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	return usage{cpu: seconds(number("used_cpu_user") + number("used_cpu_sys")), flush: seconds(number("lull_flush_cpu_seconds")), rows: number("lull_flushed_rows")}
}

// resident is the process's memory in RAM, in bytes.
func (p *peer) resident(b *run) float64 {
	b.Helper()
	fields := strings.Fields(readText(fmt.Sprintf("/proc/%d/statm", p.pid)))
	if len(fields) < 2 {
		b.Fatalf("%s: no memory figures in /proc", p.name)
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	b.must(err)
	return pages * float64(os.Getpagesize())
}

// startRedis starts a Redis as well set up as we can: an append-only file, no
// snapshots, and no rewriting of the file, which would take a CPU now and then.
func startRedis(b *run, appendfsync string) *peer {
	b.Helper()
	s := testdb.StartRedis(b.T, testdb.Options{Settings: map[string]string{
		"appendonly": "yes", "appendfsync": appendfsync, "auto-aof-rewrite-percentage": "0"}})
	return newPeer(b, "Redis", s.Addr(), s.PID())
}

// lull is a `lull serve` over a database.
type lull struct {
	*peer
	cmd    *exec.Cmd
	dir    string
	stderr *bytes.Buffer
	done   chan struct{}
}

// benchSettings let a benchmark fill memory and log faster than SQL takes rows,
// without reaching a limit.
const benchSettings = `max_dirty_rows: 100_000_000
max_dirty_bytes: 32GiB
max_memory: 16GiB
log: {max_bytes: 64GiB, retain: {age: 1s, bytes: 64MiB}}
`

// startLull starts Lull over the database at url. It ends with b.
func startLull(b *run, url, settings string) *lull {
	b.Helper()
	l := &lull{dir: b.TempDir(), stderr: &bytes.Buffer{}, done: make(chan struct{})}
	addr := testdb.Address(b.T)
	b.must(os.WriteFile(filepath.Join(l.dir, "lull.yaml"), []byte(settings), 0o600))
	l.launch(b, addr, url)
	return l
}

// launch starts a process in the server's place and waits until it answers.
func (l *lull) launch(b *run, addr, url string) {
	b.Helper()
	l.cmd = exec.Command(lullProgram, "serve", "--config", filepath.Join(l.dir, "lull.yaml"), "--listen", addr,
		"--data-dir", filepath.Join(l.dir, "data"), "--database", url)
	l.cmd.Stderr, l.cmd.SysProcAttr = l.stderr, endWithParent()
	b.must(l.cmd.Start())
	l.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait() // how it ended stands in its state
		close(done)
	}(l.cmd, l.done)
	b.Cleanup(l.kill)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if flood(addr, 1, func(out *resp.Writer, _ int) { words(out, "PING") }) == nil {
			break
		}
		select {
		case <-l.done:
			b.Fatalf("lull has ended: %s", l.stderr)
		default:
		}
		if time.Now().After(deadline) {
			l.kill()
			b.Fatalf("lull does not answer: %s", l.stderr)
		}
	}
	l.peer = newPeer(b, "Lull", addr, l.cmd.Process.Pid)
}

// kill is kill -9: what it holds is of no worth after a measurement.
func (l *lull) kill() {
	_ = l.cmd.Process.Kill()
	<-l.done
}

// settle waits until SQL has everything.
func (l *lull) settle(b *run) {
	b.Helper()
	for deadline := time.Now().Add(10 * time.Minute); ; {
		n, err := l.control.Do(context.Background(), "WAIT", "1", "5000").Int()
		b.must(err)
		if n == 1 {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal("SQL does not have everything after 10 minutes")
		}
	}
	info := l.info(b)
	if info["lull_problems"] != "0" || info["lull_letters"] != "0" {
		b.Fatalf("lull has trouble: %s letters; %s", info["lull_letters"], info["lull_problem_1"])
	}
}

func (p *peer) do(b *run, args ...any) any {
	b.Helper()
	reply, err := p.control.Do(context.Background(), args...).Result()
	b.must(err)
	return reply
}

// pin keeps all threads of a process on some CPUs.
func pin(b *run, pid int, cpus string) {
	b.Helper()
	if cpus == "" {
		return
	}
	out, err := exec.Command("taskset", "-a", "-c", "-p", cpus, strconv.Itoa(pid)).CombinedOutput()
	if err != nil {
		b.Fatalf("taskset: %v: %s", err, out)
	}
}

// startPostgres starts a PostgreSQL that syncs its commits, with a page cache of its
// own that holds what is measured.
func startPostgres(b *run) *testdb.Server {
	b.Helper()
	return testdb.StartPostgres(b.T, testdb.Options{Durable: true, Settings: map[string]string{
		"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min", "wal_compression": "off"}})
}
