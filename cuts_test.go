package lull

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
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

// TestAnEmptyCutThatTookOthersOverIsNotSettledEarly: a cut may be taken where the one
// before it ends, in a retry without writes between, and later ones are merged into it.
// SQL at its first position does not have those.
func TestAnEmptyCutThatTookOthersOverIsNotSettledEarly(t *testing.T) {
	var db DB
	first, empty, later := dirty.NewCut(10, time.Now(), nil), dirty.NewCut(10, time.Now(), nil), dirty.NewCut(20, time.Now(), nil)
	for i, c := range []*dirty.Cut{first, empty, later} {
		db.cuts.add(c, uint32(i+1))
	}
	empty.Merge(later)
	load := db.cuts.begin()
	db.cuts.settle(10)
	if left := db.cuts.upTo(20); len(left) != 1 || left[0] != empty {
		t.Fatalf("after the first was settled %d cuts are left, want the one that took another over", len(left))
	}
	db.cuts.end(load)
	if mark := db.cuts.begin(); mark > 2 {
		t.Errorf("a load counts on cuts from generation %d on, want the cut of generation 2 among them", mark)
	}
	if newest := db.cuts.settle(20); newest != 3 || len(db.cuts.upTo(20)) != 0 {
		t.Errorf("after all were settled SQL has everything up to generation %d, want 3", newest)
	}
}

// TestLoadsDoNotCountOnCutsKeptForOthers: a settled cut is kept for the loads that
// began before, and goes with the last of them. A load that began later and passed
// over SQL because the cut said all would find nothing.
func TestLoadsDoNotCountOnCutsKeptForOthers(t *testing.T) {
	const key = "a"
	db := DB{maps: mapsOfGenerics(t)}
	db.dictionary = db.maps.Dictionary()
	k := loadKey{dbKey: dbKey{name: key}, need: NeedAll, t: db.maps.KeysTable(), hash: keyspace.HashString(key)}
	sh := &db.shards[shardOf(k.hash)]
	sh.index, sh.dirty = shardOf(k.hash), dirty.New(db.dictionary, 0)
	sets := make([]*dirty.Set, shardCount)
	for i := range sets {
		sets[i] = dirty.New(db.dictionary, 0)
	}
	whole := make([]change.Cell, len(db.maps.Generic(mapping.String).Cells))
	for i := range whole {
		whole[i] = change.Cell{Col: uint16(i), Val: value.OfString("1")}
	}
	sets[sh.index].Apply(&change.Change{Op: change.Set, Table: db.maps.Generic(mapping.String).ID, Key: key, Cells: whole, Known: change.Present}, 1)
	db.handOver([]*dirty.Cut{dirty.NewCut(10, time.Now(), sets)})

	older := db.cuts.begin()
	if !db.determined(&k, older) {
		t.Fatal("a cut that is not settled says all of the key, and is not counted on")
	}
	db.cuts.settle(10)
	younger := db.cuts.begin()
	if db.determined(&k, younger) {
		t.Error("a load counts on a settled cut, which is kept for an older load only")
	}
	db.cuts.end(older)
	if left := len(db.cuts.cuts); left != 0 {
		t.Errorf("%d cuts are kept after the load that needed them, want 0", left)
	}
}

func mapsOfGenerics(t *testing.T) *mapping.Mapping {
	t.Helper()
	s, err := sqlite.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "lull.db"), sqlsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	maps, problems := mapping.Compile(nil, &sink.Catalog{}, s.OwnTable)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return maps
}

// TestCheckpointBehindTheCutItStandsFor: a checkpoint is written behind the cut that
// it holds, and a cut that is in SQL in part is rebuilt up to its own end only.
func TestCheckpointBehindTheCutItStandsFor(t *testing.T) {
	const base, position = 5, 10
	r := &replayer{checkpoint: checkpointReader{upTo: position}}
	for at, rec := range [][]byte{
		change.AppendCheckpointBegin(nil, change.Checkpoint{Base: base, Position: position}),
		change.AppendCheckpointEnd(nil, position, 0),
		change.AppendCheckpointBegin(nil, change.Checkpoint{Base: position, Position: 2 * position}), // of the time after
		change.AppendCheckpointEnd(nil, 2*position, 0),
	} {
		if err := r.record(uint64(position+1+at), rec, position); err != nil {
			t.Fatal(err)
		}
	}
	if c := r.checkpoint.chain(base); len(c) != 1 || c[0].position != position {
		t.Errorf("a replay up to %d found the checkpoints %+v, want that of (%d, %d]", position, c, base, position)
	}
}

// TestACutWaitsForNoLockWhileItHasOthers: a unit may have its shard for long, or lose the
// processor meanwhile. Those of other shards may not have to wait for it.
func TestACutWaitsForNoLockWhileItHasOthers(t *testing.T) {
	db := &DB{}
	db.shards[shardCount-1].mu.Lock()
	if db.tryLockAll() {
		t.Fatal("all shards were locked, and one was before")
	}
	for i := range db.shards {
		if free := db.shards[i].mu.TryLock(); free != (i != shardCount-1) {
			t.Errorf("shard %d is free: %v", i, free)
		} else if free {
			db.shards[i].mu.Unlock()
		}
	}
	if db.shards[shardCount-1].mu.Unlock(); !db.tryLockAll() {
		t.Error("nobody has a shard, and not all could be locked")
	}
}
