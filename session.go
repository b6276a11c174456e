package lull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/internal/wal"
)

// Session is one caller's view of the DB: its database number, its ack level, the
// keys it watches. A Session is for one goroutine at a time.
type Session struct {
	db  *DB
	sel uint8
	ack Ack
	tx  Tx
	// watches are the keys under WATCH; nil without any.
	watches *watch
	// stopped is the time of all units while the clock stands still; 0: it runs.
	stopped int64
	// onWait is called before a unit waits; nil: nothing.
	onWait func()
	// last is the newest position that this session wrote or could have read.
	last Ticket
	// asked is when Missing found some, until a unit has run.
	asked time.Time
}

// Runner is a unit of work. Run may be called again, after keys were loaded. What it
// had changed by then is as if it had not been; so a unit that opens all keys before it
// changes any costs the fewest loads.
type Runner interface {
	Run(tx *Tx) error
}

// RunFunc makes a function a Runner.
type RunFunc func(tx *Tx) error

// Run calls f.
func (f RunFunc) Run(tx *Tx) error { return f(tx) }

// Need says how much of a key a unit has to know.
type Need uint8

// The needs.
const (
	// NeedNone: the unit overwrites the key without looking.
	NeedNone Need = iota
	// NeedHint is NeedExists where a unit can do without on a mapped key while the
	// database is away (XADD with an id of Lull's choice).
	NeedHint
	// NeedExists: whether the key exists, its type and expiry.
	NeedExists
	// NeedAll: the whole value.
	NeedAll
)

// KeyNeed is a key of a database, and how much of it a unit has to know.
type KeyNeed struct {
	Name     []byte
	Database int
	Need     Need
}

// Ticket is what an answer has to wait for: Position at the level Ack. The zero
// Ticket waits for nothing.
type Ticket struct {
	Position uint64
	Ack      Ack
	// rows are those that were changed, at AckDatabase.
	rows *[]place
}

// NewSession returns a session on database 0 with the DB's ack level.
func (db *DB) NewSession() *Session {
	s := &Session{db: db}
	s.tx.db, s.tx.sess = db, s
	return s
}

// Select changes the session's database, 0 to 15.
func (s *Session) Select(n int) error {
	if n < 0 || n >= dbCount {
		return fmt.Errorf("DB index is out of range: got %d, wanted 0 to %d", n, dbCount-1)
	}
	s.sel = uint8(n)
	return nil
}

// Database returns the session's database number.
func (s *Session) Database() int { return int(s.sel) }

// SetAck sets the level that this session's writes wait for at least; 0 goes back
// to the DB's and the tables' levels.
func (s *Session) SetAck(a Ack) { s.ack = a }

// Ack returns the session's level.
func (s *Session) Ack() Ack { return s.ack }

// Exec runs r with the shards of keys locked. write says that r may change
// something: such a unit waits first while a limit is reached. The Ticket says what the
// answer has to wait for: that of a read for nothing, although it may record that a key has
// expired. An error of r comes back as it is.
func (s *Session) Exec(ctx context.Context, keys [][]byte, write bool, r Runner) (Ticket, error) {
	if write {
		if err := s.admit(ctx); err != nil {
			return Ticket{}, err
		}
	}
	tx := &s.tx
	tx.begin(write)
	for _, k := range keys {
		tx.first, tx.firstHash = k, keyspace.Hash64(k)
		tx.locks.add(shardOf(tx.firstHash))
	}
	return s.run(ctx, r)
}

// ExecAll is Exec with every shard locked, for units that touch all keys.
func (s *Session) ExecAll(ctx context.Context, write bool, r Runner) (Ticket, error) {
	if write {
		if err := s.admit(ctx); err != nil {
			return Ticket{}, err
		}
	}
	s.tx.begin(write)
	s.tx.locks = allShards()
	return s.run(ctx, r)
}

// ExecMulti is Exec for several commands as one unit: what keys need is in memory
// before r starts, and if a key under WATCH has changed nothing runs and
// ErrChanged comes back. The watches are gone afterwards. all locks every shard.
func (s *Session) ExecMulti(ctx context.Context, keys []KeyNeed, all, write bool, r Runner) (Ticket, error) {
	defer s.Unwatch()
	if write {
		if err := s.admit(ctx); err != nil {
			return Ticket{}, err
		}
	}
	tx := &s.tx
	tx.begin(write)
	for _, k := range keys {
		tx.locks.add(shardOf(keyspace.Hash64(k.Name)))
	}
	if s.watches != nil {
		for _, k := range s.watches.keys {
			tx.locks.add(shardOf(keyspace.HashString(k.name)))
		}
	}
	if all {
		tx.locks = allShards()
	}
	return s.run(ctx, &multi{sess: s, keys: keys, all: all && write, inner: r})
}

