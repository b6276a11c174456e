package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// sqlFile makes a SQLite file in dir with a schema.
func sqlFile(t *testing.T, dir, schema string) string {
	t.Helper()
	file := filepath.Join(dir, "game.db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(schema); err != nil {
		t.Fatal(err)
	}
	return file
}

const players = `CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT, score INTEGER NOT NULL DEFAULT 0 CHECK (score >= 0));`

func TestInitThenCheckThenServe(t *testing.T) {
	dir := t.TempDir()
	sqlFile(t, dir, players)
	if out, code := lullIn(t, dir, "init", "--database", "sqlite:game.db"); code != exitOK || !strings.Contains(out, "wrote lull.yaml") {
		t.Fatalf("init: %d %s", code, out)
	}
	if out, code := lullIn(t, dir, "init", "--database", "sqlite:game.db"); code != exitFailed || !strings.Contains(out, "--out") {
		t.Errorf("a second init overwrites: %d %s", code, out)
	}
	if out, code := lullIn(t, dir, "check", "--config", "lull.yaml"); code != exitOK || !strings.Contains(out, "players") || !strings.Contains(out, "1 table fits") {
		t.Errorf("check: %d %s", code, out)
	}
	r := serveIn(t, dir, "--config", "lull.yaml")
	if !regexp.MustCompile(`table +players +hash +players?:\{id\}`).MatchString(r.greeting) {
		t.Errorf("the greeting does not tell the table: %s", r.greeting)
	}
	if code := r.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
}

