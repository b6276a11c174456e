package lull_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// TestAReplayOfManyBatchesGivesWhatWasDirty writes a log that is replayed in several
// batches, by appliers beside each other, with changes of all kinds.
func TestAReplayOfManyBatchesGivesWhatWasDirty(t *testing.T) {
	p := newPlace(t, "sqlite")
	db, err := lull.Open(t.Context(), lull.Options{DataDir: t.TempDir(), Sink: p.sink(t), Ack: lull.AckMemory, AllowFlushAll: true,
		ShutdownTimeout: time.Minute, Log: lull.LogOptions{SegmentBytes: 2 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	db.Pause()
	s := db.NewSession()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const units = 20_000
	value := strings.Repeat("value", 40)
	for i := range units {
		s.Select(rnd.IntN(2))
		key := fmt.Appendf(nil, "%c:%d", "shlz"[i%4], rnd.IntN(500))
		unit := func(tx *lull.Tx) error { return oneChange(tx, key, i, value) }
		if i == units/2 {
			_, err = s.ExecAll(t.Context(), true, lull.RunFunc(func(tx *lull.Tx) error { return tx.FlushDB(1) }))
		} else {
			_, err = s.Exec(t.Context(), [][]byte{key}, true, lull.RunFunc(unit))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	live, replayed, err := lull.DirtyAndReplayed(db)
	if err != nil {
		t.Fatal(err)
	}
	if len(live) < 1000 || !slices.Equal(live, replayed) {
		t.Errorf("%d changes are dirty, and a replay of the log gives others: %d", len(live), len(replayed))
	}
}

// oneChange changes a key of the kind that its first byte says.
func oneChange(tx *lull.Tx, key []byte, i int, value string) error {
	if i%11 == 0 {
		_, err := tx.Del(key)
		return err
	}
	member := fmt.Append(nil, i%37)
	var err error
	switch key[0] {
	case 's':
		_, err = tx.Set(key, fmt.Append(nil, value, i), lull.SetOptions{})
	case 'h':
		_, err = tx.HSet(key, [][]byte{member, []byte(value), []byte("last"), fmt.Append(nil, i)})
	case 'l':
		_, err = tx.Push(key, lull.Tail, [][]byte{[]byte(value), member}, false)
	case 'z':
		_, _, err = tx.ZIncrBy(key, member, float64(i), lull.ZAddOptions{})
	}
	return err
}

// TestAFlushAllIsAShortRecord: it names each table once, not once for each shard, and a
// replay has to lay as much into the sets.
func TestAFlushAllIsAShortRecord(t *testing.T) {
	db := openSQLite(t, t.TempDir(), func(o *lull.Options) { o.AllowFlushAll = true })
	defer closeDB(t, db)
	db.Pause()
	before := db.Stats().Log.Position
	if _, err := db.NewSession().ExecAll(t.Context(), true, lull.RunFunc(func(tx *lull.Tx) error { return tx.FlushDB(-1) })); err != nil {
		t.Fatal(err)
	}
	if n := db.Stats().Log.Position - before; n > 2<<10 {
		t.Errorf("FLUSHALL took %d bytes of the log", n)
	}
	live, replayed, err := lull.DirtyAndReplayed(db)
	if err != nil || len(live) == 0 || !slices.Equal(live, replayed) {
		t.Errorf("%d changes are dirty, %d after a replay: %v", len(live), len(replayed), err)
	}
}
