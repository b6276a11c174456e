// Command lull serves a write-back cache for SQL databases over the Redis protocol.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitRemains = 3 // serve ended with rows that are only in the log; the message says how many
)

// subcommand is one of lull's.
type subcommand struct {
	name, args, summary string
	run                 func(ctx context.Context, args []string) error
}

func subcommands() []subcommand {
	return []subcommand{
		{"serve", "[--config lull.yaml] [--new-log] …", "serve Redis clients", runServe},
		{"check", "[--config lull.yaml]", "check the configuration against the database, and end", runCheck},
		{"init", "--database URL | --sql", "write a configuration for the tables found, or Lull's own DDL", runInit},
		{"log", "verify|dump|repair [--data-dir lull-data]", "look at the log of a Lull that does not run", runLog},
		{"bench", "--database URL …", "measure writes through Lull, and compare with other ways", runBench},
		{"version", "", "print the version", runVersion},
	}
}

// usageError is the caller's mistake: it ends with exitUsage.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(os.Stdout)
		return exitOK
	}
	for _, c := range subcommands() {
		if c.name == args[0] {
			return report(c.run(ctx, args[1:]))
		}
	}
	fmt.Fprintf(os.Stderr, "lull: no subcommand %q\n\n", args[0])
	usage(os.Stderr)
	return exitUsage
}

// report prints an error and gives its exit code.
func report(err error) int {
	var usage *usageError
	var exit *exitError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "lull:", err)
		return exitUsage
	case errors.As(err, &exit):
		fmt.Fprintln(os.Stderr, "lull:", err)
		return exit.code
	}
	fmt.Fprintln(os.Stderr, "lull:", err)
	return exitFailed
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Lull is a write-back cache for SQL databases: Redis clients write, your tables fill.\n\nusage: lull <subcommand> [options]\n\n")
	for _, c := range subcommands() {
		fmt.Fprintf(w, "  lull %-8s %s\n                %s\n", c.name, c.args, c.summary)
	}
	fmt.Fprint(w, `
'lull <subcommand> -h' lists the options. 'lull serve' alone serves 127.0.0.1:6380 over ./lull-data/lull.db.

exit codes: 0 done; 1 failed; 2 wrong usage; 3 serve ended with rows that only the log has, which are
flushed after the next start.
`)
}

func runVersion(context.Context, []string) error {
	fmt.Println("lull", version())
	return nil
}

// version is the module's, or the commit that was built.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
