package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

var postgres = &engine{
	name:      "PostgreSQL",
	packages:  "PostgreSQL's server (Debian, Ubuntu: postgresql; Fedora: postgresql-server; Homebrew: postgresql@17)",
	servers:   []string{"postgres"},
	signature: "PostgreSQL",
	inits:     []string{"initdb"},
	together:  true,
	dirs: []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/usr/lib/postgresql*/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"},
	accounts:      []string{"postgres"},
	firstDatabase: "postgres",
	graceful:      syscall.SIGINT, // PostgreSQL's "fast" mode
	immediate:     syscall.SIGQUIT,
	initialise: func(b binaries, data string) []string {
		return []string{b.init, "-D", data, "-U", userName, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"}
	},
	argv:    postgresArgv,
	setting: func(name, value string) []string { return []string{"-c", name + "=" + value} },
	url: func(s *Server, database string) string {
		return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", userName, s.Addr(), database)
	},
	ping: func(ctx context.Context, s *Server) error { return postgresExec(ctx, s, "") },
	create: func(ctx context.Context, s *Server, database string) error {
		return postgresExec(ctx, s, "CREATE DATABASE "+database+" TEMPLATE template0")
	},
	drop: func(ctx context.Context, s *Server, database string) error {
		return postgresExec(ctx, s, "DROP DATABASE "+database+" WITH (FORCE)")
	},
	clean: postgresClean,
}

func postgresArgv(s *Server) []string {
	argv := []string{s.bin.server, "-D", filepath.Join(s.dir, "data"), "-p", fmt.Sprint(s.port.number)}
	settings := []string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200",
		"shared_buffers=64MB", "dynamic_shared_memory_type=mmap", "logging_collector=off", "timezone=UTC"}
	if !s.options.Durable {
		// Commits still reach the page cache, so they survive Kill.
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	for _, setting := range settings {
		argv = append(argv, "-c", setting)
	}
	return argv
}

func postgresExec(ctx context.Context, s *Server, statement string) error {
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if statement == "" {
		return conn.Ping(ctx)
	}
	_, err = conn.Exec(ctx, statement)
	return err
}

// postgresClean removes the System V shared memory that a killed server leaves.
// The lock file's seventh line holds its key and id.
func postgresClean(s *Server) error {
	b, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Split(string(b), "\n")
	var key, id int
	if len(lines) < 7 {
		return nil
	}
	if _, err := fmt.Sscan(lines[6], &key, &id); err != nil {
		return nil
	}
	_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EIDRM) {
		return nil
	}
	return err
}
