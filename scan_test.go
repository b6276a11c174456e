package lull_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/keyspace"
)

// scanAll goes through a whole scan and counts how often each key came.
func scanAll(t *testing.T, s *lull.Session, count int) map[string]int {
	t.Helper()
	seen := make(map[string]int)
	for cursor, rounds := uint64(0), 0; ; rounds++ {
		next, err := s.Scan(t.Context(), cursor, count, func(key string, _ keyspace.Type) { seen[key]++ })
		if err != nil {
			t.Fatal(err)
		}
		if next == 0 {
			return seen
		}
		if rounds > 100_000 {
			t.Fatal("the scan does not end")
		}
		cursor = next
	}
}

// TestScanFindsWhatIsOnlyInSQL writes keys of a mapped table and generic ones, starts
// again, touches some, changes some, and scans.
func TestScanFindsWhatIsOnlyInSQL(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sqlFile(t, dir, `CREATE TABLE counters (name TEXT PRIMARY KEY, n BIGINT NOT NULL)`)
	mapped := func(o *lull.Options) {
		o.Tables = []lull.TableSpec{{Name: "counters", Key: "count:{name}", Type: "string", Value: "n"}}
		o.Unmapped = lull.UnmappedGeneric
		o.Flush.Lull, o.Flush.MaxDelay = time.Hour, time.Hour
	}
	db := openSQLite(t, dir, mapped)
	want := make(map[string]bool)
	for i := range 500 {
		set(t, db, fmt.Sprintf("count:%d", i), fmt.Sprint(i))
		set(t, db, fmt.Sprintf("free:%d", i), "x")
		want[fmt.Sprintf("count:%d", i)], want[fmt.Sprintf("free:%d", i)] = true, true
	}
	closeDB(t, db)
	db = openSQLite(t, dir, mapped)
	defer closeDB(t, db)
	for i := range 50 { // in memory, not changed
		get(t, db, fmt.Sprintf("count:%d", i))
	}
	for i := range 25 { // deleted and added, neither of which SQL has seen
		del(t, db, fmt.Sprintf("free:%d", i))
		delete(want, fmt.Sprintf("free:%d", i))
		set(t, db, fmt.Sprintf("count:new%d", i), "1")
		want[fmt.Sprintf("count:new%d", i)] = true
	}
	s := db.NewSession()
	for _, count := range []int{1, 10, 1000} {
		seen := scanAll(t, s, count)
		for key := range want {
			if seen[key] == 0 {
				t.Errorf("count %d: %s was not returned", count, key)
			}
		}
		for key := range seen {
			if !want[key] {
				t.Errorf("count %d: %s does not exist", count, key)
			}
		}
	}
	n, exact, err := s.DBSize(t.Context())
	if err != nil || !exact || n != int64(len(want)) {
		t.Errorf("DBSIZE: %d, %v, %v, wanted %d", n, exact, err, len(want))
	}
}

// TestReadsAfterEviction keeps far more keys than memory takes and reads them all
// back, while some are changed.
func TestReadsAfterEviction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := openSQLite(t, dir, func(o *lull.Options) { o.MaxMemory = 40 << 10; o.Ack = lull.AckMemory })
	defer closeDB(t, db)
	const keys = 800
	val := func(i, round int) string { return fmt.Sprintf("%060d %d", i, round) }
	for round := range 2 {
		for i := range keys {
			set(t, db, fmt.Sprintf("key:%d", i), val(i, round))
		}
	}
	for i := range keys {
		if got, ok := get(t, db, fmt.Sprintf("key:%d", i)); !ok || got != val(i, 1) {
			t.Fatalf("key:%d: got %q, %v", i, got, ok)
		}
	}
}
