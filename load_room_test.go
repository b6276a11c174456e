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
