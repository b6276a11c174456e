package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/internal/testdb"
)

// TestAStartWithALongLogTellsClientsToWait kills a Lull that has much which is not in
// SQL, starts it again, and asks from the first moment on. Another program has SQLite's
// lock until the first answers came, so that they come however fast the log is read.
func TestAStartWithALongLogTellsClientsToWait(t *testing.T) {
	dir := t.TempDir()
	addr, metrics := testdb.Address(t), testdb.Address(t)
	args := []string{"--metrics", metrics, "--listen", addr}
	r := serveIn(t, dir, args...)
	r.do("LULL", "PAUSE")
	const batches, batch = 200, 1000
	value := strings.Repeat("v", 100)
	for i := range batches {
		fill(t, r.client, batch, func(n int) []any { return []any{"SET", fmt.Sprint("key:", (i*batch+n)%100_000), value} })
	}
	r.do("SET", "last", "written")
	r.end(syscall.SIGKILL)

	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DisableIdentity: true})
	defer c.Close()
	saw := make(chan sight, 1)
	release := holdSQLite(t, filepath.Join(dir, "lull-data", "lull.db"))
	go func() { saw <- lookOn(c, "http://"+metrics+"/healthz", release) }()
	r = serveIn(t, dir, args...)
	got := <-saw
	if got.err != nil {
		t.Fatal(got.err)
	}
	for _, want := range []string{"loading:1\r\n", "loading_total_bytes:"} {
		if !strings.Contains(got.info, want) {
			t.Errorf("INFO while the log was loaded has no %q: %s", want, got.info)
		}
	}
	if got.health != http.StatusServiceUnavailable {
		t.Errorf("the health check answered %d while the log was loaded", got.health)
	}
	if v := r.do("GET", "last"); v != "written" {
		t.Errorf("the last write: got %v", v)
	}
	if text, _ := fetch(t, "http://"+metrics+"/metrics"); !strings.Contains(text, "lull_loading 0") {
		t.Error("the metrics do not tell that the log is loaded")
	}
	healthUntil(t, "http://"+metrics+"/healthz", http.StatusOK, "ok")
}

// sight is what a client saw of a start.
type sight struct {
	info   string // INFO while the log was loaded
	health int    // code of the health check then
	err    error  // an answer that is neither PONG nor a word about loading
}

// lookOn asks a server that is about to start until it is ready. It calls release once it
// has been told to wait.
func lookOn(c *redis.Client, health string, release func()) (s sight) {
	ctx := context.Background()
	defer release()
	s.err = errors.New("no answer")
	for deadline := time.Now().Add(time.Minute); s.err != nil && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		err := c.Ping(ctx).Err()
		switch {
		case err == nil && s.info == "":
			return sight{err: errors.New("it never said that it was loading")}
		case err == nil:
			s.err = nil
		case strings.HasPrefix(err.Error(), "LOADING ") && s.info == "":
			s.info = c.Info(ctx, "persistence").Val()
			if response, err := http.Get(health); err == nil {
				s.health = response.StatusCode
				response.Body.Close()
			}
			release()
		case s.info != "" && !strings.HasPrefix(err.Error(), "LOADING "):
			return sight{err: err}
		}
	}
	return s
}

// holdSQLite takes the lock of writers until release is called.
func holdSQLite(t *testing.T, file string) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.Conn(context.Background())
	if err == nil {
		_, err = conn.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		_, _ = conn.ExecContext(context.Background(), "ROLLBACK") // closing does the same
		_ = errors.Join(conn.Close(), db.Close())
	})
}

// fill sends n commands at once and fails the test if one answers an error.
func fill(t *testing.T, c *redis.Client, n int, command func(i int) []any) {
	t.Helper()
	p := c.Pipeline()
	for i := range n {
		p.Do(context.Background(), command(i)...)
	}
	if _, err := p.Exec(context.Background()); err != nil {
		t.Fatal(err)
	}
}