// multi checks the watches and makes sure of the keys before the inner unit.
type multi struct {
	sess  *Session
	keys  []KeyNeed
	all   bool // every shard is locked, and may be emptied
	inner Runner
}

func (m *multi) Run(tx *Tx) error {
	if w := m.sess.watches; w != nil {
		for _, k := range w.keys {
			if h := tx.lookup(k); h.e != nil && !live(h.e, tx.now) && h.exists() {
				return ErrChanged // it has expired, and nobody has looked
			}
		}
		if w.changed.Load() {
			return ErrChanged
		}
	}
	sel := tx.sel
	var missing error
	for _, k := range m.keys {
		tx.sel = uint8(k.Database)
		need := k.Need
		if need == NeedNone {
			if !tx.keepsRows(k.Name) {
				continue
			}
			need = NeedAll
		}
		if _, err := tx.open(k.Name, keyspace.TypeNone, need); err == errMiss {
			missing = err
		}
	}
	tx.sel = sel
	if m.all && missing == nil {
		missing = tx.knowWatched()
	}
	if missing != nil {
		return missing
	}
	tx.multi = true
	return m.inner.Run(tx)
}

// keepsRows reports whether overwriting key needs its old value: of a mapped
// collection those rows are kept that are in the new one too.
func (tx *Tx) keepsRows(key []byte) bool {
	if tx.sel != 0 {
		return false
	}
	t := tx.db.maps.Match(key)
	return t != nil && (t.Kind == mapping.Set || t.Kind == mapping.ZSet)
}

// run locks, runs, commits and unlocks, and loads what was missing in between.
func (s *Session) run(ctx context.Context, r Runner) (Ticket, error) {
	tx := &s.tx
	defer tx.end()
	for {
		s.db.lock(&tx.locks)
		tx.now = s.time()
		err := r.Run(tx)
		var ticket Ticket
		var commitErr error
		if err != nil && tx.missed() && len(tx.changes) > tx.early {
			tx.forget() // it changed a key before it opened another: as if it had not
		} else {
			ticket, commitErr = tx.commit()
		}
		if err != nil && err != errMiss {
			tx.uncount()
		}
		s.db.unlock(&tx.locks)
		if !tx.write {
			ticket, commitErr = Ticket{}, nil // that a key has expired holds without a record
		}
		if commitErr != nil {
			return Ticket{}, commitErr
		}
		if err != errMiss {
			s.asked = time.Time{}
			if ticket.Position > s.last.Position {
				s.last = ticket
			}
			return ticket, err
		}
		s.waits()
		if err := s.fetch(ctx); err != nil {
			return Ticket{}, err
		}
		tx.again()
		tx.rerun = true
	}
}

// openedKeep is for how many handles room is kept from one unit to the next.
const openedKeep = 256

// end lets go of what the unit was about.
func (tx *Tx) end() {
	tx.first = nil
	if clear(tx.opened); cap(tx.opened) > openedKeep {
		tx.opened = nil
	}
	tx.endParts()
}

// time returns the time of the unit that begins, in ms since 1970.
func (s *Session) time() int64 {
	if s.stopped != 0 {
		return s.stopped
	}
	return s.db.now()
}

// StopClock has the units that come next take the present for their time, until
// StartClock or until one has to wait. It is for a caller with several units to run at
// once, which need not each ask for the time.
func (s *Session) StopClock() { s.stopped = s.db.now() }

// StartClock has each unit ask for the time again.
func (s *Session) StartClock() { s.stopped = 0 }

// OnWait has f called before a unit of the session waits for SQL or for room. It is for
// a caller that has other work for the goroutine's thread, which f may give to another.
func (s *Session) OnWait(f func()) { s.onWait = f }

// waits is called before something that takes its time.
func (s *Session) waits() {
	s.StartClock()
	if s.onWait != nil {
		s.onWait()
	}
}

// admit lets a writing unit in: at once below 80 % of every limit, gradually
// slower above, and at a limit after room was made or WriteTimeout has passed.
func (s *Session) admit(ctx context.Context) error {
	fill, err := s.db.fill()
	if err != nil || fill < slowFrom {
		return err
	}
	s.waits()
	return s.db.admitSlowly(ctx, fill)
}

// missed reports whether the unit found that something has to be loaded.
func (tx *Tx) missed() bool { return len(tx.misses)+len(tx.wanted) > 0 }

// uncount has what the unit missed not count: its caller loads that and runs it again.
func (tx *Tx) uncount() {
	for i := range tx.misses {
		if k := &tx.misses[i]; k.need != NeedNone {
			tx.db.shards[shardOf(k.hash)].misses--
		}
	}
}

// fetch gets what the unit found missing. If the database is away and the unit can
// do without, it is told so by tx.away instead.
func (s *Session) fetch(ctx context.Context) error {
	tx := &s.tx
	err := s.load(ctx)
	if err == nil {
		err = tx.readParts(ctx)
	}
	if errors.Is(err, ErrNoDB) && tx.optional() {
		tx.away, err = true, nil
	}
	return err
}

