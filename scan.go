package lull

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// A scan goes over memory first, then over keys that only cuts and dirty sets know
// (after a restart), then over each table in SQL by primary key, with memory laid over
// it. A key that exists from the scan's begin to its end is returned at least once:
// what is in memory when the first part passes is returned there; what is not is in SQL or
// in a cut, and is looked at again there, in whatever place it is by then.

// ErrBadCursor: the cursor is not one that Scan returned, or too many scans were
// begun since.
var ErrBadCursor = errors.New("invalid cursor")

// scansMax is how many unfinished scans are remembered.
const scansMax = 4096

// scanPart is where a scan stands.
type scanPart uint8

const (
	scanMemory scanPart = iota
	scanPending
	scanTables
)

// scanState is an unfinished scan.
type scanState struct {
	n       uint8 // database number
	part    scanPart
	shard   int
	cursor  uint64 // in the shard's table
	pending []string
	table   int
	after   []value.Value
	began   uint32 // seconds
}

// scans remembers where unfinished scans stand.
type scans struct {
	mu    sync.Mutex
	next  uint64
	state map[uint64]scanState
}

func (s *scans) take(id uint64) (scanState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.state[id]
	return st, ok
}

// put remembers a state and forgets the oldest beyond scansMax.
func (s *scans) put(st scanState) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		s.state = make(map[uint64]scanState)
	}
	s.next++
	s.state[s.next] = st
	delete(s.state, s.next-scansMax)
	return s.next
}

// Scan calls fn for about count keys of the session's database and returns the
// cursor to go on with, 0 at the end; begin with 0. A key may come more than once.
// With rows in SQL that are not in memory it asks the database, and fails with
// ErrNoDB if that is away: never a part of the keys as if it were all.
func (s *Session) Scan(ctx context.Context, cursor uint64, count int, fn func(key string, typ keyspace.Type)) (uint64, error) {
	db := s.db
	st := scanState{n: s.sel, began: seconds(db.now())}
	if cursor != 0 {
		var ok bool
		if st, ok = db.scans.take(cursor); !ok || st.n != s.sel {
			return 0, ErrBadCursor
		}
	}
	for found := 0; found < count; {
		more, n, err := db.scanStep(ctx, &st, count-found, fn)
		if err != nil {
			return 0, err
		}
		if !more {
			return 0, nil
		}
		found += n
	}
	return db.scans.put(st), nil
}

// scanStep goes on a little and returns how many keys it gave; more is false at the
// end.
func (db *DB) scanStep(ctx context.Context, st *scanState, count int, fn func(string, keyspace.Type)) (more bool, n int, err error) {
	switch st.part {
	case scanMemory:
		n = db.scanShard(st, count, fn)
		if st.shard < shardCount {
			return true, n, nil
		}
		if db.allInMemory(st.n) {
			return false, n, nil
		}
		st.part, st.pending = scanPending, db.pendingKeys(st.n)
		return true, n, nil
	case scanPending:
		if len(st.pending) == 0 {
			st.part = scanTables
			return true, 0, nil
		}
		page := st.pending[:min(count, len(st.pending))]
		st.pending = st.pending[len(page):]
		n, err = db.giveExisting(ctx, st.n, page, fn)
		return true, n, err
	}
	tables := db.scanTables(st.n)
	if st.table >= len(tables) {
		return false, 0, nil
	}
	n, err = db.scanTable(ctx, st, tables[st.table], count, fn)
	return true, n, err
}

// allInMemory reports whether every key of a database is in memory.
func (db *DB) allInMemory(n uint8) bool {
	if n == 0 && len(db.maps.Tables()) > 0 {
		return false
	}
	return db.opts.Unmapped != UnmappedGeneric || db.complete[n].Load()
}

// scanShard goes over a part of one shard's table.
func (db *DB) scanShard(st *scanState, count int, fn func(string, keyspace.Type)) (n int) {
	sh := &db.shards[st.shard]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := db.now()
	if t := sh.dbs[st.n]; t != nil {
		st.cursor = t.Scan(st.cursor, count, func(e *keyspace.Entry) {
			if live(e, now) {
				n++
				fn(e.Key, e.Type())
			}
		})
	}
	if st.cursor == 0 {
		st.shard++
	}
	return n
}

// live reports whether an entry is a key that exists.
func live(e *keyspace.Entry, now int64) bool {
	return e.Flags&keyspace.Absent == 0 && (e.ExpireAt == 0 || e.ExpireAt > now)
}

// pendingKeys are the keys that have changes beyond SQL and are not in memory.
func (db *DB) pendingKeys(n uint8) (keys []string) {
	for i := range db.shards {
		sh := &db.shards[i]
		sh.mu.Lock()
		db.layers(sh, func(set *dirty.Set) {
			set.EachKey(func(space uint16, of uint8, tuple string, _ *dirty.Key) {
				t := db.maps.Table(space)
				if of != n || t == nil {
					return
				}
				key := t.AppendKey(nil, tuple)
				if sh.find(n, keyspace.Hash64(key), key) == nil {
					keys = append(keys, string(key))
				}
			})
		})
		sh.mu.Unlock()
	}
	return keys
}

