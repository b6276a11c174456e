package lull

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/internal/world"
	"github.com/lullcache/lull/sink"
)

// Ack says what a write's answer waits for.
type Ack uint8

// The ack levels, weakest first.
const (
	// AckMemory answers when the record is in the operating system's hands: it
	// survives kill -9; a power cut costs at most Log.SyncEvery.
	AckMemory Ack = iota + 1
	// AckDisk answers when the record is on disk. The default.
	AckDisk
	// AckDatabase answers when the SQL transaction has committed.
	AckDatabase
)

// String returns the level's name as in the configuration.
func (a Ack) String() string {
	switch a {
	case AckMemory:
		return "memory"
	case AckDisk:
		return "disk"
	case AckDatabase:
		return "database"
	}
	return "default"
}

// ParseAck returns the level called s.
func ParseAck(s string) (Ack, error) {
	for a := AckMemory; a <= AckDatabase; a++ {
		if a.String() == s {
			return a, nil
		}
	}
	return 0, fmt.Errorf("ack level %q: wanted memory, disk or database", s)
}

// Unmapped says what happens to keys that no table maps.
type Unmapped uint8

// The policies for unmapped keys.
const (
	// UnmappedDefault is UnmappedGeneric without Tables, UnmappedReject with.
	UnmappedDefault Unmapped = iota
	// UnmappedGeneric keeps them in Lull's own lull_* tables.
	UnmappedGeneric
	// UnmappedReject answers with an error that names the nearest pattern.
	UnmappedReject
	// UnmappedCache keeps them in memory only: no log, no SQL, no promises.
	UnmappedCache
)

// ParseUnmapped returns the policy called s: generic, reject or cache.
func ParseUnmapped(s string) (Unmapped, error) {
	switch s {
	case "":
		return UnmappedDefault, nil
	case "generic":
		return UnmappedGeneric, nil
	case "reject":
		return UnmappedReject, nil
	case "cache":
		return UnmappedCache, nil
	}
	return 0, fmt.Errorf("unmapped %q: wanted generic, reject or cache", s)
}

// TableSpec maps keys of one pattern to the rows of one table.
type TableSpec = mapping.Spec

// Problem is one complaint about a table spec.
type Problem = mapping.Problem

// ProblemsError says all that is wrong with the table specs.
type ProblemsError struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *ProblemsError) Error() string {
	var b strings.Builder
	noun := "problems"
	if len(e.Problems) == 1 {
		noun = "problem"
	}
	fmt.Fprintf(&b, "%d %s:", len(e.Problems), noun)
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.Error())
	}
	return b.String()
}

// Options configures a DB. Only Sink is required; zero fields mean the default
// that each names.
type Options struct {
	// DataDir holds the log and the lock. Default "lull-data".
	DataDir string
	// Sink is the database.
	Sink sink.Sink
	// Tables are the mapped tables; none means generic tables alone.
	Tables   []TableSpec
	Unmapped Unmapped
	// Name tells several Lulls in one database apart. Default "lull".
	Name string
	// Ack is the level for tables and sessions that name none. Default AckDisk.
	Ack   Ack
	Flush FlushOptions
	Log   LogOptions

	// MaxMemory is the bytes that the keyspace may take; clean entries are evicted
	// above it. 0: no limit; the program `lull serve` sets one of 1 GiB.
	MaxMemory int64
	// MaxDirtyRows and MaxDirtyBytes bound what SQL has not seen; at either limit
	// writers wait up to WriteTimeout and then get ErrBusy. Defaults 1,000,000 rows
	// and 512 MiB.
	MaxDirtyRows  int64
	MaxDirtyBytes int64
	// WriteTimeout is how long a write waits at a limit, and how long an answer at
	// AckDatabase waits for the flush. Default 5 s.
	WriteTimeout time.Duration
	// LoadTimeout bounds a load from SQL. Default 5 s.
	LoadTimeout time.Duration
	// ShutdownTimeout bounds the last flush in Close. Default 30 s.
	ShutdownTimeout time.Duration
	// MaxLoadRows is the most rows one key may have to be loaded. Default 1,000,000.
	MaxLoadRows int
	// AllowFlushAll lets FLUSHALL and FLUSHDB empty real tables.
	AllowFlushAll bool
	// NewLog starts with a new, empty log where the old one and the database do not
	// fit each other, and gives up what only the old log holds.
	NewLog bool

	// OnEvent, if set, is called for what an operator should know. It must not
	// block.
	OnEvent func(Event)
	// OnReplay, if set, is told now and then how much of the log Open has replayed: done
	// bytes of total. It may begin again, where the log is read twice. It must not block.
	OnReplay func(done, total uint64)

	fs        fsys.FS
	world     world.World   // the machine's
	lookEvery time.Duration // flush.Options.LookEvery; 0: its default
	// startWait is how long a start waits for a database that it has seen before; 0: schemaTimeout.
	startWait time.Duration
}

