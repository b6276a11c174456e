package lull

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/internal/world"
)

// loader makes sure that a key is loaded once however many ask, and that keys of one
// row each go together: a few rounds of queries are under way at a time, and whoever
// comes meanwhile goes with the next. With many clients, each of which misses one key,
// a query for each would cost the database far more than the rows.
type loader struct {
	wake chan struct{}

	mu      sync.Mutex
	running map[dbKey]loading
	open    bool        // runRounds runs
	rounds  int         // under way
	waiting []*loadCall // the next rounds
	spare   []loadKey   // room for the keys of one
}

const (
	// loadRounds is how many rounds are under way at a time.
	loadRounds = 2
	// roundKeysMax is the most keys that whoever comes is added to.
	roundKeysMax = 1000
)

// loading is a key that is loaded: the place of its error among those of its call.
type loading struct {
	call *loadCall
	at   int
}

// loadCall is a load under way. errs is valid once done is closed.
type loadCall struct {
	done    chan struct{}
	errs    []error
	keys    []loadKey // of a round
	callers int       // of a round
}

func newLoadCall() *loadCall { return &loadCall{done: make(chan struct{})} }

// load brings keys into memory. It returns the first key's error.
func (db *DB) load(ctx context.Context, keys []loadKey) error {
	theirs, first := db.loader.join(keys)
	if theirs == nil {
		if first {
			defer db.loader.leave()
		}
		return db.loadApart(ctx, keys)
	}
	began := db.opts.world.Now()
	err := db.await(ctx, theirs)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if db.opts.world.Since(began) >= db.opts.LoadTimeout {
		return db.unlessStale(keys, err)
	}
	if !slices.ContainsFunc(theirs, func(t loading) bool { return t.call.callers > 1 }) {
		return err
	}
	return db.loadApart(ctx, keys) // perhaps the others' keys are to blame
}

// await waits for keys that are being loaded and returns the first error.
func (db *DB) await(ctx context.Context, theirs []loading) (first error) {
	for _, t := range theirs {
		if !db.opts.world.Wait(ctx, db.opts.LoadTimeout, t.call.done) {
			return cmp.Or(ctx.Err(), db.loadError(context.DeadlineExceeded))
		}
		first = cmp.Or(first, t.call.errs[t.at])
	}
	return first
}

// loadApart loads keys in a round of queries of their own, but for those that others are
// loading.
func (db *DB) loadApart(ctx context.Context, keys []loadKey) (first error) {
	call := newLoadCall()
	mine, theirs := db.loader.begin(call, keys)
	if len(mine) > 0 {
		call.errs = db.loadAll(ctx, mine)
		db.loader.end(mine)
		close(call.done)
		first = cmp.Or(call.errs...)
	}
	return cmp.Or(first, db.unlessStale(keys, db.await(ctx, theirs)))
}

// runRounds makes the rounds that have gathered, one after the other, until ctx ends.
func (db *DB) runRounds(ctx context.Context) {
	l := &db.loader
	for db.opts.world.Wait(ctx, world.Never, l.wake) {
		if call := l.take(); call != nil {
			call.errs = db.loadAll(ctx, call.keys)
			l.end(call.keys)
			l.keep(call.keys)
			close(call.done)
			l.leave()
		}
	}
	l.shut()
}

// join adds keys to the next round. It returns nil where they have to be loaded apart;
// with first that is a round as well, until leave.
func (l *loader) join(keys []loadKey) (theirs []loading, first bool) {
	if !oneRowEach(keys) {
		return nil, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open {
		return nil, false
	}
	if l.rounds < loadRounds && len(l.waiting) == 0 {
		l.rounds++
		return nil, true
	}
	return l.gather(keys), false
}

// gather adds keys to the next round, but for those that are being loaded. l.mu is held.
func (l *loader) gather(keys []loadKey) []loading {
	var next *loadCall
	theirs := make([]loading, len(keys))
	for i, k := range keys {
		theirs[i] = l.running[k.dbKey]
		if theirs[i].call != nil {
			continue
		}
		if next == nil {
			next = l.next()
		}
		theirs[i] = loading{next, len(next.keys)}
		next.keys = append(next.keys, k)
		l.running[k.dbKey] = theirs[i]
	}
	if next != nil {
		next.callers++
	}
	l.hasMore()
	return theirs
}

// oneRowEach reports whether each key is at most one row: a round has to be short.
func oneRowEach(keys []loadKey) bool {
	return !slices.ContainsFunc(keys, func(k loadKey) bool {
		return k.t.Def.Space == 0 || k.t.Kind != mapping.Hash && k.t.Kind != mapping.String
	})
}

// next is the round that whoever comes is added to. l.mu is held.
func (l *loader) next() *loadCall {
	if n := len(l.waiting); n > 0 && len(l.waiting[n-1].keys) < roundKeysMax {
		return l.waiting[n-1]
	}
	call := newLoadCall()
	call.keys, l.spare = l.spare, nil
	l.waiting = append(l.waiting, call)
	return call
}

// take begins the next round; nil if there is none, or too many are under way.
func (l *loader) take() *loadCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 || l.rounds >= loadRounds {
		return nil
	}
	call := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	l.rounds++
	l.hasMore()
	return call
}

// leave ends a round.
func (l *loader) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rounds--
	l.hasMore()
}

// hasMore has runRounds begin the next round, if there is one and it can. l.mu is held.
func (l *loader) hasMore() {
	if len(l.waiting) == 0 || l.rounds >= loadRounds {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// keep takes the room of a round's keys for another.
func (l *loader) keep(keys []loadKey) {
	clear(keys)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = keys[:0]
}

// shut lets no more rounds begin.
func (l *loader) shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = false
	for _, call := range l.waiting {
		call.errs = slices.Repeat([]error{ErrClosed}, len(call.keys))
		for i := range call.keys {
			delete(l.running, call.keys[i].dbKey)
		}
		close(call.done)
	}
	l.waiting = nil
}

// begin divides keys, each once, into those that call loads now and those that
// others are loading.
func (l *loader) begin(call *loadCall, keys []loadKey) (mine []loadKey, theirs []loading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for i, k := range keys {
		other := l.running[k.dbKey]
		if other.call == nil {
			l.running[k.dbKey] = loading{call, n}
			if n++; n <= i {
				mine = append(mine, k)
			}
			continue
		}
		if n == i { // not all of keys, as most often
			mine = slices.Clone(keys[:n])
		}
		if other.call != call {
			theirs = append(theirs, other)
		}
	}
	if n == len(keys) {
		return keys, nil
	}
	return mine, theirs
}

func (l *loader) end(keys []loadKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range keys {
		delete(l.running, keys[i].dbKey)
	}
}
