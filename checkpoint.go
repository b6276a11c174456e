package lull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/wal"
	"github.com/lullcache/lull/sink"
)

// A checkpoint is a cut written into the log, so that the log up to the cut's
// position may go although the database has not taken its changes: a begin record,
// chunks of changes, an end record. One without its end does not count. Each cut that
// waits has one of its own, which begins where the one before ends: while it is in
// doubt whether the first is in SQL, recovery can begin on either side of it.

// checkpoint is one that was read whole: the changes of (base, position].
type checkpoint struct {
	base     uint64
	position uint64
	tables   []uint16
	changes  []change.Placed
}

// checkpointReader gathers the checkpoints that go no further than upTo, during a
// replay.
type checkpointReader struct {
	base   uint64 // where a chain of use begins
	upTo   uint64
	lastMs int64 // newest time seen
	open   *checkpoint
	whole  map[uint64]*checkpoint // by base, the newest of each
}

// chain is the checkpoints, one behind the other, of what came after base.
func (r *checkpointReader) chain(base uint64) (chain []*checkpoint) {
	for c := r.whole[base]; c != nil; c = r.whole[c.position] {
		chain = append(chain, c)
	}
	return chain
}

// reached reports whether there is a checkpoint at base.
func (r *checkpointReader) reached() bool { return r.whole[r.base] != nil }

