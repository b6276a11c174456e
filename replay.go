package lull

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyhash"
	"github.com/lullcache/lull/internal/prefetch"
)

// A replay has two sides. The caller's goroutine reads the log, looks through the units, and
// sorts their changes by shard into batches; appliers, each of which has some of the
// shards, decode the changes of one batch after the other and lay them into the dirty sets.
// So the changes of a key are applied in their order, and the sets do not depend on how
// the work was divided.
//
// A batch has one copy of its records, whose room is used again: a dirty set keeps nothing
// of a change.

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
	text   []byte        // of the units' records
	parts  []change.Part // of the unit that is being sorted
	shards [shardCount][]placed
	left   atomic.Int32 // appliers that are not through with it
}

// placed is a change, which stands in the batch's text, with its place in the log and the
// hash of its key's tuple.
type placed struct {
	hash, seq uint64
	change.Part
}

// open begins with empty sets.
func (s *sorter) open(def change.Dictionary) {
	s.batch, s.def, s.sets = new(batch), def, make([]*dirty.Set, shardCount)
	for i := range s.sets {
		s.sets[i] = dirty.New(def, 0)
	}
}

// full reports whether it is time to send what was added.
func (s *sorter) full() bool { return len(s.text) >= sorterBytes }

// place puts a change, whose key is given, into its shard's list.
func (s *sorter) place(db *DB, key string, c *change.Part, seq uint64) {
	p := placed{keyhash.String(key), seq, *c}
	if c.Op() == change.ClearTable {
		for i := range s.shards {
			s.shards[i] = append(s.shards[i], p)
		}
		return
	}
	list := &s.shards[db.shardOfChange(c.Table, key, p.hash)]
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
	var c change.Change
	var cells []change.Cell
	text := view(b.text)
	for i := first; i < shardCount; i += n {
		for changes := range slices.Chunk(b.shards[i], ApproachMax) {
			approach(sets[i], def, text, changes)
			for j := range changes {
				p := &changes[j]
				c, cells = p.Change(text, cells)
				sets[i].ApplyHashed(&c, p.hash, p.seq)
			}
		}
	}
}

// approach has some changes, and what the set holds of their keys, fetched from memory at once.
func approach(set *dirty.Set, def change.Dictionary, text string, changes []placed) {
	for i := range changes {
		p := &changes[i]
		span := p.Span(text)
		prefetch.Line(unsafe.Pointer(unsafe.StringData(span)))
		prefetch.At(uintptr(unsafe.Pointer(unsafe.StringData(span))) + uintptr(len(span)))
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

// view is b as a string, for as long as b is not written to.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// reset empties the batch.
func (b *batch) reset() {
	b.text = b.text[:0]
	for i := range b.shards {
		b.shards[i] = b.shards[i][:0]
	}
}
