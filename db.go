package lull

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/internal/wal"
	"github.com/lullcache/lull/internal/world"
	"github.com/lullcache/lull/sink"
)

// DB is the engine: a keyspace in memory, the log under it, and the flusher that
// carries what was written into the sink. All methods may be called concurrently.
type DB struct {
	opts Options
	sink sink.Sink
	maps *mapping.Mapping
	// dictionary numbers the tables; those that only the log knows stand behind the
	// mapping's.
	dictionary change.Dictionary
	tables     []tableState
	bounds     genericBounds
	valueMax   atomic.Int64 // most bytes of a value with its key; 0: no bound
	refreshes  bool         // a flush may change what entries show, in some table
	dirLock    io.Closer
	log        *wal.Log   // nil with Log.Off
	logFrom    uint64     // where the log ended when it was opened
	gap        change.Gap // SQL alone has this, since the log failed; also where the log has no room to say so
	logStarted bool
	laneLog    string // the lane's log id: see starts
	starts     starts
	flusher    *flush.Flusher
	shards     [shardCount]shard
	cuts       cutList
	loader     loader
	scans      scans
	reads      readGuard
	clock      clock

	// complete says, by database number, that every generic key which exists is in
	// memory: then one that is not in memory does not exist, and need not be loaded.
	complete [dbCount]atomic.Bool
	// settledGeneration is the generation of cuts up to which SQL has everything.
	settledGeneration atomic.Uint32
	unlogged          atomic.Uint64 // position, without a log
	unflushedRows     atomic.Int64  // what SQL has not seen: in the shards' dirty sets and in cuts
	unflushedBytes    atomic.Int64
	cutRows           atomic.Int64 // of these in cuts; only the flusher changes it
	cutBytes          atomic.Int64
	firstDirty        atomic.Int64 // time of the oldest change since the last cut, 0 if none
	lastWrite         atomic.Int64
	used              atomic.Int64 // bytes of the keyspace
	stats             counters

	checkpoints checkpointer

	// catalogMu guards catalog: the tables as the database last described them.
	catalogMu sync.Mutex
	catalog   *sink.Catalog

	cascade atomic.Bool           // rows of tables with cascades were deleted since the last sweep
	stopped atomic.Pointer[error] // why the flusher has stopped for good
	closed  atomic.Bool
	stop    context.CancelFunc // ends the background work
	work    []<-chan struct{}  // its parts
	evict   chan struct{}

	memoryMax atomic.Int64 // Options.MaxMemory, or what SetMaxMemory made of it
}

// tableState is what the engine derives once from a table's mapping.
type tableState struct {
	ack           Ack
	maxAgeSeconds uint32 // 0: entries do not grow old
	loadRowsMax   int
	plan          readPlan
}

// readPlan says which columns a load asks for, in their order: key, row, cells,
// read-only.
type readPlan struct {
	key    []int
	all    []int
	target *mapping.Target
}

// Open starts the engine: it takes the data directory, reads the database's schema
// (or, with the database away, what it saw last), takes the lane, and replays the
// part of the log that the database does not have.
//
// Errors say what to do; among them are a data directory in use, tables that do not
// fit their specs (all complaints at once), and a log and a database that do not belong
// together.
func Open(ctx context.Context, o Options) (*DB, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	db := &DB{opts: o, sink: o.Sink, evict: make(chan struct{}, 1)}
	db.memoryMax.Store(o.MaxMemory)
	db.loader.running, db.loader.wake, db.loader.now = make(map[uint64]loading), make(chan struct{}, 1), db.opts.world.Now
	if err := db.start(ctx); err != nil {
		db.abandon()
		return nil, err
	}
	return db, nil
}

