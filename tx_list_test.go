package lull_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lullcache/lull"
)

// inMemory is for tests of many small units.
func inMemory(o *lull.Options) { o.Ack = lull.AckMemory }

// lshow returns a list as text.
func lshow(t *testing.T, db *lull.DB, key string) string {
	t.Helper()
	var all []string
	do(t, db, key, func(tx *lull.Tx) error {
		all = all[:0]
		list, err := tx.List([]byte(key))
		list.Range(0, -1, func(int) {}, func(v []byte) { all = append(all, string(v)) })
		return err
	})
	return strings.Join(all, " ")
}

// Positions run out where elements are inserted at one place again and again, so
// that others move, also onto positions that others have just left.
func TestAListKeepsItsOrderInSQL(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir, inMemory)
	raw := inSQL(t, dir)
	key := []byte("l")
	want := []string{"first", "last"}
	do(t, db, "l", func(tx *lull.Tx) error {
		_, err := tx.Push(key, lull.Tail, words(want...), false)
		return err
	})
	for i := range 300 {
		v := fmt.Sprint("v", i)
		do(t, db, "l", func(tx *lull.Tx) error {
			n, err := tx.LInsert(key, i%3 != 0, []byte(want[len(want)/2]), []byte(v))
			if n != len(want)+1 {
				t.Errorf("insert %d: got the length %d, wanted %d", i, n, len(want)+1)
			}
			return err
		})
		at := len(want) / 2
		if i%3 == 0 {
			at++
		}
		want = append(want[:at], append([]string{v}, want[at:]...)...)
		if i%37 == 0 {
			flushed(t, db)
		}
	}
	flushed(t, db)
	text := strings.Join(want, " ")
	wantText(t, "in memory", lshow(t, db, "l"), text)
	wantText(t, "in SQL", strings.Join(rowsOf(t, raw, "SELECT value FROM lull_lists ORDER BY position"), " "), text)
	db.NewSession().Forget(key)
	wantText(t, "loaded", lshow(t, db, "l"), text)
	do(t, db, "l", func(tx *lull.Tx) error { return tx.LTrim(key, 1, -2) })
	closeDB(t, db)
	db = openSQLite(t, dir, inMemory)
	defer closeDB(t, db)
	wantText(t, "after a restart", lshow(t, db, "l"), strings.Join(want[1:len(want)-1], " "))
}

func TestAListThatIsUsedAsAQueueLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	db := openSQLite(t, dir, inMemory)
	defer closeDB(t, db)
	raw := inSQL(t, dir)
	for i := range 200 {
		do(t, db, "q", func(tx *lull.Tx) error {
			_, err := tx.Push([]byte("q"), lull.Head, words(fmt.Sprint(i)), false)
			return err
		})
		if i%50 == 10 {
			flushed(t, db)
		}
		if i < 3 {
			continue
		}
		do(t, db, "q", func(tx *lull.Tx) error {
			_, err := tx.Pop([]byte("q"), lull.Tail, 1, func(v []byte) {
				if got := string(v); got != fmt.Sprint(i-3) {
					t.Errorf("pop: got %s, wanted %d", got, i-3)
				}
			})
			return err
		})
	}
	flushed(t, db)
	wantText(t, "in SQL", strings.Join(rowsOf(t, raw, "SELECT value FROM lull_lists ORDER BY position"), " "), "199 198 197")
	do(t, db, "q", func(tx *lull.Tx) error {
		_, err := tx.Pop([]byte("q"), lull.Tail, 10, func([]byte) {})
		return err
	})
	flushed(t, db)
	wantText(t, "in SQL", strings.Join(rowsOf(t, raw, "SELECT key FROM lull_keys UNION ALL SELECT value FROM lull_lists"), " "), "")
}

func TestMovingWithinAListOfOneChangesNothing(t *testing.T) {
	db := openSQLite(t, t.TempDir(), nil)
	defer closeDB(t, db)
	do(t, db, "l", func(tx *lull.Tx) error {
		if _, err := tx.Push([]byte("l"), lull.Tail, words("a"), false); err != nil {
			return err
		}
		v, ok, err := tx.LMove([]byte("l"), []byte("l"), lull.Head, lull.Tail)
		if string(v) != "a" || !ok {
			t.Errorf("LMOVE: got %q, %v", v, ok)
		}
		return err
	})
	wantText(t, "the list", lshow(t, db, "l"), "a")
}
