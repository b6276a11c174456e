package lull_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// stringsInSQL reads lull_strings: the value of each key.
func stringsInSQL(t *testing.T, s sink.Sink) map[string]string {
	t.Helper()
	table := s.OwnTable("lull_strings")
	rows := make(map[string]string)
	q := sink.Query{Table: table, Columns: []int{table.Column("key"), table.Column("value")}}
	err := s.Read(t.Context(), []sink.Query{q}, func(_ int, vals []value.Value) error {
		rows[vals[0].String()] = vals[1].String()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func set(t *testing.T, db *lull.DB, key, val string) {
	t.Helper()
	do(t, db, key, func(tx *lull.Tx) error {
		_, err := tx.Set([]byte(key), []byte(val), lull.SetOptions{})
		return err
	})
}

func del(t *testing.T, db *lull.DB, key string) {
	t.Helper()
	do(t, db, key, func(tx *lull.Tx) error {
		_, err := tx.Del([]byte(key))
		return err
	})
}

// TestEveryOrderOfSetsDeletesAndFlushes runs each sequence of five steps out of SET,
// DEL and flush, and compares memory and SQL with a model: all in one engine, a key for
// each sequence, then again after a restart.
func TestEveryOrderOfSetsDeletesAndFlushes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSQLite(t, dir)
	db := openOver(t, s, dir, func(o *lull.Options) {
		o.Ack = lull.AckMemory
		o.Flush.Lull, o.Flush.MaxDelay = time.Hour, time.Hour
	})
	const steps, kinds = 5, 4 // set, set through a load (INCR), delete, flush
	total := 1
	for range steps {
		total *= kinds
	}
	want := make(map[string]string)
	for step := range steps {
		flushed := false
		for seq := range total {
			at := seq
			for range step {
				at /= kinds
			}
			key := fmt.Sprintf("seq:%d", seq)
			switch at % kinds {
			case 0:
				set(t, db, key, fmt.Sprint(step))
				want[key] = fmt.Sprint(step)
			case 1:
				do(t, db, key, func(tx *lull.Tx) error {
					n, err := tx.IncrBy([]byte(key), 10)
					want[key] = fmt.Sprint(n)
					return err
				})
			case 2:
				del(t, db, key)
				delete(want, key)
			case 3:
				if !flushed && seq > total/2 {
					flushed = true
					if err := db.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	compare := func(when string) {
		t.Helper()
		for seq := range total {
			key := fmt.Sprintf("seq:%d", seq)
			got, ok := get(t, db, key)
			if w, there := want[key]; ok != there || got != w {
				t.Errorf("%s: %s: got %q, %v, wanted %q, %v", when, key, got, ok, w, there)
			}
		}
	}
	compare("before the last flush")
	closeDB(t, db)
	if got := stringsInSQL(t, s); len(got) != len(want) {
		t.Errorf("SQL has %d rows, wanted %d", len(got), len(want))
	}
	db = openOver(t, s, dir, nil)
	defer closeDB(t, db)
	compare("after a restart")
}

// TestHammeredKeyEndsWithItsLastValue writes a few keys from several goroutines while
// flushes follow one another without a pause.
func TestHammeredKeyEndsWithItsLastValue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := newSQLite(t, dir)
	db := openOver(t, s, dir, func(o *lull.Options) { o.Flush.MaxRows = 1; o.Ack = lull.AckMemory })
	const writers, writes = 4, 1000
	var wg sync.WaitGroup
	var done atomic.Bool
	for w := range writers {
		wg.Go(func() {
			key := fmt.Sprintf("hammered:%d", w)
			for n := range writes {
				set(t, db, key, fmt.Sprint(n))
				if got, _ := get(t, db, key); got != fmt.Sprint(n) {
					t.Errorf("%s: read %q after writing %d", key, got, n)
				}
			}
		})
	}
	wg.Go(func() {
		for !done.Load() {
			if err := db.Sync(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	})
	time.AfterFunc(2*time.Second, func() { done.Store(true) })
	wg.Wait()
	closeDB(t, db)
	rows := stringsInSQL(t, s)
	for w := range writers {
		key := fmt.Sprintf("hammered:%d", w)
		if rows[key] != fmt.Sprint(writes-1) {
			t.Errorf("%s: SQL has %q, wanted %d", key, rows[key], writes-1)
		}
	}
}

// TestAKeyThatNeverStopsChangingIsFlushedOnTime writes one key every few ms, so that
// writes never pause, and looks whether SQL follows.
func TestAKeyThatNeverStopsChangingIsFlushedOnTime(t *testing.T) {
	dir := t.TempDir()
	s := newSQLite(t, dir)
	db := openOver(t, s, dir, func(o *lull.Options) { o.Flush.Lull, o.Flush.MaxDelay = time.Hour, 100*time.Millisecond })
	defer closeDB(t, db)
	seen := map[string]bool{}
	for n := 0; len(seen) < 4; n++ {
		if n > 10_000 {
			t.Fatalf("after %d writes SQL has shown only %d values", n, len(seen))
		}
		set(t, db, "busy", fmt.Sprint(n))
		time.Sleep(3 * time.Millisecond)
		if n%10 == 0 {
			if v, ok := stringsInSQL(t, s)["busy"]; ok {
				seen[v] = true
			}
		}
	}
}

// TestUnitsAreNeverSeenInHalf moves amounts between keys inside units while a reader
// adds up what SQL shows: every committed state has the same total.
func TestUnitsAreNeverSeenInHalf(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s := newSQLite(t, dir)
	db := openOver(t, s, dir, func(o *lull.Options) { o.Ack = lull.AckMemory; o.Flush.MaxRows = 1 })
	defer closeDB(t, db)
	const accounts, start, moves = 20, 1000, 6_000
	name := func(i int) []byte { return fmt.Appendf(nil, "account:%d", i) }
	session := db.NewSession()
	var keys [][]byte
	for i := range accounts {
		keys = append(keys, name(i))
	}
	unit := func(keys [][]byte, fn func(tx *lull.Tx) error) {
		t.Helper()
		if _, err := session.Exec(t.Context(), keys, true, lull.RunFunc(fn)); err != nil {
			t.Fatal(err)
		}
	}
	unit(keys, func(tx *lull.Tx) error {
		for _, k := range keys {
			if _, err := tx.IncrBy(k, start); err != nil {
				return err
			}
		}
		return nil
	})
	var stop atomic.Bool
	states := make(chan int, 1)
	go func() {
		n := 0
		defer func() { states <- n }()
		for !stop.Load() {
			total := 0
			rows := stringsInSQL(t, s)
			for _, v := range rows {
				var x int
				_, _ = fmt.Sscan(v, &x)
				total += x
			}
			if len(rows) > 0 && total != accounts*start {
				t.Errorf("SQL shows a total of %d, wanted %d", total, accounts*start)
				return
			}
			n++
		}
	}()
	for range rounds(moves) {
		from, to := name(rnd.IntN(accounts)), name(rnd.IntN(accounts))
		amount := rnd.Int64N(100)
		unit([][]byte{from, to}, func(tx *lull.Tx) error {
			if _, err := tx.IncrBy(from, -amount); err != nil {
				return err
			}
			_, err := tx.IncrBy(to, amount)
			return err
		})
	}
	stop.Store(true)
	if n := <-states; n < 2 {
		t.Errorf("the reader saw %d states", n)
	}
}

func newSQLite(t *testing.T, dir string) sink.Sink {
	t.Helper()
	return sqliteAt(t, filepath.Join(dir, "test.db"))
}
