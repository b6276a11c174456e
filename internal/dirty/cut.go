package dirty

import (
	"sync"
	"time"
)

// Cut is everything that was dirty at one position, by shard. Loads may lay it
// over what they read while the flusher merges later cuts into it.
type Cut struct {
	// mu guards the fields beneath. Merge holds that of both cuts, the earlier
	// one's first.
	mu       sync.RWMutex
	position uint64
	oldest   time.Time
	sets     []*Set
	into     *Cut // the earlier cut that has taken this one over
}

// NewCut returns the cut at position: every change up to it that no earlier cut
// holds. oldest is when the first of them was made. The sets may not change
// any more.
func NewCut(position uint64, oldest time.Time, sets []*Set) *Cut {
	return &Cut{position: position, oldest: oldest, sets: sets}
}

// Position returns the position that the cut ends at.
func (c *Cut) Position() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.position
}

// Oldest returns when the oldest change in the cut was made.
func (c *Cut) Oldest() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.oldest
}

// Size returns the operations, keys and bytes that the cut holds.
func (c *Cut) Size() (rows, keys int, bytes int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, s := range c.sets {
		rows, keys, bytes = rows+s.rows, keys+s.keys, bytes+s.bytes
	}
	return rows, keys, bytes
}

// Overlay lays what the cut holds of a key over rows; see Set.Overlay. A cut that
// was merged into an earlier one answers with all that this one holds.
func (c *Cut) Overlay(shard int, space uint16, db uint8, key string, rows Rows) (dirty bool) {
	c.View(shard, func(s *Set) { dirty = s.Overlay(space, db, key, rows) })
	return dirty
}

// View calls f with one shard's set, which f may only read, and not keep.
func (c *Cut) View(shard int, f func(*Set)) {
	c.mu.RLock()
	into := c.into
	if into == nil {
		f(c.sets[shard])
	}
	c.mu.RUnlock()
	if into != nil {
		into.View(shard, f)
	}
}

// Shards returns the number of shards.
func (c *Cut) Shards() int { return len(c.sets) }

// Merged reports whether an earlier cut has taken this one over.
func (c *Cut) Merged() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.into != nil
}

// Merge takes later, the next cut, over: c then ends where later did.
func (c *Cut) Merge(later *Cut) {
	c.mu.Lock()
	defer c.mu.Unlock()
	later.mu.Lock()
	defer later.mu.Unlock()
	if len(c.sets) != len(later.sets) {
		panic("dirty: cuts of different numbers of shards")
	}
	empty := true
	for i, s := range c.sets {
		empty = empty && s.Empty()
		s.Merge(later.sets[i])
	}
	if empty {
		c.oldest = later.oldest
	}
	c.position = later.position
	later.into = c
}
