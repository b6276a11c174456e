package lull

import "github.com/lullcache/lull/internal/keyspace"

// ApproachMax is how many keys Session.Approach looks at.
const ApproachMax = 32

// Approach is for a caller with several units to run, one after the other: it has
// the processor fetch what memory holds of their keys, all at the same time, where
// each unit would wait for its own. Nothing changes. Keys beyond ApproachMax, and
// those whose shards are locked, are left alone.
func (s *Session) Approach(keys [][]byte) {
	var hashes [ApproachMax]uint64
	keys = keys[:min(len(keys), ApproachMax)]
	for i, k := range keys {
		hashes[i] = keyspace.Hash64(k)
		if sh := s.approached(hashes[i]); sh != nil {
			sh.dbs[s.sel].Approach(hashes[i])
			sh.dirty.Approach(0, s.sel, hashes[i])
			sh.mu.Unlock()
		}
	}
	for i := range keys {
		if sh := s.approached(hashes[i]); sh != nil {
			sh.dbs[s.sel].Guess(hashes[i])
			sh.dirty.Guess(0, s.sel, hashes[i])
			sh.mu.Unlock()
		}
	}
	for i := range keys {
		// What was found before may have moved to where this lock does not guard it.
		if sh := s.approached(hashes[i]); sh != nil {
			if e := sh.dbs[s.sel].Guess(hashes[i]); e != nil {
				e.Approach()
			}
			if k := sh.dirty.Guess(0, s.sel, hashes[i]); k != nil {
				k.Approach()
			}
			sh.mu.Unlock()
		}
	}
}

// approached returns the shard of a hash, locked; nil if it is locked already, or
// holds no keys of the session's database.
func (s *Session) approached(hash uint64) *shard {
	sh := &s.db.shards[shardOf(hash)]
	if !sh.mu.TryLock() {
		return nil
	}
	if sh.dbs[s.sel] == nil {
		sh.mu.Unlock()
		return nil
	}
	return sh
}

// ApproachMembers is Approach for units on several members, or fields, of one key.
func (s *Session) ApproachMembers(key []byte, members [][]byte) {
	hash := keyspace.Hash64(key)
	sh := s.approached(hash)
	if sh == nil {
		return
	}
	defer sh.mu.Unlock()
	e := sh.find(s.sel, hash, key)
	if e == nil {
		return
	}
	var buf [ApproachMax]uint64
	hashes := buf[:0]
	for _, m := range members[:min(len(members), len(buf))] {
		hashes = append(hashes, keyspace.Hash64(m))
	}
	k := sh.dirty.Guess(0, s.sel, hash)
	if k != nil {
		k.ApproachRows(hashes)
	}
	e.ApproachMembers(hashes)
	if k != nil {
		k.GuessRows(hashes)
	}
}