func (r *checkpointReader) record(typ change.RecordType, rec []byte, tables []uint16) (err error) {
	switch typ {
	case change.CheckpointBegin:
		var c change.Checkpoint
		r.open = nil
		c, err = change.DecodeCheckpointBegin(rec)
		r.lastMs = max(r.lastMs, c.UnixMs)
		if err == nil && c.Base < c.Position && c.Position <= r.upTo {
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
			if r.whole == nil {
				r.whole = make(map[uint64]*checkpoint)
			}
			r.whole[r.open.base], r.open = r.open, nil
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
	mark     sink.Mark // the watermark
	since    time.Time // when it has come there
	position uint64    // of the newest checkpoint
	failed   uint64    // where the log ended when one could not be written
	// bounds are the ends of cuts, rising, that the log names; the last that was new to it
	// stands at noted.
	bounds []uint64
	noted  wal.Position
	away   bool // the lane is not taken yet
}

// foldLog writes checkpoints of all cuts up to the one that was just taken, if the log
// has grown far beyond what is dirty: as it does while the database is away. It runs
// where cuts are made, so no batch is being sent meanwhile.
func (db *DB) foldLog(last *dirty.Cut) {
	c := &db.checkpoints
	if db.log == nil {
		return
	}
	if db.opts.world.Since(c.since) < checkpointAfter && db.log.Bytes() < db.opts.Log.MaxBytes/2 {
		return
	}
	position := last.Position()
	grown, worth := db.grown(position)
	if !worth {
		return
	}
	if err := db.writeCheckpoints(position); err != nil {
		c.failed = db.position()
		return // the log has failed or is full, and tells writers so; one without an end does not count
	}
	c.position = position
	db.log.Trim(wal.Position(position))
	db.opts.OnEvent(Event{Kind: EventCheckpoint, Text: fmt.Sprintf("%d bytes of log are folded into what is dirty", grown)})
}

// grown is how much log a checkpoint up to position would stand in for, and whether it is
// worth that.
func (db *DB) grown(position uint64) (bytes uint64, worth bool) {
	c := &db.checkpoints
	bytes = position - max(c.mark.Position, c.position)
	dirty := db.unflushedBytes.Load()
	return bytes, bytes >= uint64(max(checkpointRatio*dirty, checkpointSegments*db.opts.Log.SegmentBytes))
}

// writeCheckpoints logs how far the database is and the changes of all cuts that it
// does not have, and returns when they are on disk.
func (db *DB) writeCheckpoints(position uint64) error {
	base := db.checkpoints.mark.Position
	end, err := db.logSettled(db.checkpoints.mark)
	if err != nil {
		return err
	}
	for _, c := range db.cuts.upTo(position) {
		if c.Position() == base {
			continue // nothing came between
		}
		if end, err = db.writeCheckpoint(base, c); err != nil {
			return err
		}
		base = c.Position()
	}
	return db.log.WaitSynced(context.Background(), end)
}

// writeCheckpoint logs the changes of one cut.
func (db *DB) writeCheckpoint(base uint64, c *dirty.Cut) (end wal.Position, err error) {
	w := checkpointWriter{db: db}
	head := change.Checkpoint{UnixMs: db.now(), Base: base, Position: c.Position()}
	if _, err := db.log.Append(change.AppendCheckpointBegin(nil, head)); err != nil {
		return 0, err
	}
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
	w.flush()
	if w.err != nil {
		return 0, w.err
	}
	failpoint.Hit(failpoint.Folding)
	return db.log.Append(change.AppendCheckpointEnd(nil, c.Position(), w.written))
}

// logSettled logs how far the database is, or may be.
func (db *DB) logSettled(m sink.Mark) (wal.Position, error) {
	c := &db.checkpoints
	ends := db.cuts.ends(m.Position)
	if !db.mayHaveLane() { // what those before have sent is all that can be there
		ends = slices.DeleteFunc(ends, func(end uint64) bool { return !slices.Contains(c.bounds, end) })
	}
	return db.logBounds(m, ends)
}

func (db *DB) logBounds(m sink.Mark, bounds []uint64) (wal.Position, error) {
	c := &db.checkpoints
	end, err := db.log.Append(change.AppendSettled(nil, change.Settled{
		UnixMs: db.now(), Position: m.Position, Next: m.Next, Part: m.Part, Away: !db.mayHaveLane(),
		Start: db.starts.last(), Bounds: bounds}))
	if err == nil {
		if !named(bounds, c.bounds) {
			c.noted = end
		}
		c.bounds = bounds
	}
	return end, err
}

// named reports whether all ends are among bounds.
func named(ends, bounds []uint64) bool {
	return !slices.ContainsFunc(ends, func(end uint64) bool { return !slices.Contains(bounds, end) })
}

// mayHaveLane reports whether this process has the lane, or has tried to take it.
func (db *DB) mayHaveLane() bool { return !db.checkpoints.away || db.starts.noted }

// noteEnds has the log say where the cuts end that wait. SQL may be at any of these
// positions once its cut is sent. Without it a start with the database away would not know
// of this border, and might fold the log across it: then nothing could be rebuilt from there
// if the database turned out to be there. It is said as a cut is taken, so that the sync of
// the cut has it too, and so that a copy of the data directory knows where its original may
// bring SQL with what both have. It fails if the log has; a log without room has none for a
// checkpoint either.
func (db *DB) noteEnds() error {
	c := &db.checkpoints
	if db.log == nil {
		return nil
	}
	ends := db.cuts.ends(c.mark.Position)
	if named(ends, c.bounds) {
		return nil
	}
	if _, err := db.logBounds(c.mark, ends); err != nil && !errors.Is(err, wal.ErrFull) {
		return logError(err)
	}
	return nil
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
// records, or from checkpoints that begin just there. If a cut is in SQL in part, one has to
// end where that does.
func (db *DB) reaches(m sink.Mark) (bool, error) {
	end := uint64(db.log.End())
	if m.Next != 0 {
		if ok, err := db.reachesTo(m.Position, m.Next); !ok || err != nil {
			return ok, err
		}
		m.Position = m.Next
	}
	return db.reachesTo(m.Position, end)
}

func (db *DB) reachesTo(after, upTo uint64) (bool, error) {
	oldest := uint64(db.log.Oldest())
	if after >= oldest {
		return true, nil
	}
	r := &replayer{db: db, moot: true, checkpoint: checkpointReader{upTo: upTo}}
	err := r.run(oldest, upTo)
	if errors.Is(err, wal.ErrTrimmed) { // just now
		return db.reachesTo(after, upTo)
	}
	if err != nil {
		return false, err
	}
	chain := r.chain(after)
	return len(chain) > 0 && chain[len(chain)-1].position >= min(oldest, upTo), nil
}
