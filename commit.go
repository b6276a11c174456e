package lull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/wal"
)

// commit makes the unit's changes one log record and hands them to the dirty sets.
// The unit's shards are locked, which keeps the log's order, the keyspace and the
// dirty sets in step. If the log refuses, the touched entries are dropped as if
// evicted: SQL with the dirty sets over it never saw the unit.
func (tx *Tx) commit() (Ticket, error) {
	if len(tx.touched) == 0 && len(tx.changes) == 0 {
		return Ticket{}, nil
	}
	var ticket Ticket
	if len(tx.changes) > 0 {
		pos, err := tx.db.append(tx)
		if err != nil {
			tx.forget()
			return Ticket{}, err
		}
		tx.toDirty(pos)
		ticket = Ticket{Position: pos, Ack: tx.sess.level(tx.ack)}
		if ticket.Ack == AckDatabase {
			ticket.rows = tx.places()
		}
	}
	for i := range tx.touched {
		tx.settleEntry(&tx.touched[i], len(tx.changes) > 0)
	}
	for n := range tx.db.complete {
		if tx.emptied&(1<<n) != 0 {
			tx.db.complete[n].Store(true) // what is there now came after
		}
	}
	return ticket, nil
}

// place is where a key's changes stand; a refused row is found by it.
type place struct {
	space uint16
	db    uint8
	key   string
}

