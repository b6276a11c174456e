package lull

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/latch"
)

// shardCount is how many ways the keyspace is cut. A unit locks the shards of its
// keys in rising order; a cut locks all of them for as long as it takes to swap
// pointers.
const (
	shardCount = 1 << shardBits
	dbCount    = 16
)

// shard holds the keys whose hash falls into it, and their dirty changes.
type shard struct {
	// mu guards everything below.
	mu    sync.Mutex
	index uint8
	dbs   [dbCount]*keyspace.Table
	dirty *dirty.Set
	// generation is the number of cuts taken: an entry whose Cut is above the last
	// settled one is dirty.
	generation uint32
	// lookups counts the keys that units needed to know of, misses those that were
	// not in memory.
	lookups, misses uint64
	// changes counts those that units made. It may be read without mu: one counter
	// for all shards would go from processor to processor with each unit.
	changes atomic.Uint64
	// watched maps watched keys to the sessions that wait for their change.
	watched map[dbKey][]*watch
}

// dbKey names a key in the keyspace.
type dbKey struct {
	db   uint8
	name string
}

// shardOf takes the low bits of a hash: the shards' own tables use the high ones.
func shardOf(hash uint64) uint8 { return uint8(hash) & (shardCount - 1) }

func (s *shard) find(db uint8, hash uint64, name []byte) *keyspace.Entry {
	t := s.dbs[db]
	if t == nil {
		return nil
	}
	return t.Find(hash, name)
}

func (s *shard) findString(db uint8, hash uint64, name string) *keyspace.Entry {
	t := s.dbs[db]
	if t == nil {
		return nil
	}
	return t.FindString(hash, name)
}

// approach has the processor fetch where find would look.
func (s *shard) approach(db uint8, hash uint64) {
	if t := s.dbs[db]; t != nil {
		t.Approach(hash)
	}
}

func (s *shard) insert(db uint8, hash uint64, e *keyspace.Entry) {
	if s.dbs[db] == nil {
		s.dbs[db] = new(keyspace.Table)
	}
	s.dbs[db].Insert(hash, e)
}

func (s *shard) remove(db uint8, hash uint64, e *keyspace.Entry) {
	s.dbs[db].Remove(hash, e)
}

// lockSet is a set of shards, locked in rising order.
type lockSet [(shardCount + 63) / 64]uint64

func (l *lockSet) add(i uint8)      { l[i>>6] |= 1 << (i & 63) }
func (l *lockSet) has(i uint8) bool { return l[i>>6]&(1<<(i&63)) != 0 }

// each calls fn with the shards in the set, in rising order.
func (l *lockSet) each(fn func(i int)) {
	for w, word := range l {
		for ; word != 0; word &= word - 1 {
			fn(w<<6 | bits.TrailingZeros64(word))
		}
	}
}

func (db *DB) lock(l *lockSet)   { l.each(func(i int) { latch.Lock(&db.shards[i].mu) }) }
func (db *DB) unlock(l *lockSet) { l.each(func(i int) { db.shards[i].mu.Unlock() }) }

// allShards is the lock set of units that touch every key.
func allShards() (l lockSet) {
	for i := range l {
		l[i] = ^uint64(0) >> (64 - min(64, shardCount-64*i))
	}
	return l
}
