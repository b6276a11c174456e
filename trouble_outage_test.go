package lull_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/testdb"
)

// servers runs a test over each database that is a server, on one of its own.
func servers(t *testing.T, test func(t *testing.T, server *testdb.Server, p *place)) {
	for _, kind := range []string{"postgres", "mariadb"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server, p := ownPlace(t, kind)
			test(t, server, p)
		})
	}
}

// TestTroubleDatabaseAway stops and kills the server under load, several times: keys in
// memory go on, a cold key is refused at once, and all arrives.
func TestTroubleDatabaseAway(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, server *testdb.Server, p *place) {
		p.makeWorld(t)
		p.exec(t, `INSERT INTO views VALUES ('cold', 5)`)
		dir := t.TempDir()
		db := openWorld(t, p.sink(t), dir, nil)
		tr := startTraffic(t, db, 4, nil)
		eventually(t, "every writer's keys are in memory", func() bool { return len(p.rows(t, `SELECT * FROM scores`)) == 4 })
		for round := range 3 {
			time.Sleep(100 * time.Millisecond)
			if round == 0 {
				server.Stop(testdb.Graceful)
			} else {
				server.Kill()
			}
			began := time.Now()
			_, err := read(t.Context(), db, "views:cold")
			wantErr(t, err, lull.ErrNoDB)
			if took := time.Since(began); took > hangMax/2 { // not only when load_timeout had passed
				t.Errorf("refusing a cold key took %v", took)
			}
			time.Sleep(300 * time.Millisecond)
			server.Restart()
		}
		tr.end(t)
		syncDB(t, db)
		tr.wantInSQL(t, p)
		if got, err := read(t.Context(), db, "views:cold"); got != "5" {
			t.Errorf("views:cold: got %q, %v", got, err)
		}
		closeDB(t, db)
	})
}

// TestTroubleStartWithoutDatabase ends the engine while the database is away, starts it
// again without, writes on, and finds everything once the database is back; letters are
// read before anything is served that they cover.
func TestTroubleStartWithoutDatabase(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, server *testdb.Server, p *place) {
		p.makeWorld(t)
		p.exec(t, `ALTER TABLE views ADD CONSTRAINT few CHECK (views < 1000000)`)
		dir := t.TempDir()
		db := openWorld(t, p.sink(t), dir, nil)
		set(t, db, "views:bad", "2000000")
		set(t, db, "views:hot", "1")
		syncDB(t, db) // a row that is still dirty is shown by memory, also without the database
		if n := len(letters(db)); n != 1 {
			t.Errorf("%d rows are set aside, wanted views:bad", n)
		}
		tr := startTraffic(t, db, 3, isNoDB)
		time.Sleep(300 * time.Millisecond)
		server.Kill()
		time.Sleep(100 * time.Millisecond)
		tr.end(t)
		leave(t, db)

		db = openWorld(t, p.sink(t), dir, nil)
		tr.goOn(t, db, isNoDB)
		set(t, db, "views:hot", "2")
		if got, err := read(t.Context(), db, "views:hot"); got != "2" {
			t.Errorf("a key that was set: got %q, %v", got, err)
		}
		got, err := read(t.Context(), db, "views:bad")
		if wantErr(t, err, lull.ErrNoDB); err == nil {
			t.Errorf("views:bad is %q; %d rows are dirty, the lane is taken: %v", got, db.Stats().Dirty.Rows, lull.Flusher(db).Opened())
		}
		time.Sleep(100 * time.Millisecond)
		server.Restart()
		eventually(t, "a key that a letter holds is read", func() bool {
			got, err := read(t.Context(), db, "views:bad")
			if err == nil && got != "2000000" {
				t.Errorf("a refused value: got %q", got)
			}
			return err == nil
		})
		eventually(t, "all writers go on", func() bool {
			for _, w := range tr.writers {
				n := w.n
				if got, err := read(t.Context(), db, fmt.Sprintf("views:%d", n)); err != nil || got == "" {
					return false
				}
			}
			return true
		})
		tr.end(t)
		syncDB(t, db)
		tr.wantInSQL(t, p)
		closeDB(t, db)
	})
}

// TestTroubleLimits fills the dirty set while the database is away: writers wait, are
// told what is full, and lose nothing that was acknowledged.
func TestTroubleLimits(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, server *testdb.Server, p *place) {
		p.makeWorld(t)
		db := openWorld(t, p.sink(t), t.TempDir(), func(o *lull.Options) {
			o.MaxDirtyRows, o.WriteTimeout = 500, 150*time.Millisecond
		})
		set(t, db, "views:before", "1")
		syncDB(t, db)
		server.Stop(testdb.Immediate)
		want := map[string]string{"views:before": "1"}
		var busy error
		for i := 0; busy == nil && i < 2000; i++ {
			key, val := fmt.Sprintf("views:%d", i), fmt.Sprint(i)
			busy = unit(t.Context(), db, key, true, func(tx *lull.Tx) error {
				_, err := tx.Set([]byte(key), []byte(val), lull.SetOptions{})
				return err
			})
			if busy == nil {
				want[key] = val
			}
		}
		wantErr(t, busy, lull.ErrBusy, "max_dirty_rows (500)")
		if len(want) < 500 || len(want) > 510 {
			t.Errorf("%d rows were taken at a limit of 500", len(want))
		}
		check := func(when string) {
			for key, val := range want {
				if got, err := read(t.Context(), db, key); got != val {
					t.Errorf("%s: %s: got %q, %v, wanted %q", when, key, got, err, val)
				}
			}
		}
		check("while full")
		began := time.Now()
		waiting := make(chan error, 1)
		go func() {
			for {
				err := unit(t.Context(), db, "views:late", true, func(tx *lull.Tx) error {
					_, err := tx.Set([]byte("views:late"), []byte("9"), lull.SetOptions{})
					return err
				})
				if !errors.Is(err, lull.ErrBusy) {
					waiting <- err
					return
				}
			}
		}()
		server.Restart()
		if err := <-waiting; err != nil || time.Since(began) > hangMax {
			t.Errorf("a write after the return: %v after %v", err, time.Since(began))
		}
		want["views:late"] = "9"
		syncDB(t, db)
		check("afterwards")
		p.wantRows(t, `SELECT count(*) FROM views`, fmt.Sprint(len(want)))
		closeDB(t, db)
	})
}