// FlushOptions says when changes are carried to SQL; see the package flush.
type FlushOptions struct {
	MaxDelay           time.Duration // default 1 s
	Lull               time.Duration // default 50 ms
	MaxRows            int           // default 10,000
	MaxBytes           int64         // default 16 MiB
	MaxTransactionRows int           // default 50,000
}

// LogOptions configures the log.
type LogOptions struct {
	// Off keeps no log: what was not flushed is lost with the process.
	Off          bool
	SegmentBytes int64         // default 64 MiB
	MaxBytes     int64         // default 8 GiB; at the limit writers wait, then ErrBusy
	RetainBytes  int64         // default 1 GiB
	RetainAge    time.Duration // default 15 min
	SyncEvery    time.Duration // default 1 s
}

// withDefaults returns a copy with the defaults filled in, or all complaints.
func (o Options) withDefaults() (Options, error) {
	var errs []error
	if o.Sink == nil {
		errs = append(errs, errors.New("options: Sink is nil: give one of the packages below sink/"))
	}
	if o.Log.Off && o.Ack == AckDisk {
		errs = append(errs, errors.New("options: Ack is disk but Log.Off is set: without a log nothing can be on disk; use memory or database"))
	}
	o.fillIn()
	return o, errors.Join(errs...)
}

// DefaultOptions returns what zero fields mean when a log is kept and there are no Tables.
func DefaultOptions() Options {
	var o Options
	o.fillIn()
	return o
}

func (o *Options) fillIn() {
	fill(&o.DataDir, "lull-data")
	fill(&o.Name, "lull")
	if o.Ack == 0 {
		o.Ack = AckDisk
		if o.Log.Off {
			o.Ack = AckMemory
		}
	}
	if o.Unmapped == UnmappedDefault {
		o.Unmapped = UnmappedGeneric
		if len(o.Tables) > 0 {
			o.Unmapped = UnmappedReject
		}
	}
	fill(&o.MaxDirtyRows, 1_000_000)
	fill(&o.MaxDirtyBytes, 512<<20)
	fill(&o.WriteTimeout, 5*time.Second)
	fill(&o.LoadTimeout, 5*time.Second)
	fill(&o.ShutdownTimeout, 30*time.Second)
	fill(&o.MaxLoadRows, 1_000_000)
	fill(&o.Flush.MaxDelay, time.Second)
	fill(&o.Flush.Lull, 50*time.Millisecond)
	fill(&o.Flush.MaxRows, 10_000)
	fill(&o.Flush.MaxBytes, 16<<20)
	fill(&o.Flush.MaxTransactionRows, 50_000)
	fill(&o.Log.SegmentBytes, 64<<20)
	fill(&o.Log.MaxBytes, 8<<30)
	fill(&o.Log.RetainBytes, 1<<30)
	fill(&o.Log.RetainAge, 15*time.Minute)
	fill(&o.Log.SyncEvery, time.Second)
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.OnReplay == nil {
		o.OnReplay = func(done, total uint64) {}
	}
	if o.world == nil {
		o.world = world.Real{}
	}
	if o.fs == nil {
		o.fs = fsys.OS{}
	}
}

func fill[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}
