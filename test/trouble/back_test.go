package trouble

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
	"github.com/lullcache/lull/internal/testdb"
	sqlitedriver "modernc.org/sqlite"
)

// TestDatabaseGoesBack restores an older copy of the database under a running engine,
// and once more while none runs. It is noticed, and what the copy lacks is flushed again
// from the log, once.
func TestDatabaseGoesBack(t *testing.T) {
	everywhere(t, true, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		p.makeLedger(t)
		dir := t.TempDir()
		var noticed atomic.Int64
		change := func(o *lull.Options) {
			ledgerSpecs(o)
			say := o.OnEvent
			o.OnEvent = func(e lull.Event) {
				if say(e); e.Kind == "database went back" {
					noticed.Add(1)
				}
			}
		}
		db := p.open(t, dir, change)
		c := &cutter{p: p, db: db}
		rounds := func(n int) {
			for range n {
				c.round(t)
			}
		}
		rounds(10)
		back := p.keep(t)
		rounds(20)
		back(t) // under the engine
		c.roundsAfter(t)
		if noticed.Load() == 0 {
			line.Lost.Add(1)
			t.Error("nobody noticed that the database went back")
		}
		p.checkCoalesced(t, c.n, line)
		closeDB(t, db)
		back(t) // while none runs
		c.db = p.open(t, dir, change)
		c.roundsAfter(t)
		closeDB(t, c.db)
		p.checkCoalesced(t, c.n, line)
		line.Tried(2, "restores")
	})
}

// roundsAfter writes five rounds just after the database went back. The engine may say
// for a while that it is away, but never read the older state and build on it.
func (c *cutter) roundsAfter(t *testing.T) {
	t.Helper()
	eventually(t, "the first round after the database went back", func() bool {
		n, err := ledgerRound(t.Context(), c.db, c.n)
		if err == nil {
			c.n = n
		} else if !errors.Is(err, lull.ErrNoDB) {
			t.Fatal(err)
		}
		return err == nil
	})
	c.sync(t)
	for range 4 {
		c.round(t)
	}
}

// keep copies the database as it is now and returns how to put the copy back.
func (p *place) keep(t *testing.T) (back func(t *testing.T)) {
	t.Helper()
	if p.kind == "sqlite" {
		older := p.file + ".older"
		p.exec(t, `VACUUM INTO '`+older+`'`)
		return func(t *testing.T) { restoreSQLite(t, p.sql, older) }
	}
	p.server.Stop(testdb.Graceful)
	p.server.Keep()
	p.server.Restart()
	return func(t *testing.T) {
		p.server.Kill()
		p.server.PutBack()
		p.server.Restart()
	}
}

// restoreSQLite writes a copy over a database that others have open, through SQLite's
// own way of backup.
func restoreSQLite(t *testing.T, db *sql.DB, from string) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	must(t, err)
	defer conn.Close()
	must(t, conn.Raw(func(c any) error {
		restorer, ok := c.(interface {
			NewRestore(string) (*sqlitedriver.Backup, error)
		})
		if !ok {
			return fmt.Errorf("the driver cannot restore: %T", c)
		}
		b, err := restorer.NewRestore(from)
		if err != nil {
			return err
		}
		_, err = b.Step(-1)
		for end := time.Now().Add(hangMax); err != nil && time.Now().Before(end); { // another connection reads or writes
			time.Sleep(10 * time.Millisecond)
			_, err = b.Step(-1)
		}
		if end := b.Finish(); err == nil {
			err = end
		}
		return err
	}))
}

