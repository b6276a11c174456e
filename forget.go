package lull

import "github.com/lullcache/lull/internal/keyspace"

// Forget drops a key of the session's database from memory, so that it is loaded
// again when it is next asked for, and reports whether it did. It does not if the key
// is not in memory, if SQL does not have all of it yet, or if memory is the only
// place where it is.
func (s *Session) Forget(key []byte) bool {
	db := s.db
	hash := keyspace.Hash64(key)
	sh := &db.shards[shardOf(hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.find(s.sel, hash, key)
	if e == nil || !db.evictable(e) || !db.stored(s.sel, key) {
		return false
	}
	db.drop(sh, s.sel, e)
	return true
}

// stored reports whether a key has a table.
func (db *DB) stored(n uint8, key []byte) bool {
	return db.opts.Unmapped != UnmappedCache || n == 0 && db.maps.Match(key) != nil
}