// giveExisting loads what has to be known of keys and gives those that exist.
func (db *DB) giveExisting(ctx context.Context, n uint8, keys []string, fn func(string, keyspace.Type)) (given int, err error) {
	s := db.NewSession()
	s.sel = n
	for _, key := range keys {
		name := []byte(key)
		_, err := s.Exec(ctx, [][]byte{name}, false, RunFunc(func(tx *Tx) error {
			h, err := tx.open(name, keyspace.TypeNone, NeedExists)
			if err == nil && h.exists() {
				given++
				fn(key, h.e.Type())
			}
			return err
		}))
		if err != nil {
			return given, err
		}
	}
	return given, nil
}

// scanTables are the tables whose rows are keys of a database.
func (db *DB) scanTables(n uint8) (tables []*mapping.Table) {
	if db.opts.Unmapped == UnmappedGeneric {
		tables = append(tables, db.maps.Generic(mapping.String), db.maps.KeysTable())
	}
	if n == 0 {
		tables = append(tables, db.maps.Tables()...)
	}
	return tables
}

// scanTable gives one page of a table's keys.
func (db *DB) scanTable(ctx context.Context, st *scanState, t *mapping.Table, count int, fn func(string, keyspace.Type)) (n int, err error) {
	page, err := db.tablePage(ctx, st, t, max(count, 10))
	if err != nil {
		return 0, fmt.Errorf("scan: %w", err)
	}
	return db.giveExisting(ctx, st.n, db.notGiven(st, page), fn)
}

// tablePage returns the next keys of a table in SQL, and moves on to the next table
// behind the last.
func (db *DB) tablePage(ctx context.Context, st *scanState, t *mapping.Table, limit int) (page []string, err error) {
	q, keyAt := db.pageQuery(t, st.n)
	q.After, q.Limit = st.after, limit
	seen := 0
	ctx, cancel := context.WithTimeout(ctx, db.opts.LoadTimeout)
	defer cancel()
	err = db.readSQL(ctx, []sink.Query{q}, func(_ int, vals []value.Value) error {
		seen++
		st.after = append([]value.Value(nil), vals[keyAt:]...)
		if key, _, ok := t.KeyOf(vals[keyAt:]); ok {
			page = append(page, key)
		}
		return nil
	})
	if err != nil {
		return nil, db.loadError(err)
	}
	if seen < limit {
		st.table, st.after = st.table+1, nil
	}
	return page, nil
}

// pageQuery asks for the keys of a table in their order; keyAt is where the key
// columns begin.
func (db *DB) pageQuery(t *mapping.Table, n uint8) (q sink.Query, keyAt int) {
	plan := &db.tables[t.ID].plan
	q = sink.Query{Table: t.SQL, Columns: plan.key, OrderBy: plan.key, Distinct: len(t.Row) > 0}
	if t.Generic() {
		q.By, q.OrderBy = plan.key[:2], plan.key[2:]
		q.Keys = [][]value.Value{db.ownKey(dbKey{db: n})[:2]}
		keyAt = 2
	}
	return q, keyAt
}

// notGiven leaves out the keys that the scan has given from memory: those that were
// there when it began.
func (db *DB) notGiven(st *scanState, page []string) []string {
	rest := page[:0]
	for _, key := range page {
		hash := keyspace.HashString(key)
		sh := &db.shards[shardOf(hash)]
		sh.mu.Lock()
		e := sh.find(st.n, hash, []byte(key))
		given := e != nil && e.LoadedAt < st.began
		sh.mu.Unlock()
		if !given {
			rest = append(rest, key)
		}
	}
	return rest
}

// DBSize returns the number of keys in the session's database. If not all are in
// memory it brings SQL up to date and counts there; above a million it may be the
// database's estimate, and exact is false.
func (s *Session) DBSize(ctx context.Context) (n int64, exact bool, err error) {
	db := s.db
	if db.allInMemory(s.sel) {
		return db.countMemory(s.sel), true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, db.opts.LoadTimeout)
	defer cancel()
	if err := db.Sync(ctx); err != nil {
		return 0, false, db.loadError(err)
	}
	exact = true
	for _, t := range db.scanTables(s.sel) {
		if t.Kind == mapping.Stream && !t.Generic() {
			continue // counted by its header in lull_keys
		}
		plan := &db.tables[t.ID].plan
		var where []sink.Match
		var distinct []int
		if t.Generic() {
			own := db.ownKey(dbKey{db: s.sel})
			where = []sink.Match{{Column: plan.key[0], Op: "=", Value: own[0]}, {Column: plan.key[1], Op: "=", Value: own[1]}}
		} else if len(t.Row) > 0 {
			distinct = plan.key
		}
		c, sure, err := db.countSQL(ctx, t.SQL, distinct, where, countExactMax)
		if err != nil {
			return 0, false, db.loadError(err)
		}
		n, exact = n+c, exact && sure
	}
	return n, exact, nil
}

// countExactMax is the number of rows up to which DBSIZE counts exactly.
const countExactMax = 1_000_000

func (db *DB) countMemory(n uint8) (count int64) {
	now := db.now()
	for i := range db.shards {
		sh := &db.shards[i]
		sh.mu.Lock()
		if t := sh.dbs[n]; t != nil {
			t.All(func(e *keyspace.Entry) bool {
				if live(e, now) {
					count++
				}
				return true
			})
		}
		sh.mu.Unlock()
	}
	return count
}
