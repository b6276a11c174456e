// Package flush carries what is dirty into the database.
//
// One goroutine does it, in Run: it waits until a flush is due, takes a cut from
// the Source, puts the cut's operations in order, and writes them through a
// sink.Writer, in one transaction if they are not too many. What that guarantees:
//
//   - The database moves from one state that the cache had to a later one, and has
//     each change exactly once: its mark moves in the same transaction, and after an
//     error that leaves doubt the mark is read before anything is sent again.
//   - A cut is retried until it is in. While nothing of it is in, later cuts are merged
//     into it, so that an outage costs distinct rows, not writes.
//   - What the database refuses for good hurts nothing else: it lies in a letter, is
//     laid over what loads read, and goes in with the next change of its row.
//
// # Order
//
// The operations of a cut stand in one order, made of nothing but the merged changes
// and the order of the tables: removals from the last table to the first, then rows
// from the first to the last; in a table by key, appended rows by their place in the
// log. A crash between two parts of a large cut is therefore no loss: replay builds the
// same cut, and the mark's Part says how many operations to skip.
package flush

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/world"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// Source is where changes come from: the engine. Run's goroutine calls it; Pressure may
// be called from any.
type Source interface {
	// Cut takes everything dirty away at one position. It may be empty. The source
	// lays it over loads until Settled has reached it.
	Cut() *dirty.Cut
	// Pressure says how much is dirty. It is called every few milliseconds.
	Pressure() Pressure
	// Cramped reports whether writers wait for room that Cut would give. Kick has Run's
	// goroutine ask.
	Cramped() bool
	// SyncLog returns when the log is on disk through position, up to which changes are
	// sent next. An error says that the log has failed for good: the cut is flushed all
	// the same and the lane marked as sealed.
	SyncLog(ctx context.Context, position uint64) error
	// Settled says how far the database is. Letters are in place before.
	Settled(sink.Mark)
	// Rewind is called when the database is not where it was left: mark is what it
	// has. The source gives up all that is dirty and all cuts that it has handed out, and
	// returns cuts of everything in its log after mark, in order, the first ending at
	// mark.Next unless that is 0. Its error says why that cannot be, and is the end.
	Rewind(mark sink.Mark) ([]*dirty.Cut, error)
	// Forget drops what memory holds of a key: a change of it was given up.
	Forget(space uint16, db uint8, key string)
}

// Pressure is how much is dirty.
type Pressure struct {
	Rows  int
	Bytes int64
	// Oldest is when the oldest dirty change was made, LastWrite when the newest was.
	Oldest, LastWrite time.Time
	// Position is where the log ends.
	Position uint64
	// Changes counts all changes since the start, for Stats.
	Changes uint64
}

// Target says where the changes of a dictionary's table go.
type Target struct {
	Table *sink.Table
	// Order sorts the tables, those that others reference first.
	Order int
	// Key are the columns that identify a row, ClearBy those that all rows of a key
	// share; with no ClearBy a key is the whole table. Cells are the columns by
	// change.Cell.Col, -1 for one that is not there.
	Key, ClearBy, Cells []int
	// KeyVals and ClearVals append the values of Key and of ClearBy.
	KeyVals   func(dst []value.Value, name string, db uint8, key, row string) []value.Value
	ClearVals func(dst []value.Value, name string, db uint8, key string) []value.Value
}

// Options say what a Flusher does. Zero values mean the default.
type Options struct {
	// Name and Lane tell whose lane is written: see sink.LaneID. LogID is what claims
	// give it.
	Name, Lane, LogID string
	// Ours tells the log ids that earlier claims for this log may have given it. nil: only
	// LogID.
	Ours       func(logID string) bool
	Writer     sink.Writer
	Dictionary change.Dictionary
	// Targets finds a table's target. With an error the table is parked, and of the
	// target only Order counts.
	Targets func(table uint16) (*Target, error)
	// Look looks at the catalog again for a parked table. After nil Targets gives
	// the table as it is now.
	Look func(ctx context.Context, table uint16) error

	// State is the lane as it was claimed at the start. If it is nil the database was
	// away: Run calls Claim until it succeeds. Mark is then the mark that the source
	// assumed; if the database has another, Rewind is called.
	State *sink.LaneState
	Claim func(ctx context.Context) (sink.LaneState, error)
	Mark  sink.Mark
	// Pending are cuts that recovery made, in order; the first ends at the mark's Next
	// unless that is 0.
	Pending []*dirty.Cut

	MaxDelay           time.Duration // 1 s: age of the oldest change at which a flush starts
	Lull               time.Duration // 50 ms: pause in the writes at which it starts
	MaxRows            int           // 10,000 dirty rows
	MaxBytes           int64         // 64 MiB dirty
	MaxTransactionRows int           // 50,000 operations in one transaction
	BackoffMin         time.Duration // 50 ms: first pause before a retry
	BackoffMax         time.Duration // 30 s: longest
	LookEvery          time.Duration // 5 s: how often parked and refusing tables and Lull's own are tried
	World              world.World   // the machine's
	// OnEvent is called from Run's goroutine.
	OnEvent func(Event)
}

