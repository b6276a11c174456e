package lull

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
)

// ErrNotInMemory: inside a unit SQL cannot be asked, and not all keys are in memory.
var ErrNotInMemory = errors.New("not all keys are in memory")

const (
	// countExactMax is the number of rows up to which DBSIZE counts exactly.
	countExactMax = 1_000_000
	// keysPage is how many keys Keys and RandomKey ask SQL for at once.
	keysPage = 1000
)

// Keys calls fn once for each key of the session's database, in memory or in SQL.
// Errors are those of Scan.
func (s *Session) Keys(ctx context.Context, fn func(key string, typ keyspace.Type)) error {
	seen := make(map[string]struct{})
	for cursor := uint64(0); ; {
		next, err := s.Scan(ctx, cursor, keysPage, func(key string, typ keyspace.Type) {
			if _, ok := seen[key]; !ok {
				seen[key] = struct{}{}
				fn(key, typ)
			}
		})
		if err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

// RandomKey returns a key of the session's database. ok is false only if there is
// none, in memory or in SQL. Keys in memory are equally likely; of those in SQL it is
// one of the first of a table.
func (s *Session) RandomKey(ctx context.Context) (key string, ok bool, err error) {
	db := s.db
	all := db.allInMemory(s.sel)
	if all || rand.IntN(2) == 0 {
		if key, ok = db.randomInMemory(s.sel, lockEach); ok || all {
			return key, ok, nil
		}
	}
	st := scanState{n: s.sel, part: scanPending, pending: db.pendingKeys(&scanState{n: s.sel})}
	n := 0
	for more := true; more && n < keysPage; {
		more, _, err = db.scanStep(ctx, &st, keysPage, func(k string, _ keyspace.Type) {
			if n++; rand.IntN(n) == 0 { // each of n is the one with the same chance
				key = k
			}
		})
		if err != nil {
			return "", false, err
		}
	}
	if n > 0 {
		return key, true, nil
	}
	key, ok = db.randomInMemory(s.sel, lockEach)
	return key, ok, nil
}

// locking says whether the shards are locked already.
type locking bool

const (
	lockEach  locking = false
	allLocked locking = true
)

// eachEntry calls fn for every key in memory until it returns false, one shard after
// the other, beginning with shard from.
func (db *DB) eachEntry(n uint8, from int, l locking, fn func(e *keyspace.Entry) bool) {
	now := db.now()
	for i := range db.shards {
		sh := &db.shards[(i+from)%shardCount]
		if l == lockEach {
			sh.mu.Lock()
		}
		goOn := true
		if t := sh.dbs[n]; t != nil {
			t.All(func(e *keyspace.Entry) bool {
				if live(e, now) {
					goOn = fn(e)
				}
				return goOn
			})
		}
		if l == lockEach {
			sh.mu.Unlock()
		}
		if !goOn {
			return
		}
	}
}

// randomTries is how often a random place is looked at before all are.
const randomTries = 4 * shardCount

// randomInMemory returns a random key of those in memory.
func (db *DB) randomInMemory(n uint8, l locking) (key string, ok bool) {
	now := db.now()
	largest := 1
	for range randomTries {
		sh := &db.shards[rand.IntN(shardCount)]
		if l == lockEach {
			sh.mu.Lock()
		}
		if t := sh.dbs[n]; t != nil && t.Len() > 0 {
			// Shards with more keys have to be chosen more often.
			largest = max(largest, t.Len())
			if e := t.Random(rand.Uint64()); e != nil && live(e, now) && rand.IntN(largest) < t.Len() {
				key, ok = e.Key(), true
			}
		}
		if l == lockEach {
			sh.mu.Unlock()
		}
		if ok {
			return key, true
		}
	}
	db.eachEntry(n, rand.IntN(shardCount), l, func(e *keyspace.Entry) bool {
		key, ok = e.Key(), true
		return false
	})
	return key, ok
}

// DBSize returns the number of keys in the session's database. If not all are in
// memory it brings SQL up to date and counts there; above a million it may be the
// database's estimate, and exact is false.
func (s *Session) DBSize(ctx context.Context) (n int64, exact bool, err error) {
	db := s.db
	if db.allInMemory(s.sel) {
		return db.countInMemory(s.sel, lockEach), true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, db.opts.LoadTimeout)
	defer cancel()
	if err := db.Sync(ctx); err != nil {
		return 0, false, db.loadError(err)
	}
	exact = true
	generic := db.opts.Unmapped == UnmappedGeneric
	for _, t := range db.scanTables(s.sel) {
		if t.Generic() != generic && t.Kind == mapping.Stream || t == db.maps.KeysTable() && !generic {
			continue // a mapped stream is counted once: by its header, if headers are counted
		}
		c, sure, err := db.countTable(ctx, t, s.sel)
		if err != nil {
			return 0, false, db.loadError(err)
		}
		n, exact = n+c, exact && sure
	}
	return n, exact, nil
}

// countTable counts the keys of a table.
func (db *DB) countTable(ctx context.Context, t *mapping.Table, n uint8) (count int64, exact bool, err error) {
	key := db.tables[t.ID].plan.key
	var where []sink.Match
	var distinct []int
	switch {
	case t.Generic():
		own := db.ownKey(dbKey{db: n})
		where = []sink.Match{{Column: key[0], Op: "=", Value: own[0]}, {Column: key[1], Op: "=", Value: own[1]}}
	case len(key) == 0: // the pattern is one key
		count, exact, err = db.countSQL(ctx, t.SQL, nil, nil, countExactMax)
		return min(count, 1), exact, err
	case len(t.Row) > 0:
		distinct = key
	}
	return db.countSQL(ctx, t.SQL, distinct, where, countExactMax)
}

func (db *DB) countInMemory(n uint8, l locking) (count int64) {
	db.eachEntry(n, 0, l, func(*keyspace.Entry) bool {
		count++
		return true
	})
	return count
}

// Keys calls fn for each key of the database, once. It is for units over all shards,
// and fails with ErrNotInMemory if SQL has keys that are not in memory.
func (tx *Tx) Keys(fn func(key string, typ keyspace.Type)) error {
	if !tx.db.allInMemory(tx.sel) {
		return ErrNotInMemory
	}
	tx.db.eachEntry(tx.sel, 0, allLocked, func(e *keyspace.Entry) bool {
		fn(e.Key(), e.Type())
		return true
	})
	return nil
}

// DBSize counts the keys of the database; see Keys.
func (tx *Tx) DBSize() (int64, error) {
	if !tx.db.allInMemory(tx.sel) {
		return 0, ErrNotInMemory
	}
	return tx.db.countInMemory(tx.sel, allLocked), nil
}

// RandomKey returns a key of the database, if there is one; see Keys.
func (tx *Tx) RandomKey() (key string, ok bool, err error) {
	if !tx.db.allInMemory(tx.sel) {
		return "", false, ErrNotInMemory
	}
	key, ok = tx.db.randomInMemory(tx.sel, allLocked)
	return key, ok, nil
}

// Scan is Session.Scan for units over all shards; see Keys.
func (tx *Tx) Scan(cursor uint64, count int, fn func(key string, typ keyspace.Type)) (uint64, error) {
	db := tx.db
	st, err := db.scanAt(tx.sel, cursor)
	switch {
	case err != nil:
		return 0, err
	case !db.allInMemory(tx.sel):
		return 0, ErrNotInMemory
	case st.part != scanMemory:
		return 0, nil // all is in memory again, and the scan had passed that
	}
	for found := 0; found < count && st.shard < shardCount; {
		found += db.scanShard(&db.shards[st.shard], &st, count-found, fn)
	}
	if st.shard == shardCount {
		return 0, nil
	}
	return st.memoryCursor(), nil
}
