package main

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// healthUntil polls the health check until it answers with code and text.
func healthUntil(t *testing.T, url string, code int, text string) {
	t.Helper()
	var got string
	var gotCode int
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got, gotCode = fetch(t, url); gotCode == code && strings.Contains(got, text) {
			return
		}
	}
	t.Fatalf("%s: got %d %q, wanted %d %q", url, gotCode, got, code, text)
}

// TestAParkedTableIsShoutedAndComesBack drops a mapped table under a running Lull,
// and makes it again.
func TestAParkedTableIsShoutedAndComesBack(t *testing.T) {
	dir := t.TempDir()
	file := sqlFile(t, dir, players)
	config := "database: sqlite:game.db\nmetrics: 127.0.0.1:0\ntables:\n  players: {key: \"player:{id}\", type: hash}\n"
	if err := os.WriteFile(filepath.Join(dir, "lull.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	r := serveIn(t, dir, "--config", "lull.yaml")
	metrics := metricsAt.FindStringSubmatch(r.greeting)[1]
	healthUntil(t, metrics+"/healthz", http.StatusOK, "ok")
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r.do("HSET", "player:1", "name", "Ann")
	r.do("WAIT", 1, 5000)
	if _, err := db.Exec("DROP TABLE players"); err != nil {
		t.Fatal(err)
	}
	r.do("HSET", "player:1", "score", "7")
	healthUntil(t, metrics+"/healthz", http.StatusServiceUnavailable, "table players is parked")
	if text := r.do("LULL", "STATUS").(string); !strings.Contains(text, "PROBLEM    table players is parked") {
		t.Errorf("status: %s", text)
	}
	if text, _ := fetch(t, metrics+"/metrics"); !strings.Contains(text, `lull_table_parked{table="players"} 1`) {
		t.Error("the metrics do not tell of the parked table")
	}
	if got := r.do("HGET", "player:1", "name"); got != "Ann" {
		t.Errorf("a read while the table is parked: %v", got)
	}
	if _, err := db.Exec(players); err != nil {
		t.Fatal(err)
	}
	eventually(t, db, `SELECT count(*) FROM players WHERE id = 1 AND score = 7`, 1)
	healthUntil(t, metrics+"/healthz", http.StatusOK, "ok")
	if code := r.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
	if !strings.Contains(r.stderr.String(), "table parked") || !strings.Contains(r.stderr.String(), "table back") {
		t.Errorf("lull did not log what happened: %s", r.stderr.String())
	}
}