// load loads what the unit found missing, within what is left of LoadTimeout since Missing.
func (s *Session) load(ctx context.Context) error {
	db, keys, asked := s.db, s.tx.misses, s.asked
	if asked.IsZero() {
		return db.load(ctx, keys)
	}
	s.asked = time.Time{}
	left, err := db.opts.LoadTimeout-db.opts.world.Since(asked), context.DeadlineExceeded
	if left > 0 {
		bounded, cancel := context.WithTimeout(ctx, left)
		defer cancel()
		err = db.load(bounded, keys)
	}
	if err == context.DeadlineExceeded && ctx.Err() == nil {
		return db.unlessStale(keys, db.loadError(err))
	}
	return err
}

// optional reports whether the unit can do without all that it found missing.
func (tx *Tx) optional() bool {
	return !tx.away &&
		!slices.ContainsFunc(tx.misses, func(k loadKey) bool { return !k.optional }) &&
		!slices.ContainsFunc(tx.wanted, func(p streamPart) bool { return !p.optional })
}

// Wait blocks until t's position has reached t's level.
//
// It returns ErrTimeout after WriteTimeout at AckDatabase, ErrRefused if a row of
// the unit was set aside, ErrReadOnly if the log failed before the position was on disk.
func (s *Session) Wait(ctx context.Context, t Ticket) error {
	switch t.Ack {
	case AckDisk:
		return s.db.waitDisk(ctx, t.Position, 1)
	case AckDatabase:
		return s.db.waitDatabase(ctx, t)
	}
	return nil
}

// WaitDisk is Wait until t's position is on disk, for as many callers as n says, who wait
// through this one. leave is called before it waits for another goroutine: while syncs are short
// the caller makes one itself.
func (db *DB) WaitDisk(ctx context.Context, t Ticket, n int, leave func()) error {
	if db.log == nil || db.log.SyncHere(wal.Position(t.Position), syncShort) {
		return nil
	}
	leave()
	return db.waitDisk(ctx, t.Position, n)
}

// OnDisk reports whether t's position is on disk.
func (db *DB) OnDisk(t Ticket) bool {
	return db.log == nil || uint64(db.log.Synced()) >= t.Position
}

// Prefetch loads the keys that are not in memory, in one query for each table.
// Errors are left to the units that need the keys.
func (s *Session) Prefetch(ctx context.Context, keys []KeyNeed) {
	if s.miss(keys) {
		_ = s.db.load(ctx, s.tx.misses)
	}
}

// Missing are keys that were not in memory.
type Missing struct {
	db   *DB
	keys []loadKey
}

// Missing is Prefetch for a caller that has something else to do meanwhile: Missing.Load makes the
// load. It is false if all keys are in memory.
//
// The next unit that misses a key waits for what is left of LoadTimeout since then.
func (s *Session) Missing(keys []KeyNeed) (Missing, bool) {
	if !s.miss(keys) {
		return Missing{}, false
	}
	missing := Missing{s.db, s.tx.misses}
	s.tx.misses, s.asked = nil, s.db.opts.world.Now()
	return missing, true
}

// Load loads the keys. f is called once, when they are in memory or could not be loaded, by
// whoever loaded them: it must not take long. Errors are left to the units that need the keys.
func (m Missing) Load(ctx context.Context, f func()) { m.db.loadThen(ctx, m.keys, f) }

// miss reports whether some of keys are not in memory: those are the transaction's misses then.
func (s *Session) miss(keys []KeyNeed) bool {
	tx := &s.tx
	tx.begin(false)
	tx.now = s.time()
	for some := range slices.Chunk(keys, lockedAtOnce) {
		tx.missing(some)
	}
	tx.first = nil
	return len(tx.misses) > 0
}

// lockedAtOnce is of how many keys the shards are locked together, so that the
// processor waits for their memory at once and others do not wait long.
const lockedAtOnce = 8

// missing adds to the misses what of some keys is not in memory.
func (tx *Tx) missing(keys []KeyNeed) {
	var hashes [lockedAtOnce]uint64
	tx.locks = lockSet{}
	for i := range keys {
		hashes[i] = keyspace.Hash64(keys[i].Name)
		tx.locks.add(shardOf(hashes[i]))
	}
	tx.db.lock(&tx.locks)
	for i := range keys {
		tx.db.shards[shardOf(hashes[i])].approach(uint8(keys[i].Database), hashes[i])
	}
	for i := range keys {
		if k := &keys[i]; k.Need != NeedNone {
			tx.sel, tx.first, tx.firstHash = uint8(k.Database), k.Name, hashes[i]
			_, _ = tx.open(k.Name, keyspace.TypeNone, k.Need)
		}
	}
	_, _ = tx.commit()
	tx.db.unlock(&tx.locks)
	tx.rearm()
}
