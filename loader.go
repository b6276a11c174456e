package lull

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/internal/world"
)

// loader makes sure that a key is loaded once however many ask, and that keys of one
// row each go together: one round of queries is under way at a time, and whoever
// comes meanwhile goes with the next. With many clients, each of which misses one key,
// a query for each would cost the database far more than the rows.
type loader struct {
	wake chan struct{}
	now  func() time.Time

	mu      sync.Mutex
	running map[uint64]loading // by loadKey.id
	open    bool               // runRounds runs
	busy    bool               // a round is under way
	waiting []*loadCall        // the next rounds
	spare   []loadKey          // room for the keys of one
}

// roundKeysMax is the most keys that whoever comes is added to.
const roundKeysMax = 1000

// loading is a key that is loaded: the place of its error among those of its call.
type loading struct {
	call *loadCall
	at   int
}

// loadCall is a load under way. errs is valid once done is closed; nil: there are none.
type loadCall struct {
	done    chan struct{}
	errs    []error
	keys    []loadKey // of a round
	callers int       // of a round
	since   time.Time // when the first of them came
	thens   []*then   // grows under the loader's mu while the load is in running
}

func newLoadCall() *loadCall { return &loadCall{done: make(chan struct{})} }

// err is the error of the key at a place.
func (c *loadCall) err(at int) error {
	if c.errs == nil {
		return nil
	}
	return c.errs[at]
}

// end tells all who wait that the load is over. It is no longer in running.
func (c *loadCall) end() {
	close(c.done)
	for _, t := range c.thens {
		t.done()
	}
}

// then is what is done once several loads are over, by who ends the last one.
type then struct {
	left atomic.Int32
	f    func()
}

func (t *then) done() {
	if t.left.Add(-1) == 0 {
		t.f()
	}
}

// load brings keys into memory. It returns the first key's error.
func (db *DB) load(ctx context.Context, keys []loadKey) error {
	theirs, how := db.loader.join(keys, nil)
	if how != joined {
		return db.loadApart(ctx, keys, how)
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
	return db.loadApart(ctx, keys, apart) // perhaps the others' keys are to blame
}

// loadThen is load for a caller that does not wait: f is called in its place, once, by whoever
// has loaded the last of the keys, or could not. The keys are the load's from then on.
func (db *DB) loadThen(ctx context.Context, keys []loadKey, f func()) {
	_, how := db.loader.join(keys, &then{f: f})
	if how == joined {
		return
	}
	db.opts.world.Go(func() {
		_ = db.loadApart(ctx, keys, how)
		f()
	})
}

// await waits for keys that are being loaded and returns the first error.
func (db *DB) await(ctx context.Context, theirs []loading) (first error) {
	for _, t := range theirs {
		if !db.opts.world.Wait(ctx, db.opts.LoadTimeout, t.call.done) {
			return cmp.Or(ctx.Err(), db.loadError(context.DeadlineExceeded))
		}
		first = cmp.Or(first, t.call.err(t.at))
	}
	return first
}

// loadApart loads keys in a round of queries of their own, but for those that others are
// loading. What is a round ends before it waits for those: they may be in one that cannot begin yet.
func (db *DB) loadApart(ctx context.Context, keys []loadKey, how joining) error {
	call := newLoadCall()
	mine, theirs := db.loader.begin(call, keys)
	if len(mine) > 0 {
		call.errs = db.loadAll(ctx, mine, db.opts.LoadTimeout)
		db.loader.end(mine)
		call.end()
	}
	if how == first {
		db.loader.leave()
	}
	return cmp.Or(cmp.Or(call.errs...), db.unlessStale(keys, db.await(ctx, theirs)))
}

// runRounds makes the rounds that have gathered, one after the other, until ctx ends.
func (db *DB) runRounds(ctx context.Context) {
	l := &db.loader
	for db.opts.world.Wait(ctx, world.Never, l.wake) {
		if call := l.take(); call != nil {
			call.errs = db.loadAll(ctx, call.keys, db.opts.LoadTimeout-db.opts.world.Since(call.since))
			l.end(call.keys)
			l.keep(call.keys)
			call.end()
			l.leave()
		}
	}
	l.shut()
}

// joining says how keys are loaded.
type joining uint8

const (
	joined joining = iota // with others, in the next round
	apart                 // by their caller
	first                 // by their caller, as a round until leave
)

// join finds out how keys are loaded. If they are to be in the next round, it adds them there, and
// returns where they are, or has t done once they are loaded.
func (l *loader) join(keys []loadKey, t *then) ([]loading, joining) {
	if !oneRowEach(keys) {
		return nil, apart
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open {
		return nil, apart
	}
	defer l.hasMore()
	if t != nil {
		l.gatherThen(keys, t)
		return nil, joined
	}
	if !l.busy && len(l.waiting) == 0 {
		l.busy = true
		return nil, first
	}
	return l.gather(keys), joined
}

// gather adds keys to the next round, but for those that are being loaded. l.mu is held.
func (l *loader) gather(keys []loadKey) []loading {
	theirs := make([]loading, len(keys))
	var next *loadCall
	for i := range keys {
		theirs[i], next = l.add(&keys[i], next)
	}
	return theirs
}

// gatherThen is gather with something to be done once all the loads are over.
func (l *loader) gatherThen(keys []loadKey, t *then) {
	var in loading
	var next *loadCall
	for i := range keys {
		in, next = l.add(&keys[i], next)
		if thens := in.call.thens; len(thens) == 0 || thens[len(thens)-1] != t {
			in.call.thens = append(thens, t)
			t.left.Add(1)
		}
	}
}

// add adds a key to next, which is the next round once a key of the caller's is in it, unless
// the key is being loaded. l.mu is held.
func (l *loader) add(k *loadKey, next *loadCall) (loading, *loadCall) {
	if in := l.running[k.id()]; in.call != nil {
		return in, next
	}
	if next == nil {
		next = l.next()
		next.callers++
	}
	in := loading{next, len(next.keys)}
	next.keys = append(next.keys, *k)
	l.running[k.id()] = in
	return in, next
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
	call.keys, l.spare, call.since = l.spare, nil, l.now()
	l.waiting = append(l.waiting, call)
	return call
}

// take begins the next round; nil if there is none, or another is under way.
func (l *loader) take() *loadCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 || l.busy {
		return nil
	}
	call := l.waiting[0]
	l.waiting = slices.Delete(l.waiting, 0, 1)
	l.busy = true
	return call
}

// leave ends a round.
func (l *loader) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = false
	l.hasMore()
}

// hasMore has runRounds begin the next round, if there is one and it can. l.mu is held.
func (l *loader) hasMore() {
	if len(l.waiting) == 0 || l.busy {
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
			delete(l.running, call.keys[i].id())
		}
		call.end()
	}
	l.waiting = nil
}

// begin divides keys, each once, into those that call loads now and those that
// others are loading.
func (l *loader) begin(call *loadCall, keys []loadKey) (mine []loadKey, theirs []loading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for i := range keys {
		id := keys[i].id()
		other := l.running[id]
		if other.call == nil {
			l.running[id] = loading{call, n}
			if n++; n <= i {
				mine = append(mine, keys[i])
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
		delete(l.running, keys[i].id())
	}
}
