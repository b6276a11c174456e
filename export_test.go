package lull

import (
	"context"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/sink"
)

// WithFS makes the engine keep its files in fs.
func WithFS(o *Options, fs fsys.FS) { o.fs = fs }

// LookEvery makes the flusher look at parked tables every d.
func LookEvery(o *Options, d time.Duration) { o.lookEvery = d }

// StartWait has a start wait for its database for d.
func StartWait(o *Options, d time.Duration) { o.startWait = d }

// Flusher is the engine's flusher.
func Flusher(db *DB) *flush.Flusher { return db.flusher }

// Cut takes everything dirty away, as the flusher does. What it took is never flushed.
func Cut(db *DB) { db.cut() }

// EvictAll drops every clean entry from memory.
func EvictAll(db *DB) {
	all := allShards()
	db.lock(&all)
	defer db.unlock(&all)
	db.dropAll(db.evictable)
}

// BeginLoad does as if a load began; its result ends it.
func BeginLoad(db *DB) (end func()) {
	mark := db.cuts.begin()
	return func() { db.cuts.end(mark) }
}

// SweepSQL looks once for expired rows that are not in memory.
func SweepSQL(ctx context.Context, db *DB) error { return db.sweepTables(ctx) }

// DirtyAndReplayed are the changes that are dirty, and those that a replay of the whole log
// gives, both in the same order.
func DirtyAndReplayed(db *DB) (live, replayed []string, err error) {
	cuts, _, err := db.rebuild(sink.Mark{Position: uint64(db.log.Oldest())}, nil, nil)
	list := func(set *dirty.Set) (all []string) {
		set.Changes(func(p change.Placed) bool {
			all = append(all, string(change.AppendCheckpointChunk(nil, []change.Placed{p})))
			return true
		})
		slices.Sort(all)
		return all
	}
	for i := range db.shards {
		live = append(live, list(db.shards[i].dirty)...)
		for _, c := range cuts {
			c.View(i, func(set *dirty.Set) { replayed = append(replayed, list(set)...) })
		}
	}
	return live, replayed, err
}

// Replay makes cuts of all that the log holds, as a start does.
func Replay(db *DB) (rows int, err error) {
	cuts, _, err := db.rebuild(sink.Mark{Position: uint64(db.log.Oldest())}, nil, nil)
	for _, c := range cuts {
		n, _, _ := c.Size()
		rows += n
	}
	return rows, err
}

// Gap is what the log is known to have lost, and SQL has.
func Gap(db *DB) (from, to uint64) { return db.gap.From, db.gap.To }
