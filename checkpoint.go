package lull

import (
	"fmt"
	"slices"

	"github.com/lullcache/lull/internal/change"
)

// A checkpoint is the dirty set of one position written into the log, so that the
// log before that position may go although the database has not taken its changes:
// a begin record, chunks of changes, an end record. One without its end does not
// count.

// checkpoint is one that was read whole.
type checkpoint struct {
	position uint64
	tables   []uint16
	changes  []change.Placed
}

// checkpointReader gathers checkpoints during a replay.
type checkpointReader struct {
	open  *checkpoint
	whole *checkpoint // the newest
}

func (r *checkpointReader) record(typ change.RecordType, rec []byte, tables []uint16) (err error) {
	switch typ {
	case change.CheckpointBegin:
		var c change.Checkpoint
		if c, err = change.DecodeCheckpointBegin(rec); err == nil {
			r.open = &checkpoint{position: c.Position, tables: slices.Clone(tables)}
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
