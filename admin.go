package lull

import (
	"context"

	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/sink"
)

// What an operator does to a running engine.

// ErrNoLetter: there is no dead letter of this number.
var ErrNoLetter = flush.ErrNoLetter

// Letter is a change that the database did not take: a row of lull_dead_letters.
type Letter struct {
	sink.Letter
	// Database and Key are the Redis key that the change is of. Key is empty if the
	// configuration no longer maps the table, or the change is of the whole table.
	Database int
	Key      string
}

// Pause keeps flushes from starting until Resume; one that is under way goes on.
// Writers go on up to the limits. Close flushes all the same.
func (db *DB) Pause() { db.flusher.Pause() }

// Resume undoes Pause.
func (db *DB) Resume() { db.flusher.Resume() }

// Letters returns the dead letters, oldest first.
func (db *DB) Letters() []Letter {
	held := db.flusher.Letters()
	letters := make([]Letter, len(held))
	for i := range held {
		l := &held[i]
		letters[i].Letter = l.Letter
		if t := db.maps.Table(l.TableNumber); l.Known && t != nil && l.Op != sink.LetterTruncate {
			letters[i].Database = int(l.DB)
			letters[i].Key = string(t.AppendKey(nil, l.KeyTuple))
		}
	}
	return letters
}

// RetryLetters tries the dead letters of these numbers again, all without any, and
// returns how many of them are left. A number that there is not is ErrNoLetter.
func (db *DB) RetryLetters(ctx context.Context, ids ...int64) (left int, err error) {
	return db.flusher.Retry(ctx, ids...)
}

// DropLetters gives up the dead letters of these numbers, all without any: their
// changes are lost, and their keys show again what the database has. A number that
// there is not is ErrNoLetter.
func (db *DB) DropLetters(ctx context.Context, ids ...int64) error {
	return db.flusher.Drop(ctx, ids...)
}

// Forget drops a key of the session's database from memory, so that it is loaded
// again when it is next needed, and reports whether it did. It does not while SQL
// has not seen all of the key.
func (s *Session) Forget(key []byte) bool {
	db := s.db
	hash := keyspace.Hash64(key)
	sh := &db.shards[shardOf(hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.find(s.sel, hash, key)
	if e == nil || !db.evictable(e) || db.opts.Unmapped == UnmappedCache && s.isUnmapped(key) {
		return false
	}
	db.drop(sh, s.sel, e)
	return true
}

// isUnmapped reports whether no table maps key.
func (s *Session) isUnmapped(key []byte) bool {
	return s.sel != 0 || s.db.maps.Match(key) == nil
}
