package testdb

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestPostgresDatabaseIsFreshAndEmpty(t *testing.T) {
	first, second := Postgres(t), Postgres(t)
	if first == second {
		t.Fatalf("two databases have one URL: %s", first)
	}
	for _, url := range []string{first, second} {
		pgExec(t, url, "CREATE TABLE players (id int PRIMARY KEY)")
	}
}

func TestMariaDBDatabaseIsFreshAndEmpty(t *testing.T) {
	first, second := MariaDB(t), MariaDB(t)
	if first == second {
		t.Fatalf("two databases have one URL: %s", first)
	}
	for _, url := range []string{first, second} {
		myExec(t, url, "CREATE TABLE players (id int PRIMARY KEY)")
	}
}

func TestDatabaseIsDroppedWithItsTest(t *testing.T) {
	var pg, my string
	t.Run("uses databases", func(t *testing.T) { pg, my = Postgres(t), MariaDB(t) })
	if conn, err := pgx.Connect(context.Background(), pg); err == nil {
		conn.Close(context.Background())
		t.Errorf("%s is still there", pg)
	}
	if err := myTry(my, "SELECT 1"); err == nil {
		t.Errorf("%s is still there", my)
	}
}

func TestRedisAnswersAndForgetsNothingWhenDurable(t *testing.T) {
	if got := redisDo(t, Redis(t), "DBSIZE"); got != ":0" {
		t.Errorf("DBSIZE of a fresh server: got %q, want :0", got)
	}
	s := StartRedis(t, Options{Durable: true})
	redisDo(t, s.Addr(), "SET a 1")
	s.Kill()
	s.Restart()
	if got := redisDo(t, s.Addr(), "EXISTS a"); got != ":1" {
		t.Errorf("EXISTS after kill and restart: got %q, want :1", got)
	}
}

func TestPostgresKeepsCommitsOverEveryWayToEnd(t *testing.T) {
	s := StartPostgres(t, Options{Settings: map[string]string{"max_connections": "12"}})
	url, addr := s.NewDatabase(t), s.Addr()
	pgExec(t, url, "CREATE TABLE ends (n int)")
	for n, end := range endings(s) {
		held, err := pgx.Connect(context.Background(), url)
		if err != nil {
			t.Fatal(err)
		}
		pgExec(t, url, fmt.Sprintf("INSERT INTO ends VALUES (%d)", n))
		pid := s.PID()
		kids := kidsOf(t, pid)
		end()
		if s.PID() == pid || alive(pid) {
			t.Fatalf("ending %d: process %d still runs", n, pid)
		}
		for _, kid := range kids {
			if alive(kid) {
				t.Errorf("ending %d: child %d still runs", n, kid)
			}
		}
		if err := held.Ping(context.Background()); err == nil {
			t.Errorf("ending %d: an old connection still answers", n)
		}
		s.Restart()
		if s.Addr() != addr {
			t.Fatalf("address after restart: got %s, want %s", s.Addr(), addr)
		}
		var count int
		pgQuery(t, url, "SELECT count(*) FROM ends", &count)
		if count != n+1 {
			t.Fatalf("rows after ending %d: got %d, want %d", n, count, n+1)
		}
	}
}

func TestMariaDBKeepsCommitsOverEveryWayToEnd(t *testing.T) {
	s := StartMariaDB(t, Options{})
	url := s.NewDatabase(t)
	myExec(t, url, "CREATE TABLE ends (n int)")
	for n, end := range endings(s) {
		myExec(t, url, fmt.Sprintf("INSERT INTO ends VALUES (%d)", n))
		pid := s.PID()
		end()
		if alive(pid) {
			t.Fatalf("ending %d: process %d still runs", n, pid)
		}
		s.Restart()
		if err := myTry(url, fmt.Sprintf("DELETE FROM ends WHERE n > %d", n)); err != nil {
			t.Fatal(err)
		}
		if got := myCount(t, url, "ends"); got != n+1 {
			t.Fatalf("rows after ending %d: got %d, want %d", n, got, n+1)
		}
	}
}

func endings(s *Server) []func() {
	return []func(){
		func() { s.Stop(Graceful) },
		func() { s.Stop(Immediate) },
		s.Kill,
		func() { s.Pause(); s.Kill() },
		func() { s.Pause(); s.Stop(Graceful) },
	}
}

func TestPausedServerAnswersOnlyAfterContinue(t *testing.T) {
	s := StartPostgres(t, Options{})
	conn, err := pgx.Connect(context.Background(), s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	s.Pause()
	answered := make(chan error, 1)
	go func() { answered <- conn.Ping(context.Background()) }()
	select {
	case err := <-answered:
		t.Fatalf("a paused server answered: %v", err)
	case <-time.After(150 * time.Millisecond):
	}
	s.Continue()
	if err := <-answered; err != nil {
		t.Errorf("after Continue: %v", err)
	}
}

func TestSettingsReachTheServer(t *testing.T) {
	s := StartPostgres(t, Options{Durable: true, Settings: map[string]string{"work_mem": "123kB"}})
	var mem, fsync string
	pgQuery(t, s.URL(), "SELECT current_setting('work_mem'), current_setting('fsync')", &mem, &fsync)
	if mem != "123kB" || fsync != "on" {
		t.Errorf("work_mem, fsync: got %s, %s, want 123kB, on", mem, fsync)
	}
}

func TestServerThatCannotStartShowsItsLog(t *testing.T) {
	s, err := newServer(postgres, Options{Settings: map[string]string{"work_mem": "nonsense"}})
	if err == nil {
		s.close()
		t.Fatal("a server with a wrong setting started")
	}
	if !strings.Contains(err.Error(), "work_mem") {
		t.Errorf("error does not hold the server's reason: %v", err)
	}
}

func TestMissingServerSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, e := range []*engine{postgres, mariadb, redis} {
		absent := *e
		absent.dirs = []string{t.TempDir()}
		_, err := newServer(&absent, Options{})
		if err == nil {
			t.Fatalf("%s was found in an empty folder", e.name)
		}
		for _, want := range []string{e.name, "make prepare", "install", "Debian"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error lacks %q: %v", e.name, want, err)
			}
		}
	}
}

