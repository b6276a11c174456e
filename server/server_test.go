package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// start serves a fresh engine over SQLite until the test ends.
func start(t testing.TB, o Options) *Server {
	t.Helper()
	return startOver(t, o, lull.Options{Ack: lull.AckMemory}, func(*Server) {})
}

// startBasics is start with the commands of basics and a choice of the engine.
func startBasics(t testing.TB, o Options, engine lull.Options) *Server {
	t.Helper()
	return startOver(t, o, engine, rebindBasics)
}

func startOver(t testing.TB, o Options, engine lull.Options, prepare func(*Server)) *Server {
	t.Helper()
	dir := t.TempDir()
	ctx := context.Background()
	db, err := sqlite.Open(ctx, "sqlite:"+filepath.Join(dir, "lull.db"), sqlsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	engine.DataDir = filepath.Join(dir, "data")
	if over, ok := engine.Sink.(*gatedSink); ok {
		over.over(t, db, filepath.Join(dir, "lull.db"))
	} else {
		engine.Sink = db
	}
	engine.Log.SegmentBytes = 1 << 20
	o.Settings = map[string]Setting{"test-database": fixed(filepath.Join(dir, "lull.db"))}
	o.DB, err = lull.Open(ctx, engine)
	if err != nil {
		t.Fatal(err)
	}
	o.Addr = "127.0.0.1:0"
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	prepare(s)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		bounded, cancel := context.WithTimeout(ctx, hangMax)
		defer cancel()
		if err := s.Shutdown(bounded); err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, ErrClosed) {
			t.Errorf("serve: %v", err)
		}
		if err := o.DB.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		_ = db.Close()
	})
	return s
}

// wireConn is a connection without a client library.
type wireConn struct {
	t testing.TB
	net.Conn
	in *bufio.Reader
}

func dial(t testing.TB, s *Server) *wireConn {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(hangMax))
	return &wireConn{t, nc, bufio.NewReader(nc)}
}

func (c *wireConn) send(text string) {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// lines reads n lines and returns them with spaces between.
func (c *wireConn) lines(n int) string {
	c.t.Helper()
	var got []string
	for range n {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatalf("read: %v, after %q", err, got)
		}
		got = append(got, strings.TrimSuffix(line, "\r\n"))
	}
	return strings.Join(got, " ")
}

// rest reads to the end of the connection.
func (c *wireConn) rest() string {
	c.t.Helper()
	all, err := io.ReadAll(c.in)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(all)
}

// ask sends a line and compares the lines of its answer.
func (c *wireConn) ask(line, want string) {
	c.t.Helper()
	c.send(line + "\r\n")
	if got := c.lines(strings.Count(want, " | ") + 1); got != strings.ReplaceAll(want, " | ", " ") {
		c.t.Errorf("%s: got %q, wanted %q", line, got, want)
	}
}

