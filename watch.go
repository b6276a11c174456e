package lull

import (
	"slices"
	"sync/atomic"

	"github.com/lullcache/lull/internal/keyspace"
)

// watch is what a session has under WATCH. Changes and expiry touch it; loads,
// evictions and flushes do not.
type watch struct {
	changed atomic.Bool
	keys    []dbKey
}

// Watch adds keys to those whose change makes the next ExecMulti fail.
func (s *Session) Watch(keys ...[]byte) {
	if s.watches == nil {
		s.watches = new(watch)
	}
	for _, k := range keys {
		key := dbKey{s.sel, string(k)}
		if slices.Contains(s.watches.keys, key) {
			continue
		}
		s.watches.keys = append(s.watches.keys, key)
		sh := &s.db.shards[shardOf(keyspace.Hash64(k))]
		sh.mu.Lock()
		if sh.watched == nil {
			sh.watched = make(map[dbKey][]*watch)
		}
		sh.watched[key] = append(sh.watched[key], s.watches)
		sh.mu.Unlock()
	}
}

// Unwatch forgets all watched keys.
func (s *Session) Unwatch() {
	w := s.watches
	if w == nil {
		return
	}
	s.watches = nil
	for _, key := range w.keys {
		sh := &s.db.shards[shardOf(keyspace.HashString(key.name))]
		sh.mu.Lock()
		rest := slices.DeleteFunc(sh.watched[key], func(o *watch) bool { return o == w })
		if len(rest) == 0 {
			delete(sh.watched, key)
		} else {
			sh.watched[key] = rest
		}
		sh.mu.Unlock()
	}
}

// notify marks those who watch the key. The shard is locked.
func (s *shard) notify(db uint8, name string) {
	if len(s.watched) == 0 {
		return
	}
	for _, w := range s.watched[dbKey{db, name}] {
		w.changed.Store(true)
	}
}

// notifyAll marks those who watch a key of a database that may exist; inSQL tells if one
// that is not in memory may. The shard is locked.
func (s *shard) notifyAll(db uint8, inSQL func(name string) bool) {
	for key, watches := range s.watched {
		if key.db != db {
			continue
		}
		e := s.find(db, keyspace.HashString(key.name), []byte(key.name))
		if e == nil && !inSQL(key.name) || e != nil && e.Flags&keyspace.Absent != 0 {
			continue
		}
		for _, w := range watches {
			w.changed.Store(true)
		}
	}
}
