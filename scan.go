package lull

import (
	"context"
	"errors"
	"sync"

	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/value"
)

// A scan goes over memory first, then over keys that only cuts and dirty sets know
// (after a restart), then over each table in SQL by primary key, with memory and what
// is dirty laid over it. It loads no values. A key that exists from the scan's begin to
// its end is returned at least once: what is in memory when the first part passes is
// returned there; what is not is in SQL or in a cut, and is looked at again there, in
// whatever place it is by then.
//
// While a scan is in memory and nothing else has to follow, its cursor says where it
// stands, as in Redis: the shard and the place in its table. Else the cursor is a number
// under which the state is remembered.

// ErrBadCursor: the cursor is not one that Scan returned, or too many scans were
// begun since.
var ErrBadCursor = errors.New("invalid cursor")

// scanRemembered begins the cursors of scans that are remembered. Clients that read
// cursors as floats can still tell them apart.
const scanRemembered = 1 << 48

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
	began   uint32 // seconds; 0 if that is not known
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
	id := scanRemembered + s.next
	s.next++
	s.state[id] = st
	delete(s.state, id-scansMax)
	return id
}

// Scan calls fn for about count keys of the session's database and returns the
// cursor to go on with, 0 at the end; begin with 0. A key may come more than once.
// With rows in SQL that are not in memory it asks the database, and fails with
// ErrNoDB if that is away: never a part of the keys as if it were all.
func (s *Session) Scan(ctx context.Context, cursor uint64, count int, fn func(key string, typ keyspace.Type)) (uint64, error) {
	db := s.db
	st, err := db.scanAt(s.sel, cursor)
	if err != nil {
		return 0, err
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
	if st.part == scanMemory && db.allInMemory(st.n) {
		return st.memoryCursor(), nil
	}
	return db.scans.put(st), nil
}

// scanAt finds where a cursor stands.
func (db *DB) scanAt(n uint8, cursor uint64) (scanState, error) {
	if cursor >= scanRemembered {
		st, ok := db.scans.take(cursor)
		if !ok || st.n != n {
			return st, ErrBadCursor
		}
		return st, nil
	}
	st := scanState{n: n, shard: int(cursor >> keyspace.CursorBits), cursor: cursor & (1<<keyspace.CursorBits - 1)}
	if cursor == 0 {
		st.began = seconds(db.now())
	}
	if st.shard >= shardCount {
		return st, ErrBadCursor
	}
	return st, nil
}

// memoryCursor is the cursor of a scan that stands in memory.
func (st *scanState) memoryCursor() uint64 {
	return uint64(st.shard)<<keyspace.CursorBits | st.cursor
}

// scanStep goes on a little and returns how many keys it gave; more is false at the
// end.
func (db *DB) scanStep(ctx context.Context, st *scanState, count int, fn func(string, keyspace.Type)) (more bool, n int, err error) {
	switch st.part {
	case scanMemory:
		sh := &db.shards[st.shard]
		sh.mu.Lock()
		n = db.scanShard(sh, st, count, fn)
		sh.mu.Unlock()
		if st.shard < shardCount {
			return true, n, nil
		}
		if db.allInMemory(st.n) {
			return false, n, nil
		}
		st.part, st.pending = scanPending, db.pendingKeys(st)
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

// scanShard goes over a part of one shard's table. The shard is locked.
func (db *DB) scanShard(sh *shard, st *scanState, count int, fn func(string, keyspace.Type)) (n int) {
	now := db.now()
	if t := sh.dbs[st.n]; t != nil {
		st.cursor = t.Scan(st.cursor, count, func(e *keyspace.Entry) {
			if live(e, now) {
				n++
				fn(e.Key(), e.Type())
			}
		})
	} else {
		st.cursor = 0
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

// given reports whether the scan has given a key from memory, if it existed then:
// its entry was there when the scan began.
func (st *scanState) given(e *keyspace.Entry) bool {
	return e.LoadedAt != 0 && e.LoadedAt < st.began
}

// pendingKeys are the keys that have changes beyond SQL and may not have been given
// from memory.
func (db *DB) pendingKeys(st *scanState) (keys []string) {
	for i := range db.shards {
		sh := &db.shards[i]
		sh.mu.Lock()
		db.layers(sh, func(set *dirty.Set) {
			set.EachKey(func(space uint16, of uint8, tuple string, _ *dirty.Key) {
				t := db.maps.Table(space)
				if of != st.n || t == nil {
					return
				}
				key := t.AppendKey(nil, tuple)
				if e := sh.find(st.n, keyspace.Hash64(key), key); e == nil || !st.given(e) {
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
	if len(keys) == 0 {
		return 0, nil
	}
	s := db.NewSession()
	s.sel = n
	needs := make([]KeyNeed, len(keys))
	for i, key := range keys {
		needs[i] = KeyNeed{Name: []byte(key), Database: int(n), Need: NeedExists}
	}
	s.Prefetch(ctx, needs)
	for i, key := range keys {
		name := needs[i].Name
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
