package server

import (
	"context"
	"database/sql"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull"
)

// sqliteExec runs statements in the server's database, as its owner would.
func sqliteExec(t *testing.T, s *Server, statement string) {
	t.Helper()
	sqliteFileExec(t, s.opts.Settings["test-database"].Get(), statement)
}

func sqliteFileExec(t testing.TB, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "PRAGMA busy_timeout = 5000; "+statement); err != nil {
		t.Fatal(err)
	}
}

// ask sends a command through a client library.
func ask(t *testing.T, c *redis.Client, args ...any) any {
	t.Helper()
	answer, err := c.Do(context.Background(), args...).Result()
	if err != nil {
		return err
	}
	return answer
}

func client(t *testing.T, s *Server) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Addr().String(), Protocol: 3})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestPauseAndResume(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s)
	c.ask("LULL PAUSE", "+OK")
	c.ask("SET a 1", "+OK")
	c.ask("LULL FLUSH", "-ERR flushing is paused: send LULL RESUME first")
	c.ask("WAIT 1 20", ":0")
	if text := ask(t, client(t, s), "LULL", "STATUS").(string); !strings.Contains(text, "paused") || !strings.Contains(text, "1 rows") {
		t.Errorf("status: %s", text)
	}
	c.ask("LULL FORGET a", ":0")
	c.ask("LULL RESUME", "+OK")
	c.ask("LULL FLUSH", "+OK")
	c.ask("LULL FORGET a b", ":1")
	c.ask("GET a", "$1 | 1")
}

func TestDeadLettersAreListedRetriedAndDropped(t *testing.T) {
	s := start(t, Options{})
	c := client(t, s)
	sqliteExec(t, s, `CREATE TRIGGER refuse BEFORE INSERT ON lull_strings WHEN NEW.value = 'bad' BEGIN SELECT RAISE(ABORT, 'no bad values'); END`)
	for key, val := range map[string]string{"a": "bad", "b": "good", "c": "bad"} {
		ask(t, c, "SET", key, val)
	}
	if got := ask(t, c, "LULL", "FLUSH"); got != "OK" {
		t.Fatal(got)
	}
	letters := ask(t, c, "LULL", "DEADLETTERS", "LIST").([]any)
	if len(letters) != 2 || len(ask(t, c, "LULL", "DEADLETTERS", "LIST", 1).([]any)) != 1 {
		t.Fatalf("letters: %v", letters)
	}
	first := letters[0].(map[any]any)
	key := first["key"].(string)
	if key != "a" && key != "c" || first["state"] != "refused" || first["table"] != "lull_strings" || first["operation"] != "put" ||
		!strings.Contains(first["reason"].(string), "no bad values") || first["values"].(map[any]any)["value"] != "bad" {
		t.Errorf("letter: %v", first)
	}
	tables := ask(t, c, "LULL", "TABLES").([]any)
	found := false
	for _, table := range tables {
		m := table.(map[any]any)
		found = found || m["name"] == "lull_strings" && m["letters"] == int64(2) && m["state"] == "well"
	}
	if !found {
		t.Errorf("tables: %v", tables)
	}
	if got := ask(t, c, "LULL", "DEADLETTERS", "RETRY"); got != int64(2) {
		t.Errorf("retried in vain: %v are left", got)
	}
	number := ask(t, c, "LULL", "DEADLETTERS", "LIST").([]any)[0].(map[any]any)["number"]
	if got := ask(t, c, "LULL", "DEADLETTERS", "DROP", number); got != "OK" {
		t.Errorf("drop: %v", got)
	}
	sqliteExec(t, s, `DROP TRIGGER refuse`)
	if got := ask(t, c, "LULL", "DEADLETTERS", "RETRY"); got != int64(0) {
		t.Errorf("retried: %v are left", got)
	}
	if got := ask(t, c, "LULL", "DEADLETTERS"); len(got.([]any)) != 0 {
		t.Errorf("letters: %v", got)
	}
}

func TestDeadLettersErrors(t *testing.T) {
	c := dial(t, start(t, Options{}))
	c.ask("LULL DEADLETTERS DROP", "-ERR say which dead letters to drop: their numbers, or ALL")
	c.ask("LULL DEADLETTERS DROP x", "-ERR the number of a dead letter is a positive integer: see LULL DEADLETTERS LIST")
	c.ask("LULL DEADLETTERS DROP 7", "-ERR no such letter: 7")
	c.ask("LULL DEADLETTERS RETRY 7", "-ERR no such letter: 7")
	c.ask("LULL DEADLETTERS LIST -1", "-ERR value is out of range, must be positive")
	c.ask("LULL DEADLETTERS BURN", "-ERR syntax error")
	c.ask("LULL DEADLETTERS DROP ALL", "+OK")
	c.ask("LULL DEADLETTERS RETRY", ":0")
}

func TestInfoTellsOfLull(t *testing.T) {
	s := startOver(t, Options{}, lull.Options{Ack: lull.AckDatabase}, func(*Server) {})
	c := client(t, s)
	ask(t, c, "SET", "a", "1")
	text := ask(t, c, "INFO", "lull", "keyspace", "stats", "persistence").(string)
	for _, want := range []string{
		"# Lull\r\n", "lull_state:flushing\r\n", "lull_problems:0\r\n", "lull_dirty_rows:0\r\n", "lull_flushed_batches:1\r\n",
		"lull_paused:0\r\n", "db0:keys=1,", "keyspace_misses:0\r\n", "aof_last_write_status:ok\r\n", "aof_enabled:1\r\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("INFO has no %q:\n%s", want, text)
		}
	}
}
