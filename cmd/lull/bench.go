package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/bench"
)

// runBench measures Lull over a database, and what it is compared with.
func runBench(ctx context.Context, args []string) error {
	var o bench.Options
	fs := newOptionSet("bench", "Measures writes through Lull into tables bench_… that it makes in the database and drops at the end.\nSee docs/benchmarking.md.")
	registerBench(fs, &o)
	against := fs.String("against", "", "measure these too, after Lull; `what`: direct, redis+worker, or both with a comma")
	report := fs.String("report", "", "also write the results with plots to this HTML `file`")
	prepare := fs.Bool("prepare", false, "make the tables, print the lines that lull.yaml needs for --addr, and end")
	if err := fs.parse(args); err != nil {
		return err
	}
	if *against != "" {
		o.Against = strings.Split(*against, ",")
	}
	if err := o.Complete(); err != nil {
		return &usageError{"lull bench: " + strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	if *prepare {
		fmt.Print(bench.TablesYAML())
		return bench.Prepare(ctx, o.Database)
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("this program's file: %w", err)
	}
	o.Program, o.Progress = program, os.Stderr
	results, err := bench.Run(ctx, o)
	if len(results) > 0 {
		fmt.Println()
		err = errors.Join(err, bench.WriteTable(os.Stdout, results), writeReport(*report, results))
	}
	return err
}

// writeReport writes the page, over an older one.
func writeReport(name string, results []*bench.Result) error {
	if name == "" {
		return nil
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return errors.Join(bench.WriteReport(file, results, time.Now()), file.Close())
}

func registerBench(fs *optionSet, o *bench.Options) {
	fs.StringVar(&o.Database, "database", "", "the database's `URL`: postgres://user@host/name, mysql://user@host/name or sqlite:file")
	fs.StringVar(&o.Workload, "workload", "mixed", "`what` is written: "+strings.Join(bench.Workloads, ", "))
	fs.IntVar(&o.Clients, "clients", 50, "connections that write at once")
	fs.IntVar(&o.Pipeline, "pipeline", 1, "writes that a client sends before it waits for the answers")
	fs.Int64Var(&o.Keys, "keys", 1_000_000, "players, counters, users and sessions")
	fs.StringVar(&o.Skew, "skew", "zipf:1.1", "how `often` which keys are written: uniform, or zipf:S with S above 1")
	fs.DurationVar(&o.Duration, "duration", 30*time.Second, "how long the clients write")
	fs.StringVar(&o.Ack, "ack", "disk", "the ack `level` of the Lull that is started: memory, disk or database")
	fs.StringVar(&o.Addr, "addr", "", "the `address` of a Lull that runs over the database; see --prepare (default: one is started)")
	fs.StringVar(&o.Password, "password", "", "what that Lull asks for")
	fs.BoolVar(&o.Alone, "alone", false, "leave Lull out and measure --against only")
	fs.BoolVar(&o.Keep, "keep", false, "leave the tables where they are")
	fs.Uint64Var(&o.Seed, "seed", 1, "makes other keys be written")
}
