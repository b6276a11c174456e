package lull

import (
	"context"
	"time"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/world"
)

const (
	// memoryHard is the multiple of MaxMemory at which writers wait.
	memoryHard = 1.1
	// evictSample is how many entries of a shard are looked at for one eviction. As
	// in Redis, the best of a few random ones is nearly the least recently used, at no
	// memory for a list; see the Redis documentation on key eviction.
	evictSample = 8
	// sweepEvery and sweepSteps bound the active expiry: each round looks at one part
	// of every shard.
	sweepEvery = 100 * time.Millisecond
	// absentAge is how long the absence of a key is remembered, in seconds.
	absentAge = 60
)

// accessClock is the time of an access for eviction, in units of 64 ms; it wraps
// after eight years.
func accessClock(ms int64) uint32 { return uint32(ms >> 6) }

// seconds is a time in the seconds that Entry.LoadedAt holds.
func seconds(ms int64) uint32 { return uint32(ms / 1000) }

// account notes that the keyspace grew by n bytes.
func (db *DB) account(n int64) {
	if n == 0 {
		return
	}
	used := db.used.Add(n)
	if m := db.memoryMax.Load(); n > 0 && m > 0 && used > m {
		db.wakeEvictor()
	}
}

func (db *DB) wakeEvictor() {
	select {
	case db.evict <- struct{}{}:
	default:
	}
}

// MaxMemory is the limit of the keyspace in bytes; 0: none.
func (db *DB) MaxMemory() int64 { return db.memoryMax.Load() }

// SetMaxMemory changes Options.MaxMemory until the engine is closed. Above a lower
// limit clean entries are evicted at once, in the background. Below 0 is 0.
func (db *DB) SetMaxMemory(n int64) {
	db.memoryMax.Store(max(n, 0))
	db.wakeEvictor()
}

// evictor makes room whenever the keyspace is above MaxMemory. Only clean entries
// go; if there are none it asks for a flush.
func (db *DB) evictor(ctx context.Context) {
	for db.opts.world.Wait(ctx, world.Never, db.evict) {
		idle := 0
		for db.memoryShort() && ctx.Err() == nil {
			if db.evictOne() {
				idle = 0
				continue
			}
			if idle++; idle > 4*shardCount {
				db.flusher.Kick()
				db.opts.world.Wait(ctx, time.Millisecond, nil)
				idle = 0
			}
		}
	}
}

// memoryShort reports whether the keyspace is above its limit.
func (db *DB) memoryShort() bool {
	m := db.memoryMax.Load()
	return m > 0 && db.used.Load() > m
}

// evictOne drops the clean entry of a random shard that was unused for longest, out
// of a sample. It reports whether there was one.
func (db *DB) evictOne() bool {
	sh := &db.shards[db.opts.world.Random()%shardCount]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := accessClock(db.now())
	var best *keyspace.Entry
	var of uint8
	for n, t := range sh.dbs {
		if t == nil || t.Len() == 0 {
			continue
		}
		for range evictSample {
			e := t.Random(db.opts.world.Random())
			if e == nil || !db.evictable(e) {
				continue
			}
			if best == nil || now-e.Access > now-best.Access {
				best, of = e, uint8(n)
			}
		}
	}
	if best == nil {
		return false
	}
	db.drop(sh, of, best)
	db.stats.evicted.Add(1)
	return true
}

// evictable reports whether an entry may leave memory: SQL has all of it.
func (db *DB) evictable(e *keyspace.Entry) bool { return db.clean(e) && reloadable(e) }

// reloadable reports whether SQL and what is laid over it tell all of an entry.
func reloadable(e *keyspace.Entry) bool {
	return e.Flags&(flagTouched|flagHeaderDue) == 0 && !isBlindStream(e)
}

