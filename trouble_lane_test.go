package lull_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/testdb"
)

// TestTroubleFencing lets a second engine take the lane: the first stops for good.
func TestTroubleFencing(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p *place) {
		p.makeWorld(t)
		dir := t.TempDir()
		first := openWorld(t, p.sink(t), dir, nil)
		set(t, first, "views:a", "1")
		syncDB(t, first)

		_, err := lull.Open(t.Context(), lull.Options{DataDir: filepath.Join(dir, "data"), Sink: p.sink(t)})
		if err == nil || !strings.Contains(err.Error(), "data directory") {
			t.Errorf("a second process in the same data directory: %v", err)
		}
		other := t.TempDir()
		_, err = lull.Open(t.Context(), lull.Options{DataDir: filepath.Join(other, "data"), Sink: p.sink(t), Tables: worldSpecs()})
		if err == nil || !strings.Contains(err.Error(), "--new-log") {
			t.Errorf("an empty data directory beside a lane: %v", err)
		}
		second := openWorld(t, p.sink(t), other, func(o *lull.Options) { o.NewLog = true })
		set(t, second, "views:a", "2")
		syncDB(t, second)
		eventually(t, "the first engine is told", func() bool {
			return unit(t.Context(), first, "views:a", true, func(tx *lull.Tx) error {
				_, err := tx.IncrBy([]byte("views:a"), 10)
				return err
			}) != nil
		})
		err = unit(t.Context(), first, "views:b", true, func(tx *lull.Tx) error {
			_, err := tx.Set([]byte("views:b"), []byte("3"), lull.SetOptions{})
			return err
		})
		wantErr(t, err, lull.ErrFenced)
		leave(t, first)
		_, err = lull.Open(t.Context(), lull.Options{DataDir: filepath.Join(dir, "data"), Sink: p.sink(t), Tables: worldSpecs()})
		if err == nil || !strings.Contains(err.Error(), "--new-log") {
			t.Errorf("the first engine takes the lane back: %v", err)
		}
		set(t, second, "views:a", "4")
		syncDB(t, second)
		p.wantRows(t, `SELECT page, views FROM views`, "a|4")
		closeDB(t, second)
	})
}

// TestTroubleFencedWhileAway lets the lane be taken while an engine waits for a database
// that is away.
func TestTroubleFencedWhileAway(t *testing.T) {
	t.Parallel()
	server, p := ownPlace(t, "postgres")
	p.makeWorld(t)
	dir := t.TempDir()
	first := openWorld(t, p.sink(t), dir, nil)
	set(t, first, "views:a", "1")
	closeDB(t, first)
	proxy := testdb.StartProxy(t, server.Addr())
	proxy.Refuse()
	p.through = proxy.Through
	first = openWorld(t, p.sink(t), dir, nil)
	set(t, first, "views:a", "2")
	p.through = func(url string) string { return url }
	second := openWorld(t, p.sink(t), t.TempDir(), func(o *lull.Options) { o.NewLog = true })
	set(t, second, "views:a", "3")
	syncDB(t, second)
	proxy.Resume()
	eventually(t, "the first engine stops", func() bool {
		return unit(t.Context(), first, "views:a", true, func(tx *lull.Tx) error {
			_, err := tx.Set([]byte("views:a"), []byte("4"), lull.SetOptions{})
			return err
		}) != nil
	})
	leave(t, first)
	closeDB(t, second)
	p.wantRows(t, `SELECT page, views FROM views`, "a|3")
}

// TestTroubleNewLogWithoutDatabase starts with a new log while the database is away.
func TestTroubleNewLogWithoutDatabase(t *testing.T) {
	t.Parallel()
	server, p := ownPlace(t, "postgres")
	p.makeWorld(t)
	dir := t.TempDir()
	db := openWorld(t, p.sink(t), dir, nil)
	set(t, db, "views:a", "1")
	closeDB(t, db)
	server.Stop(testdb.Immediate)
	db = openWorld(t, p.sink(t), dir, func(o *lull.Options) { o.NewLog = true })
	set(t, db, "views:a", "2")
	server.Restart()
	syncDB(t, db)
	p.wantRows(t, `SELECT page, views FROM views`, "a|2")
	closeDB(t, db)
}

