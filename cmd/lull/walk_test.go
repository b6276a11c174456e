package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// binary builds the real program, once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lull-test-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "lull")
	out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput()
	if err != nil {
		return "", errors.New(err.Error() + ": " + string(out))
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(file)) // the folder that binary made
	}
	os.Exit(code)
}

// lullIn runs a subcommand in a folder and returns what it printed and its exit code.
func lullIn(t *testing.T, dir string, args ...string) (out string, code int) {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(file, args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// running is a `lull serve` of the real program.
type running struct {
	t        *testing.T
	cmd      *exec.Cmd
	greeting string
	stderr   bytes.Buffer
	client   *redis.Client
	ended    bool
}

var (
	listening = regexp.MustCompile(`(?m)^  listening +(\S+)`)
	metricsAt = regexp.MustCompile(`(?m)^  metrics +(\S+)/metrics`)
)

// serveIn starts `lull serve` in a folder and waits for its greeting.
func serveIn(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	r := &running{t: t, cmd: exec.Command(file, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)}
	r.cmd.Dir, r.cmd.Stderr = dir, &r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !r.ended {
			_ = r.cmd.Process.Kill()
			_ = r.cmd.Wait()
			t.Logf("lull said: %s", r.stderr.String())
		}
	})
	lines := bufio.NewReader(out)
	for !strings.HasSuffix(r.greeting, "\n\n") || strings.Count(r.greeting, "\n\n") < 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no greeting: %v; %q, %s", err, r.greeting, r.stderr.String())
		}
		r.greeting += line
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	addr := listening.FindStringSubmatch(r.greeting)
	if addr == nil {
		t.Fatalf("the greeting does not say where it listens: %q", r.greeting)
	}
	r.client = redis.NewClient(&redis.Options{Addr: addr[1]})
	t.Cleanup(func() { _ = r.client.Close() })
	return r
}

// do sends a command and fails the test if the answer is an error.
func (r *running) do(args ...any) any {
	r.t.Helper()
	answer, err := r.client.Do(context.Background(), args...).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		r.t.Fatalf("%v: %v", args, err)
	}
	return answer
}

// end sends the signal and returns the exit code.
func (r *running) end(sig syscall.Signal) int {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	_ = r.cmd.Wait() // the code says it
	r.ended = true
	return r.cmd.ProcessState.ExitCode()
}

// eventually polls until a query counts n rows.
func eventually(t *testing.T, db *sql.DB, query string, n int) {
	t.Helper()
	var got int
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = db.QueryRow(query).Scan(&got); err == nil && got == n {
			return
		}
	}
	t.Fatalf("%s: got %d, %v, wanted %d", query, got, err, n)
}

func openFile(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// TestTheNewcomersWalk is what somebody does who has just found Lull: serve with
// nothing, write with any client, look at the rows in SQL, stop, start again.
func TestTheNewcomersWalk(t *testing.T) {
	dir := t.TempDir()
	r := serveIn(t, dir)
	for _, want := range []string{"connect with: redis-cli", "sqlite:lull-data/lull.db", "sqlite3 lull-data/lull.db"} {
		if !strings.Contains(r.greeting, want) {
			t.Errorf("the greeting does not tell %q:\n%s", want, r.greeting)
		}
	}
	r.do("SET", "greeting", "hello")
	r.do("HSET", "player:42", "name", "Ann", "score", "10")
	r.do("ZADD", "board", "1.5", "ann", "2", "bob")
	r.do("SADD", "tags", "a", "b", "c")
	r.do("RPUSH", "queue", "first", "second")
	r.do("XADD", "events", "7-1", "user", "42")
	db := openFile(t, filepath.Join(dir, "lull-data", "lull.db"))
	eventually(t, db, `SELECT count(*) FROM lull_strings_text WHERE key = 'greeting' AND value = 'hello'`, 1)
	eventually(t, db, `SELECT count(*) FROM lull_hashes_text WHERE key = 'player:42' AND (field, value) IN (VALUES ('name', 'Ann'), ('score', '10'))`, 2)
	eventually(t, db, `SELECT count(*) FROM lull_zsets_text WHERE key = 'board' AND (member = 'ann' AND score = 1.5 OR member = 'bob' AND score = 2)`, 2)
	eventually(t, db, `SELECT count(*) FROM lull_sets_text WHERE key = 'tags'`, 3)
	eventually(t, db, `SELECT count(*) FROM lull_lists_text WHERE key = 'queue'`, 2)
	eventually(t, db, `SELECT count(*) FROM lull_streams_text WHERE key = 'events' AND id = '7-1'`, 1)
	r.do("SET", "greeting", "good bye") // on the way as the signal comes
	if code := r.end(syscall.SIGTERM); code != exitOK {
		t.Fatalf("exit code %d: %s", code, r.stderr.String())
	}
	eventually(t, db, `SELECT count(*) FROM lull_strings_text WHERE value = 'good bye'`, 1)

	r = serveIn(t, dir)
	for _, read := range []struct {
		args []any
		want any
	}{
		{[]any{"GET", "greeting"}, "good bye"},
		{[]any{"HGET", "player:42", "name"}, "Ann"},
		{[]any{"HGET", "player:42", "score"}, "10"},
		{[]any{"ZSCORE", "board", "ann"}, 1.5},
		{[]any{"SCARD", "tags"}, int64(3)},
		{[]any{"LRANGE", "queue", 0, -1}, []any{"first", "second"}},
		{[]any{"XLEN", "events"}, int64(1)},
		{[]any{"GET", "never"}, nil},
	} {
		if got := r.do(read.args...); !reflect.DeepEqual(got, read.want) {
			t.Errorf("after the restart %v: got %#v, wanted %#v", read.args, got, read.want)
		}
	}
	if code := r.end(syscall.SIGINT); code != exitOK {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
}

func TestMetricsAndHealth(t *testing.T) {
	r := serveIn(t, t.TempDir(), "--metrics", "127.0.0.1:0")
	at := metricsAt.FindStringSubmatch(r.greeting)
	if at == nil {
		t.Fatalf("the greeting does not tell of the metrics: %s", r.greeting)
	}
	r.do("SET", "a", "1")
	r.do("WAIT", "1", "5000")
	text, code := fetch(t, at[1]+"/metrics")
	for _, want := range []string{
		"lull_changes_total 1\n", "lull_dirty_rows 0\n", "lull_flush_batches_total 1\n", `lull_flush_state{state="flushing"} 1`,
		`lull_table_operations_total{table="lull_strings"} 1`, "lull_fenced 0\n", "lull_log_failed 0\n", `lull_keyspace_keys{db="0"} 1`,
		"lull_log_syncs_total ", "go_goroutines ",
	} {
		if code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("/metrics (%d) has no %q", code, want)
		}
	}
	if text, code := fetch(t, at[1]+"/healthz"); code != http.StatusOK || !strings.HasPrefix(text, "ok\n") {
		t.Errorf("/healthz: %d %s", code, text)
	}
	if code := r.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
}

func fetch(t *testing.T, url string) (string, int) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), answer.StatusCode
}
