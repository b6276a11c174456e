package lull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/internal/wal"
	"github.com/lullcache/lull/sink"
)

// backoffMax is the longest pause between two tries to reach the database: how long
// after its return an outage may last.
const backoffMax = 5 * time.Second

// source is the engine as the flusher sees it.
type source struct{ db *DB }

// Cut takes everything dirty away at one position.
func (s source) Cut() *dirty.Cut {
	failpoint.Hit(failpoint.BeforeCut)
	c := s.db.cut()
	failpoint.Hit(failpoint.AfterCut)
	if s.db.log != nil {
		if s.db.mayHaveLane() {
			_ = s.db.noteEnds() // SyncLog tries again
		}
		s.db.log.StartSync() // while the batch is made
	}
	s.db.foldLog(c)
	return c
}

// Pressure says how much is dirty.
func (s source) Pressure() flush.Pressure {
	db := s.db
	p := flush.Pressure{
		Rows: int(db.unflushedRows.Load() - db.cutRows.Load()), Bytes: db.unflushedBytes.Load() - db.cutBytes.Load(),
		LastWrite: time.UnixMilli(db.lastWrite.Load()),
		Position:  db.position(), Changes: db.changes(),
	}
	if first := db.firstDirty.Load(); first != 0 {
		p.Oldest = time.UnixMilli(first)
	}
	return p
}

// SyncLog makes the log durable through position: SQL never holds what the log could
// still lose. It is about to be sent, and the log says that too.
func (s source) SyncLog(ctx context.Context, position uint64) error {
	if err := s.db.noteEnds(); err != nil {
		return err
	}
	return s.db.waitDisk(ctx, max(position, uint64(s.db.checkpoints.noted)), 1)
}

// Cramped reports whether writers wait for room in the log that a checkpoint gives.
func (s source) Cramped() bool {
	db := s.db
	if db.log == nil || !errors.Is(db.log.Room(), wal.ErrFull) {
		return false
	}
	end := db.position()
	_, worth := db.grown(end)
	return worth && end > db.checkpoints.failed
}

// Settled notes how far the database is: in the log, so that a start without the
// database knows, and in memory, so that entries may be evicted and log be let go.
func (s source) Settled(m sink.Mark) {
	db := s.db
	db.setFloor(m)
	db.reads.reset()
	if db.log != nil {
		_, _ = db.logSettled(m) // a log that has failed says so to writers
	}
	db.checkpoints.mark, db.checkpoints.since = m, db.opts.world.Now()
	if m.Next != 0 {
		return
	}
	settled := db.cuts.upTo(m.Position)
	generation := db.cuts.settle(m.Position)
	db.settledGeneration.Store(generation)
	db.countCuts()
	db.afterFlush(settled)
	if db.log != nil {
		db.log.Trim(wal.Position(m.Position))
	}
	failpoint.Hit(failpoint.AfterSettle)
}

// Rewind gives up what is dirty and rebuilds it from the log, after mark. What was
// loaded goes too: a sink that is not Floored may have read it from the older state.
func (s source) Rewind(m sink.Mark) ([]*dirty.Cut, error) {
	db := s.db
	if db.log == nil {
		return nil, errors.New("there is no log to go back to")
	}
	db.log.Keep(wal.Position(m.Position))
	if ok, err := db.reaches(m); err != nil || !ok {
		return nil, errors.Join(err, fmt.Errorf("the database has everything up to position %d, but the log is kept from %d on", m.Position, db.log.Oldest()))
	}
	cuts, err := db.rewind(m)
	if err == nil {
		_, _ = db.logSettled(m)
	}
	return cuts, err
}

func (db *DB) rewind(m sink.Mark) ([]*dirty.Cut, error) {
	all := allShards()
	db.lock(&all)
	defer db.unlock(&all)
	for i := range db.shards {
		db.shards[i].dirty = dirty.New(db.dictionary, 0)
	}
	db.firstDirty.Store(0)
	db.unflushedRows.Store(db.cutRows.Load())
	db.unflushedBytes.Store(db.cutBytes.Load())
	cuts, _, err := db.rebuild(m, nil, nil)
	if err != nil {
		return nil, err
	}
	db.handOver(cuts)
	db.setFloor(m)
	db.reads.reset()
	db.checkpoints = checkpointer{mark: m, since: db.opts.world.Now()}
	db.dropAll(reloadable) // what is not flushed too: SQL may have what the log has lost
	return cuts, nil
}

