// Package demo is what the examples share: it makes an example's tables, starts a
// Lull over them as anybody would from a shell, and connects to both.
package demo

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql knows it as "pgx"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"
)

// Options say what an example runs against.
type Options struct {
	// Database is postgres://… or sqlite:file. Empty: a SQLite file that goes away.
	Database string
	// Lull is the address of one that serves the example's lull.yaml over Database
	// already. Empty: one is started.
	Lull string
}

// Flags reads the options from the command line.
func Flags() (o Options) {
	flag.StringVar(&o.Database, "database", "", "the database's `URL`: postgres://… or sqlite:file (default: a SQLite file that goes away)")
	flag.StringVar(&o.Lull, "lull", "", "the `address` of a Lull that serves lull.yaml already (default: start one)")
	flag.Parse()
	return o
}

// Setup is an example's Lull and its database.
type Setup struct {
	Redis *redis.Client
	SQL   *sql.DB
	dir   string
	lull  *exec.Cmd
}

// Start makes the tables of schema.sql (schema.postgres.sql for PostgreSQL) in files
// and has a Lull serve its lull.yaml.
func Start(ctx context.Context, files fs.FS, o Options) (*Setup, error) {
	s := new(Setup)
	if err := s.start(ctx, files, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Setup) start(ctx context.Context, files fs.FS, o Options) (err error) {
	if s.dir, err = os.MkdirTemp("", "lull-example-"); err != nil {
		return err
	}
	if o.Database == "" {
		o.Database = "sqlite:" + filepath.Join(s.dir, "example.db")
	}
	if err := s.openSQL(ctx, files, o.Database); err != nil {
		return err
	}
	if o.Lull == "" {
		if o.Lull, err = s.startLull(ctx, files, o.Database); err != nil {
			return err
		}
	}
	s.Redis = redis.NewClient(&redis.Options{Addr: o.Lull})
	return s.Redis.Ping(ctx).Err()
}

// openSQL connects and makes the tables.
func (s *Setup) openSQL(ctx context.Context, files fs.FS, database string) (err error) {
	driver, name, schema := "pgx", database, "schema.postgres.sql"
	if file, ok := strings.CutPrefix(database, "sqlite:"); ok {
		driver, name, schema = "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)", "schema.sql"
	}
	if s.SQL, err = sql.Open(driver, name); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	ddl, err := fs.ReadFile(files, schema)
	if err != nil {
		return err
	}
	for _, statement := range strings.Split(string(ddl), ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := s.SQL.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", schema, err)
		}
	}
	return nil
}

// startLull builds and starts `lull serve` and returns the address that it greets
// with.
func (s *Setup) startLull(ctx context.Context, files fs.FS, database string) (addr string, err error) {
	config, err := fs.ReadFile(files, "lull.yaml")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "lull.yaml"), config, 0o600); err != nil {
		return "", err
	}
	program := filepath.Join(s.dir, "lull")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/lullcache/lull/cmd/lull")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build lull: %w: %s", err, out)
	}
	s.lull = exec.Command(program, "serve", "--config", "lull.yaml", "--listen", "127.0.0.1:0", "--database", database)
	s.lull.Dir, s.lull.Stderr = s.dir, os.Stderr
	out, err := s.lull.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := s.lull.Start(); err != nil {
		s.lull = nil
		return "", err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) > 1 && words[0] == "listening" {
			go func() {
				for lines.Scan() { // nothing that it prints may make it wait
				}
			}()
			return words[1], nil
		}
	}
	return "", errors.New("lull ended before it listened; what it said stands above")
}

// Arrived returns once the database has everything that was written: WAIT counts it
// as one replica.
func (s *Setup) Arrived(ctx context.Context) error {
	n, err := s.Redis.Wait(ctx, 1, 30*time.Second).Result()
	if err == nil && n != 1 {
		err = errors.New("the database did not have everything within 30 s")
	}
	return err
}

// Equal compares a total that the program has counted with what a query gives.
func (s *Setup) Equal(ctx context.Context, what string, counted int64, query string) error {
	var inSQL int64
	if err := s.SQL.QueryRowContext(ctx, query).Scan(&inSQL); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	fmt.Printf("%-24s %8d written  %8d in SQL   %s\n", what, counted, inSQL, query)
	if counted != inSQL {
		return fmt.Errorf("%s: %d were written, and SQL has %d", what, counted, inSQL)
	}
	return nil
}

// Parallel runs work n times at once and returns the errors of all.
func Parallel(n int, work func(worker int) error) error {
	errs := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { errs[i] = work(i) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// Close stops the Lull that was started, and removes its files.
func (s *Setup) Close() (err error) {
	if s.Redis != nil {
		_ = s.Redis.Close()
	}
	if s.lull != nil {
		err = s.lull.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, s.lull.Wait())
	}
	if s.SQL != nil {
		err = errors.Join(err, s.SQL.Close())
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Main runs an example and ends the program: with code 1 if it failed.
func Main(run func(ctx context.Context, o Options) error) {
	if err := run(context.Background(), Flags()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
