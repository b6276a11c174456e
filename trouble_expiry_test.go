package lull_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
)

// TestTroubleEvictedByExpiry: a key whose table says `on_expire: evict` leaves memory
// when its time has come, whoever finds that out: a read, a write that does not look, or
// the sweep.
func TestTroubleEvictedByExpiry(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite")
	p.exec(t, `CREATE TABLE stocks (id BIGINT PRIMARY KEY, n BIGINT)`)
	db := openOver(t, p.sink(t), t.TempDir(), func(o *lull.Options) {
		o.Tables = []lull.TableSpec{{Name: "stocks", Key: "stock:{id}", Type: "string", Value: "n", OnExpire: "evict"}}
	})
	expire := func(key string, in int64) {
		t.Helper()
		do(t, db, key, func(tx *lull.Tx) error {
			_, err := tx.Expire([]byte(key), tx.Now()+in, lull.ExpireAlways)
			return err
		})
	}
	for _, key := range []string{"stock:1", "stock:2", "stock:3"} {
		set(t, db, key, "1")
	}
	syncDB(t, db)
	p.exec(t, `UPDATE stocks SET n = 5`)
	for _, key := range []string{"stock:1", "stock:2", "stock:3"} {
		expire(key, 5)
	}
	time.Sleep(10 * time.Millisecond)
	set(t, db, "stock:1", "7")
	if got, _ := get(t, db, "stock:2"); got != "5" {
		t.Errorf("stock:2: got %q after its time, wanted what SQL has", got)
	}
	eventually(t, "the sweep was there", func() bool {
		got, _ := get(t, db, "stock:3")
		return got == "5"
	})
	closeDB(t, db)
	p.wantRows(t, `SELECT id, n FROM stocks ORDER BY id`, "1|7", "2|5", "3|5")
}

// TestTroubleExpiryWithoutLog: when the log has failed, a key whose time has come is gone
// for readers, although that cannot be recorded any more.
func TestTroubleExpiryWithoutLog(t *testing.T) {
	t.Parallel()
	fs := faultfs.New(1)
	db, err := onFS(t, fs, newSQLite(t, t.TempDir()), nil)
	must(t, err)
	set(t, db, "lasting", "1")
	do(t, db, "short", func(tx *lull.Tx) error {
		_, err := tx.Set([]byte("short"), []byte("1"), lull.SetOptions{ExpireAt: tx.Now() + 20})
		return err
	})
	for n := range 100 {
		fs.FailAt(fs.Ops()+1+n, syscall.EIO)
	}
	err = unit(t.Context(), db, "fails", true, func(tx *lull.Tx) error {
		_, err := tx.Set([]byte("fails"), []byte("1"), lull.SetOptions{})
		return err
	})
	wantErr(t, err, lull.ErrReadOnly)
	time.Sleep(30 * time.Millisecond)
	if got, err := read(t.Context(), db, "short"); err != nil || got != "" {
		t.Errorf("a key whose time has come: got %q, %v", got, err)
	}
	if got, err := read(t.Context(), db, "lasting"); err != nil || got != "1" {
		t.Errorf("a key that lasts: got %q, %v", got, err)
	}
	leave(t, db)
}
