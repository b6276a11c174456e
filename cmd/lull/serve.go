package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/config"
	"github.com/lullcache/lull/server"
)

// runServe serves until a signal comes.
func runServe(ctx context.Context, args []string) error {
	var f configFlags
	fs := flag.NewFlagSet("lull serve", flag.ContinueOnError)
	f.registerServe(fs)
	newLog := fs.Bool("new-log", false, "start with a new log where the old one and the database do not fit; gives up what only the old one holds")
	if err := parse(fs, args); err != nil {
		return err
	}
	c, err := f.load()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := openSink(ctx, c)
	if err != nil {
		return err
	}
	defer s.Close()
	o, err := options(c, s)
	if err != nil {
		return err
	}
	o.NewLog = *newLog
	o.OnEvent = func(e lull.Event) { logEvent(logger, e) }
	db, err := lull.Open(ctx, o)
	if err != nil {
		return err
	}
	return serve(ctx, c, db, logger)
}

// serve runs the server over an open engine, and closes both at the end.
func serve(ctx context.Context, c *config.Config, db *lull.DB, logger *slog.Logger) error {
	closed := false
	closeDB := func() error {
		closed = true
		return db.Close(context.Background())
	}
	defer func() {
		if !closed {
			_ = closeDB() // another error is being reported
		}
	}()
	srv, err := server.Listen(server.Options{
		DB: db, Addr: c.Listen, Password: c.Password, MaxClients: int(c.MaxClients), Version: version(),
		OnError: func(err error) { logger.Warn("client", "error", err) },
	})
	if err != nil {
		return err
	}
	metrics, err := startMetrics(c.Metrics, db)
	if err != nil {
		return err
	}
	greet(c, srv.Addr())
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	logger.Info("stopping", "shutdown_timeout", c.ShutdownTimeout)
	return stop(c, srv, metrics, closeDB, logger)
}

// stop answers what is in flight, flushes, and says what remains.
func stop(c *config.Config, srv *server.Server, metrics *metricsServer, closeDB func() error, logger *slog.Logger) error {
	started := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), c.ShutdownTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		logger.Warn("clients were cut off", "error", err)
	}
	err := closeDB()
	metrics.close()
	var remains *lull.Remains
	switch {
	case errors.As(err, &remains):
		return &exitError{exitRemains, remains}
	case err != nil:
		return err
	}
	logger.Info("stopped; everything is in the database", "took", time.Since(started).Round(time.Millisecond))
	return nil
}

// greet tells a person where everything is.
func greet(c *config.Config, addr net.Addr) {
	_, port, _ := net.SplitHostPort(addr.String())
	fmt.Printf("Lull %s is ready.\n\n", version())
	fmt.Printf("  listening   %s          redis-cli -p %s\n", addr, port)
	fmt.Printf("  log         %s\n", c.DataDir)
	fmt.Printf("  database    %s\n", config.WithoutPassword(c.Database))
	if file, ok := strings.CutPrefix(c.Database, "sqlite:"); ok && len(c.Tables) == 0 {
		fmt.Printf("  rows        sqlite3 %s 'select * from lull_strings_text'\n", file)
		fmt.Printf("              (also lull_hashes_text, lull_zsets_text, lull_sets_text, lull_lists_text, lull_streams_text)\n")
	}
	for i := range c.Tables {
		fmt.Printf("  table       %-20s %s\n", c.Tables[i].Name, c.Tables[i].Key)
	}
	fmt.Println()
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
	if e.Err != nil {
		args = append(args, "error", e.Err)
	}
	logger.Log(context.Background(), level, string(e.Kind), args...)
}
