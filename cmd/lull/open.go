package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/config"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/mysql"
	"github.com/lullcache/lull/sink/postgres"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// configFlags are the options that several subcommands have. What they set wins over
// the file.
type configFlags struct {
	file, listen, dataDir, database, metrics string
}

func (f *configFlags) register(fs *optionSet) {
	fs.StringVar(&f.file, "config", "", "the configuration `file` (YAML), see docs/configuration.md; without one keys go to generic tables")
	fs.StringVar(&f.dataDir, "data-dir", "", "the `folder` of the log (default lull-data)")
	fs.StringVar(&f.database, "database", "", "the database's `URL`: postgres://user@host/name, mysql://user@host/name or sqlite:file (default sqlite:<data-dir>/lull.db)")
}

func (f *configFlags) registerServe(fs *optionSet) {
	f.register(fs)
	fs.StringVar(&f.listen, "listen", "", "the `address` for Redis clients (default 127.0.0.1:6380)")
	fs.StringVar(&f.metrics, "metrics", "", "the `address` for Prometheus, as in 127.0.0.1:9380")
}

// load reads the file, if there is one, and lays the options over it.
func (f *configFlags) load() (*config.Config, error) {
	c, problems := f.read()
	return c, joined(problems)
}

// read is load that also returns what could be read of a file with problems; nil if
// nothing could.
func (f *configFlags) read() (*config.Config, []mapping.Problem) {
	c := config.Default()
	var problems []mapping.Problem
	if f.file != "" {
		c, problems = config.Load(f.file)
	}
	if c == nil {
		return nil, problems
	}
	c.Override(config.Overrides{Listen: f.listen, DataDir: f.dataDir, Database: f.database, Metrics: f.metrics})
	return c, withMore(problems, c.Check())
}

// withMore adds problems with settings that were not complained of yet: a setting that
// could not be read is not missing too.
func withMore(problems, more []mapping.Problem) []mapping.Problem {
	known := map[string]bool{}
	for _, p := range problems {
		known[p.Where] = true
	}
	for _, p := range more {
		if !known[p.Where] {
			problems = append(problems, p)
		}
	}
	return problems
}

// joined makes one error of all complaints.
func joined(problems []mapping.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &lull.ProblemsError{Problems: problems}
}

// openSink opens the database that the URL names.
func openSink(ctx context.Context, c *config.Config) (sink.Sink, error) {
	o := sqlsink.Options{Name: c.Name, OwnSchema: c.OwnSchema}
	scheme, _, _ := strings.Cut(c.Database, ":")
	switch scheme {
	case "postgres", "postgresql":
		return postgres.Open(ctx, c.Database, o)
	case "mysql", "mariadb":
		return mysql.Open(ctx, c.Database, o)
	case "sqlite":
		if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
		return sqlite.Open(ctx, c.Database, o)
	}
	return nil, fmt.Errorf("database %q: wanted postgres://…, mysql://… or sqlite:file", c.Database)
}

// options are the engine's, from the configuration.
func options(c *config.Config, s sink.Sink) (lull.Options, error) {
	ack, err := lull.ParseAck(c.Ack)
	if err != nil {
		return lull.Options{}, err
	}
	unmapped, err := lull.ParseUnmapped(c.Unmapped)
	if err != nil {
		return lull.Options{}, err
	}
	return lull.Options{
		DataDir: c.DataDir, Sink: s, Tables: c.Tables, Unmapped: unmapped, Name: c.Name, Ack: ack,
		Flush: lull.FlushOptions{
			MaxDelay: c.Flush.MaxDelay, Lull: orLeast(c.Flush.Lull), MaxRows: int(c.Flush.MaxRows),
			MaxBytes: c.Flush.MaxBytes, MaxTransactionRows: int(c.Flush.MaxTransactionRows),
		},
		Log: lull.LogOptions{
			Off: c.Log.Off, SegmentBytes: c.Log.SegmentBytes, MaxBytes: c.Log.MaxBytes,
			RetainBytes: orLeast(c.Log.RetainBytes), RetainAge: orLeast(c.Log.RetainAge), SyncEvery: c.Log.SyncEvery,
		},
		MaxMemory: c.MaxMemory, MaxDirtyRows: c.MaxDirtyRows, MaxDirtyBytes: c.MaxDirtyBytes,
		WriteTimeout: orLeast(c.WriteTimeout), LoadTimeout: c.LoadTimeout, ShutdownTimeout: orLeast(c.ShutdownTimeout),
		MaxLoadRows: int(c.MaxLoadRows), AllowFlushAll: c.AllowFlushAll,
	}, nil
}

// orLeast stands for a 0 in the file, which the engine would take for its default.
func orLeast[T ~int64](v T) T { return max(v, 1) }
