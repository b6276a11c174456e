package lull

import (
	"context"
	"time"

	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/fsys"
)

// WithFS makes the engine keep its files in fs.
func WithFS(o *Options, fs fsys.FS) { o.fs = fs }

// LookEvery makes the flusher look at parked tables every d.
func LookEvery(o *Options, d time.Duration) { o.lookEvery = d }

// Flusher is the engine's flusher.
func Flusher(db *DB) *flush.Flusher { return db.flusher }

// EvictAll drops every clean entry from memory.
func EvictAll(db *DB) {
	all := allShards()
	db.lock(&all)
	defer db.unlock(&all)
	db.dropClean()
}

// BeginLoad does as if a load began; its result ends it.
func BeginLoad(db *DB) (end func()) {
	mark := db.cuts.begin()
	return func() { db.cuts.end(mark) }
}

// SweepSQL looks once for expired rows that are not in memory.
func SweepSQL(ctx context.Context, db *DB) error { return db.sweepTables(ctx) }
