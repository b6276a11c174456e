package lull

import (
	"bytes"

	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
)

// ApproachMax is how many keys Session.Approach looks at.
const ApproachMax = 32

// Approach is for a caller with several units to run, one after the other: it has
// the processor fetch what memory holds of their keys, all at the same time, where
// each unit would wait for its own. Nothing changes. Keys beyond ApproachMax, and
// those whose shards are locked, are left alone.
//
// members are the members or fields that the units are about, one for each key; where that holds
// no large collection they are not looked at.
func (s *Session) Approach(keys, members [][]byte) {
	var keyRoom [ApproachMax]keyAhead
	var memberRoom [ApproachMax]memberAhead
	found, of := keyRoom[:0], memberRoom[:0]
	var locked lockSet // until all is done: what was found may move
	for i, k := range keys[:min(len(keys), ApproachMax)] {
		if last := len(found) - 1; last < 0 || !bytes.Equal(k, found[last].key) {
			f, ok := s.findAhead(k, &locked)
			if !ok {
				continue
			}
			found = append(found, f)
		}
		of = append(of, memberAhead{len(found) - 1, members[i], 0})
	}
	for i := range found {
		f := &found[i]
		f.entry = f.shard.dbs[s.sel].Guess(f.hash)
	}
	for i := range found {
		found[i].findDirty(s)
	}
	for i := range found {
		f := &found[i]
		f.dirty = f.shard.dirty.Guess(f.space, s.sel, f.dirtyHash)
	}
	large := of[:0]
	for _, m := range of {
		if e := found[m.of].entry; e != nil && e.Large() {
			m.hash = keyspace.Hash64(m.name)
			e.ApproachMember(m.hash)
			large = append(large, m)
		}
	}
	for i := range found {
		found[i].dirty.FetchRows()
	}
	fetchMembers(found, large)
	s.db.unlock(&locked)
}

// fetchMembers takes the steps that follow ApproachMember.
func fetchMembers(found []keyAhead, members []memberAhead) {
	for _, m := range members {
		found[m.of].entry.GuessMember(m.hash)
		found[m.of].dirty.ApproachRow(m.hash)
	}
	for _, m := range members {
		found[m.of].entry.FetchMember(m.hash)
	}
	for _, m := range members {
		found[m.of].dirty.GuessRow(m.hash)
	}
}

// keyAhead is a key that is fetched ahead. Each step reads what the one before fetched.
type keyAhead struct {
	shard *shard
	key   []byte
	hash  uint64
	entry *keyspace.Entry

	space     uint16
	dirtyHash uint64
	dirty     *dirty.Key
}

// memberAhead is a member of a large collection that is fetched ahead.
type memberAhead struct {
	of   int // the key
	name []byte
	hash uint64
}

// findAhead takes the first step for a key. It is false if nothing is known of it without waiting.
func (s *Session) findAhead(key []byte, locked *lockSet) (f keyAhead, ok bool) {
	hash := keyspace.Hash64(key)
	at := shardOf(hash)
	sh := &s.db.shards[at]
	if !locked.has(at) {
		if !sh.mu.TryLock() {
			return f, false
		}
		locked.add(at)
	}
	if sh.dbs[s.sel] == nil {
		return f, false
	}
	sh.dbs[s.sel].Approach(hash)
	sh.dirty.Approach(0, s.sel, hash)
	return keyAhead{shard: sh, key: key, hash: hash, dirtyHash: hash}, true
}

// findDirty fetches the payload, and where the dirty set would have the key if that is in a
// mapped table.
func (f *keyAhead) findDirty(s *Session) {
	if f.entry == nil {
		return
	}
	f.entry.Approach()
	if s.sel != 0 {
		return
	}
	if t := s.db.maps.Mapped(f.entry.Table); t != nil {
		if tuple, ok := t.GuessTuple(f.key); ok {
			f.space, f.dirtyHash = t.Def.Space, keyspace.HashString(tuple)
			f.shard.dirty.Approach(f.space, 0, f.dirtyHash)
		}
	}
}
