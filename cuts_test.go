package lull

import (
	"testing"
	"time"

	"github.com/lullcache/lull/internal/dirty"
)

// TestRebuiltCutsAreSettledOneAfterTheOther: a start in the middle of a large cut makes
// two, that one and all that came after it. Loads need the second when SQL has only
// the first.
func TestRebuiltCutsAreSettledOneAfterTheOther(t *testing.T) {
	var db DB
	first, second := dirty.NewCut(10, time.Now(), nil), dirty.NewCut(20, time.Now(), nil)
	db.handOver([]*dirty.Cut{first, second})
	db.cuts.settle(10)
	if left := db.cuts.upTo(20); len(left) != 1 || left[0] != second {
		t.Errorf("after the first was settled loads find %d cuts, want the second", len(left))
	}
	if newest := db.cuts.settle(20); newest != db.shards[0].generation {
		t.Errorf("after both were settled SQL has everything up to generation %d, the shards are at %d", newest, db.shards[0].generation)
	}
}
