package lull

import (
	"fmt"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/value"
)

// Tx is one unit of work over keys whose shards it holds. It is valid only inside
// Runner.Run. Its methods are the operations on each type of value; each checks and
// loads all that it needs before it changes anything.
type Tx struct {
	db   *DB
	sess *Session
	sel  uint8
	// now is the unit's time, ms since 1970, read once.
	now   int64
	write bool
	// rerun is set when the unit runs again, after a load.
	rerun bool
	// multi is set once a MULTI has made sure of its keys.
	multi bool
	locks lockSet
	// first is the key that the unit was begun with, if it was one, and its hash.
	first     []byte
	firstHash uint64

	changes []change.Change
	to      []destination // of each change
	// early is how many of the changes were made by opening a key, not by the unit.
	early   int
	cells   []change.Cell
	touched []touched
	opened  []handle // by ready
	misses  []loadKey
	// wanted are parts of streams that have to be read before the unit runs again,
	// parts those that were. away says that the database could not be asked for what
	// the unit can do without.
	wanted []streamPart
	parts  []*partRead
	away   bool
	// emptied are the databases that the unit has emptied, a bit each.
	emptied uint16
	ack     Ack // strongest of the tables touched
	buf     []byte
	texts   []byte // of this unit, behind each other; see text
}

// The engine's own flags of entries.
const (
	// flagTouched: the running unit has changed the entry.
	flagTouched = keyspace.NoLoad << 1 << iota
	// flagBlind: the entry was set without looking at what SQL has under its key,
	// which may be of another type.
	flagBlind
	// flagReload: the database may have changed the row as it took it; it is loaded
	// again when next read.
	flagReload
	// flagHeaderDue: the stream's header is to be written by the next unit that
	// opens it.
	flagHeaderDue
)

// destination says where a change goes: to a shard, and there by the hash of Change.Key.
// A ClearTable goes to every shard.
type destination struct {
	hash  uint64
	shard uint8
}

// touched is an entry that the unit changed.
type touched struct {
	h      handle
	before int64 // its bytes before
}

// handle is an opened key.
type handle struct {
	// e is the key's entry; nil if it is not in memory.
	e *keyspace.Entry
	// t maps the key; nil for keys kept in memory alone.
	t    *mapping.Table
	sh   *shard
	hash uint64
	name []byte
	db   uint8
}

// exists reports whether the key is known to exist.
func (h *handle) exists() bool { return h.e != nil && h.e.Flags&keyspace.Absent == 0 }

// generic reports whether the key lives in Lull's own tables.
func (h *handle) generic() bool { return h.t != nil && h.t.Def.Space == 0 }

// mapped reports whether the key lives in a table of the user's.
func (h *handle) mapped() bool { return h.t != nil && h.t.Def.Space != 0 }

func (tx *Tx) begin(write bool) {
	tx.sel, tx.write, tx.multi, tx.away, tx.rerun = tx.sess.sel, write, false, false, false
	tx.locks, tx.first = lockSet{}, nil
	tx.again()
}

// again readies the Tx for another run over the same keys.
func (tx *Tx) again() {
	tx.misses, tx.wanted = tx.misses[:0], tx.wanted[:0]
	tx.rearm()
}

// rearm drops what a finished run left, and keeps the misses.
func (tx *Tx) rearm() {
	clear(tx.changes)
	clear(tx.cells)
	clear(tx.touched)
	tx.changes, tx.to, tx.cells, tx.touched = tx.changes[:0], tx.to[:0], tx.cells[:0], tx.touched[:0]
	tx.ack, tx.emptied, tx.early = 0, 0, 0
	tx.dropTexts()
}

// Now returns the unit's time in ms since 1970. In a session it never runs backwards,
// also not over a restart.
func (tx *Tx) Now() int64 { return tx.now }