func TestComplaintsNameThePlace(t *testing.T) {
	dir := t.TempDir()
	sqlFile(t, dir, players)
	config := "database: sqlite:game.db\nflush: {max_dealy: 1s}\ntables:\n  player: {key: \"p:{id}\", type: hash}\n"
	if err := os.WriteFile(filepath.Join(dir, "lull.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"check", "serve"} {
		if out, code := lullIn(t, dir, sub, "--config", "lull.yaml"); code != exitFailed || !strings.Contains(out, "lull.yaml:2: flush.max_dealy") {
			t.Errorf("%s: %d %s", sub, code, out)
		}
	}
	config = strings.Replace(config, "flush: {max_dealy: 1s}\n", "", 1)
	if err := os.WriteFile(filepath.Join(dir, "lull.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := lullIn(t, dir, "check", "--config", "lull.yaml"); code != exitFailed || !strings.Contains(out, "lull.yaml:3: tables.player") {
		t.Errorf("check: %d %s", code, out)
	}
}

func TestWrongUsage(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"serv"}, {"serve", "--nope"}, {"serve", "extra"}, {"log"}, {"log", "burn"}, {"init"}, {"log", "dump", "x"}} {
		if out, code := lullIn(t, dir, args...); code != exitUsage || !strings.HasPrefix(out, "lull: ") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	for _, args := range [][]string{{}, {"help"}, {"serve", "-h"}, {"check", "-h"}, {"init", "-h"}, {"log", "-h"}, {"log", "verify", "-h"}, {"version"}} {
		if out, code := lullIn(t, dir, args...); code != exitOK || out == "" {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	if out, code := lullIn(t, dir, "log", "verify"); code != exitFailed || !strings.Contains(out, "--data-dir") {
		t.Errorf("log verify without a log: %d %s", code, out)
	}
}

// TestLogIsVerifiedDumpedAndRepaired stops a Lull by kill -9 while its flushes are
// paused, so that the log has what the database has not.
func TestLogIsVerifiedDumpedAndRepaired(t *testing.T) {
	dir := t.TempDir()
	sqlFile(t, dir, players)
	config := "database: sqlite:game.db\nlog: {segment_bytes: 1MiB}\nunmapped: generic\ntables:\n  players: {key: \"player:{id}\", type: hash}\n"
	if err := os.WriteFile(filepath.Join(dir, "lull.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	r := serveIn(t, dir, "--config", "lull.yaml")
	r.do("LULL", "PAUSE")
	r.do("HSET", "player:42", "name", "Ann Lee", "score", "10")
	r.do("SET", "a", "b c")
	if out, code := lullIn(t, dir, "log", "verify"); code != exitFailed || !strings.Contains(out, "in use") {
		t.Errorf("verify of a log in use: %d %s", code, out)
	}
	r.end(syscall.SIGKILL)
	if out, code := lullIn(t, dir, "log", "verify", "--config", "lull.yaml"); code != exitOK || !strings.Contains(out, "2 records") || !strings.Contains(out, "the log is intact") {
		t.Errorf("verify: %d %s", code, out)
	}
	out, code := lullIn(t, dir, "log", "dump")
	for _, want := range []string{`set players (id=42) name="Ann Lee" score=10`, `set lull_strings db0 (key=a) value="b c"`, "  unit  20"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("dump (%d) has no %q:\n%s", code, want, out)
		}
	}
	file := filepath.Join(dir, "lull-data", "log", "0000000000000001.log")
	breakRecord(t, file, "Ann Lee")
	if out, code := lullIn(t, dir, "log", "verify"); code != exitFailed || !strings.Contains(out, "damage: 0000000000000001.log at offset") {
		t.Errorf("verify of a damaged log: %d %s", code, out)
	}
	if out, code := lullIn(t, dir, "serve", "--listen", "127.0.0.1:0"); code != exitFailed || !strings.Contains(out, "lull log repair") {
		t.Errorf("serve over a damaged log: %d %s", code, out)
	}
	if out, code := lullIn(t, dir, "log", "repair"); code != exitOK || !strings.Contains(out, "is lost") {
		t.Errorf("repair: %d %s", code, out)
	}
	r = serveIn(t, dir, "--config", "lull.yaml")
	if got := r.do("GET", "a"); got != "b c" {
		t.Errorf("after the repair: %v", got)
	}
	if code := r.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
}

// breakRecord turns a byte of a file's text around.
func breakRecord(t *testing.T, file, text string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(string(data), text)
	if i < 0 {
		t.Fatalf("%s does not hold %q", file, text)
	}
	data[i] ^= 0xff
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestWhatRemainsIsTold ends a Lull whose database refuses to be written to.
func TestWhatRemainsIsTold(t *testing.T) {
	dir := t.TempDir()
	file := sqlFile(t, dir, players)
	config := "database: sqlite:game.db\nshutdown_timeout: 200ms\n"
	if err := os.WriteFile(filepath.Join(dir, "lull.yaml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	r := serveIn(t, dir, "--config", "lull.yaml")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	r.do("SET", "a", "1")
	if code := r.end(syscall.SIGTERM); code != exitRemains || !strings.Contains(r.stderr.String(), "1 rows") {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	r = serveIn(t, dir, "--config", "lull.yaml")
	eventually(t, openFile(t, file), `SELECT count(*) FROM lull_strings_text WHERE key = 'a'`, 1)
	if code := r.end(syscall.SIGTERM); code != exitOK {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
}

// TestCheckTellsOfSettingsAndTablesAtOnce has mistakes in the words of the file, and
// others that only the live tables show; what serve says of them names the file too.
func TestCheckTellsOfSettingsAndTablesAtOnce(t *testing.T) {
	dir := t.TempDir()
	sqlFile(t, dir, players)
	config := "database: sqlite:game.db\nlisen: 127.0.0.1:1\nflush: {max_delay: 10}\ntables:\n" +
		"  players: {key: \"p:{id}\", type: hash, tail: many, updated_at: name}\n" +
		"  playrs: {key: \"q:{id}\", type: hash}\n"
	write := func() {
		if err := os.WriteFile(filepath.Join(dir, "lull.yaml"), []byte(config), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write()
	out, code := lullIn(t, dir, "check", "--config", "lull.yaml")
	for _, want := range []string{
		"5 problems", "lull.yaml:2: lisen", "lull.yaml:3: flush.max_delay", "lull.yaml:5: tables.players.tail",
		"lull.yaml:5: tables.players.updated_at", "lull.yaml:6: tables.playrs",
	} {
		if code != exitFailed || !strings.Contains(out, want) {
			t.Errorf("check: %d %s\nwant %s", code, out, want)
		}
	}
	config = "database: sqlite:game.db\ntables:\n  playrs: {key: \"q:{id}\", type: hash}\n"
	write()
	if out, code := lullIn(t, dir, "serve", "--listen", "127.0.0.1:0", "--config", "lull.yaml"); code != exitFailed || !strings.Contains(out, "lull.yaml:3: tables.playrs: the database has no table") {
		t.Errorf("serve: %d %s", code, out)
	}
}
