package lull

import (
	"testing"

	"github.com/lullcache/lull/value"
)

// TestRoomIsEmptyWhenItIsUsedAgain: a value of the load before would show in a row that does
// not have that column.
func TestRoomIsEmptyWhenItIsUsedAgain(t *testing.T) {
	var r room
	for _, sizes := range [][]int{{3, 5, 1}, {1, 8, 200, 7}, {roomKept + 1, 2}, {2, 300}} {
		for _, n := range sizes {
			vals := r.take(n)
			if len(vals) != n || cap(vals) != n {
				t.Fatalf("take(%d): length %d, capacity %d", n, len(vals), cap(vals))
			}
			for i := range vals {
				if !vals[i].IsNull() {
					t.Fatalf("take(%d): value %d is %v", n, i, vals[i])
				}
				vals[i] = value.OfInt(1)
			}
		}
		r.reset()
		if len(r.chunk) > roomKept {
			t.Errorf("after %v: %d values are kept", sizes, len(r.chunk))
		}
	}
}

// TestLoadIsDividedAmongCallers: each key is loaded once, and whoever came later finds its
// error at its place.
func TestLoadIsDividedAmongCallers(t *testing.T) {
	key := func(names ...string) (keys []loadKey) {
		for _, n := range names {
			keys = append(keys, loadKey{dbKey: dbKey{0, n}})
		}
		return keys
	}
	names := func(keys []loadKey) (all string) {
		for _, k := range keys {
			all += k.name
		}
		return all
	}
	for _, c := range []struct {
		name          string
		before, keys  []loadKey
		mine          string
		theirs        []int // places among those of the call before
		stillUnloaded int
	}{
		{"nobody loads", nil, key("a", "b"), "ab", nil, 2},
		{"one named twice", nil, key("a", "a", "b", "a"), "ab", nil, 2},
		{"another loads the first", key("x", "a"), key("a", "b"), "b", []int{1}, 3},
		{"another loads the last", key("b"), key("a", "b"), "a", []int{0}, 2},
		{"another loads all", key("a", "b"), key("b", "a"), "", []int{1, 0}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := loader{running: make(map[dbKey]loading)}
			l.begin(&loadCall{}, c.before)
			given := names(c.keys)
			mine, theirs := l.begin(&loadCall{}, c.keys)
			if names(mine) != c.mine || len(theirs) != len(c.theirs) {
				t.Fatalf("mine %q, %d of others; wanted %q, %d", names(mine), len(theirs), c.mine, len(c.theirs))
			}
			for i, other := range theirs {
				if other.at != c.theirs[i] {
					t.Errorf("key %d of others: at %d, wanted %d", i, other.at, c.theirs[i])
				}
			}
			if names(c.keys) != given {
				t.Errorf("the caller's keys became %q", names(c.keys))
			}
			if len(l.running) != c.stillUnloaded {
				t.Errorf("%d keys are loading, wanted %d", len(l.running), c.stillUnloaded)
			}
			if l.end(mine); len(l.running) != len(c.before) {
				t.Errorf("%d keys are loading after the end, wanted %d", len(l.running), len(c.before))
			}
		})
	}
}
