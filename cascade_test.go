package lull_test

import (
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// TestCascadedRowsAreForgotten deletes a parent whose children the database deletes
// with it. Soon after the flush the children's key is loaded again, and has none.
func TestCascadedRowsAreForgotten(t *testing.T) {
	dir := t.TempDir()
	sql := inSQL(t, dir, `CREATE TABLE teams (id INTEGER PRIMARY KEY, name TEXT)`,
		`CREATE TABLE members (team INTEGER REFERENCES teams ON DELETE CASCADE, player INTEGER, points INTEGER, PRIMARY KEY (team, player))`)
	db := openSQLite(t, dir, func(o *lull.Options) {
		o.Tables = []lull.TableSpec{
			{Name: "teams", Key: "team:{id}", Type: "hash"},
			{Name: "members", Key: "members:{team}", Type: "zset", Member: "player", Score: "points", Cascade: "forget"},
		}
	})
	defer closeDB(t, db)
	sync := func() {
		if err := db.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	members := func() (n int) {
		do(t, db, "members:1", func(tx *lull.Tx) (err error) {
			n, err = tx.ZCard([]byte("members:1"))
			return err
		})
		return n
	}
	do(t, db, "team:1", func(tx *lull.Tx) error {
		_, err := tx.HSet([]byte("team:1"), [][]byte{[]byte("name"), []byte("red")})
		return err
	})
	do(t, db, "members:1", func(tx *lull.Tx) error {
		_, _, err := tx.ZIncrBy([]byte("members:1"), []byte("7"), 2, lull.ZAddOptions{})
		return err
	})
	sync()
	if n := members(); n != 1 {
		t.Fatalf("got %d members, want 1", n)
	}
	do(t, db, "team:1", func(tx *lull.Tx) error {
		_, err := tx.Del([]byte("team:1"))
		return err
	})
	sync()
	if rows := rowsOf(t, sql, "SELECT * FROM members"); len(rows) > 0 {
		t.Fatalf("SQL has %v, want no rows", rows)
	}
	for deadline := time.Now().Add(hangMax); members() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the members are still in memory")
		}
	}
}
