package lull

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// errNotTaken: what SQL holds cannot be told from what memory must lay over it.
var errNotTaken = &sink.Error{Class: sink.Retry, Err: errors.New("the lane is not taken yet")}

// readSQL reads rows for clients. After a start without the database it refuses until
// the lane is taken: only then are the letters known that lie over the rows, and
// whether the database is where the log left it.
func (db *DB) readSQL(ctx context.Context, queries []sink.Query, row func(query int, vals []value.Value) error) error {
	if !db.flusher.Opened() {
		return errNotTaken
	}
	if err := db.reads.enter(db.opts.world.Now()); err != nil {
		return err
	}
	err := db.sink.Read(ctx, queries, row)
	db.readDone(ctx, err)
	return err
}

// countSQL counts rows for clients, as readSQL reads them.
func (db *DB) countSQL(ctx context.Context, t *sink.Table, distinct []int, where []sink.Match, exactMax int64) (n int64, exact bool, err error) {
	if !db.flusher.Opened() {
		return 0, false, errNotTaken
	}
	if err := db.reads.enter(db.opts.world.Now()); err != nil {
		return 0, false, err
	}
	n, exact, err = db.sink.Count(ctx, t, distinct, where, exactMax)
	db.readDone(ctx, err)
	return n, exact, err
}

// readDone notes how a read went.
func (db *DB) readDone(ctx context.Context, err error) {
	db.reads.leave(ctx, db.opts.world.Now(), err)
	if errors.Is(err, sink.ErrBehind) {
		db.flusher.Doubt()
	}
}

// setFloor tells the sink what the database has, so that nothing older is read and built
// on. It is raised before the cuts that SQL has are let go, and lowered only when those
// that it lacks are there again and all shards are locked.
func (db *DB) setFloor(m sink.Mark) {
	if s, ok := db.sink.(sink.Floored); ok {
		s.SetFloor(sink.Floor{ID: db.laneID(), LogID: db.laneLog, Mark: m})
	}
}

const (
	// readFailuresMax is after how many failures in a row the database counts as away.
	readFailuresMax = 8
	// readPause is how often it is tried then. Reads between are refused at once.
	readPause = 100 * time.Millisecond
)

// readGuard keeps clients' reads from storming a database that is away: each would
// open a connection. A flush that goes through ends it at once.
type readGuard struct {
	failures atomic.Int32 // in a row
	next     atomic.Int64 // UnixNano of the next try, from readFailuresMax on
	last     atomic.Pointer[error]
}

// enter returns an error if a read is to be refused.
func (g *readGuard) enter(now time.Time) error {
	if g.failures.Load() < readFailuresMax {
		return nil
	}
	at := g.next.Load()
	if now.UnixNano() >= at && g.next.CompareAndSwap(at, now.Add(readPause).UnixNano()) {
		return nil // this one tries
	}
	return fmt.Errorf("not tried again within %v: %w", readPause, *g.last.Load())
}

// leave notes how a read went. Those that a deadline ended were held up long enough.
func (g *readGuard) leave(ctx context.Context, now time.Time, err error) {
	switch {
	case err == nil:
		g.reset()
	case ctx.Err() == nil && sink.ClassOf(err) == sink.Retry:
		g.last.Store(&err)
		g.next.Store(now.Add(readPause).UnixNano())
		g.failures.Add(1)
	}
}

// reset is called when the database is known to be there.
func (g *readGuard) reset() {
	if g.failures.Load() != 0 {
		g.failures.Store(0)
	}
}
