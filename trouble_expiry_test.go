package lull_test

import (
	"fmt"
	"strings"
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
	failNext(fs)
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

// openSessions maps hashes and strings that expire by a column of their table.
func openSessions(t *testing.T) (*lull.DB, *place) {
	p := newPlace(t, "sqlite")
	p.exec(t, `CREATE TABLE sessions (id BIGINT PRIMARY KEY, user_name TEXT, page TEXT, ends TIMESTAMP, seen TIMESTAMP)`,
		`CREATE TABLE views (id BIGINT PRIMARY KEY, n BIGINT, ends TIMESTAMP)`)
	return openOver(t, p.sink(t), t.TempDir(), func(o *lull.Options) {
		o.Tables = []lull.TableSpec{
			{Name: "sessions", Key: "session:{id}", Type: "hash", OnExpire: "delete", Expires: "ends", UpdatedAt: "seen"},
			{Name: "views", Key: "views:{id}", Type: "string", Value: "n", OnExpire: "delete", Expires: "ends"},
		}
	}), p
}

// TestARowMadeAnewHasNoExpiry: the row in SQL is the one of before, and the expiry that it
// had goes with all else, or the new row would be deleted when that time comes.
func TestARowMadeAnewHasNoExpiry(t *testing.T) {
	t.Parallel()
	for _, expires := range []bool{false, true} {
		t.Run(fmt.Sprintf("expires %v", expires), func(t *testing.T) {
			db, p := openSessions(t)
			defer closeDB(t, db)
			for _, key := range []string{"session:1", "views:1"} {
				write := func(tx *lull.Tx) error {
					if key == "views:1" {
						_, err := tx.IncrBy([]byte(key), 1)
						return err
					}
					_, err := tx.HSet([]byte(key), [][]byte{[]byte("page"), []byte("home")})
					return err
				}
				do(t, db, key, func(tx *lull.Tx) error {
					if err := write(tx); err != nil {
						return err
					}
					_, err := tx.Expire([]byte(key), tx.Now()+50, lull.ExpireAlways)
					return err
				})
				syncDB(t, db)
				if expires {
					time.Sleep(60 * time.Millisecond)
				}
				do(t, db, key, func(tx *lull.Tx) error {
					if _, err := tx.Del([]byte(key)); err != nil {
						return err
					}
					return write(tx)
				})
			}
			syncDB(t, db)
			p.wantRows(t, `SELECT page, ends FROM sessions`, "home|NULL")
			p.wantRows(t, `SELECT n, ends FROM views`, "1|NULL")
		})
	}
}

// TestColumnsThatLullFillsReadTheSame from memory as from SQL.
func TestColumnsThatLullFillsReadTheSame(t *testing.T) {
	t.Parallel()
	db, _ := openSessions(t)
	defer closeDB(t, db)
	key := []byte("session:1")
	all := func() (text string) {
		t.Helper()
		do(t, db, string(key), func(tx *lull.Tx) error {
			f, err := tx.HGetAll(key)
			if err == nil {
				fields := make(map[string]string)
				f.Each(func(field, val []byte) bool { fields[string(field)] = string(val); return true })
				text = fmt.Sprint(fields)
			}
			return err
		})
		return text
	}
	for name, change := range map[string]func(tx *lull.Tx) error{
		"HSET":    func(tx *lull.Tx) error { _, err := tx.HSet(key, [][]byte{[]byte("page"), []byte("home")}); return err },
		"EXPIRE":  func(tx *lull.Tx) error { _, err := tx.Expire(key, tx.Now()+100_000, lull.ExpireAlways); return err },
		"PERSIST": func(tx *lull.Tx) error { _, err := tx.Persist(key); return err },
	} {
		do(t, db, string(key), func(tx *lull.Tx) error { // in memory, and with both columns
			_, err := tx.HSet(key, [][]byte{[]byte("user_name"), []byte("ann")})
			if err == nil {
				_, err = tx.Expire(key, tx.Now()+50_000, lull.ExpireAlways)
			}
			return err
		})
		do(t, db, string(key), change)
		memory := all()
		syncDB(t, db)
		lull.EvictAll(db)
		if sql := all(); memory != sql || !strings.Contains(sql, "seen:") {
			t.Errorf("%s: in memory %s, in SQL %s", name, memory, sql)
		}
	}
}

// TestAReadOfAnExpiredKeyWaitsForNothing: it records that the key is gone, at the table's
// ack level, but that it is gone needs no proof.
func TestAReadOfAnExpiredKeyWaitsForNothing(t *testing.T) {
	t.Parallel()
	db, p := openSessions(t)
	defer closeDB(t, db)
	key := []byte("views:1")
	do(t, db, string(key), func(tx *lull.Tx) error {
		_, err := tx.IncrBy(key, 1)
		return err
	})
	syncDB(t, db)
	p.wantRows(t, `SELECT n FROM views`, "1")
	lull.Flusher(db).Pause() // the sweep of SQL may find it first: then there is nothing to record
	do(t, db, string(key), func(tx *lull.Tx) error {
		_, err := tx.Expire(key, tx.Now()+10, lull.ExpireAlways)
		return err
	})
	time.Sleep(20 * time.Millisecond)
	s := db.NewSession()
	s.SetAck(lull.AckDatabase)
	ticket, err := s.Exec(t.Context(), [][]byte{key}, false, lull.RunFunc(func(tx *lull.Tx) error {
		_, ok, err := tx.Get(key)
		if ok {
			t.Error("it is there")
		}
		return err
	}))
	if err != nil || ticket.Position != 0 {
		t.Errorf("ticket %+v, %v", ticket, err)
	}
	lull.Flusher(db).Resume()
	syncDB(t, db)
	p.wantRows(t, `SELECT n FROM views`)
}
