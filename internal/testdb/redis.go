package testdb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

var redis = &engine{
	name:      "Redis",
	packages:  "Redis's server (Debian, Ubuntu: redis-server; Fedora, Alpine, Homebrew: redis or valkey)",
	servers:   []string{"redis-server", "valkey-server"},
	signature: "server v=",
	dirs:      []string{"/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/usr/local/opt/redis*/bin", "/opt/homebrew/opt/redis*/bin"},
	accounts:  []string{"redis"},

	firstDatabase: "0",
	graceful:      syscall.SIGTERM,
	immediate:     syscall.SIGKILL,
	argv: func(s *Server) []string {
		argv := []string{s.bin.server, "--bind", "127.0.0.1", "--port", fmt.Sprint(s.port.number),
			"--dir", filepath.Join(s.dir, "data"), "--daemonize", "no", "--save", ""}
		if s.options.Durable {
			argv = append(argv, "--appendonly", "yes", "--appendfsync", "always")
		}
		return argv
	},
	setting: func(name, value string) []string { return []string{"--" + name, value} },
	url:     func(s *Server, database string) string { return "redis://" + s.Addr() + "/" + database },
	ping:    redisPing,
	create: func(context.Context, *Server, string) error {
		return errors.New("Redis has numbered databases only")
	},
}

func redisPing(ctx context.Context, s *Server) error {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", s.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "+PONG") && !strings.HasPrefix(answer, "-NOAUTH") {
		return fmt.Errorf("ping: got %q, want +PONG", answer)
	}
	return nil
}
