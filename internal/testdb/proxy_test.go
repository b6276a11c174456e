package testdb

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startEcho answers each byte with the same byte.
func startEcho(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // until the test ends it
			}()
		}
	}()
	return l.Addr().String()
}

func dialProxy(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// sendGet writes what and returns what comes back until as many bytes are there,
// or an error.
func sendGet(t *testing.T, conn net.Conn, what string, within time.Duration) (string, error) {
	t.Helper()
	if _, err := io.WriteString(conn, what); err != nil {
		return "", err
	}
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(what))
	n, err := io.ReadFull(conn, buf)
	return string(buf[:n]), err
}

func wantEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	if got, err := sendGet(t, conn, "hello", 5*time.Second); got != "hello" || err != nil {
		t.Fatalf("echo through the proxy: got %q, %v, want hello", got, err)
	}
}

func TestProxyCutsAfterBytesInEitherDirection(t *testing.T) {
	for name, d := range map[string]Direction{"to the server": ToServer, "to the client": ToClient} {
		t.Run(name, func(t *testing.T) {
			p := StartProxy(t, startEcho(t))
			conn := dialProxy(t, p)
			wantEcho(t, conn)
			p.CutAfter(d, 7)
			wantEcho(t, conn)
			got, err := sendGet(t, conn, "hello", 5*time.Second)
			if err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after the cut: got %q, %v, want a broken connection", got, err)
			}
			if n := p.Passed(d); n != 5+7 {
				t.Errorf("bytes passed: got %d, want 12", n)
			}
			if d == ToClient && got != "he" {
				t.Errorf("bytes before the cut: got %q, want he", got)
			}
			if p.Cuts() != 1 {
				t.Errorf("cuts: got %d, want 1", p.Cuts())
			}
			wantEcho(t, dialProxy(t, p))
		})
	}
}

func TestProxyRefusesUntilResumed(t *testing.T) {
	p := StartProxy(t, startEcho(t))
	old := dialProxy(t, p)
	wantEcho(t, old)
	p.Refuse()
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial while refusing: got %v, want connection refused", err)
	}
	if got, err := sendGet(t, old, "hello", 5*time.Second); err == nil {
		t.Errorf("an old connection still answers %q", got)
	}
	p.Resume()
	wantEcho(t, dialProxy(t, p))
}

func TestProxyHangsAndLosesNothing(t *testing.T) {
	p := StartProxy(t, startEcho(t))
	old := dialProxy(t, p)
	wantEcho(t, old)
	p.Hang()
	young := dialProxy(t, p)
	for _, conn := range []net.Conn{old, young} {
		if got, err := sendGet(t, conn, "a", 50*time.Millisecond); err == nil {
			t.Fatalf("a hanging proxy answered %q", got)
		}
	}
	p.Resume()
	for _, conn := range []net.Conn{old, young} {
		if got, err := sendGet(t, conn, "b", 5*time.Second); got != "a" || err != nil {
			t.Errorf("after Resume: got %q, %v, want the byte that hung", got, err)
		}
	}
}

// TestProxyLosesTheAnswerToACommit is what the proxy is for.
func TestProxyLosesTheAnswerToACommit(t *testing.T) {
	ctx := context.Background()
	url := Postgres(t)
	pgExec(t, url, "CREATE TABLE seen (n int)")
	p := StartProxy(t, sharedPostgres.server.Addr())
	conn, err := pgx.Connect(ctx, p.Through(url))
	if err != nil {
		t.Fatal(err)
	}
	p.CutAfter(ToClient, 0)
	if _, err := conn.Exec(ctx, "INSERT INTO seen VALUES (1)"); err == nil {
		t.Error("the insert was answered")
	}
	waitUntil(t, "the row is there", func() bool {
		var n int
		pgQuery(t, url, "SELECT count(*) FROM seen", &n)
		return n == 1
	})
}