// TestDatabaseTooOld restores a copy that is older than what the log keeps. The engine
// under which that happens stops, and so does the next start: both say the database's
// position and the log's, and write nothing to what was restored.
func TestDatabaseTooOld(t *testing.T) {
	everywhere(t, true, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		p.exec(t, `CREATE TABLE counters (name TEXT(40) PRIMARY KEY, n BIGINT NOT NULL)`)
		dir := t.TempDir()
		change := func(o *lull.Options) {
			o.Tables = []lull.TableSpec{{Name: "counters", Key: "counter:{name*}", Type: "string", Value: "n"}}
			often(o)
			o.Log = lull.LogOptions{SegmentBytes: 64 << 10, RetainBytes: 64 << 10, RetainAge: time.Millisecond}
		}
		db := p.open(t, dir, change)
		must(t, set(t.Context(), db, "counter:a", "1"))
		settle(t, db)
		back, had := p.keep(t), db.Stats().Flush.Position
		eventually(t, "the log begins after the copy", func() bool {
			for i := range 1000 {
				must(t, set(t.Context(), db, "counter:a", fmt.Sprint(i)))
			}
			settle(t, db)
			return db.Stats().Log.Oldest > had
		})
		back(t)
		eventually(t, "the engine stops", func() bool {
			_ = set(t.Context(), db, "counter:a", "7") // so that there is something to flush
			return db.Stats().Stopped != nil
		})
		kept := db.Stats().Log.Oldest
		wantPositions := func(when string, err error) {
			t.Helper()
			for _, words := range []string{fmt.Sprintf("up to position %d", had), fmt.Sprintf("kept from %d", kept)} {
				if err == nil || !strings.Contains(err.Error(), words) {
					t.Errorf("%s: %v, wanted it to say %q", when, err, words)
				}
			}
			line.Tried(1, "restores of what is too old")
		}
		wantPositions("running", set(t.Context(), db, "counter:a", "8"))
		now, cancel := context.WithCancel(t.Context())
		cancel()
		_ = db.Close(now) // what remains cannot be flushed
		s, err := openSink(p.kind, p.through())
		must(t, err)
		defer s.Close()
		o := options(s, dir)
		change(&o)
		_, err = lull.Open(t.Context(), o)
		wantPositions("at a start", err)
		p.wantRows(t, `SELECT name, n FROM counters`, "a|1")
	})
}

// TestLaggingStandbyIsPromoted has a PostgreSQL standby that was cut off from its
// primary become the server. What it never got is flushed again.
func TestLaggingStandbyIsPromoted(t *testing.T) {
	t.Parallel()
	line := proof.NewLine(t, *seed)
	p := newPlace(t, "postgres", true, nil)
	p.makeLedger(t)
	var noticed atomic.Int64
	db := p.open(t, t.TempDir(), func(o *lull.Options) {
		ledgerSpecs(o)
		say := o.OnEvent
		o.OnEvent = func(e lull.Event) {
			if say(e); e.Kind == "database went back" {
				noticed.Add(1)
			}
		}
	})
	c := &cutter{p: p, db: db}
	c.round(t)
	standby := p.server.Standby(t)
	u, err := url.Parse(p.url)
	must(t, err)
	second := &place{kind: p.kind, url: strings.Replace(p.url, u.Host, standby.Addr(), 1), server: standby}
	second.sql = openSQL(t, second.kind, second.url)
	for range 5 {
		c.round(t)
	}
	eventually(t, "the standby has what was flushed", func() bool { return second.number(t, `SELECT n FROM counters WHERE name = 'c'`) == c.n })
	// From here on nothing arrives there. (With its replay paused it would lag as well, but
	// a promotion replays all that has arrived.)
	second.exec(t, `ALTER SYSTEM SET primary_conninfo = ''`, `SELECT pg_reload_conf()`)
	eventually(t, "the standby is cut off", func() bool { return second.number(t, `SELECT count(*) FROM pg_stat_wal_receiver`) == 0 })
	for range 20 {
		c.round(t)
	}
	had := second.number(t, `SELECT n FROM counters WHERE name = 'c'`)
	p.server.Kill()
	promote(t, second)
	p.proxy.Redirect(standby.Addr())
	c.roundsAfter(t)
	closeDB(t, db)
	line.Tried(1, "promotions")
	line.Tried(int(noticed.Load()), "times noticed")
	if noticed.Load() == 0 {
		line.Lost.Add(1)
		t.Error("nobody noticed that the standby lagged")
	}
	t.Logf("the standby had %d of %d rounds when it was promoted", had, c.n-5)
	second.checkCoalesced(t, c.n, line)
}

func promote(t *testing.T, p *place) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangMax)
	defer cancel()
	if _, err := p.sql.ExecContext(ctx, `SELECT pg_promote(true, 60)`); err != nil {
		t.Fatalf("promote: %v", err)
	}
}
