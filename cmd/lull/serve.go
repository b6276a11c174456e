package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/config"
	"github.com/lullcache/lull/server"
	"github.com/lullcache/lull/sink"
)

// runServe serves until a signal comes.
func runServe(ctx context.Context, args []string) error {
	var f configFlags
	fs := newOptionSet("serve", "Serves Redis clients until SIGINT or SIGTERM, then flushes. Options win over the file.")
	f.registerServe(fs)
	newLog := fs.Bool("new-log", false, "start with a new log where the old one and the database do not fit; gives up what only the old one holds")
	if err := fs.parse(args); err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	s, err := openSink(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(serveOver(ctx, c, s, *newLog), s.Close())
}

// serveOver opens the engine over a database, serves it, and closes it. Clients are
// answered from before the engine is open.
func serveOver(ctx context.Context, c *config.Config, s sink.Sink, newLog bool) error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	o, err := options(c, s)
	if err != nil {
		return err
	}
	f, err := openFront(c, logger)
	if err != nil {
		return err
	}
	o.NewLog = newLog
	o.OnEvent = func(e lull.Event) { logEvent(logger, e) }
	garbage := newCollector()
	garbage.replaying(c.MaxMemory)
	o.OnReplay = func(done, total uint64) {
		garbage.replaying(c.MaxMemory)
		f.replayed(done, total)
	}
	db, err := lull.Open(ctx, o)
	if err != nil {
		_ = f.close(time.Second) // there is no answer that could be cut off
		if ctx.Err() != nil {
			err = fmt.Errorf("stopped before it was ready: %w", err)
		}
		return err
	}
	spareProcessor()
	f.use(db)
	defer garbage.serving(db.MaxMemory)()
	greet(os.Stdout, c, f.server.Addr(), f.metrics.addr())
	err = f.wait(ctx)
	logger.Info("stopping", "rows_to_flush", db.Stats().Dirty.Rows, "shutdown_timeout", c.ShutdownTimeout)
	if closeErr := f.close(c.ShutdownTimeout); closeErr != nil {
		logger.Warn("clients were cut off", "error", closeErr)
	}
	if err != nil {
		return errors.Join(err, closed(db.Close(context.Background()), logger))
	}
	return closed(db.Close(context.Background()), logger)
}

// spareProcessor lets Go use one thread more than there are workers, unless GOMAXPROCS in the environment
// says how many. A worker gives its own away only when it has nothing to do, and while all have,
// Go looks but each 10 ms whether the database has answered. Which thread runs is the system's choice then.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// closed says how closing the engine ended.
func closed(err error, logger *slog.Logger) error {
	var remains *lull.Remains
	switch {
	case errors.As(err, &remains):
		return &exitError{exitRemains, remains}
	case err == nil:
		logger.Info("stopped: everything is in the database")
	}
	return err
}

// settings are what CONFIG GET shows of the configuration, by the names that Redis
// has for the same.
func settings(c *config.Config) map[string]server.Setting {
	fixed := func(val string) server.Setting {
		return server.Setting{Get: func() string { return val }}
	}
	sync := "always"
	if c.Ack == "memory" {
		sync = "everysec"
	}
	log := "yes"
	if c.Log.Off {
		log, sync = "no", "no"
	}
	return map[string]server.Setting{
		"appendonly": fixed(log), "appendfsync": fixed(sync),
		"dir": fixed(c.DataDir), "lull-ack": fixed(c.Ack), "lull-database": fixed(config.WithoutPassword(c.Database)),
	}
}

// greet tells a person where everything is.
func greet(w io.Writer, c *config.Config, addr net.Addr, metrics string) {
	host, port, _ := net.SplitHostPort(addr.String())
	connect := "redis-cli -p " + port
	if host != "127.0.0.1" {
		connect = "redis-cli -h " + host + " -p " + port
	}
	fmt.Fprintf(w, "Lull %s is ready.\n\n", version())
	line := func(name, text string) { fmt.Fprintf(w, "  %-10s %s\n", name, text) }
	line("listening", addr.String()+"     connect with: "+connect)
	line("database", config.WithoutPassword(c.Database))
	line("log", c.DataDir)
	if metrics != "" {
		line("metrics", "http://"+metrics+"/metrics and /healthz")
	}
	if c.Unmapped == "generic" {
		greetGeneric(c, line)
	}
	for i := range c.Tables {
		t := &c.Tables[i]
		line("table", fmt.Sprintf("%-16s %-7s %s", t.Name, t.Type, t.Key))
	}
	fmt.Fprintln(w)
}

// greetGeneric tells where the rows of keys without a table are.
func greetGeneric(c *config.Config, line func(name, text string)) {
	look := "SELECT * FROM lull_strings_text"
	if file, ok := strings.CutPrefix(c.Database, "sqlite:"); ok {
		file, _, _ = strings.Cut(file, "?")
		look = fmt.Sprintf("sqlite3 %s '%s'", file, look)
	}
	line("rows", look)
	line("", "(also lull_hashes_text, lull_zsets_text, lull_sets_text, lull_lists_text, lull_streams_text)")
}

// logEvent logs what an operator should know, in the level it deserves.
func logEvent(logger *slog.Logger, e lull.Event) {
	level := slog.LevelWarn
	if e.Calm() {
		level = slog.LevelInfo
	}
	args := []any{}
	if e.Text != "" {
		args = append(args, "about", e.Text)
	}
	if e.Err != nil && !strings.Contains(e.Text, e.Err.Error()) {
		args = append(args, "error", e.Err)
	}
	logger.Log(context.Background(), level, string(e.Kind), args...)
}
