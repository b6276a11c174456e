// Package power takes the power from the real program: `lull serve` with its log and its
// embedded database on a FUSE file system that forgets what was not synced, and on a real
// disk that is full. It needs root, and is run by "make power".
package power

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/lullcache/lull/internal/proof"
	"github.com/lullcache/lull/internal/testdb"
)

var (
	power = flag.Bool("power", false, "run these tests: they need root, and mount file systems")
	cuts  = flag.Int("cuts", 100, "at how many of the first 2,000 file operations the power goes, for each ack level")
	seed  = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of everything that is random")
)

var program string // the real binary

func TestMain(m *testing.M) {
	flag.Parse()
	logging.Disable()
	if !*power {
		fmt.Println("test/power: not asked for; run make power, which needs root")
		return
	}
	dir, err := os.MkdirTemp("", "lull-power-")
	if err == nil {
		program = filepath.Join(dir, "lull")
		var out []byte
		if out, err = exec.Command("go", "build", "-o", program, "github.com/lullcache/lull/cmd/lull").CombinedOutput(); err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "power:", err)
		os.Exit(1)
	}
	code := m.Run()
	proof.Print(os.Stdout)
	os.RemoveAll(dir)
	os.Exit(code)
}

// served is a running `lull serve`.
type served struct {
	cmd    *exec.Cmd
	stderr lockedBuffer
	done   chan struct{}
	addr   string
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const syncEvery = 100 * time.Millisecond

// serve starts the program with its data in dir.
func serve(t *testing.T, dir, ack, more string) *served {
	t.Helper()
	s := &served{addr: testdb.Address(t), done: make(chan struct{})}
	file := filepath.Join(t.TempDir(), "lull.yaml")
	yaml := fmt.Sprintf("listen: %s\ndata_dir: %s\nack: %s\nwrite_timeout: 1s\nlog: {segment_bytes: 1MiB, sync_every: %v, retain: {age: 1s, bytes: 1MiB}}\n%s",
		s.addr, dir, ack, syncEvery, more)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.Command(program, "serve", "--config", file)
	s.cmd.Stderr = &s.stderr
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	return s
}

// ready waits until the program answers PONG; false if it ended before.
func (s *served) ready() bool {
	for {
		if s.pings() {
			return true
		}
		select {
		case <-s.done:
			return false
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// pings reports whether the program serves: it listens before it has read the log.
func (s *served) pings() bool {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return false
	}
	defer c.Close()
	answer := make([]byte, 1)
	_, _ = c.Write([]byte("PING\r\n")) // the read tells
	_, err = c.Read(answer)
	return err == nil && answer[0] == '+'
}

func (s *served) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

func (s *served) client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: s.addr, MaxRetries: -1, DisableIdentity: true, DialerRetries: 1,
		DialTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
	})
}

// unit is a writer's next unit, as a MULTI.
func unit(ctx context.Context, c *redis.Client, w *proof.Writer, n int, pad []byte) error {
	text, counter, hash := w.Keys()
	_, err := c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, text, n, 0)
		p.Incr(ctx, counter)
		p.HSet(ctx, hash, w.Field(n), n)
		if pad != nil {
			p.Set(ctx, w.Name+":pad:"+strconv.Itoa(n), pad, 0)
		}
		return nil
	})
	return err
}

// read reads a writer's state.
func read(ctx context.Context, c *redis.Client, w *proof.Writer) (s proof.State, err error) {
	text, counter, hash := w.Keys()
	if s.Text, err = c.Get(ctx, text).Result(); err != nil && err != redis.Nil {
		return s, err
	}
	if s.Counter, err = c.Get(ctx, counter).Result(); err != nil && err != redis.Nil {
		return s, err
	}
	s.Fields, err = c.HGetAll(ctx, hash).Result()
	return s, err
}
