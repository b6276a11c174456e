// Package bench measures how many writes a second Lull answers over a database, how
// far SQL is behind, and what that costs; and the same for the usual alternatives.
// Each run ends with a comparison of what was answered with what is in the tables: a
// figure of a run that lost or doubled a write is an error.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Options say what is measured. Complete fills in what is zero.
type Options struct {
	// Database is postgres://…, mysql://… or sqlite:file.
	Database string
	// Workload is one of Workloads; default mixed.
	Workload string
	// Clients is how many connections write; default 50.
	Clients int
	// Pipeline is how many writes a client sends before it waits; default 1.
	Pipeline int
	// Keys is how many players, counters, users and sessions there are; default
	// 1,000,000.
	Keys int64
	// Skew is uniform, or zipf:S with S above 1; default zipf:1.1.
	Skew string
	// Duration is how long the clients write; default 30 s.
	Duration time.Duration
	// Ack is the ack level of a Lull that is started: memory, disk or database; default
	// disk. Redis is started with the appendfsync that promises as much.
	Ack string
	// Addr is a Lull that runs over Database with TablesYAML. Empty: Program is started.
	Addr, Password string
	// Program is the lull program.
	Program string
	// Against are other ways to be measured after Lull: direct, redis+worker.
	Against []string
	// Alone leaves Lull out and measures Against only.
	Alone bool
	// Keep leaves the tables where they are.
	Keep bool
	// Seed makes the same keys in each run; default 1.
	Seed uint64
	// Progress is where a line is written each second; nil: nowhere.
	Progress io.Writer
}

// Alternatives are what Options.Against may hold.
var Alternatives = []string{"direct", "redis+worker"}

// Complete fills in defaults and returns all complaints.
func (o *Options) Complete() error {
	o.Workload, o.Skew, o.Ack = either(o.Workload, "mixed"), either(o.Skew, "zipf:1.1"), either(o.Ack, "disk")
	o.Clients, o.Pipeline, o.Keys = either(o.Clients, 50), either(o.Pipeline, 1), either(o.Keys, 1_000_000)
	o.Duration, o.Seed = either(o.Duration, 30*time.Second), either(o.Seed, 1)
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	var errs []error
	complain := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	complain(o.Database == "", "database: is missing: postgres://user@host/db, mysql://user@host/db or sqlite:file")
	complain(!slices.Contains(Workloads, o.Workload), "workload %q: want one of %s", o.Workload, strings.Join(Workloads, ", "))
	complain(o.Clients < 1 || o.Clients > 10_000, "clients: %d, want 1 to 10,000", o.Clients)
	complain(o.Pipeline < 1 || o.Pipeline > 10_000, "pipeline: %d, want 1 to 10,000", o.Pipeline)
	complain(o.Keys < 1 || o.Keys > 100_000_000, "keys: %d, want 1 to 100,000,000", o.Keys)
	complain(o.Duration < time.Second, "duration: %v, want 1s or more", o.Duration)
	complain(!slices.Contains([]string{"memory", "disk", "database"}, o.Ack), "ack %q: want memory, disk or database", o.Ack)
	complain(o.Alone && len(o.Against) == 0, "against: names nothing to measure")
	complain(o.Addr != "" && len(o.Against) > 0, "against: cannot go with a Lull that runs: its tables are in use")
	for _, a := range o.Against {
		complain(!slices.Contains(Alternatives, a), "against %q: want %s", a, strings.Join(Alternatives, " or "))
	}
	_, err := parseSkew(o.Skew)
	return errors.Join(append(errs, err)...)
}

func either[T comparable](got, otherwise T) T {
	var zero T
	if got == zero {
		return otherwise
	}
	return got
}

// Result is one run.
type Result struct {
	Target  string
	Options Options
	Samples []Sample
	// Took is how long the clients wrote; Settled how long it took then until SQL had
	// everything.
	Took, Settled time.Duration
	// Writes were answered, Refused were answered with an error, Unsure may be in or not
	// (those refused among them). Rows were written to SQL, until all was settled.
	Writes, Refused, Unsure, Rows uint64
	FirstRefusal                  error // nil: none
	latency                       histogram
	lag                           histogram
	// CPU is what the server process took; 0: not known.
	CPU    time.Duration
	Checks []Check
}

// WritesPerSecond counts answered writes over the time in which they were made.
func (r *Result) WritesPerSecond() float64 { return float64(r.Writes) / r.Took.Seconds() }

// RowsPerSecond counts rows until all was in SQL, over that whole time.
func (r *Result) RowsPerSecond() float64 { return float64(r.Rows) / (r.Took + r.Settled).Seconds() }

// Coalescing is how many answered writes became one row; 0 if no rows were written.
func (r *Result) Coalescing() float64 {
	if r.Rows == 0 {
		return 0
	}
	return float64(r.Writes) / float64(r.Rows)
}

// CPUPerWrite is the CPU time of the server process for each answered write; 0: not
// known.
func (r *Result) CPUPerWrite() time.Duration {
	if r.Writes == 0 {
		return 0
	}
	return r.CPU / time.Duration(r.Writes)
}

// Latency is what a share of the writes did not exceed: Latency(0.99) is p99.
func (r *Result) Latency(share float64) time.Duration { return r.latency.at(share) }

// Lag is how far SQL was behind at most for a share of the time; 0 where there is no
// lag.
func (r *Result) Lag(share float64) time.Duration { return r.lag.at(share) }

// Run measures Lull, unless o.Alone, then the alternatives one after the other, each
// over fresh tables. What was measured before an error is returned with it.
func Run(ctx context.Context, o Options) (results []*Result, err error) {
	if err := o.Complete(); err != nil {
		return nil, err
	}
	db, err := openDatabase(ctx, o.Database)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	names := o.Against
	if !o.Alone {
		names = append([]string{"lull"}, names...)
	}
	for i, name := range names {
		last := i == len(names)-1
		r, err := runOn(ctx, &o, db, name, o.Addr == "" && !(o.Keep && last))
		if r != nil {
			results = append(results, r)
		}
		if err != nil {
			return results, fmt.Errorf("%s: %w", name, err)
		}
	}
	return results, nil
}

// Prepare makes the tables, for a Lull that is to be started over them.
func Prepare(ctx context.Context, databaseURL string) error {
	db, err := openDatabase(ctx, databaseURL)
	if err != nil {
		return err
	}
	return errors.Join(db.makeTables(ctx), db.Close())
}

// runOn measures one target over its tables. What was made is removed also after an
// error and after ctx has ended.
func runOn(ctx context.Context, o *Options, db *database, name string, drop bool) (r *Result, err error) {
	if o.Addr == "" {
		if err := db.makeTables(ctx); err != nil {
			return nil, err
		}
	}
	if drop {
		defer func() { err = errors.Join(err, db.dropTables(context.WithoutCancel(ctx))) }()
	}
	t, err := open(ctx, o, db, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	fmt.Fprintf(o.Progress, "%s: %s, %d clients, pipeline %d, %d keys, %s, %v\n", name, o.Workload, o.Clients, o.Pipeline, o.Keys, o.Skew, o.Duration)
	return newRun(o, db, t, name).measure(ctx)
}

func open(ctx context.Context, o *Options, db *database, name string) (target, error) {
	switch name {
	case "direct":
		return newDirectTarget(o, db), nil
	case "redis+worker":
		return newRedisTarget(ctx, o, db)
	}
	return newLullTarget(ctx, o, db)
}
