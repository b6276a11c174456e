package dirty

import (
	"fmt"
	"testing"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/value"
)

// TestARecordThatGrowsMovesSeldom: a key that gets a dozen rows gets room for half as much again
// each time that it has none left. Other records come behind it all the time.
func TestARecordThatGrowsMovesSeldom(t *testing.T) {
	s := New(testDef, 0)
	var at *Key
	moves := -1
	for i := range 12 {
		s.Apply(&change.Change{Op: change.Set, Table: 3, Key: fmt.Sprint("other", i), Row: "r", Cells: []change.Cell{{Val: value.OfString("1")}}}, uint64(i+1))
		s.Apply(&change.Change{Op: change.Set, Table: 3, Key: "k", Row: fmt.Sprintf("row%02d", i), Cells: []change.Cell{{Val: value.OfString("12345678")}}}, uint64(i+1))
		if k := s.Find(0, 0, "k"); k != at {
			at = k
			moves++
		}
	}
	if at == nil || moves > 4 {
		t.Errorf("it moved %d times, wanted 4 at most", moves)
	}
}
