package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// target is what takes the writes.
type target interface {
	connect(ctx context.Context) (client, error)
	// usage returns the rows written to SQL and the CPU time that the server process
	// took, both since its start; CPU is 0 where it cannot be known.
	usage() (rows uint64, cpu time.Duration, err error)
	// settle returns when SQL has everything that was answered.
	settle(ctx context.Context) error
	close() error
}

// lullTarget is a Lull: one that was started here, or one that runs.
type lullTarget struct {
	addr, password string
	control        *redisClient
	db             *database
	cmd            *exec.Cmd // nil: it ran before
	dir, name      string
	keep           bool
}

func newLullTarget(ctx context.Context, o *Options, db *database) (*lullTarget, error) {
	t := &lullTarget{addr: o.Addr, password: o.Password, db: db, keep: o.Keep}
	var err error
	if o.Addr == "" {
		err = t.start(o)
	}
	if err == nil {
		t.control, err = dialRedis(t.addr, t.password)
	}
	if err == nil && o.Addr != "" {
		_, err = t.control.ask("LULL", "STATUS")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lull: %w", err), t.close())
	}
	return t, nil
}

// start starts `lull serve` over the benchmark's tables, with a log of its own and
// under a name of its own.
func (t *lullTarget) start(o *Options) (err error) {
	if t.dir, err = os.MkdirTemp("", "lull-bench-"); err != nil {
		return err
	}
	t.name = filepath.Base(t.dir)
	config := fmt.Sprintf("name: %s\nack: %s\n%s", t.name, o.Ack, TablesYAML())
	if err := os.WriteFile(filepath.Join(t.dir, "lull.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	said, err := os.Create(filepath.Join(t.dir, "stderr"))
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := exec.Command(o.Program, "serve", "--config", filepath.Join(t.dir, "lull.yaml"), "--listen", "127.0.0.1:0",
		"--data-dir", filepath.Join(t.dir, "data"), "--database", o.Database)
	cmd.Stderr = said
	cmd.SysProcAttr = ownGroup()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	t.cmd = cmd
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			text, _ := os.ReadFile(said.Name())
			return fmt.Errorf("it ended before it listened: %s", text)
		}
		if words := strings.Fields(line); len(words) > 1 && words[0] == "listening" {
			t.addr = words[1]
			go func() { _, _ = io.Copy(io.Discard, lines) }() // ends with the process
			return nil
		}
	}
}

func (t *lullTarget) connect(context.Context) (client, error) { return dialRedis(t.addr, t.password) }

func (t *lullTarget) usage() (rows uint64, cpu time.Duration, err error) {
	info, err := t.control.info()
	if err != nil {
		return 0, 0, err
	}
	rows, err = strconv.ParseUint(info["lull_flushed_rows"], 10, 64)
	return rows, cpuOf(info), err
}

// settle waits: WAIT counts the database as one replica.
func (t *lullTarget) settle(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := t.control.ask("WAIT", "1", "5000")
		if err != nil {
			return fmt.Errorf("WAIT: %w", err)
		}
		if n == int64(1) {
			return t.healthy()
		}
	}
	return ctx.Err()
}

// healthy says what Lull complains of: a figure of a run with trouble is none.
func (t *lullTarget) healthy() error {
	info, err := t.control.info()
	if err != nil {
		return err
	}
	if info["lull_problems"] != "0" || info["lull_letters"] != "0" {
		return fmt.Errorf("lull has trouble: %s letters; %s", info["lull_letters"], info["lull_problem_1"])
	}
	return nil
}

// ownGroup keeps Ctrl-C from a server: it is for the benchmark, which ends its
// servers in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// stopMax bounds the wait for a server's end.
const stopMax = 60 * time.Second

func (t *lullTarget) close() (err error) {
	if t.control != nil {
		err = t.control.close()
	}
	if t.cmd != nil {
		err = errors.Join(err, stop(t.cmd))
		if !t.keep {
			err = errors.Join(err, t.db.dropOwn(context.Background(), t.name))
		}
	}
	if t.dir != "" {
		err = errors.Join(err, os.RemoveAll(t.dir))
	}
	return err
}

// stop ends a server in order, or kills it when that takes too long.
func stop(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", filepath.Base(cmd.Path), errors.Join(err, cmd.Wait()))
	}
	timer := time.AfterFunc(stopMax, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("stop %s: %w", filepath.Base(cmd.Path), err)
	}
	return nil
}

// info reads INFO, by name.
func (c *redisClient) info() (map[string]string, error) {
	reply, err := c.ask("INFO", "everything")
	if err != nil {
		return nil, fmt.Errorf("INFO: %w", err)
	}
	text, _ := reply.(string)
	all := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, val, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			all[name] = val
		}
	}
	return all, nil
}

// cpuOf is the time that the process took on a CPU, as it says itself: Lull and Redis
// both ask getrusage.
func cpuOf(info map[string]string) time.Duration {
	user, err := strconv.ParseFloat(info["used_cpu_user"], 64)
	sys, sysErr := strconv.ParseFloat(info["used_cpu_sys"], 64)
	if err != nil || sysErr != nil {
		return 0
	}
	return time.Duration((user + sys) * float64(time.Second))
}