// places are those of the unit's changes, once each.
func (tx *Tx) places() *[]place {
	var all []place
	for i := range tx.changes {
		c := &tx.changes[i]
		p := place{tx.db.dictionary[c.Table].Space, c.DB, c.Key}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return &all
}

// level is the strongest of the session's own level and the tables'.
func (s *Session) level(tables Ack) Ack {
	a := s.ack
	if a == 0 {
		a = s.db.opts.Ack
	}
	return max(a, tables)
}

// append writes the unit's record and returns its position.
func (db *DB) append(tx *Tx) (uint64, error) {
	if db.log == nil {
		return db.unlogged.Add(uint64(len(tx.changes)) + 1), nil
	}
	tx.buf = change.AppendUnit(tx.buf[:0], tx.now, tx.changes)
	failpoint.Hit(failpoint.BeforeAppend)
	pos, err := db.log.Append(tx.buf)
	if err != nil {
		return 0, logError(err)
	}
	failpoint.Hit(failpoint.AfterAppend)
	if cap(tx.buf) > 1<<20 {
		tx.buf = nil
	}
	return uint64(pos), nil
}

// logError says a log's failure in the engine's words.
func logError(err error) error {
	if errors.Is(err, wal.ErrFull) {
		return fmt.Errorf("%w: log: %w", ErrBusy, err)
	}
	return fmt.Errorf("%w: %w", ErrReadOnly, err)
}

// toDirty applies the changes to the dirty sets of their shards.
func (tx *Tx) toDirty(pos uint64) {
	var rows, bytes int64
	for i := range tx.changes {
		c, to, seq := &tx.changes[i], tx.to[i], dirty.SeqOf(pos, len(tx.changes), i)
		tx.db.shards[to.shard].changes.Add(1)
		shards := tx.db.shards[to.shard : int(to.shard)+1]
		if c.Op == change.ClearTable {
			shards = tx.db.shards[:]
		}
		for j := range shards {
			set := shards[j].dirty
			r, b := int64(set.Rows()), set.Bytes()
			set.ApplyHashed(c, to.hash, seq)
			rows += int64(set.Rows()) - r
			bytes += set.Bytes() - b
		}
	}
	db := tx.db
	if rows != 0 {
		db.unflushedRows.Add(rows)
	}
	if bytes != 0 {
		db.unflushedBytes.Add(bytes)
	}
	if db.lastWrite.Load() != tx.now { // once in a millisecond: each store is felt by all processors
		db.lastWrite.Store(tx.now)
	}
	if db.firstDirty.Load() == 0 && db.firstDirty.CompareAndSwap(0, tx.now) {
		db.flusher.Kick()
	}
}

// settleEntry finishes one touched entry: its generation, memory, and watchers.
func (tx *Tx) settleEntry(t *touched, changed bool) {
	e := t.h.e
	e.Flags &^= flagTouched
	if changed && t.h.t != nil {
		e.Cut = t.h.sh.generation + 1
	}
	t.h.sh.notify(t.h.db, e.Key())
	if t.h.t == nil && e.Flags&keyspace.Absent != 0 {
		t.h.sh.remove(t.h.db, t.h.hash, e)
		tx.db.account(-t.before)
		return
	}
	tx.db.account(e.Bytes() - t.before)
}

// forget drops the touched entries from memory.
func (tx *Tx) forget() {
	for _, t := range tx.touched {
		t.h.sh.remove(t.h.db, t.h.hash, t.h.e)
		tx.db.account(-t.before)
		tx.db.complete[t.h.db].Store(false)
	}
	for n := range tx.db.complete {
		if tx.emptied&(1<<n) != 0 {
			tx.db.complete[n].Store(false)
		}
	}
}

const (
	// slowFrom is the part of a limit from which on writers are slowed.
	slowFrom = 0.8
	// slowestPause is how long a writer pauses just below a limit.
	slowestPause = 5 * time.Millisecond
	// limitPoll is how often a waiting writer looks whether there is room again.
	limitPoll = 2 * time.Millisecond
)

func (db *DB) admitSlowly(ctx context.Context, fill float64) error {
	db.flusher.Kick()
	if fill < 1 {
		db.stats.slowed.Add(1)
		pause := time.Duration(float64(slowestPause) * (fill - slowFrom) / (1 - slowFrom))
		db.opts.world.Wait(ctx, pause, nil)
		return nil
	}
	db.stats.waited.Add(1)
	for began := db.opts.world.Now(); db.opts.world.Since(began) < db.opts.WriteTimeout; {
		db.opts.world.Wait(ctx, limitPoll, nil)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fill, err := db.fill()
		if err != nil {
			return err
		}
		if fill < 1 {
			return nil
		}
	}
	return fmt.Errorf("%w: %s, for longer than write_timeout (%v)", ErrBusy, db.fullest(), db.opts.WriteTimeout)
}

// fill is how full the fullest of the limits is, 1 being at the limit.
func (db *DB) fill() (float64, error) {
	if db.closed.Load() {
		return 0, ErrClosed
	}
	if err := db.fencedErr(); err != nil {
		return 0, err
	}
	rows, bytes := db.held()
	fill := max(float64(rows)/float64(db.opts.MaxDirtyRows), float64(bytes)/float64(db.opts.MaxDirtyBytes))
	if m := db.memoryMax.Load(); m > 0 {
		if over := float64(db.used.Load()) / float64(m); over >= memoryHard {
			fill = max(fill, 1)
		}
	}
	if db.log == nil {
		return fill, nil
	}
	if err := db.log.Room(); err != nil {
		if errors.Is(err, wal.ErrFull) {
			return 1, nil
		}
		return 0, logError(err)
	}
	return fill, nil
}

// held is what counts in the limits: what SQL has not seen, and what it refused.
func (db *DB) held() (rows, bytes int64) {
	letters, size := db.flusher.Aside()
	return db.unflushedRows.Load() + int64(letters), db.unflushedBytes.Load() + size
}

// fullest says in words which limit is reached and why.
func (db *DB) fullest() string {
	why := db.flusher.Stats().String()
	rows, bytes := db.held()
	switch {
	case rows >= db.opts.MaxDirtyRows:
		return fmt.Sprintf("max_dirty_rows (%d) is reached; %s", db.opts.MaxDirtyRows, why)
	case bytes >= db.opts.MaxDirtyBytes:
		return fmt.Sprintf("max_dirty_bytes (%d) is reached; %s", db.opts.MaxDirtyBytes, why)
	case db.log != nil && db.log.Room() != nil:
		return fmt.Sprintf("%v; %s", db.log.Room(), why)
	}
	return fmt.Sprintf("max_memory (%d) is reached and nothing clean is left to evict; %s", db.memoryMax.Load(), why)
}

// syncShort is the longest time that a sync of the log may take, by the last one, for
// somebody to make it in his own time: to wake another thread and be woken costs as much.
const syncShort = 500 * time.Microsecond

// waitDisk waits, for n who do, for the group commit that covers pos.
func (db *DB) waitDisk(ctx context.Context, pos uint64, n int) error {
	if db.log == nil || pos == 0 {
		return nil
	}
	if err := db.log.WaitSyncedFor(ctx, wal.Position(pos), n); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return logError(err)
	}
	return nil
}

// waitDatabase waits for the flush that covers pos.
func (db *DB) waitDatabase(ctx context.Context, t Ticket) error {
	if t.Position == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, db.opts.WriteTimeout)
	defer cancel()
	if err := db.flusher.Wait(bounded, t.Position); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if bounded.Err() != nil {
			return fmt.Errorf("%w: the write is kept and not in SQL after %v; %s", ErrTimeout, db.opts.WriteTimeout, db.flusher.Stats().String())
		}
		return err
	}
	if t.rows == nil {
		return nil
	}
	for _, p := range *t.rows {
		if l, ok := db.flusher.Refused(t.Position, p.space, p.db, p.key); ok {
			return fmt.Errorf("%w: %s: %s", ErrRefused, l.Table, l.Reason.Message)
		}
	}
	return nil
}