// start is Open's work, in its order.
func (db *DB) start(ctx context.Context) error {
	if err := db.opts.fs.MkdirAll(db.opts.DataDir); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	lock, err := db.opts.fs.Lock(db.opts.DataDir)
	if err != nil {
		return fmt.Errorf("data directory %s: %w", db.opts.DataDir, err)
	}
	db.dirLock = lock
	live, err := db.learnSchema(ctx)
	if err != nil {
		return err
	}
	if err := db.compile(live.catalog); err != nil {
		return err
	}
	if err := db.openLog(); err != nil {
		return err
	}
	base, err := db.takeLane(ctx, live)
	if err != nil {
		return err
	}
	recovered, err := db.recover(ctx, base)
	if err != nil {
		return err
	}
	if err := db.startLog(); err != nil {
		return err
	}
	if err := db.startFlusher(ctx, base, recovered); err != nil {
		return err
	}
	pending := db.unflushedRows.Load()
	if base.claimed {
		if err := db.warm(ctx); err != nil {
			return err
		}
	}
	db.startWork(ctx, base.claimed && live.fresh && pending == 0)
	return nil
}

// startWork starts what runs beside the units.
func (db *DB) startWork(ctx context.Context, empty bool) {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	db.stop = stop
	works := []func(context.Context){db.runFlusher, db.sweep, db.evictor, db.sweepSQL, db.runRounds}
	db.loader.open = true
	for _, work := range works {
		db.work = append(db.work, db.opts.world.Go(func() { work(run) }))
	}
	if empty {
		for i := range db.complete {
			db.complete[i].Store(true)
		}
	}
}

// Close flushes what is dirty, for ShutdownTimeout at most, and ends all work. What
// could not be flushed is in the log; the error then is a *Remains that says how much.
func (db *DB) Close(ctx context.Context) error {
	if db.closed.Swap(true) {
		return ErrClosed
	}
	bounded, cancel := context.WithTimeout(ctx, db.opts.ShutdownTimeout)
	defer cancel()
	drainErr := db.flusher.Drain(bounded)
	db.stop()
	for _, done := range db.work {
		db.opts.world.Wait(context.Background(), world.Never, done)
	}
	err := db.abandon()
	if rows := db.unflushedRows.Load(); drainErr != nil && rows > 0 {
		return &Remains{Rows: rows, Bytes: db.unflushedBytes.Load(), Logged: db.log != nil, Err: drainErr}
	}
	return err
}

// Remains is Close's error when not everything could be flushed.
type Remains struct {
	Rows, Bytes int64
	Logged      bool // the rows are in the log and will be flushed after the next start
	Err         error
}

func (r *Remains) Error() string {
	where := "they are in the log and are flushed after the next start"
	if !r.Logged {
		where = "there is no log, so they are lost"
	}
	return fmt.Sprintf("%d rows (%d bytes) were not flushed: %v; %s", r.Rows, r.Bytes, r.Err, where)
}

func (r *Remains) Unwrap() error { return r.Err }

// abandon closes what start has opened.
func (db *DB) abandon() error {
	var err error
	if db.log != nil {
		err = db.log.Close()
	}
	if db.dirLock != nil {
		_ = db.dirLock.Close() // the lock goes with the process in any case
	}
	return err
}

// Sync returns when SQL has everything that was written before the call.
func (db *DB) Sync(ctx context.Context) error {
	pos := db.position()
	if pos == 0 {
		return nil
	}
	return db.flusher.Wait(ctx, pos)
}

// SyncDisk returns when the log's disk has everything that was written before.
func (db *DB) SyncDisk(ctx context.Context) error { return db.waitDisk(ctx, db.position(), 1) }

// position is the log's end.
func (db *DB) position() uint64 {
	if db.log == nil {
		return db.unlogged.Load()
	}
	return uint64(db.log.End())
}

func (db *DB) logDir() string { return filepath.Join(db.opts.DataDir, "log") }

// newLogID returns 128 random bits in hex.
func (db *DB) newLogID() string {
	return fmt.Sprintf("%016x%016x", db.opts.world.Random(), db.opts.world.Random())
}

// clock gives wall time that never runs backwards: not within the process, since it
// advances with the monotonic clock, and not over a restart, since it starts at the
// last logged time or later.
type clock struct {
	start  time.Time
	baseMs int64
}

func newClock(now time.Time, floorMs int64) clock {
	return clock{start: now, baseMs: max(now.UnixMilli(), floorMs)}
}

func (db *DB) now() int64 {
	return db.clock.baseMs + db.opts.world.Since(db.clock.start).Milliseconds()
}