// open finds a key and makes sure that need of it is known. want is the type that
// the caller works on, keyspace.TypeNone for any.
//
// It returns errMiss if the key has to be loaded first; the caller returns that
// before it changes anything.
func (tx *Tx) open(name []byte, want keyspace.Type, need Need) (handle, error) {
	h := handle{name: name, db: tx.sel, hash: tx.hashOf(name)}
	h.sh = &tx.db.shards[shardOf(h.hash)]
	if !tx.locks.has(h.sh.index) {
		panic(fmt.Sprintf("lull: key %q was not named when the unit began", name))
	}
	e := h.sh.find(h.db, h.hash, name)
	if void, err := tx.route(&h, e, want); void || err != nil {
		return h, err
	}
	if need != NeedNone && !tx.rerun {
		h.sh.lookups++
	}
	if h.e = e; e == nil {
		return h, tx.absent(&h, need)
	}
	h.e.Access = accessClock(tx.now)
	if h.e.ExpireAt != 0 && h.e.ExpireAt <= tx.now {
		if err := tx.expire(&h, need); err != nil || h.e == nil {
			return h, err
		}
	}
	if need == NeedAll && h.e.Flags&keyspace.Stub != 0 || tx.stale(&h) || tx.blind(&h, need) {
		return h, tx.miss(&h, need)
	}
	if h.e.Flags&flagHeaderDue != 0 && h.exists() && tx.mayRecord() {
		h.e.Flags &^= flagHeaderDue
		before := len(tx.changes)
		tx.putHeader(&h)
		tx.early += len(tx.changes) - before
	}
	if want != keyspace.TypeNone && h.exists() && h.e.Type() != want && need != NeedNone {
		return h, ErrWrongType
	}
	return h, nil
}

// hashOf returns the hash of a key.
func (tx *Tx) hashOf(name []byte) uint64 {
	if len(tx.first) > 0 && len(name) == len(tx.first) && &name[0] == &tx.first[0] {
		return tx.firstHash
	}
	return keyspace.Hash64(name)
}

// lookup finds an entry without a look at SQL or at its expiry.
func (tx *Tx) lookup(k dbKey) handle {
	h := handle{db: k.db, hash: keyspace.HashString(k.name)}
	h.sh = &tx.db.shards[shardOf(h.hash)]
	h.e = h.sh.find(k.db, h.hash, []byte(k.name))
	return h
}

// Select changes the database that the unit's operations speak of from here on, 0 to
// 15.
func (tx *Tx) Select(n int) {
	if n < 0 || n >= dbCount {
		panic(fmt.Sprintf("lull: database %d: wanted 0 to %d", n, dbCount-1))
	}
	tx.sel = uint8(n)
}

// route finds the table that maps the key, and refuses a type it does not map. void
// is true for a read of a key like player:042, which names no row. What has an entry e was
// looked at when that was made.
func (tx *Tx) route(h *handle, e *keyspace.Entry, want keyspace.Type) (void bool, err error) {
	if h.db == 0 && e != nil {
		h.t = tx.db.maps.Mapped(e.Table)
	}
	known := h.t != nil
	if h.db == 0 && !known {
		h.t = tx.db.maps.Match(h.name)
	}
	if h.t == nil {
		return false, tx.unmapped(h)
	}
	if want != keyspace.TypeNone && h.t.Kind != kindOf(want) {
		return false, &wrongTableType{h.t.Name, h.t.Kind.String()}
	}
	if known {
		return false, nil
	}
	if err := h.t.CheckKey(h.name); err != nil {
		if tx.write {
			return false, err
		}
		return true, nil
	}
	return false, nil
}

// unmapped applies the policy for keys that no table maps.
func (tx *Tx) unmapped(h *handle) error {
	switch tx.db.opts.Unmapped {
	case UnmappedCache:
		return nil
	case UnmappedReject:
		return fmt.Errorf("%w: %q; the nearest pattern is %s", ErrUnmapped, h.name, tx.db.maps.Nearest(h.name))
	}
	h.t = tx.db.maps.KeysTable()
	if tx.write {
		return tx.db.bounds.check(h.name, nil)
	}
	return nil
}

// absent decides what it means that a key is not in memory.
func (tx *Tx) absent(h *handle, need Need) error {
	switch {
	case need == NeedNone, h.t == nil:
		return nil
	case h.generic() && tx.complete(h), tx.emptied&(1<<h.db) != 0:
		return nil
	case need == NeedHint && tx.away && h.mapped():
		return nil
	}
	return tx.miss(h, need)
}

// complete reports whether all generic keys of the key's database that exist are in
// memory.
func (tx *Tx) complete(h *handle) bool {
	return tx.emptied&(1<<h.db) != 0 || tx.db.complete[h.db].Load()
}

