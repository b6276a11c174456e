package dirty

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/value"
)

// TestCutsStayWholeForLoadsWhileTheyMerge has readers lay two cuts over a row, in
// order, while the second is merged into the first: they must find the second's value
// however the two interleave.
func TestCutsStayWholeForLoadsWhileTheyMerge(t *testing.T) {
	cut := func(position uint64, n int64) *Cut {
		s := New(testDef, 0)
		for i := range 50 {
			s.Apply(&change.Change{Op: change.Set, Key: fmt.Sprint("k", i), Cells: []change.Cell{{Val: value.OfInt(n)}}}, position)
		}
		return NewCut(position, time.Unix(n, 0), []*Set{New(testDef, 0), s})
	}
	for range 50 {
		first, second := cut(1, 1), cut(2, 2)
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for i := range 50 {
					key := fmt.Sprint("k", i)
					got := tables{}
					first.Overlay(1, 0, 0, key, keyRows{got, 0, 0, key})
					second.Overlay(1, 0, 0, key, keyRows{got, 0, 0, key})
					if v := got[rowName{key: key}][0]; v != value.OfInt(2) {
						t.Errorf("%s: %s", key, v)
					}
				}
			})
		}
		first.Merge(second)
		readers.Wait()
		if rows, keys, _ := first.Size(); first.Position() != 2 || rows != 50 || keys != 50 || !second.Merged() {
			t.Fatalf("position %d, %d rows, %d keys", first.Position(), rows, keys)
		}
	}
}
