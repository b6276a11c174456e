package lull

import (
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
)

// ApproachMax is how many keys Session.Approach looks at.
const ApproachMax = keyspace.ApproachMax

// Approach is for a caller with several units to run, one after the other: it has
// the processor fetch what memory holds of their keys, all at the same time, where
// each unit would wait for its own. Nothing changes. Keys beyond ApproachMax, and
// those whose shards are locked, are left alone.
func (s *Session) Approach(keys [][]byte) {
	var found [ApproachMax]struct {
		shard *shard
		hash  uint64
		entry *keyspace.Entry
		dirty *dirty.Key
	}
	var locked lockSet // until all is done: what was found may move
	n := 0
	for _, k := range keys[:min(len(keys), ApproachMax)] {
		hash := keyspace.Hash64(k)
		i := shardOf(hash)
		sh := &s.db.shards[i]
		if !locked.has(i) {
			if !sh.mu.TryLock() {
				continue
			}
			locked.add(i)
		}
		if sh.dbs[s.sel] != nil {
			found[n].shard, found[n].hash = sh, hash
			n++
			sh.dbs[s.sel].Approach(hash)
			sh.dirty.Approach(0, s.sel, hash)
		}
	}
	for i := range found[:n] {
		f := &found[i]
		f.entry = f.shard.dbs[s.sel].Guess(f.hash)
		f.dirty = f.shard.dirty.Guess(0, s.sel, f.hash)
	}
	for i := range found[:n] {
		if e := found[i].entry; e != nil {
			e.Approach()
		}
		found[i].dirty.FetchRows()
	}
	s.db.unlock(&locked)
}

// ApproachMembers is Approach for units on several members, or fields, of one key.
func (s *Session) ApproachMembers(key []byte, members [][]byte) {
	hash := keyspace.Hash64(key)
	sh := &s.db.shards[shardOf(hash)]
	if !sh.mu.TryLock() {
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