func (o Options) withDefaults() Options {
	setDuration := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	setDuration(&o.MaxDelay, time.Second)
	setDuration(&o.Lull, 50*time.Millisecond)
	setDuration(&o.BackoffMin, 50*time.Millisecond)
	setDuration(&o.BackoffMax, 30*time.Second)
	setDuration(&o.LookEvery, 5*time.Second)
	if o.MaxRows <= 0 {
		o.MaxRows = 10_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	if o.MaxTransactionRows <= 0 {
		o.MaxTransactionRows = 50_000
	}
	if o.World == nil {
		o.World = world.Real{}
	}
	if o.Ours == nil {
		o.Ours = func(logID string) bool { return logID == o.LogID }
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	return o
}

// Flusher flushes one lane. Its exported methods may be called from any goroutine.
type Flusher struct {
	o    Options
	src  Source
	kick chan struct{} // holds one: look whether a flush is due

	// Owned by Run's goroutine.
	lane     sink.LaneState
	mark     sink.Mark // what the database has
	pending  []*dirty.Cut
	work     *work // of pending[0]
	back     bool  // the lane was found in an earlier state of ours
	targets  map[uint16]*Target
	parked   map[uint16]sink.Reason
	tried    map[uint16]sink.Reason // those that look right again and are tried just now
	drops    []int64                // letters that the next batch removes
	rewinds  uint64                 // how often the database was not where it was left
	sealed   bool
	backoff  time.Duration
	lookAt   time.Time // when to look at parked tables again
	letterAt time.Time // when to try refusing letters again
	pause    time.Duration

	opened atomic.Bool // the lane is taken, and the letters are read
	busy   atomic.Bool // a cut is on its way, or about to be taken
	doubt  atomic.Bool // a read found less than the mark says
	aside  aside
	gate   gate
	stats  meter
}

// New returns a Flusher; Run makes it work. Load has to be called before reads of
// mapped or generic keys are served.
func New(o Options, src Source) *Flusher {
	f := &Flusher{
		o: o.withDefaults(), src: src,
		kick: make(chan struct{}, 1),
		mark: o.Mark, pending: o.Pending,
		targets: make(map[uint16]*Target), parked: make(map[uint16]sink.Reason),
	}
	if o.State != nil {
		f.lane, f.mark = *o.State, o.State.Mark
	}
	for _, c := range f.pending {
		if n, _, _ := c.Size(); n > 0 {
			f.busy.Store(true)
		}
	}
	f.gate.init(f.mark.Position)
	f.aside.init(f.o.Dictionary, f.o.Name)
	return f
}

// Run flushes until ctx ends or nothing can be flushed any more; then it returns why,
// nil for ctx. All who wait are told.
func (f *Flusher) Run(ctx context.Context) error {
	if _, real := f.o.World.(world.Real); real {
		defer f.stats.timeThread()()
	}
	err := f.run(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	stopped := ErrStopped
	if err != nil {
		stopped = fmt.Errorf("%w: %w", ErrStopped, err)
		f.stats.fail(f.now(), stateStopped, err)
		f.event(Event{Kind: Stopped, Err: err})
	}
	f.gate.close(stopped)
	return err
}

func (f *Flusher) run(ctx context.Context) error {
	if err := f.open(ctx); err != nil {
		return err
	}
	for {
		if err := f.await(ctx); err != nil {
			return err
		}
		if err := f.lookBack(ctx); err != nil {
			return err
		}
		if err := f.upkeep(ctx); err != nil {
			return err
		}
		if f.flushIn(f.now()) > 0 {
			continue
		}
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
}

// flush carries everything that is dirty now into the database.
func (f *Flusher) flush(ctx context.Context) error {
	f.busy.Store(true) // before the cut: Drain looks at what is dirty first
	f.take()
	for len(f.pending) > 0 {
		if f.settleEmpty() {
			continue
		}
		err := f.attempt(ctx)
		if err == nil {
			continue
		}
		if err := f.recover(ctx, err); err != nil {
			return err
		}
		f.take() // also between parts: a source's log can be folded meanwhile
	}
	f.busy.Store(false)
	return nil
}

// Opened reports whether the lane is taken, so that Overlay has all letters and the
// database is where Pending begins. Before, reads of SQL show some of what was.
func (f *Flusher) Opened() bool { return f.opened.Load() }

// take takes a cut, and merges it into the last one that waits unless something of
// that is in.
func (f *Flusher) take() {
	if f.mark.Next != 0 {
		f.takeBehind(1)
		return
	}
	f.takeBehind(0)
}

// takeBehind takes a cut, which stays behind the first ones: some of them may be in.
func (f *Flusher) takeBehind(first int) {
	cut := f.src.Cut()
	n := len(f.pending)
	if n <= first {
		f.pending = append(f.pending, cut)
		return
	}
	f.pending[n-1].Merge(cut)
	if n == 1 {
		f.work = nil
	}
}

// settleEmpty passes over a cut that ends where the mark is.
func (f *Flusher) settleEmpty() bool {
	if f.mark.Next != 0 || f.pending[0].Position() > f.mark.Position {
		return false
	}
	f.pending, f.work = slices.Delete(f.pending, 0, 1), nil // lets go of the cut
	f.gate.settle(f.mark.Position)
	return true
}

func (f *Flusher) now() time.Time { return f.o.World.Now() }

// sleep waits for d, or for ctx.
func (f *Flusher) sleep(ctx context.Context, d time.Duration) error {
	f.o.World.Wait(ctx, d, nil)
	return ctx.Err()
}

// backOff waits before a retry, each time about twice as long, but not while the source
// is cramped: the next cut, which the retry begins with, gives it room.
func (f *Flusher) backOff(ctx context.Context) error {
	f.backoff = min(max(2*f.backoff, f.o.BackoffMin), f.o.BackoffMax)
	f.stats.retries.Add(1)
	half := f.backoff / 2
	pause := half + time.Duration(f.o.World.Random()%uint64(half+1))
	until := f.now().Add(pause)
	if err := f.sleep(ctx, min(pause, f.o.BackoffMin)); err != nil {
		return err
	}
	for left := until.Sub(f.now()); left > 0 && !f.src.Cramped(); left = until.Sub(f.now()) {
		f.o.World.Wait(ctx, left, f.kick)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (f *Flusher) event(e Event) { f.o.OnEvent(e) }
