package lull

import (
	"testing"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
)

// TestRebuiltCutsAreSettledOneByOne: a crash in the middle of a cut leaves two cuts to
// be rebuilt. When the first is in SQL, loads still need the second.
func TestRebuiltCutsAreSettledOneByOne(t *testing.T) {
	var def change.Dictionary
	cut := func(position uint64) *dirty.Cut {
		return dirty.NewCut(position, time.Now(), []*dirty.Set{dirty.New(def, 0)})
	}
	var l cutList
	first, second := cut(10), cut(20)
	l.replace([]*dirty.Cut{first, second}, 2)
	if g := l.settle(10); g != 1 {
		t.Errorf("settled generation: got %d, wanted 1", g)
	}
	if len(l.cuts) != 1 || l.cuts[0].cut != second {
		t.Errorf("after the first is settled %d cuts are laid over loads, wanted the second alone", len(l.cuts))
	}
	if g := l.settle(20); g != 2 || len(l.cuts) != 0 {
		t.Errorf("after both are settled: generation %d, %d cuts", g, len(l.cuts))
	}
}