func TestConnectionCommandsAnswerAsRedis(t *testing.T) {
	c := dial(t, start(t, Options{}))
	for _, tt := range []struct{ line, want string }{
		{"PING", "+PONG"},
		{"PING hi", "$2 | hi"},
		{"PING a b", "-ERR wrong number of arguments for 'ping' command"},
		{`ECHO "a b"`, "$3 | a b"},
		{"foo", "-ERR unknown command 'foo', with args beginning with: "},
		{"foo bar b", "-ERR unknown command 'foo', with args beginning with: 'bar' 'b' "},
		{"CLIENT foo", "-ERR unknown subcommand 'foo'. Try CLIENT HELP."},
		{"CLIENT", "-ERR wrong number of arguments for 'client' command"},
		{"CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command"},
		{"SELECT 16", "-ERR DB index is out of range"},
		{"SELECT -1", "-ERR DB index is out of range"},
		{"SELECT a", "-ERR value is not an integer or out of range"},
		{"SELECT 15", "+OK"},
		{"HELLO 4", "-NOPROTO unsupported protocol version"},
		{"HELLO a", "-ERR Protocol version is not an integer or out of range"},
		{`HELLO 3 SETNAME "a b"`, "-ERR Client names cannot contain spaces, newlines or special characters."},
		{"HELLO 2 auth x", "-ERR Syntax error in HELLO option 'auth'"},
		{"AUTH x", "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?"},
		{"AUTH default x", "+OK"},
		{"AUTH a b c", "-ERR syntax error"},
		{"CLIENT GETNAME", "$-1"},
		{"CLIENT SETNAME me", "+OK"},
		{"CLIENT GETNAME", "$2 | me"},
		{"CLIENT NO-EVICT on", "+OK"},
		{"CLIENT NO-EVICT x", "-ERR syntax error"},
		{"CLIENT SETINFO lib-name x", "+OK"},
		{"CLIENT SETINFO lib-foo x", "-ERR Unrecognized option 'lib-foo'"},
		{"CLIENT LIST TYPE foo", "-ERR Unknown client type 'foo'"},
		{"CLIENT LIST ID 1 x", "-ERR Invalid client ID"},
		{"CLIENT KILL 1.1.1.1:1", "-ERR No such client"},
		{"CLIENT KILL ID 88888", ":0"},
		{"CONFIG GET save", "*2 | $4 | save | $0 | "},
		{"CONFIG GET nothing*", "*0"},
		{"CONFIG SET foo bar", "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
		{"MEMORY PURGE", "+OK"},
		{"CONFIG SET maxclients", "-ERR wrong number of arguments for 'config|set' command"},
		{"CONFIG SET timeout -1", "-ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 inclusive"},
		{"CONFIG SET timeout 1 timeout 2", "-ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"},
		{"CONFIG SET databases 3", "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"},
		{"CONFIG SET timeout 600", "+OK"},
		{"CONFIG GET timeout", "*2 | $7 | timeout | $3 | 600"},
		{"COMMAND INFO foo", "*1 | $-1"},
		{"COMMAND GETKEYS MSET a 1 b 2", "*2 | $1 | a | $1 | b"},
		{"COMMAND LIST FILTERBY foo x", "-ERR syntax error"},
		{"COMMAND LIST FILTERBY PATTERN pin*", "*1 | $4 | ping"},
		{"WAIT a b", "-ERR value is not an integer or out of range"},
		{"WAIT 1 -1", "-ERR timeout is negative"},
		{"WAIT 0 0", ":0"},
		{"WAITAOF 1 0 1000", "*2 | :1 | :0"},
		{"EXEC", "-ERR EXEC without MULTI"},
		{"DISCARD", "-ERR DISCARD without MULTI"},
		{"UNWATCH", "+OK"},
		{"RESET", "+RESET"},
		{"CLIENT GETNAME", "$-1"},
	} {
		c.ask(tt.line, tt.want)
	}
	c.send("QUIT\r\nPING\r\n")
	if got := c.rest(); got != "+OK\r\n" {
		t.Errorf("after QUIT: got %q", got)
	}
}

func TestBrokenRequestsEndTheConnectionAfterEarlierAnswers(t *testing.T) {
	s := start(t, Options{})
	long := strings.Repeat("A", 500_000) // more than is read when the error is found
	for in, want := range map[string]string{
		long:                    "-ERR Protocol error: too big inline request\r\n",
		"PING\r\n*1\r\n$-5\r\n": "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n",
		"PING\r\n\"abc\r\n":     "+PONG\r\n-ERR Protocol error: unbalanced quotes in request\r\n",
		"PING\r\nPOST / HTTP/1.1\r\nHost: x\r\nPING\r\n": "+PONG\r\n-ERR unknown command 'POST', with args beginning with: '/' 'HTTP/1.1' \r\n",
	} {
		c := dial(t, s)
		c.send(in)
		if got := c.rest(); got != want {
			t.Errorf("%.50q: got %q, wanted %q", in, got, want)
		}
	}
}

func TestMultiQueuesAndAborts(t *testing.T) {
	c := dial(t, start(t, Options{}))
	for _, tt := range []struct{ line, want string }{
		{"MULTI", "+OK"},
		{"MULTI", "-ERR MULTI calls can not be nested"},
		{"WATCH a", "-ERR WATCH inside MULTI is not allowed"},
		{"PING", "+QUEUED"},
		{"ECHO x", "+QUEUED"},
		{"SELECT a", "+QUEUED"},
		{"EXEC", "*3 | +PONG | $1 | x | -ERR value is not an integer or out of range"},
		{"MULTI", "+OK"},
		{"ECHO", "-ERR wrong number of arguments for 'echo' command"},
		{"PING", "+QUEUED"},
		{"EXEC", "-EXECABORT Transaction discarded because of previous errors."},
		{"MULTI", "+OK"},
		{"foo", "-ERR unknown command 'foo', with args beginning with: "},
		{"DISCARD", "+OK"},
		{"MULTI", "+OK"},
		{"LULL FLUSH", "-ERR Command not allowed inside a transaction"},
		{"EXEC", "-EXECABORT Transaction discarded because of previous errors."},
		{"MULTI", "+OK"},
		{"RESET", "+RESET"},
		{"PING", "+PONG"},
		{"MULTI", "+OK"},
		{"EXEC", "*0"},
	} {
		c.ask(tt.line, tt.want)
	}
}

func TestPasswordGuardsEverything(t *testing.T) {
	s := start(t, Options{Password: "secret"})
	c := dial(t, s)
	for _, tt := range []struct{ line, want string }{
		{"PING", "-NOAUTH Authentication required."},
		{"CLIENT ID", "-NOAUTH Authentication required."},
		{"AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled."},
		{"HELLO 3 AUTH default wrong", "-WRONGPASS invalid username-password pair or user is disabled."},
		{"AUTH ann secret", "-WRONGPASS invalid username-password pair or user is disabled."},
		{"AUTH secret", "+OK"},
		{"PING", "+PONG"},
		{"RESET", "+RESET"},
		{"PING", "-NOAUTH Authentication required."},
	} {
		c.ask(tt.line, tt.want)
	}
	c.send("*11\r\n")
	if got := c.rest(); got != "-ERR Protocol error: unauthenticated multibulk length\r\n" {
		t.Errorf("a long command before AUTH: got %q", got)
	}
	// The limits are those of after AUTH for what comes behind it in one write.
	c = dial(t, s)
	long := strings.Repeat("x", 20_000)
	c.send("AUTH secret\r\n*2\r\n$4\r\nECHO\r\n$20000\r\n" + long + "\r\n")
	if got := c.lines(3); got != "+OK $20000 "+long {
		t.Errorf("a long command behind AUTH: got %.100q", got)
	}
}

func TestOtherMachinesNeedAPassword(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "[::]:0"} {
		if _, err := Listen(Options{Addr: addr}); err == nil || !strings.Contains(err.Error(), "set a password") {
			t.Errorf("%s: got %v, wanted a refusal", addr, err)
		}
	}
	for _, addr := range []string{"127.0.0.1:0", "localhost:0", "[::1]:0", "127.9.9.9:0"} {
		if err := checkExposure(addr, ""); err != nil {
			t.Errorf("%s: got %v", addr, err)
		}
	}
	if err := checkExposure("0.0.0.0:0", "secret"); err != nil {
		t.Errorf("with a password: got %v", err)
	}
}

