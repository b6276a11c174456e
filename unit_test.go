package lull_test

import (
	"testing"

	"github.com/lullcache/lull"
)

// TestAUnitThatChangesBeforeItOpensRunsOnce: a key that is missing late in a unit makes
// it run again, and what it changed before must not count twice, in memory or in SQL.
func TestAUnitThatChangesBeforeItOpensRunsOnce(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir, nil)
	do(t, db, "cold", func(tx *lull.Tx) error { _, err := tx.IncrBy([]byte("cold"), 5); return err })
	do(t, db, "warm", func(tx *lull.Tx) error { _, err := tx.IncrBy([]byte("warm"), 1); return err })
	closeDB(t, db)

	db = openSQLite(t, dir, nil)
	defer closeDB(t, db)
	keys := [][]byte{[]byte("warm"), []byte("cold"), []byte("list")}
	runs := 0
	for _, dirty := range []bool{false, true} {
		if !dirty {
			do(t, db, "list", func(tx *lull.Tx) error {
				_, err := tx.Push(keys[2], lull.Tail, [][]byte{[]byte("a")}, false)
				return err
			})
		}
		s := db.NewSession()
		_, err := s.Exec(t.Context(), keys, true, lull.RunFunc(func(tx *lull.Tx) error {
			runs++
			if _, err := tx.IncrBy(keys[0], 1); err != nil {
				return err
			}
			if _, err := tx.Push(keys[2], lull.Tail, [][]byte{[]byte("b")}, false); err != nil {
				return err
			}
			_, err := tx.IncrBy(keys[1], 1)
			return err
		}))
		if err != nil {
			t.Fatal(err)
		}
		lull.EvictAll(db)
	}
	if runs < 3 {
		t.Fatalf("the units ran %d times: none met a miss after a change", runs)
	}
	for key, want := range map[string]int64{"warm": 3, "cold": 7} {
		do(t, db, key, func(tx *lull.Tx) error {
			got, err := tx.IncrBy([]byte(key), 0)
			if err == nil && got != want {
				t.Errorf("%s is %d, want %d", key, got, want)
			}
			return err
		})
	}
	do(t, db, "list", func(tx *lull.Tx) error {
		l, err := tx.List(keys[2])
		if n := l.Len(); err == nil && n != 3 {
			t.Errorf("the list has %d elements, want 3", n)
		}
		return err
	})
}