// Forget drops a key from memory.
func (s source) Forget(space uint16, n uint8, key string) {
	t := s.db.maps.Table(space)
	if t == nil {
		return
	}
	name := t.AppendKey(nil, key)
	hash := keyspace.Hash64(name)
	sh := &s.db.shards[shardOf(hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if e := sh.find(n, hash, name); e != nil {
		s.db.drop(sh, n, e)
	}
	s.db.complete[n].Store(false) // SQL may hold the key whose removal was given up
}

// rebuild replays everything after a mark into cuts, the first of which ends at
// mark.Next unless that is 0, and one of which at each of bounds. look is told of the
// progress, and may end it; nil: nobody.
func (db *DB) rebuild(m sink.Mark, bounds []uint64, look lookFunc) (cuts []*dirty.Cut, last *replayer, err error) {
	ends := []uint64{uint64(db.log.End())}
	for _, end := range append([]uint64{m.Next}, bounds...) {
		if end > m.Position && end >= m.Next {
			ends = append(ends, end)
		}
	}
	slices.Sort(ends)
	after := m.Position
	for _, end := range slices.Compact(ends) {
		r, cut, err := db.replay(after, end, look)
		if err != nil {
			return nil, nil, err
		}
		cuts, last, after = append(cuts, cut), r, end
	}
	return cuts, last, nil
}

// recover rebuilds what the database does not have, before the log is appended to.
func (db *DB) recover(ctx context.Context, b base) ([]*dirty.Cut, error) {
	floor := int64(0)
	var cuts []*dirty.Cut
	if db.log != nil {
		var last *replayer
		var err error
		look := func(done, total uint64) error {
			db.opts.OnReplay(done, total)
			return ctx.Err()
		}
		if cuts, last, err = db.rebuild(b.mark, b.bounds, look); err != nil {
			return nil, err
		}
		floor = last.lastMs
		if rows, _, _ := cuts[0].Size(); rows == 0 && len(cuts) == 1 && b.claimed {
			cuts = nil // the database has everything: there is nothing to flush
		}
	}
	db.clock = newClock(db.opts.world.Now(), floor)
	for i := range db.shards {
		db.shards[i].index = uint8(i)
		db.shards[i].dirty = dirty.New(db.dictionary, 0)
	}
	db.handOver(cuts)
	return cuts, nil
}

// handOver makes the cuts that were rebuilt from the log the newest ones. All shards are
// locked, or nobody else is there yet.
func (db *DB) handOver(cuts []*dirty.Cut) {
	for i := range db.shards {
		db.shards[i].generation += uint32(max(1, len(cuts)))
	}
	db.cuts.replace(cuts, db.shards[0].generation)
	db.countCuts()
}

// startFlusher makes the flusher and reads back what was set aside.
func (db *DB) startFlusher(ctx context.Context, b base, pending []*dirty.Cut) error {
	f := db.opts.Flush
	o := flush.Options{
		Name: db.opts.Name, Lane: db.laneID().Lane, Writer: db.sink, Dictionary: db.dictionary,
		Targets: db.target, Look: db.lookAgain,
		Claim: func(ctx context.Context) (sink.LaneState, error) { return db.claimLate(ctx) },
		Mark:  b.mark, Pending: pending,
		MaxDelay: f.MaxDelay, Lull: f.Lull, MaxRows: f.MaxRows, MaxBytes: f.MaxBytes,
		World: db.opts.world, MaxTransactionRows: f.MaxTransactionRows, BackoffMax: backoffMax, LookEvery: db.opts.lookEvery,
		OnEvent: func(e flush.Event) {
			db.opts.OnEvent(Event{Kind: EventKind(e.Kind), Text: e.About(), Err: e.Err})
		},
	}
	if db.log != nil {
		o.LogID, o.Ours = db.starts.laneName(), db.ours
	}
	if b.claimed {
		o.State = &b.lane
		o.LogID = b.lane.LogID
	} else if db.log != nil {
		if err := errors.Join(db.noteLeft(), db.readyStart()); err != nil {
			return fmt.Errorf("%s: %w", startsFile, err)
		}
	}
	db.checkpoints = checkpointer{mark: b.mark, since: db.opts.world.Now(), bounds: b.bounds, away: !b.claimed}
	switch {
	case b.claimed && db.log != nil && b.mark != (sink.Mark{}):
		// The log may not know: if the one before had failed, or the database went back. A log without room says so to writers.
		_, _ = db.logSettled(b.mark)
	case b.claimed || !b.away: // else the last cut was not sent by the process before, whose log may have failed
		_ = db.noteEnds()
	}
	db.flusher = flush.New(o, source{db})
	if !b.claimed {
		return nil
	}
	if err := db.flusher.Load(ctx); err != nil {
		return fmt.Errorf("dead letters: %w", err)
	}
	return nil
}

// claimLate takes the lane of a start that found the database away.
func (db *DB) claimLate(ctx context.Context) (sink.LaneState, error) {
	live := new(schema)
	if err := db.askSchema(ctx, live); err != nil {
		return sink.LaneState{}, err
	}
	live.reachable, live.late = true, true
	b, err := db.claim(ctx, live)
	if err == nil && db.log != nil {
		db.checkpoints.away = false
		_, _ = db.logSettled(b.mark) // a log that has failed says so to writers
	}
	var never misfit
	if errors.As(err, &never) {
		err = &sink.Error{Class: sink.Invalid, Err: err}
	}
	return b.lane, err
}

// runFlusher flushes until the DB closes; an end before that is final.
func (db *DB) runFlusher(ctx context.Context) {
	if err := db.flusher.Run(ctx); err != nil {
		db.stopped.Store(&err)
	}
}

// fencedErr is why nothing may be written any more, if the flusher has stopped.
func (db *DB) fencedErr() error {
	err := db.stopped.Load()
	if err == nil {
		return nil
	}
	if errors.Is(*err, flush.ErrFenced) {
		return fmt.Errorf("%w: %w", ErrFenced, *err)
	}
	return fmt.Errorf("%w: %w", ErrStopped, *err)
}

// target says where the changes of a table go. Tables that only the log knows are
// looked up in the catalog by name.
func (db *DB) target(table uint16) (*flush.Target, error) {
	def := db.dictionary[table]
	live, order := db.liveTable(table)
	tg, err := mapping.Resolve(def, live, def.PerDB)
	if t := db.maps.Table(table); err == nil && t != nil {
		err = live.Retyped(t.SQL, def.Columns)
	}
	if err != nil {
		return &flush.Target{Order: order}, err
	}
	return &flush.Target{
		Table: live, Order: order, Key: tg.Key, ClearBy: tg.ClearBy, Cells: tg.Cells,
		KeyVals: tg.KeyVals, ClearVals: tg.ClearVals,
	}, nil
}

// liveTable is a table as the catalog last had it, and its place in the order of
// references.
func (db *DB) liveTable(table uint16) (*sink.Table, int) {
	db.catalogMu.Lock()
	defer db.catalogMu.Unlock()
	def := db.dictionary[table]
	order := 0
	if t := db.maps.Table(table); t != nil {
		if order = t.Order; t.Generic() {
			return t.SQL, int(table) // lull_keys stands before its children
		}
	}
	name := def.Name
	if def.Schema != "" {
		name = def.Schema + "." + name
	}
	return db.catalog.Find(name), order + genericTables
}

// lookAgain reads a parked table from the catalog.
func (db *DB) lookAgain(ctx context.Context, table uint16) error {
	def := db.dictionary[table]
	name := def.Name
	if def.Schema != "" {
		name = def.Schema + "." + name
	}
	fresh, err := db.sink.Catalog(ctx, []string{name})
	if err != nil {
		return err
	}
	db.catalogMu.Lock()
	defer db.catalogMu.Unlock()
	next := &sink.Catalog{Tables: fresh.Tables}
	for _, t := range db.catalog.Tables {
		if t.Schema != def.Schema || t.Name != def.Name {
			next.Tables = append(next.Tables, t)
		}
	}
	db.catalog = next
	return nil
}

// afterFlush makes entries load again whose rows the database may have changed as it
// took them, and drops those that a cascade may have changed.
func (db *DB) afterFlush(cuts []*dirty.Cut) {
	if !db.refreshes {
		return
	}
	for _, c := range cuts {
		for i := range db.shards {
			sh := &db.shards[i]
			sh.mu.Lock()
			c.View(i, func(set *dirty.Set) { db.refreshShard(sh, set) })
			sh.mu.Unlock()
		}
	}
}

func (db *DB) refreshShard(sh *shard, set *dirty.Set) {
	set.EachKey(func(space uint16, n uint8, tuple string, k *dirty.Key) {
		t := db.maps.Table(space)
		if t == nil || !t.Reload && len(t.Children) == 0 {
			return
		}
		if t.Reload {
			name := t.AppendKey(nil, tuple)
			if e := sh.find(n, keyspace.Hash64(name), name); e != nil {
				e.Flags, e.LoadedAt = e.Flags|flagReload, 0
			}
		}
		if r, ok := k.Row(t.ID, ""); len(t.Children) > 0 && ok && r.State != dirty.Put {
			db.cascade.Store(true)
		}
	})
}
