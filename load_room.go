package lull

import (
	"slices"
	"sync"

	"github.com/lullcache/lull/value"
)

// loads are those that are over, for the room that they have: a load of a pipeline's
// keys needs more memory meanwhile than what stays of them.
var loads = sync.Pool{New: func() any { return new(load) }}

// loadKeysKept is the most keys whose room is kept for the next load.
const loadKeysKept = 1024

func (db *DB) newLoad(keys []loadKey) *load {
	l, n := loads.Get().(*load), len(keys)
	l.db, l.keys = db, keys
	l.images = slices.Grow(l.images, n)[:n]
	l.first = slices.Grow(l.first, n)[:n]
	l.skip = slices.Grow(l.skip, n)[:n]
	l.errs = slices.Grow(l.errs, n)[:n]
	width := db.width
	for i := range l.images {
		l.images[i].width, l.images[i].rows = width, l.first[i:i:i+1]
	}
	return l
}

// free gives the load's room back. Nothing of it is in use any more: entries have copies.
func (l *load) free() {
	if len(l.keys) > loadKeysKept {
		return
	}
	clear(l.images)
	clear(l.first)
	clear(l.skip)
	clear(l.errs)
	for i := range l.groups {
		g := &l.groups[i]
		clear(g.byTuple)
		*g = group{members: g.members[:0], byTuple: g.byTuple}
	}
	l.cells.reset()
	l.ids.reset()
	clear(l.tuples)
	*l = load{
		images: l.images[:0], first: l.first[:0], skip: l.skip[:0], errs: l.errs[:0], groups: l.groups[:0],
		queries: l.queries, takers: l.takers, cells: l.cells, ids: l.ids, tuples: l.tuples[:0],
	}
	loads.Put(l)
}

// room is values in few slices. The zero room is ready.
type room struct {
	free  []value.Value
	chunk []value.Value // of which free is the rest
}

// roomKept is the most values that a room keeps for its next use.
const roomKept = 4096

// take returns n values, all NULL.
func (r *room) take(n int) []value.Value {
	if len(r.free) < n {
		r.chunk = make([]value.Value, max(n, min(2*len(r.chunk), roomKept)))
		r.free = r.chunk
	}
	vals := r.free[:n:n]
	r.free = r.free[n:]
	return vals
}

func (r *room) reset() {
	if len(r.chunk) > roomKept {
		r.chunk = nil
	}
	clear(r.chunk[:len(r.chunk)-len(r.free)])
	r.free = r.chunk
}