func TestInstallationWithoutInitdbIsPassedOver(t *testing.T) {
	real, err := postgres.find()
	if err != nil {
		t.Fatal(err)
	}
	half := t.TempDir()
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) 99'\n"
	if err := os.WriteFile(filepath.Join(half, "postgres"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", half+":"+os.Getenv("PATH"))
	got, err := postgres.find()
	if err != nil || got != real {
		t.Errorf("with half an installation first in PATH: got %v, %v, want %v", got, err, real)
	}
}

// TestServersEndWithAKilledProcess runs this test binary anew, has it start
// servers, and kills it with SIGKILL while one is even paused.
func TestServersEndWithAKilledProcess(t *testing.T) {
	if os.Getenv("LULL_TESTDB_CHILD") != "" {
		startAndTell(t)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServersEndWithAKilledProcess$")
	cmd.Env = append(os.Environ(), "LULL_TESTDB_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pids, dirs := readServers(t, bufio.NewScanner(out))
	if len(dirs) != 4 {
		t.Fatalf("the child started %d servers, want 4", len(dirs))
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed: always an error
	waitUntil(t, "all processes are gone", func() bool {
		for _, pid := range pids {
			if alive(pid) {
				return false
			}
		}
		return true
	})
	waitUntil(t, "all folders are gone", func() bool {
		for _, dir := range dirs {
			if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
				return false
			}
		}
		return true
	})
}

// startAndTell starts servers, prints each one's folder and processes, and waits
// to be killed.
func startAndTell(t *testing.T) {
	Postgres(t)
	MariaDB(t)
	paused := StartPostgres(t, Options{})
	for _, s := range []*Server{sharedPostgres.server, sharedMariaDB.server, StartRedis(t, Options{}), paused} {
		fmt.Println("server", s.dir, s.PID())
		for _, kid := range kidsOf(t, s.PID()) {
			fmt.Println("child", kid)
		}
	}
	paused.Pause()
	fmt.Println("ready")
	select {}
}

func readServers(t *testing.T, lines *bufio.Scanner) (pids []int, dirs []string) {
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) == 3 && f[0] == "server" {
			dirs = append(dirs, f[1])
		}
		if len(f) > 1 && (f[0] == "server" || f[0] == "child") {
			pid, err := strconv.Atoi(f[len(f)-1])
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		if lines.Text() == "ready" {
			return pids, dirs
		}
	}
	t.Fatalf("the child ended early: %v", lines.Err())
	return nil, nil
}

func TestServerEndsWithItsTest(t *testing.T) {
	var pids []int
	var dirs []string
	t.Run("starts servers", func(t *testing.T) {
		for _, s := range []*Server{StartPostgres(t, Options{}), StartMariaDB(t, Options{}), StartRedis(t, Options{})} {
			pids = append(pids, s.PID(), s.guard.cmd.Process.Pid)
			dirs = append(dirs, s.dir)
		}
	})
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", dir, err)
		}
	}
}

func TestKilledServerLeavesNoSharedMemory(t *testing.T) {
	if _, err := os.Stat("/proc/sysvipc/shm"); err != nil {
		t.Log("the system lists no shared memory: only the clean-up's own error is looked at")
	}
	var segment string
	t.Run("kills its server", func(t *testing.T) {
		s := StartPostgres(t, Options{})
		b, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
		if err != nil {
			t.Fatal(err)
		}
		segment = strings.Fields(strings.Split(string(b), "\n")[6])[1]
		s.Kill()
	})
	b, err := os.ReadFile("/proc/sysvipc/shm")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == segment {
			t.Errorf("shared memory %s is still there: %s", segment, line)
		}
	}
}

func kidsOf(t *testing.T, pid int) []int {
	t.Helper()
	kids, err := children(pid)
	if err != nil {
		t.Fatal(err)
	}
	return kids
}

func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not so after 30 s: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func pgExec(t *testing.T, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), statement); err != nil {
		t.Fatal(err)
	}
}

func pgQuery(t *testing.T, url, query string, dest ...any) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(context.Background(), query).Scan(dest...); err != nil {
		t.Fatal(err)
	}
}

func myOpen(url string) (*sql.DB, error) {
	user, rest, _ := strings.Cut(strings.TrimPrefix(url, "mysql://"), "@")
	addr, database, _ := strings.Cut(rest, "/")
	return sql.Open("mysql", fmt.Sprintf("%s@tcp(%s)/%s", user, addr, database))
}

func myTry(url, statement string) error {
	db, err := myOpen(url)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement)
	return err
}

func myExec(t *testing.T, url, statement string) {
	t.Helper()
	if err := myTry(url, statement); err != nil {
		t.Fatal(err)
	}
}

func myCount(t *testing.T, url, table string) (n int) {
	t.Helper()
	db, err := myOpen(url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func redisDo(t *testing.T, addr, command string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