// dropAll drops from memory everything that has a table and may be dropped. All shards are
// locked.
func (db *DB) dropAll(may func(*keyspace.Entry) bool) {
	for i := range db.shards {
		sh := &db.shards[i]
		for n, t := range sh.dbs {
			if t == nil {
				continue
			}
			var gone []*keyspace.Entry
			t.All(func(e *keyspace.Entry) bool {
				if may(e) && db.stored(uint8(n), []byte(e.Key())) {
					gone = append(gone, e)
				}
				return true
			})
			for _, e := range gone {
				db.drop(sh, uint8(n), e)
			}
		}
	}
}

// drop takes an entry out of memory. The shard is locked.
func (db *DB) drop(sh *shard, n uint8, e *keyspace.Entry) {
	db.account(-e.Bytes())
	if e.Flags&keyspace.Absent == 0 && e.Table < uint16(len(db.tables)) && db.dictionary[e.Table].Space == 0 {
		db.complete[n].Store(false)
	}
	sh.remove(n, keyspace.HashString(e.Key()), e)
}

// sweep expires keys whose time has come and forgets absences that are old.
func (db *DB) sweep(ctx context.Context) {
	var cursors [shardCount][dbCount]uint64
	s := db.NewSession()
	for {
		db.opts.world.Wait(ctx, sweepEvery, nil)
		if ctx.Err() != nil {
			return
		}
		if db.cascade.Swap(false) {
			db.dropChildren()
		}
		for i := range db.shards {
			for n := range uint8(dbCount) {
				cursors[i][n] = db.sweepPart(s, &db.shards[i], n, cursors[i][n])
			}
		}
	}
}

// sweepCount is how many entries of a shard are looked at in a round at least.
const sweepCount = 16

// sweepPart looks at some entries of one shard's database and returns where to go
// on. While a quarter of them had expired it goes on at once, as Redis does.
func (db *DB) sweepPart(s *Session, sh *shard, n uint8, cursor uint64) uint64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	t := sh.dbs[n]
	if t == nil || t.Len() == 0 {
		return 0
	}
	tx := &s.tx
	s.sel = n
	for range sweepCount {
		tx.begin(true)
		tx.locks.add(sh.index)
		tx.now = db.now()
		var due []*keyspace.Entry
		seen := 0
		cursor = t.Scan(cursor, sweepCount, func(e *keyspace.Entry) {
			seen++
			if db.isDue(e, tx.now) {
				due = append(due, e)
			}
		})
		for _, e := range due {
			db.expireEntry(tx, sh, n, e)
		}
		if _, err := tx.commit(); err != nil || len(due)*4 < seen || cursor == 0 {
			break
		}
	}
	return cursor
}

func (db *DB) isDue(e *keyspace.Entry, now int64) bool {
	if e.Flags&keyspace.Absent != 0 {
		return db.clean(e) && seconds(now)-e.LoadedAt > absentAge
	}
	return e.ExpireAt != 0 && e.ExpireAt <= now
}

// expireEntry removes an entry that is due: an old absence from memory alone, an
// expired key as a change like any other.
func (db *DB) expireEntry(tx *Tx, sh *shard, n uint8, e *keyspace.Entry) {
	if e.Flags&keyspace.Absent != 0 {
		db.drop(sh, n, e)
		return
	}
	if fill, err := db.fill(); err != nil || fill >= 1 {
		return // at a limit; reads see the key as gone all the same
	}
	if h, err := tx.open([]byte(e.Key()), keyspace.TypeNone, NeedNone); err == nil && h.exists() {
		return // not due any more
	}
}

// dropChildren drops the clean entries of tables whose rows a cascade may have
// changed.
func (db *DB) dropChildren() {
	children := make(map[uint16]bool)
	for _, t := range db.maps.Tables() {
		for _, c := range t.Children {
			children[c.ID] = true
		}
	}
	for i := range db.shards {
		sh := &db.shards[i]
		sh.mu.Lock()
		if t := sh.dbs[0]; t != nil {
			var gone []*keyspace.Entry
			t.All(func(e *keyspace.Entry) bool {
				if children[e.Table] && db.clean(e) {
					gone = append(gone, e)
				}
				return true
			})
			for _, e := range gone {
				db.drop(sh, 0, e)
			}
		}
		sh.mu.Unlock()
	}
}
