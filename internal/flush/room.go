package flush

import (
	"sync"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// room is what a part's operations and its batch are made in: some 250 bytes a row,
// which the next part uses again. The zero room is ready.
type room struct {
	ops  []op
	rows []sink.Row // of each table's first group, one after the other
	// values stand in chunks, of which the first used are taken; free is the rest of
	// the last of these.
	values [][]value.Value
	used   int
	free   []value.Value
}

// rooms are those that are not in use. The collector takes what is left of them when
// nothing is flushed for a while.
var rooms = sync.Pool{New: func() any { return new(room) }}

// chunkMax is the most values in a chunk, chunksKept the most chunks that are kept: 8 MiB.
const (
	chunkMin   = 64
	chunkMax   = 4096
	chunksKept = 64
)

// take returns an empty slice with room for n values.
func (r *room) take(n int) []value.Value {
	if cap(r.free) < n {
		r.free = r.chunk(n)
	}
	vals := r.free[:0:n]
	r.free = r.free[n:cap(r.free)]
	return vals
}

// chunk returns room for n values or more.
func (r *room) chunk(n int) []value.Value {
	if r.used < len(r.values) && cap(r.values[r.used]) >= n {
		r.used++
		return r.values[r.used-1]
	}
	last := 0
	if r.used > 0 {
		last = len(r.values[r.used-1])
	}
	r.values = append(r.values[:r.used], make([]value.Value, max(n, min(2*last, chunkMax), chunkMin)))
	r.used++
	return r.values[r.used-1]
}

// rowsFor returns an empty slice with room for n rows.
func (r *room) rowsFor(n int) []sink.Row {
	at := len(r.rows)
	if cap(r.rows)-at < n {
		r.rows, at = make([]sink.Row, 0, max(n, len(r.ops))), 0
	}
	r.rows = r.rows[:at+n]
	return r.rows[at : at : at+n]
}

// giveBack has the next part use the room. Nothing of it may be in use any more.
func (r *room) giveBack() {
	if len(r.values) > chunksKept {
		return
	}
	clear(r.ops)
	clear(r.rows)
	for _, chunk := range r.values[:r.used] {
		clear(chunk)
	}
	*r = room{ops: r.ops[:0], rows: r.rows[:0], values: r.values}
	rooms.Put(r)
}
