package lull

import (
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyhash"
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

// replayer turns records into dirty sets.
type replayer struct {
	sorter
	db    *DB
	begin []*checkpoint // the state to begin with: the last of them ends where reading begins
	look  lookFunc
	// tables are those of the segment that is being read: its dictionary's numbers in the
	// engine's, by Change.Table.
	tables []uint16
	// moot: it is known by now that what is applied will not be used.
	moot bool

	lastMs int64      // newest time seen
	gap    change.Gap // the newest
	oldest int64      // time of the first unit applied

	checkpoint checkpointReader
}

// replay makes a cut of the units in (after, upTo]. Checkpoints stand in for units
// whose log may be gone; they were written behind them, perhaps beyond upTo.
func (db *DB) replay(after, upTo uint64, look lookFunc) (*replayer, *dirty.Cut, error) {
	r := &replayer{db: db}
	for tables := -1; tables != len(db.dictionary); { // again, if the log named tables of its own
		tables = len(db.dictionary)
		*r = replayer{db: db, look: look, checkpoint: checkpointReader{base: after, upTo: upTo}}
		if err := r.run(max(after, uint64(db.log.Oldest())), upTo); err != nil {
			return nil, nil, err
		}
	}
	r.lastMs = max(r.lastMs, r.checkpoint.lastMs)
	if after < r.gap.To {
		return nil, nil, lostError(r.gap)
	}
	chain, from := r.chain(after), after
	if len(chain) > 0 {
		from = chain[len(chain)-1].position
	}
	if oldest := uint64(db.log.Oldest()); from < min(oldest, upTo) {
		return nil, nil, fmt.Errorf("log: what was written from position %d to %d is needed, and it is kept from %d on", after, upTo, oldest)
	}
	if len(chain) > 0 {
		again := &replayer{db: db, look: look, begin: chain, lastMs: r.lastMs}
		if err := again.run(max(from, uint64(db.log.Oldest())), upTo); err != nil {
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

// chain is the checkpoints of what came after a position.
func (r *replayer) chain(after uint64) []*checkpoint {
	if c := r.checkpoint.chain(after); len(c) > 0 || after != r.gap.To {
		return c
	}
	return r.checkpoint.chain(r.gap.From) // there is nothing between
}

// run reads the log after a position once.
func (r *replayer) run(after, upTo uint64) error {
	r.open(r.db.dictionary)
	for _, c := range r.begin {
		if err := r.applyCheckpoint(c); err != nil {
			return err
		}
	}
	err := r.db.log.Replay(wal.Position(after), r.dictionary, func(pos wal.Position, rec []byte) error {
		if err := r.record(uint64(pos), rec, upTo); err != nil {
			return err
		}
		if !r.full() {
			return nil
		}
		if r.send(); r.look == nil {
			return nil
		}
		return r.look(min(uint64(pos), upTo)-after, upTo-after)
	})
	if err == nil {
		r.send()
	}
	r.end()
	if r.gap.To < r.db.gap.To { // the log has no room to say so
		r.gap = r.db.gap
	}
	return err
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
	r.moot = r.moot || len(r.db.dictionary) > len(r.def) // this run is made again
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
		if pos <= upTo && !r.moot {
			err = r.unit(pos, view(rec))
		}
	case change.SettledRecord:
		var s change.Settled
		if s, err = change.DecodeSettled(rec); err == nil {
			r.lastMs = max(r.lastMs, s.UnixMs)
		}
	case change.GapRecord:
		r.gap, err = change.DecodeGap(rec)
	default:
		err = r.checkpoint.record(typ, rec, r.tables)
		r.moot = r.moot || r.checkpoint.reached() // another run begins with the checkpoints
	}
	if err != nil {
		return fmt.Errorf("log: record at %d: %w", pos, err)
	}
	return nil
}

// unit adds a unit to the batch, its changes sorted by shard. It looks at the record while the
// processor has it at hand.
func (r *replayer) unit(pos uint64, rec string) (err error) {
	var ms int64
	at := len(r.text)
	if ms, r.parts, err = change.SplitParts(rec, at, r.parts); err != nil {
		return err
	}
	r.text = append(r.text, rec...)
	r.lastMs = max(r.lastMs, ms)
	if r.oldest == 0 {
		r.oldest = ms
	}
	for i := range r.parts {
		p := &r.parts[i]
		if p.Table, err = r.translate(p.Table); err != nil {
			return err
		}
		r.place(r.db, p.KeyIn(rec, at), p, dirty.SeqOf(pos, len(r.parts), i))
	}
	return nil
}

// translate gives the engine's number of a table of the current segment.
func (r *replayer) translate(table uint16) (uint16, error) {
	if int(table) >= len(r.tables) {
		return 0, fmt.Errorf("table number %d: the dictionary has %d", table, len(r.tables))
	}
	return r.tables[table], nil
}

// apply hands a change of the current segment to the dirty set of its key's shard.
func (r *replayer) apply(c *change.Change, seq uint64) (err error) {
	if c.Table, err = r.translate(c.Table); err != nil {
		return err
	}
	if c.Op == change.ClearTable {
		for _, s := range r.sets {
			s.Apply(c, seq)
		}
		return nil
	}
	hash := keyhash.String(c.Key)
	r.sets[r.db.shardOfChange(c.Table, c.Key, hash)].ApplyHashed(c, hash, seq)
	return nil
}

// shardOfChange finds the shard of a change by its table and its key's tuple, whose hash is
// given.
func (db *DB) shardOfChange(table uint16, key string, hash uint64) uint8 {
	t := db.maps.Table(table)
	if t == nil || t.Generic() {
		return shardOf(hash)
	}
	var room [64]byte
	return shardOf(keyspace.Hash64(t.AppendKey(room[:0], key)))
}
