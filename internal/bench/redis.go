package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lullcache/lull/internal/resp"
)

// redisTarget is what people build by hand: a Redis, started here, in which each
// write marks what it changed in the same MULTI, and a worker that carries what is
// marked into SQL.
type redisTarget struct {
	addr    string
	cmd     *exec.Cmd
	dir     string
	control *redisClient
	worker  *worker
}

func newRedisTarget(ctx context.Context, o *Options, db *database) (*redisTarget, error) {
	t := &redisTarget{}
	err := t.start(ctx, o)
	if err == nil {
		t.worker, err = startWorker(t.addr, db)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("redis: %w", err), t.close())
	}
	return t, nil
}

// start starts a redis-server with an append-only file that promises what o.Ack does.
func (t *redisTarget) start(ctx context.Context, o *Options) (err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return errors.New("redis-server is not installed (Debian, Ubuntu: apt-get install redis-server)")
	}
	if t.dir, err = os.MkdirTemp("", "lull-bench-redis-"); err != nil {
		return err
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	t.addr = free.Addr().String()
	if err := free.Close(); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(t.addr)
	sync := "always"
	if o.Ack == "memory" {
		sync = "everysec"
	}
	cmd := exec.Command(program, "--bind", "127.0.0.1", "--port", port, "--dir", t.dir, "--logfile", filepath.Join(t.dir, "log"),
		"--save", "", "--appendonly", "yes", "--appendfsync", sync)
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return err
	}
	t.cmd = cmd
	for began := time.Now(); ; {
		if t.control, err = dialRedis(t.addr, ""); err == nil {
			return nil
		}
		if ctx.Err() != nil || time.Since(began) > 10*time.Second {
			t.control = nil
			return fmt.Errorf("it does not answer: %w", errors.Join(err, ctx.Err()))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (t *redisTarget) connect(context.Context) (client, error) {
	c, err := dialRedis(t.addr, "")
	if err != nil {
		return nil, err
	}
	c.encode = markedCommand
	return c, nil
}

// markedCommand changes a key and marks it for the worker, both or none. A stream
// needs no mark: what the worker has not read is what is in it.
func markedCommand(out *resp.Writer, w *write) (replies int) {
	if w.table == events {
		return plainCommand(out, w)
	}
	member := strconv.FormatInt(w.id, 10)
	if w.table == scores {
		member = w.text + ":" + member
	}
	command(out, "MULTI")
	w.table.command(out, w)
	command(out, "SADD", dirtyKey(w.table), member)
	command(out, "EXEC")
	return 4
}

func (t *redisTarget) usage() (rows uint64, cpu time.Duration, err error) {
	info, err := t.control.info()
	if err != nil {
		return 0, 0, err
	}
	return t.worker.rows.Load(), cpuOf(info), t.worker.failed()
}

func (t *redisTarget) settle(ctx context.Context) error { return t.worker.drain(ctx) }

func (t *redisTarget) close() (err error) {
	if t.worker != nil {
		err = t.worker.close()
	}
	if t.control != nil {
		err = errors.Join(err, t.control.close())
	}
	if t.cmd != nil {
		err = errors.Join(err, stop(t.cmd))
	}
	return errors.Join(err, os.RemoveAll(t.dir))
}