func TestClientsAreLimitedAndListed(t *testing.T) {
	s := start(t, Options{MaxClients: 2})
	a, b := dial(t, s), dial(t, s)
	a.ask("PING", "+PONG")
	b.ask("CLIENT SETNAME bee", "+OK")
	if got := dial(t, s).rest(); got != "-ERR max number of clients reached\r\n" {
		t.Errorf("the third: got %q", got)
	}
	client := redis.NewClient(&redis.Options{Addr: s.Addr().String()})
	defer client.Close()
	_ = a.Close()
	eventually(t, "room for a client library", func() bool { return client.Ping(context.Background()).Err() == nil })
	list, err := client.ClientList(context.Background()).Result()
	if err != nil || strings.Count(list, "\n") != 2 || !strings.Contains(list, "name=bee") || !strings.Contains(list, "cmd=client|list") {
		t.Errorf("CLIENT LIST: got %q, %v", list, err)
	}
	info, err := client.ClientInfo(context.Background()).Result()
	if err != nil || info.LastCmd != "client|info" || info.LibName == "" {
		t.Errorf("CLIENT INFO: got %+v, %v", info, err)
	}
}

// hangMax is the only bound on how long something may take: the machine may have other work.
const hangMax = 2 * time.Minute

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hangMax); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if is() {
			return
		}
	}
	t.Errorf("%s: not so after %v", what, hangMax)
}

func TestIdleAndStalledClientsAreClosed(t *testing.T) {
	s := start(t, Options{IdleTimeout: 300 * time.Millisecond, StallTimeout: 300 * time.Millisecond})
	idle := dial(t, s)
	idle.ask("PING", "+PONG")
	if got := idle.rest(); got != "" {
		t.Errorf("idle: got %q", got)
	}
	stalled := dial(t, s)
	one := fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", 1<<20, strings.Repeat("x", 1<<20))
	go func() {
		for range 64 { // never reads
			if _, err := stalled.Write([]byte(one)); err != nil {
				return
			}
		}
	}()
	eventually(t, "the stalled client is gone", func() bool { return s.clients.count() == 0 && s.stats.connections.Load() == 2 })
}

