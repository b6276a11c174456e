package lull_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
)

// onFS opens an engine whose files are in fs and whose database is s.
func onFS(t *testing.T, fs *faultfs.FS, s sink.Sink, change func(*lull.Options)) (*lull.DB, error) {
	t.Helper()
	o := lull.Options{
		DataDir: "data", Sink: s, Ack: lull.AckMemory, LoadTimeout: hangMax, ShutdownTimeout: hangMax,
		Log:   lull.LogOptions{SegmentBytes: 64 << 10, SyncEvery: time.Hour},
		Flush: lull.FlushOptions{Lull: 2 * time.Millisecond, MaxDelay: 5 * time.Millisecond},
	}
	if change != nil {
		change(&o)
	}
	lull.WithFS(&o, fs)
	lull.StartWait(&o, hangMax)
	return lull.Open(t.Context(), o)
}

// TestTroublePowerCut cuts the power at ack memory, mostly right after a flush: what SQL
// has the log has, so the engine starts again, where SQL is or later.
func TestTroublePowerCut(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	fs := faultfs.New(seed)
	least := make([]int, 3) // what SQL was seen to have
	at := make([]int, 3)
	for round := range rounds(12) {
		s := newSQLite(t, dir)
		db, err := onFS(t, fs, s, nil)
		if err != nil {
			t.Fatalf("round %d: start after the cut: %v", round, err)
		}
		for i := range at {
			got, err := read(t.Context(), db, fmt.Sprintf("n:%d", i))
			n := 0
			_, _ = fmt.Sscan(got, &n)
			if err != nil || n < least[i] || n > at[i] {
				t.Fatalf("round %d: n:%d: got %q, %v, wanted from %d to %d", round, i, got, err, least[i], at[i])
			}
			at[i] = n
		}
		for range 50 + rnd.IntN(200) {
			i := rnd.IntN(len(at))
			key := fmt.Sprintf("n:%d", i)
			do(t, db, key, func(tx *lull.Tx) error {
				_, err := tx.IncrBy([]byte(key), 1)
				return err
			})
			at[i]++
			if rnd.IntN(100) == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		if rnd.IntN(3) > 0 {
			syncDB(t, db)
		}
		_ = s.Close() // whatever is on its way: it has committed or not
		fs = fs.PowerCut(rnd.Uint64())
		leave(t, db)
		for key, val := range stringsInSQL(t, newSQLite(t, dir)) {
			i, n := 0, 0
			_, _ = fmt.Sscanf(key, "n:%d", &i)
			_, _ = fmt.Sscan(val, &n)
			least[i] = n
		}
	}
}

// TestTroubleLogFails has the n-th operation on the log's files fail. The engine is
// read-only from then on, shows what it acknowledged, and brings it into SQL; and the
// next start accepts that SQL is ahead of the log.
func TestTroubleLogFails(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	failed := 0
	for round := range rounds(12) {
		s := newSQLite(t, t.TempDir())
		fs := faultfs.New(seed + uint64(round))
		fs.FailAt(40+rnd.IntN(400), syscall.EIO)
		ack := lull.AckMemory
		if round%2 == 1 {
			ack = lull.AckDisk
		}
		db, err := onFS(t, fs, s, func(o *lull.Options) { o.Ack = ack; o.Log.SegmentBytes = 8 << 10 })
		if err != nil {
			if !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			continue
		}
		want, err := setUntilRefused(t, db, round)
		if err != nil {
			failed++
			wantErr(t, err, lull.ErrReadOnly)
		}
		check := func(when string) {
			t.Helper()
			for key, val := range want {
				if got, err := read(t.Context(), db, key); err != nil || got != val {
					t.Fatalf("seed %d, round %d, %s: %s: got %q, %v, wanted %q", seed, round, when, key, got, err, val)
				}
			}
		}
		check("after the failure")
		syncDB(t, db)
		inSQL := stringsInSQL(t, s)
		for key, val := range want {
			if inSQL[key] != val {
				t.Fatalf("seed %d, round %d: SQL has %q at %s, wanted %q", seed, round, inSQL[key], key, val)
			}
		}
		if round%3 == 0 {
			fs = fs.Kill(rnd.Uint64())
		} else {
			fs = fs.PowerCut(rnd.Uint64())
		}
		leave(t, db)
		if db, err = onFS(t, fs, s, nil); err != nil {
			t.Fatalf("seed %d, round %d: start after the failure: %v", seed, round, err)
		}
		check("after the restart")
		set(t, db, "k:0", "on it goes")
		closeDB(t, db)
		if got := stringsInSQL(t, s)["k:0"]; got != "on it goes" {
			t.Errorf("seed %d, round %d: after the restart SQL has %q", seed, round, got)
		}
	}
	if failed < 3 {
		t.Errorf("the log failed in only %d rounds", failed)
	}
}

// setUntilRefused sets 600 values, or as many as the engine takes, and returns those
// that are certain.
func setUntilRefused(t *testing.T, db *lull.DB, round int) (want map[string]string, err error) {
	want = map[string]string{}
	for i := 0; err == nil && i < 600; i++ {
		key := fmt.Sprintf("k:%d", i%50)
		val := fmt.Sprintf("%d of %d", i, round)
		err = unit(t.Context(), db, key, true, func(tx *lull.Tx) error {
			_, err := tx.Set([]byte(key), []byte(val), lull.SetOptions{})
			return err
		})
		if err == nil {
			want[key] = val
		} else {
			delete(want, key) // it may be either
		}
	}
	return want, err
}

// TestTroubleSealedLaneAndNoDatabase: the log fails, SQL gets ahead of it, the power goes
// and takes the log's tail, and at the next start the database is away. What is written
// then stands where the tail stood, and must not be taken for it.
func TestTroubleSealedLaneAndNoDatabase(t *testing.T) {
	t.Parallel()
	server, p := ownPlace(t, "postgres")
	proxy := testdb.StartProxy(t, server.Addr())
	p.through = proxy.Through
	fs := faultfs.New(3)
	quiet := func(o *lull.Options) { o.Flush.Lull, o.Flush.MaxDelay = time.Hour, time.Hour }
	first := p.sink(t)
	db, err := onFS(t, fs, first, quiet)
	must(t, err)
	set(t, db, "before", "1")
	syncDB(t, db)
	for i := range 200 {
		set(t, db, fmt.Sprintf("tail:%d", i), "1")
	}
	failNext(fs)
	syncDB(t, db)
	_ = first.Close()
	proxy.Refuse()
	fs = fs.PowerCut(3)
	leave(t, db)
	db, err = onFS(t, fs, p.sink(t), quiet)
	must(t, err)
	const written = 400
	for i := range written {
		set(t, db, fmt.Sprintf("after:%d", i), "1")
	}
	proxy.Resume()
	syncDB(t, db)
	if got := stringsInSQL(t, p.sink(t)); len(got) != 1+200+written {
		t.Errorf("SQL has %d keys, wanted %d", len(got), 1+200+written)
	}
	closeDB(t, db)
	db, err = onFS(t, fs, p.sink(t), nil)
	must(t, err)
	for _, key := range []string{"before", "tail:199", "after:399"} {
		if got, err := read(t.Context(), db, key); err != nil || got != "1" {
			t.Errorf("%s: got %q, %v", key, got, err)
		}
	}
	closeDB(t, db)
}
