package lull

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
)

// cutList holds the cuts that loads may have to lay over what SQL shows: those that
// are not settled, and settled ones that were not when a running load began.
type cutList struct {
	// n is len(cuts). Where it is 0 under a shard's lock there is none to lay: one comes
	// under the locks of all, and goes when it is not needed.
	n     atomic.Int32
	mu    sync.RWMutex
	cuts  []cutRef
	loads []uint32  // generation of the oldest unsettled cut when each running load began
	marks []cutMark // of the cuts that are not settled, merged ones included
	// settled is the generation up to which SQL has everything.
	settled uint32
}

// cutMark says at which position a generation's changes end.
type cutMark struct {
	position   uint64
	generation uint32
}

type cutRef struct {
	cut        *dirty.Cut
	generation uint32
}

// begin notes that a load starts now.
func (l *cutList) begin() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	mark := l.settled + 1
	l.loads = append(l.loads, mark)
	return mark
}

// end takes back begin.
func (l *cutList) end(mark uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.loads, mark)
	l.loads = slices.Delete(l.loads, i, i+1)
	l.prune()
}

// add puts in a cut that was just taken.
func (l *cutList) add(c *dirty.Cut, generation uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts = append(l.cuts, cutRef{c, generation})
	l.marks = append(l.marks, cutMark{c.Position(), generation})
	l.n.Store(int32(len(l.cuts)))
}

// settle notes that SQL has all cuts up to position, and returns the newest
// generation of those.
func (l *cutList) settle(position uint64) (generation uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.marks) > 0 && l.marks[0].position <= position && !l.grown(l.marks[0].generation, position) {
		l.settled = l.marks[0].generation
		l.marks = l.marks[1:]
	}
	l.prune()
	return l.settled
}

// grown reports whether the cut of a generation, which was taken where the one before it
// ends and so was empty, has taken over later ones, and goes beyond position now.
func (l *cutList) grown(generation uint32, position uint64) bool {
	return slices.ContainsFunc(l.cuts, func(c cutRef) bool {
		return c.generation == generation && !c.cut.Merged() && c.cut.Position() > position
	})
}

// upTo returns the cuts that end at or before position and are not settled yet.
func (l *cutList) upTo(position uint64) (cuts []*dirty.Cut) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, c := range l.cuts {
		if c.generation > l.settled && !c.cut.Merged() && c.cut.Position() <= position {
			cuts = append(cuts, c.cut)
		}
	}
	return cuts
}

// lastEnd is where the last cut ends that is not settled, and position without any.
func (l *cutList) lastEnd(position uint64) uint64 {
	if ends := l.ends(0); len(ends) > 0 {
		return ends[len(ends)-1]
	}
	return position
}

// ends are where the cuts end, rising, that are not settled and go beyond position.
func (l *cutList) ends(position uint64) (ends []uint64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, c := range l.cuts {
		if end := c.cut.Position(); c.generation > l.settled && !c.cut.Merged() && end > position {
			ends = append(ends, end)
		}
	}
	return slices.Compact(ends)
}

// replace puts cuts that were rebuilt from the log in the place of all others. newest
// is the last one's generation; each has one of its own, since they are settled one
// after the other.
func (l *cutList) replace(cuts []*dirty.Cut, newest uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts, l.marks = nil, nil
	for i, c := range cuts {
		generation := newest - uint32(len(cuts)-1-i)
		l.cuts = append(l.cuts, cutRef{c, generation})
		l.marks = append(l.marks, cutMark{c.Position(), generation})
	}
	l.n.Store(int32(len(l.cuts)))
}

// size is what the cuts that are not settled hold.
func (l *cutList) size() (rows, bytes int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, c := range l.cuts {
		if c.generation > l.settled && !c.cut.Merged() {
			r, _, b := c.cut.Size()
			rows, bytes = rows+int64(r), bytes+b
		}
	}
	return rows, bytes
}

// oldest is the time of the oldest change in the cuts that are not settled, in ms, 0
// without any.
func (l *cutList) oldest() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, c := range l.cuts {
		if rows, _, _ := c.cut.Size(); c.generation > l.settled && !c.cut.Merged() && rows > 0 {
			return c.cut.Oldest().UnixMilli()
		}
	}
	return 0
}

// prune lets go of cuts that neither the flusher nor a load needs.
func (l *cutList) prune() {
	oldest := uint32(math.MaxUint32)
	for _, m := range l.loads {
		oldest = min(oldest, m)
	}
	l.cuts = slices.DeleteFunc(l.cuts, func(c cutRef) bool {
		return c.cut.Merged() || c.generation <= l.settled && c.generation < oldest
	})
	l.n.Store(int32(len(l.cuts)))
}

// layers calls fn with the sets of one shard that hold changes beyond SQL, oldest
// first: the cuts, then the dirty set. The shard is locked.
func (db *DB) layers(sh *shard, fn func(*dirty.Set)) { db.layersFrom(sh, 0, fn) }

