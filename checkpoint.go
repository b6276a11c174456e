package lull

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/wal"
)

// A checkpoint is the dirty set of one position written into the log, so that the
// log before that position may go although the database has not taken its changes:
// a begin record, chunks of changes, an end record. One without its end does not
// count.

// checkpoint is one that was read whole: the changes of (base, position].
type checkpoint struct {
	base     uint64
	position uint64
	tables   []uint16
	changes  []change.Placed
}

// checkpointReader gathers the checkpoints of what came after base, and goes no
// further than upTo, during a replay.
type checkpointReader struct {
	base, upTo uint64
	open       *checkpoint
	whole      *checkpoint // the newest
}

func (r *checkpointReader) record(typ change.RecordType, rec []byte, tables []uint16) (err error) {
	switch typ {
	case change.CheckpointBegin:
		var c change.Checkpoint
		r.open = nil
		if c, err = change.DecodeCheckpointBegin(rec); err == nil && c.Base == r.base && c.Position <= r.upTo {
			r.open = &checkpoint{base: c.Base, position: c.Position, tables: slices.Clone(tables)}
		}
	case change.CheckpointChunk:
		if r.open != nil {
			var chunk []change.Placed
			chunk, err = change.DecodeCheckpointChunk(rec, nil)
			r.open.changes = append(r.open.changes, chunk...)
		}
	case change.CheckpointEnd:
		var position, n uint64
		if position, n, err = change.DecodeCheckpointEnd(rec); err == nil && r.open != nil && r.open.position == position {
			if n != uint64(len(r.open.changes)) {
				return fmt.Errorf("checkpoint at %d: %d changes, wanted %d", position, len(r.open.changes), n)
			}
			r.whole, r.open = r.open, nil
		}
	default:
		return fmt.Errorf("record type %v has no place in a log that is replayed", typ)
	}
	return err
}

// applyCheckpoint begins a replay with a checkpoint's state.
func (r *replayer) applyCheckpoint(c *checkpoint) error {
	r.tables = c.tables
	for i := range c.changes {
		if err := r.apply(&c.changes[i].Change, c.changes[i].Seq); err != nil {
			return fmt.Errorf("checkpoint at %d: %w", c.position, err)
		}
	}
	return nil
}

const (
	// checkpointRatio is how many times larger than what is dirty the log since the
	// watermark gets before it is folded into a checkpoint.
	checkpointRatio = 4
	// checkpointSegments is the least log, in segments, that is worth one.
	checkpointSegments = 2
	// checkpointAfter is how long the watermark has to stand still before a checkpoint
	// is worth its writing, unless the log is half full before.
	checkpointAfter = 5 * time.Second
	// checkpointChunk is how many changes stand in a record.
	checkpointChunk = 512
)

// checkpointer remembers what checkpoints were written. Only the flusher's goroutine
// uses it.
type checkpointer struct {
	mark     uint64    // the watermark
	since    time.Time // when it has come there
	midCut   bool      // a cut is in SQL in part: it must stay as it is
	position uint64    // of the newest checkpoint
}

// foldLog writes a checkpoint of everything up to the cut that was just taken, if the
// log has grown far beyond what is dirty: as it does while the database is away. It
// runs where cuts are made, so no batch is on its way meanwhile.
func (db *DB) foldLog(last *dirty.Cut) {
	c := &db.checkpoints
	if db.log == nil || c.midCut {
		return
	}
	if time.Since(c.since) < checkpointAfter && db.log.Bytes() < db.opts.Log.MaxBytes/2 {
		return
	}
	position := last.Position()
	grown := position - max(c.mark, c.position)
	_, bytes := db.unflushed()
	if grown < uint64(max(checkpointRatio*bytes, checkpointSegments*db.opts.Log.SegmentBytes)) {
		return
	}
	if err := db.writeCheckpoint(c.mark, position); err != nil {
		return // the log has failed or is full, and tells writers so; one without an end does not count
	}
	c.position = position
	db.log.Trim(wal.Position(position))
	db.opts.OnEvent(Event{Kind: EventCheckpoint, Text: fmt.Sprintf("%d bytes of log are folded into what is dirty", grown)})
}

// writeCheckpoint logs the changes of all cuts that are not settled, and returns when
// they are on disk.
func (db *DB) writeCheckpoint(base, position uint64) error {
	w := checkpointWriter{db: db}
	head := change.Checkpoint{UnixMs: db.now(), Base: base, Position: position}
	if _, err := db.log.Append(change.AppendCheckpointBegin(nil, head)); err != nil {
		return err
	}
	for _, c := range db.cuts.upTo(position) {
		for i := range db.shards {
			c.View(i, func(set *dirty.Set) {
				set.Changes(func(p change.Placed) bool {
					if p.Op != change.ClearTable || i == 0 { // every shard's set has it
						w.add(p)
					}
					return w.err == nil
				})
			})
		}
	}
	w.flush()
	if w.err != nil {
		return w.err
	}
	end, err := db.log.Append(change.AppendCheckpointEnd(nil, position, w.written))
	if err != nil {
		return err
	}
	return db.log.WaitSynced(context.Background(), end)
}

// checkpointWriter gathers changes into records.
type checkpointWriter struct {
	db      *DB
	chunk   []change.Placed
	buf     []byte
	written uint64
	err     error
}

func (w *checkpointWriter) add(p change.Placed) {
	w.chunk = append(w.chunk, p)
	w.written++
	if len(w.chunk) == checkpointChunk {
		w.flush()
	}
}

func (w *checkpointWriter) flush() {
	if len(w.chunk) == 0 || w.err != nil {
		return
	}
	w.buf = change.AppendCheckpointChunk(w.buf[:0], w.chunk)
	_, w.err = w.db.log.Append(w.buf)
	w.chunk = w.chunk[:0]
}

// reaches reports whether everything after mark can be rebuilt from the log: from its
// records, or from a checkpoint of the changes since just there.
func (db *DB) reaches(mark uint64) (bool, error) {
	oldest := uint64(db.log.Oldest())
	if mark >= oldest {
		return true, nil
	}
	end := uint64(db.log.End())
	r := &replayer{db: db, checkpoint: checkpointReader{base: mark, upTo: end}}
	if err := r.run(oldest, end, nil); err != nil {
		return false, err
	}
	return r.checkpoint.whole != nil, nil
}
