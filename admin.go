package lull

import (
	"context"
	"fmt"

	"github.com/lullcache/lull/internal/flush"
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

// Paused reports whether flushes are kept from starting.
func (db *DB) Paused() bool { return db.flusher.Stats().Paused }

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
// returns how many of them are left. A number that there is not is ErrNoLetter; if
// the database does not answer within WriteTimeout it is ErrTimeout.
func (db *DB) RetryLetters(ctx context.Context, ids ...int64) (left int, err error) {
	err = db.boundedByFlusher(ctx, func(ctx context.Context) (err error) {
		left, err = db.flusher.Retry(ctx, ids...)
		return err
	})
	return left, err
}

// DropLetters gives up the dead letters of these numbers, all without any: their
// changes are lost, and their keys show again what the database has. A number that
// there is not is ErrNoLetter, and ErrTimeout is as in RetryLetters.
func (db *DB) DropLetters(ctx context.Context, ids ...int64) error {
	return db.boundedByFlusher(ctx, func(ctx context.Context) error {
		return db.flusher.Drop(ctx, ids...)
	})
}

// boundedByFlusher has the flusher do something between two flushes, which it cannot
// while it waits for the database.
func (db *DB) boundedByFlusher(ctx context.Context, do func(context.Context) error) error {
	if err := db.fencedErr(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, db.opts.WriteTimeout)
	defer cancel()
	err := do(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %s", ErrTimeout, db.flusher.Stats())
	}
	return err
}
