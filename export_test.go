package lull

import (
	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/keyspace"
)

// WithFS makes the engine keep its files in fs.
func WithFS(o *Options, fs fsys.FS) { o.fs = fs }

// Flusher is the engine's flusher.
func Flusher(db *DB) *flush.Flusher { return db.flusher }

// EvictAll drops every clean entry from memory.
func EvictAll(db *DB) {
	for i := range db.shards {
		sh := &db.shards[i]
		sh.mu.Lock()
		for n, t := range sh.dbs {
			if t == nil {
				continue
			}
			var clean []*keyspace.Entry
			t.All(func(e *keyspace.Entry) bool {
				if db.evictable(e) {
					clean = append(clean, e)
				}
				return true
			})
			for _, e := range clean {
				db.drop(sh, uint8(n), e)
			}
		}
		sh.mu.Unlock()
	}
}
