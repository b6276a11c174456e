package lull

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyhash"
)

// A replay has two sides. The caller's goroutine reads the log, decodes the units, and
// sorts their changes by shard into batches; appliers, each of which has some of the
// shards, lay one batch after the other into the dirty sets. So the changes of a key are
// applied in their order, and the sets do not depend on how the work was divided.
//
// A batch shares one copy of its records: a dirty set keeps nothing of a change.

const (
	// sorterBytes is how many bytes of records make a batch.
	sorterBytes = 1 << 20
	// sorterBatches is how many batches there are: one is filled while others are applied.
	sorterBatches = 3
	// appliersMax is the most appliers; more would wait for the one that reads.
	appliersMax = 8
)

// sorter is the side that reads.
type sorter struct {
	*batch
	sets     []*dirty.Set
	def      change.Dictionary
	appliers []chan *batch // none before the first batch is full
	free     chan *batch
	work     sync.WaitGroup
}

// batch is some units' changes, by shard.
type batch struct {
	text    []byte // of the units' records
	units   []unitText
	changes []change.Change // of the unit that is being decoded
	cells   []change.Cell
	shards  [shardCount][]placed
	left    atomic.Int32 // appliers that are not through with it
}

// placed is a change with the hash of its key's tuple.
type placed struct {
	hash uint64
	change.Placed
}

// unitText is where a unit's record stands in a batch.
type unitText struct {
	pos      uint64
	from, to int
}

// open begins with empty sets.
func (s *sorter) open(def change.Dictionary) {
	s.batch, s.def, s.sets = new(batch), def, make([]*dirty.Set, shardCount)
	for i := range s.sets {
		s.sets[i] = dirty.New(def, 0)
	}
}

// add takes a copy of a unit's record.
func (s *sorter) add(pos uint64, rec []byte) {
	from := len(s.text)
	s.text = append(s.text, rec...)
	s.units = append(s.units, unitText{pos, from, len(s.text)})
}

// full reports whether it is time to send what was added.
func (s *sorter) full() bool { return len(s.text) >= sorterBytes }

// place puts a change into its shard's list.
func (s *sorter) place(db *DB, c *change.Change, seq uint64) {
	p := placed{keyhash.String(c.Key), change.Placed{Seq: seq, Change: *c}}
	if c.Op == change.ClearTable {
		for i := range s.shards {
			s.shards[i] = append(s.shards[i], p)
		}
		return
	}
	list := &s.shards[db.shardOfChange(c, p.hash)]
	*list = append(*list, p)
}

// send has the batch applied. What is less than a batch is applied here: most logs are
// short.
func (s *sorter) send() {
	b := s.batch
	if !s.full() && s.appliers == nil {
		b.apply(s.sets, s.def, 0, 1)
		b.reset()
		return
	}
	if s.appliers == nil {
		s.start()
	}
	b.left.Store(int32(len(s.appliers)))
	for _, a := range s.appliers {
		a <- b
	}
	s.batch = <-s.free
}

func (s *sorter) start() {
	n := min(runtime.GOMAXPROCS(0), appliersMax)
	s.free = make(chan *batch, sorterBatches)
	for range sorterBatches - 1 {
		s.free <- new(batch)
	}
	for i := range n {
		batches := make(chan *batch, sorterBatches)
		s.appliers = append(s.appliers, batches)
		s.work.Go(func() {
			for b := range batches {
				b.apply(s.sets, s.def, i, n)
				if b.left.Add(-1) == 0 {
					b.reset()
					s.free <- b
				}
			}
		})
	}
}

// end waits until all that was sent is applied.
func (s *sorter) end() {
	for _, a := range s.appliers {
		close(a)
	}
	s.work.Wait()
	s.batch, s.appliers, s.free = nil, nil, nil
}

// apply lays every n-th shard's changes, from the first on, into its set.
func (b *batch) apply(sets []*dirty.Set, def change.Dictionary, first, n int) {
	for i := first; i < shardCount; i += n {
		for changes := range slices.Chunk(b.shards[i], ApproachMax) {
			approach(sets[i], def, changes)
			for j := range changes {
				p := &changes[j]
				sets[i].ApplyHashed(&p.Change, p.hash, p.Seq)
			}
		}
	}
}

// approach has what the set holds of some keys fetched from memory at once.
func approach(set *dirty.Set, def change.Dictionary, changes []placed) {
	for i := range changes {
		p := &changes[i]
		set.Approach(def[p.Table].Space, p.DB, p.hash)
	}
	for i := range changes {
		p := &changes[i]
		set.Guess(def[p.Table].Space, p.DB, p.hash)
	}
	for i := range changes {
		p := &changes[i]
		set.Guess(def[p.Table].Space, p.DB, p.hash).FetchRows()
	}
}

// reset empties the batch, and lets go of what it held.
func (b *batch) reset() {
	clear(b.cells)
	clear(b.changes)
	b.text, b.units, b.cells, b.changes = b.text[:0], b.units[:0], b.cells[:0], b.changes[:0]
	for i := range b.shards {
		clear(b.shards[i])
		b.shards[i] = b.shards[i][:0]
	}
}