func TestShutdownAnswersWhatHasArrived(t *testing.T) {
	s := start(t, Options{})
	c := dial(t, s)
	c.ask("PING", "+PONG")
	ctx, cancel := context.WithTimeout(context.Background(), hangMax)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if got := c.rest(); got != "" {
		t.Errorf("after shutdown: got %q", got)
	}
	if _, err := net.Dial("tcp", s.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}

func TestMaxMemoryIsTheEngines(t *testing.T) {
	s := start(t, Options{})
	client := redis.NewClient(&redis.Options{Addr: s.Addr().String()})
	defer client.Close()
	ctx := t.Context()
	for _, tt := range []struct {
		set  string
		want int64
	}{
		{"12345678", 12345678}, {"2k", 2000}, {"2kb", 2048}, {"3MB", 3 << 20}, {"1g", 1e9}, {"1gb", 1 << 30}, {"0", 0},
	} {
		if err := client.ConfigSet(ctx, "maxmemory", tt.set).Err(); err != nil {
			t.Errorf("CONFIG SET maxmemory %s: %v", tt.set, err)
		}
		if got, err := client.ConfigGet(ctx, "maxmemory").Result(); got["maxmemory"] != fmt.Sprint(tt.want) || s.db.Load().MaxMemory() != tt.want {
			t.Errorf("maxmemory %s: CONFIG GET gave %v, %v, the engine has %d, wanted %d", tt.set, got, err, s.db.Load().MaxMemory(), tt.want)
		}
	}
	for _, bad := range []string{"", "lots", "-1", "1tb", "9999999999gb", "1kk"} {
		if err := client.ConfigSet(ctx, "maxmemory", bad).Err(); err == nil {
			t.Errorf("CONFIG SET maxmemory %q was taken", bad)
		}
	}
}

func TestClientLibraryWorksInBothVersions(t *testing.T) {
	s := start(t, Options{Password: "secret"})
	for _, version := range []int{2, 3} {
		client := redis.NewClient(&redis.Options{Addr: s.Addr().String(), Protocol: version, Password: "secret", DB: 3, ClientName: "lib"})
		ctx := context.Background()
		if got, err := client.Echo(ctx, "hi").Result(); got != "hi" || err != nil {
			t.Errorf("RESP%d: ECHO: got %q, %v", version, got, err)
		}
		if got, err := client.ConfigGet(ctx, "append*").Result(); got["appendonly"] != "yes" || err != nil {
			t.Errorf("RESP%d: CONFIG GET: got %v, %v", version, got, err)
		}
		commands, err := client.Command(ctx).Result()
		if err != nil || commands["ping"] == nil {
			t.Errorf("RESP%d: COMMAND: got %v, %v", version, commands, err)
		}
		info, err := client.Info(ctx, "server").Result()
		if err != nil || !strings.Contains(info, "redis_version:7.") {
			t.Errorf("RESP%d: INFO: got %q, %v", version, info, err)
		}
		cmds, err := client.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Echo(ctx, "a")
			p.Ping(ctx)
			return nil
		})
		if err != nil || cmds[0].(*redis.StringCmd).Val() != "a" {
			t.Errorf("RESP%d: MULTI: got %v, %v", version, cmds, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRedisToolsConnect runs the programs that come with Redis.
func TestRedisToolsConnect(t *testing.T) {
	s := start(t, Options{})
	_, port, _ := net.SplitHostPort(s.Addr().String())
	for _, tt := range []struct {
		argv []string
		want string
	}{
		{[]string{"redis-cli", "-p", port, "ping"}, "PONG"},
		{[]string{"redis-cli", "-3", "-p", port, "hello"}, "proto 3"},
		{[]string{"redis-cli", "-p", port, "command", "docs", "ping"}, "connection"},
		{[]string{"redis-cli", "-p", port, "client", "help"}, "CLIENT <subcommand>"},
		{[]string{"redis-benchmark", "-p", port, "-n", "1000", "-c", "4", "-P", "8", "-q", "ping"}, "requests per second"},
	} {
		out, err := exec.Command(tt.argv[0], tt.argv[1:]...).CombinedOutput()
		text := strings.ReplaceAll(string(out), "\n", " ")
		if err != nil || !strings.Contains(text, tt.want) || strings.Contains(text, "WARNING") {
			t.Errorf("%v: got %q, %v", tt.argv, text, err)
		}
	}
}
