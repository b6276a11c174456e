package lull

import (
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/wal"
)

// Recovery makes the changes that the database does not have into one cut: it
// replays the log's records after the watermark, or, with the database away, after
// the last record of a settled flush. The keyspace is left empty: a key is loaded
// when it is first touched, and the cut laid over it.

// lookFunc is told how many bytes of the log are replayed, of how many. Its error ends
// the replay.
type lookFunc func(done, total uint64) error

// lookBytes is how much log is replayed between two calls of a lookFunc.
const lookBytes = 1 << 20

// replayer turns records into dirty sets.
type replayer struct {
	db   *DB
	sets []*dirty.Set
	// from and tables are of the segment that is being read: its dictionary's numbers
	// in the engine's, by Change.Table.
	tables  []uint16
	known   int // tables that the sets know
	changes []change.Change

	lastMs  int64  // newest time seen
	settled uint64 // newest settled position seen
	oldest  int64  // time of the first unit applied

	checkpoint checkpointReader
}

// replay makes a cut of the units in (after, upTo]. Checkpoints stand in for units
// whose log may be gone; they were written behind them, perhaps beyond upTo.
func (db *DB) replay(after, upTo uint64, look lookFunc) (*replayer, *dirty.Cut, error) {
	r := &replayer{db: db}
	for tables := -1; tables != len(db.dictionary); { // again, if the log named tables of its own
		tables = len(db.dictionary)
		*r = replayer{db: db, checkpoint: checkpointReader{upTo: upTo}}
		if err := r.run(max(after, uint64(db.log.Oldest())), upTo, nil, look); err != nil {
			return nil, nil, err
		}
	}
	chain, from := r.checkpoint.chain(after), after
	if len(chain) > 0 {
		from = chain[len(chain)-1].position
	}
	if oldest := uint64(db.log.Oldest()); from < min(oldest, upTo) {
		return nil, nil, fmt.Errorf("log: what was written from position %d to %d is needed, and it is kept from %d on", after, upTo, oldest)
	}
	if len(chain) > 0 {
		again := &replayer{db: db, lastMs: r.lastMs, settled: r.settled}
		if err := again.run(max(from, uint64(db.log.Oldest())), upTo, chain, look); err != nil {
			return nil, nil, err
		}
		r = again
	}
	at := db.opts.world.Now()
	if r.oldest > 0 {
		at = time.UnixMilli(r.oldest)
	}
	return r, dirty.NewCut(upTo, at, r.sets), nil
}

// run reads the log after a position once. The state begins with checkpoints, the last
// of which ends there.
func (r *replayer) run(after, upTo uint64, begin []*checkpoint, look lookFunc) error {
	r.known = len(r.db.dictionary)
	r.sets = make([]*dirty.Set, shardCount)
	for i := range r.sets {
		r.sets[i] = dirty.New(r.db.dictionary, 0)
	}
	for _, c := range begin {
		if err := r.applyCheckpoint(c); err != nil {
			return err
		}
	}
	next := after
	return r.db.log.Replay(wal.Position(after), r.dictionary, func(pos wal.Position, rec []byte) error {
		if at := uint64(pos); look != nil && at >= next && at <= upTo {
			next = at + lookBytes
			if err := look(at-after, upTo-after); err != nil {
				return err
			}
		}
		return r.record(uint64(pos), rec, upTo)
	})
}

// dictionary reads the head of a segment.
func (r *replayer) dictionary(rec []byte) error {
	def, err := change.DecodeDictionary(rec)
	if err != nil {
		return fmt.Errorf("log: dictionary: %w", err)
	}
	r.tables = r.tables[:0]
	for i := range def {
		r.tables = append(r.tables, r.db.tableNumber(&def[i]))
	}
	return nil
}

// tableNumber finds a table of the log in the engine's dictionary. One that the
// configuration no longer has, or has otherwise, is added: its changes go to SQL by
// the names in the log.
func (db *DB) tableNumber(def *change.TableDef) uint16 {
	for i := range db.dictionary {
		have := &db.dictionary[i]
		if have.Schema == def.Schema && have.Name == def.Name && have.PerDB == def.PerDB &&
			slices.Equal(have.KeyColumns, def.KeyColumns) && slices.Equal(have.RowColumns, def.RowColumns) &&
			slices.Equal(have.Columns, def.Columns) {
			return uint16(i)
		}
	}
	extra := *def
	extra.Space = uint16(len(db.dictionary))
	db.dictionary = append(slices.Clip(db.dictionary), extra)
	return extra.Space
}

func (r *replayer) record(pos uint64, rec []byte, upTo uint64) error {
	typ, err := change.TypeOf(rec)
	if err != nil {
		return fmt.Errorf("log: record at %d: %w", pos, err)
	}
	switch typ {
	case change.Unit:
		if pos <= upTo {
			err = r.unit(pos, rec)
		}
	case change.SettledRecord:
		var s change.Settled
		if s, err = change.DecodeSettled(rec); err == nil {
			r.settled = max(r.settled, s.Position)
		}
	default:
		err = r.checkpoint.record(typ, rec, r.tables)
	}
	if err != nil {
		return fmt.Errorf("log: record at %d: %w", pos, err)
	}
	return nil
}

func (r *replayer) unit(pos uint64, rec []byte) (err error) {
	var ms int64
	if ms, r.changes, err = change.DecodeUnit(rec, r.changes[:0]); err != nil {
		return err
	}
	r.lastMs = max(r.lastMs, ms)
	if r.oldest == 0 {
		r.oldest = ms
	}
	for i := range r.changes {
		if err := r.apply(&r.changes[i], dirty.SeqOf(pos, len(r.changes), i)); err != nil {
			return err
		}
	}
	return nil
}

// apply hands a change of the current segment to the dirty set of its key's shard.
func (r *replayer) apply(c *change.Change, seq uint64) error {
	if int(c.Table) >= len(r.tables) {
		return fmt.Errorf("table number %d: the dictionary has %d", c.Table, len(r.tables))
	}
	c.Table = r.tables[c.Table]
	if int(c.Table) >= r.known {
		return nil // the dictionary has just grown: this run is made again
	}
	if c.Op == change.ClearTable {
		for _, s := range r.sets {
			s.Apply(c, seq)
		}
		return nil
	}
	r.sets[r.db.shardOfChange(c)].Apply(c, seq)
	return nil
}

// shardOfChange finds the shard of a change by its Redis key.
func (db *DB) shardOfChange(c *change.Change) uint8 {
	key := c.Key
	if t := db.maps.Table(c.Table); t != nil {
		key = string(t.AppendKey(nil, c.Key))
	}
	return shardOf(keyspace.HashString(key))
}