// TestTroubleKilledBetweenCommitAndRecord kills the engine again and again, at whatever
// point of a flush it is in: also where SQL has a flush of which the log knows nothing.
func TestTroubleKilledBetweenCommitAndRecord(t *testing.T) {
	t.Parallel()
	servers(t, func(t *testing.T, server *testdb.Server, p *place) {
		p.makeWorld(t)
		fs := faultfs.New(1)
		proxy := testdb.StartProxy(t, server.Addr())
		p.through = proxy.Through
		tr := &traffic{writers: []*writer{{n: 0}, {n: 1}}}
		unfinished := func(err error) bool { return isNoDB(err) || errors.Is(err, lull.ErrReadOnly) }
		for round := range 8 {
			s := p.sink(t)
			db := openWorld(t, s, "", func(o *lull.Options) { lull.WithFS(o, fs); o.Flush.MaxTransactionRows = 3 })
			tr.goOn(t, db, unfinished)
			time.Sleep(80 * time.Millisecond)
			tr.end(t)
			// What is on its way is answered no more, and what is in the log stays.
			set(t, db, "views:last", fmt.Sprint(round))
			proxy.CutAfter(testdb.ToClient, 0)
			time.Sleep(3 * time.Millisecond)
			proxy.Refuse()
			dead := fs.Kill(uint64(round))
			_ = s.Close()
			leave(t, db)
			fs = dead
			if round%2 == 1 {
				proxy.Resume() // else the next start finds the database away
			}
			if round%4 == 2 {
				db = openWorld(t, p.sink(t), "", func(o *lull.Options) { lull.WithFS(o, fs) })
				tr.goOn(t, db, unfinished)
				time.Sleep(30 * time.Millisecond)
				proxy.Resume()
				time.Sleep(100 * time.Millisecond)
				tr.end(t)
				closeDB(t, db)
			}
			proxy.Resume()
		}
		db := openWorld(t, p.sink(t), "", func(o *lull.Options) { lull.WithFS(o, fs) })
		for _, w := range tr.writers {
			if got, err := read(t.Context(), db, fmt.Sprintf("views:%d", w.n)); err != nil || got != fmt.Sprint(w.views) {
				t.Errorf("views:%d: got %q, %v, wanted %d", w.n, got, err, w.views)
			}
		}
		syncDB(t, db)
		tr.wantInSQL(t, p)
		closeDB(t, db)
	})
}

// TestTroubleDatabaseWentBack puts an older copy of the database in its place: while the
// engine runs, and while it does not. It is noticed, and made up for from the log.
func TestTroubleDatabaseWentBack(t *testing.T) {
	t.Parallel()
	server, p := ownPlace(t, "postgres")
	p.makeWorld(t)
	main := placeAt(t, "postgres", server.URL())
	name := p.url[strings.LastIndex(p.url, "/")+1:]
	name = name[:strings.Index(name, "?")]
	end := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE '` + name + `%'`
	copyDB := func(from, to string) {
		t.Helper()
		main.exec(t, `ALTER DATABASE `+from+` ALLOW_CONNECTIONS false`, end)
		eventually(t, "the database is copied", func() bool {
			_, err := main.direct.Exec(`CREATE DATABASE ` + to + ` TEMPLATE ` + from)
			return err == nil
		})
		main.exec(t, `ALTER DATABASE `+to+` ALLOW_CONNECTIONS true`, `ALTER DATABASE `+from+` ALLOW_CONNECTIONS true`)
	}
	putBack := func() {
		t.Helper()
		main.exec(t, `ALTER DATABASE `+name+` ALLOW_CONNECTIONS false`, end)
		eventually(t, "the database is dropped", func() bool {
			_, err := main.direct.Exec(`DROP DATABASE ` + name + ` WITH (FORCE)`)
			return err == nil
		})
		copyDB("older", name)
	}
	dir := t.TempDir()
	wentBack := make(chan string, 100)
	follow := func(o *lull.Options) {
		o.Flush.MaxTransactionRows = 20 // so that a copy may hold a cut in part
		o.OnEvent = func(e lull.Event) {
			t.Logf("event: %s: %s: %v", e.Kind, e.Text, e.Err)
			if e.Kind == "database went back" {
				wentBack <- e.Text
			}
		}
	}
	db := openWorld(t, p.sink(t), dir, follow)
	tr := startTraffic(t, db, 3, isNoDB)
	time.Sleep(100 * time.Millisecond)
	copyDB(name, "older")
	time.Sleep(200 * time.Millisecond)
	putBack() // under load
	select {
	case <-wentBack:
	case <-time.After(hangMax):
		t.Fatal("nobody noticed")
	}
	time.Sleep(100 * time.Millisecond)
	tr.end(t)
	syncDB(t, db)
	tr.wantInSQL(t, p)
	lull.EvictAll(db)
	tr.goOn(t, db, isNoDB)
	time.Sleep(100 * time.Millisecond)
	tr.end(t)
	closeDB(t, db)
	tr.wantInSQL(t, p)

	putBack() // while it does not run
	db = openWorld(t, p.sink(t), dir, follow)
	tr.goOn(t, db, isNoDB)
	time.Sleep(100 * time.Millisecond)
	tr.end(t)
	closeDB(t, db)
	tr.wantInSQL(t, p)
}