// layersFrom is layers without the cuts older than a generation: with a load's mark,
// those alone that are sure to stay until it ends.
func (db *DB) layersFrom(sh *shard, generation uint32, fn func(*dirty.Set)) {
	if db.cuts.n.Load() > 0 {
		db.cutsFrom(sh, generation, fn)
	}
	fn(sh.dirty)
}

// cutsFrom is layersFrom without the dirty set.
func (db *DB) cutsFrom(sh *shard, generation uint32, fn func(*dirty.Set)) {
	db.cuts.mu.RLock()
	defer db.cuts.mu.RUnlock()
	for _, c := range db.cuts.cuts {
		if c.generation >= generation {
			c.cut.View(int(sh.index), fn)
		}
	}
}

// lay lays all that is known of a key beyond SQL over rows that SQL gave: what was
// set aside, then the layers. It reports whether there was anything. The shard is
// locked.
func (db *DB) lay(sh *shard, space uint16, dbn uint8, key string, rows dirty.Rows) bool {
	laid := db.flusher.Overlay(space, dbn, key, rows)
	db.layers(sh, func(set *dirty.Set) {
		laid = set.Overlay(space, dbn, key, rows) || laid
	})
	return laid
}

// width is the number of columns that an image of a table's row has.
func (db *DB) width(table uint16) int {
	t := db.maps.Table(table)
	return len(t.Cells) + len(t.ReadOnly)
}

// clean reports whether SQL has everything that an entry shows.
func (db *DB) clean(e *keyspace.Entry) bool { return e.Cut <= db.settledGeneration.Load() }

const (
	// cutTries is how often a cut tries to get all locks without waiting for one, and
	// cutPause how long it lets writers go on in between.
	cutTries = 100
	cutPause = 100 * time.Microsecond
	// cutSpins is how often it looks whether a lock is free by then, for longer than most
	// units have it: some ten microseconds.
	cutSpins = 5000
)

// lockForCut locks all shards and returns when it began to. Whoever waits for a lock while
// it has others stops writers for as long as the machine takes to wake it, or to go on with
// the unit that has the lock: that is milliseconds where processors are busy. So it
// gives all back and tries again.
func (db *DB) lockForCut() (began time.Time) {
	for range cutTries {
		began = db.opts.world.Now()
		if db.tryLockAll() {
			return began
		}
		db.noteCut(began)
		db.opts.world.Wait(context.Background(), cutPause, nil)
	}
	began = db.opts.world.Now()
	all := allShards()
	db.lock(&all)
	return began
}

// tryLockAll locks all shards, or none if one is not free soon.
func (db *DB) tryLockAll() bool {
	for i := range db.shards {
		for spins := 0; !db.shards[i].mu.TryLock(); spins++ {
			if spins == cutSpins {
				for j := range i {
					db.shards[j].mu.Unlock()
				}
				return false
			}
		}
	}
	return true
}

// noteCut notes for how long writers were stopped.
func (db *DB) noteCut(began time.Time) {
	db.stats.cutLongest.Store(max(db.stats.cutLongest.Load(), int64(db.opts.world.Since(began))))
}

// cut takes the dirty sets of all shards away at one position and leaves empty ones. With
// nothing in them that is where the cut before ends, if it waits and the log has not failed.
// Writers stand still for as long as it takes to swap the pointers.
func (db *DB) cut() *dirty.Cut {
	sets := make([]*dirty.Set, shardCount)
	fresh := make([]*dirty.Set, shardCount)
	for i := range fresh {
		fresh[i] = dirty.New(db.dictionary, 0)
	}
	began := db.lockForCut()
	for i := range db.shards {
		sh := &db.shards[i]
		sets[i], sh.dirty = sh.dirty, fresh[i]
		sh.generation++
	}
	db.cutRows.Store(db.unflushedRows.Load()) // which does not change: a look at the limits finds all of it at any time
	db.cutBytes.Store(db.unflushedBytes.Load())
	generation := db.shards[0].generation
	first, position := db.firstDirty.Swap(0), db.position()
	if first == 0 && (db.log == nil || db.log.Err() == nil) {
		position = db.cuts.lastEnd(position) // the log names that already
	}
	c := dirty.NewCut(position, time.UnixMilli(first), sets)
	db.cuts.add(c, generation)
	all := allShards()
	db.unlock(&all)
	db.noteCut(began)
	db.countCuts()
	return c
}

// countCuts notes what the cuts that are not settled hold now, for the limits.
func (db *DB) countCuts() {
	rows, bytes := db.cuts.size()
	db.unflushedRows.Add(rows - db.cutRows.Swap(rows))
	db.unflushedBytes.Add(bytes - db.cutBytes.Swap(bytes))
}