// miss notes that the key has to be loaded.
func (tx *Tx) miss(h *handle, need Need) error {
	if tx.multi {
		return fmt.Errorf("%w: key %q is not in memory", ErrNoDB, h.name)
	}
	if need != NeedNone && !tx.rerun {
		h.sh.misses++
	}
	tx.misses = append(tx.misses, loadKey{dbKey: dbKey{h.db, string(h.name)}, need: need, t: h.t, hash: h.hash})
	k := &tx.misses[len(tx.misses)-1]
	if need == NeedHint {
		k.need, k.optional = NeedExists, h.mapped()
	}
	if h.mapped() { // and so its key was found well
		k.tuple = placedTuple{h.t.TupleOfKnown(k.name), true, true}
	}
	return errMiss
}

// stale reports whether a clean entry of a mapped table is older than max_age.
func (tx *Tx) stale(h *handle) bool {
	if !h.mapped() || tx.multi {
		return false
	}
	return tx.db.grownOld(h.e, h.t, tx.now)
}

// grownOld reports whether SQL may know an entry better than memory does.
func (db *DB) grownOld(e *keyspace.Entry, t *mapping.Table, now int64) bool {
	maxAge := db.tables[t.ID].maxAgeSeconds
	old := maxAge > 0 && int64(seconds(now))-int64(e.LoadedAt) > int64(maxAge)
	return (old || e.Flags&flagReload != 0 && seconds(now) != e.LoadedAt) && db.clean(e)
}

// expire removes a key whose time has come, as a change of this unit.
func (tx *Tx) expire(h *handle, need Need) error {
	if h.mapped() && h.t.Spec.OnExpire == "evict" {
		h.e.ExpireAt = 0
		if !tx.db.clean(h.e) {
			return nil
		}
		tx.db.account(-h.e.Bytes())
		h.sh.remove(h.db, h.hash, h.e)
		h.e = nil
		return tx.absent(h, need)
	}
	if !tx.mayRecord() {
		h.e = nil // gone for this reader; the next writer or the sweep records it
		return nil
	}
	tx.db.stats.expired.Add(1)
	before := len(tx.changes)
	tx.remove(h)
	tx.early += len(tx.changes) - before
	return nil
}

// mayRecord reports whether the unit may change something on its way: a read does
// not, while the log takes nothing.
func (tx *Tx) mayRecord() bool {
	return tx.write || tx.db.log == nil || tx.db.log.Room() == nil
}

// touch remembers that the unit changes the key's entry.
func (tx *Tx) touch(h *handle) {
	if h.e.Flags&flagTouched != 0 {
		return
	}
	h.e.Flags |= flagTouched
	tx.touched = append(tx.touched, touched{h: *h, before: h.e.Bytes()})
	tx.needs(h)
}

// needs raises the unit's ack level to that of the key's table.
func (tx *Tx) needs(h *handle) {
	if h.t != nil {
		tx.ack = max(tx.ack, tx.db.tables[h.t.ID].ack)
	}
}

// entry returns the key's entry for a change, putting one in if there is none. A new
// one is marked absent until it gets a value.
func (tx *Tx) entry(h *handle) *keyspace.Entry {
	if h.e == nil {
		h.e = keyspace.NewEntry(h.name)
		h.e.Flags, h.e.Access, h.e.LoadedAt = keyspace.Absent, accessClock(tx.now), seconds(tx.now)
		if h.t != nil {
			h.e.Table = h.t.ID
		}
		h.sh.insert(h.db, h.hash, h.e)
		tx.touched = append(tx.touched, touched{h: *h})
		h.e.Flags |= flagTouched
		tx.needs(h)
		return h.e
	}
	tx.touch(h)
	return h.e
}

// emit records a change. Cells must come from tx.cell.
func (tx *Tx) emit(h *handle, c change.Change) {
	c.DB = h.db
	hash := h.hash
	if h.mapped() && (len(c.Key) != len(h.e.Key()) || unsafe.StringData(c.Key) != unsafe.StringData(h.e.Key())) {
		hash = keyspace.HashString(c.Key)
	}
	tx.changes = append(tx.changes, c)
	tx.to = append(tx.to, destination{hash, h.sh.index})
}

// cellsOf puts cells into the unit's arena.
func (tx *Tx) cellsOf(cells ...change.Cell) []change.Cell {
	start := len(tx.cells)
	tx.cells = append(tx.cells, cells...)
	return tx.cells[start:len(tx.cells):len(tx.cells)]
}

// one is cellsOf for a single value.
func (tx *Tx) one(col uint16, v value.Value) []change.Cell {
	start := len(tx.cells)
	tx.cells = append(tx.cells, change.Cell{Col: col, Val: v})
	return tx.cells[start : start+1 : start+1]
}
