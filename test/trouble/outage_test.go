package trouble

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
	sqlitedriver "modernc.org/sqlite"
)

// trouble is one way in which a database can be away.
type trouble struct {
	name       string
	begin, end func(t *testing.T)
	// reads: rows can be read all the same. counted: all attempts to connect go through
	// the proxy, which counts them.
	reads, counted bool
}

// TestOutages takes the database away in every way there is, one after the other,
// under load. Nobody who needs no row of it is told of that; who does is told at once.
// Limits hold, attempts to connect are few, and all arrives afterwards.
func TestOutages(t *testing.T) {
	t.Parallel()
	settings := map[string]map[string]string{
		"postgres": {"max_connections": "20"},
		"mariadb": {"max-connections": "20", "innodb-file-per-table": "0", "innodb-autoextend-increment": "1",
			// What a full disk keeps out has to fit when there is room again.
			"innodb-data-file-path": fmt.Sprintf("ibdata1:12M:autoextend:max:%dM", 20+4*int(outage.Seconds()))},
	}
	for _, kind := range []string{"postgres", "mariadb", "sqlite"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			line := proof.NewLine(t, *seed)
			p := newPlace(t, kind, true, settings[kind])
			p.makeLedger(t)
			p.exec(t, `INSERT INTO counters VALUES ('cold', 5)`, `CREATE TABLE filler (id NUMBERED, b TEXT(8000))`)
			p.limitRights(t)
			if kind == "sqlite" {
				boundSQLite(p.file)
			}
			l := newLoad(t, p, line)
			for _, tr := range p.troubles() {
				l.through(t, tr)
			}
			l.finish(t)
		})
	}
}

// limitRights has the engine come as a user who may not write a read-only server, nor
// take the connections that are kept for administrators.
func (p *place) limitRights(t *testing.T) {
	t.Helper()
	switch p.kind {
	case "postgres":
		p.exec(t, `CREATE ROLE app LOGIN`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO app`, `GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app`,
			`GRANT ALL ON SCHEMA public TO app`)
	case "mariadb":
		p.exec(t, `CREATE USER app@'%'`, `GRANT ALL ON `+p.database()+`.* TO app@'%'`)
	default:
		return
	}
	p.user = "app"
}

// database is the name of the place's database.
func (p *place) database() string {
	name, _, _ := strings.Cut(p.url[strings.LastIndex(p.url, "/")+1:], "?")
	return name
}

// pagesMax is how many pages the SQLite files of boundSQLite may have. What outages keep out
// has to fit when there is room again: 3,000 events a second, of which the audit tells.
func pagesMax() int64 { return lasting(150, 100) }

// lasting is a bound that leaves room for what the writers make in an outage.
func lasting(least, perSecond int64) int64 { return least + perSecond*int64(outage.Seconds()) }

var bounded sync.Map // paths of files

var boundOnce sync.Once

// boundSQLite bounds a file for connections of the engine's kind: to them the disk is
// full when the file has so many pages.
func boundSQLite(file string) {
	bounded.Store(file, true)
	boundOnce.Do(func() {
		sqlitedriver.RegisterConnectionHook(func(conn sqlitedriver.ExecQuerierContext, dsn string) error {
			path, query, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
			if _, ok := bounded.Load(path); !ok || !strings.Contains(query, "synchronous") {
				return nil
			}
			_, err := conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", pagesMax()), nil)
			return err
		})
	})
}

// load is an engine, writers that need no row of the database, and one who asks for
// what is not in memory.
type load struct {
	p       *place
	db      *lull.DB
	line    *proof.Line
	stop    atomic.Bool
	running sync.WaitGroup
	hot     [loadWriters]int64 // of each writer: rounds that were acknowledged
	worst   atomic.Int64       // the longest refusal of a cold key
	colds   atomic.Int64
	refused atomic.Int64
	away    atomic.Bool // the database is away for readers

	rowsMax, logMax, memoryMax int64 // the engine's limits
}

const loadWriters = 3

func newLoad(t *testing.T, p *place, line *proof.Line) *load {
	l := &load{p: p, line: line, rowsMax: lasting(200_000, 5000), logMax: lasting(16<<20, 1<<20), memoryMax: lasting(64<<20, 1<<20)}
	l.db = p.open(t, t.TempDir(), func(o *lull.Options) {
		ledgerSpecs(o)
		often(o)
		o.MaxDirtyRows, o.MaxMemory, o.LoadTimeout = l.rowsMax, l.memoryMax, time.Second
		o.Log = lull.LogOptions{SegmentBytes: 1 << 20, MaxBytes: l.logMax, RetainBytes: 1 << 20, RetainAge: time.Second}
	})
	for i := range l.hot {
		must(t, set(t.Context(), l.db, fmt.Sprintf("counter:hot%d", i), "0"))
	}
	settle(t, l.db)
	for i := range l.hot {
		l.running.Go(func() { l.write(t, i) })
	}
	l.running.Go(func() { l.sample(t) })
	return l
}

// write counts a key up that is in memory, sets one that is not, and appends an event.
func (l *load) write(t *testing.T, i int) {
	ctx, hot := context.Background(), fmt.Sprintf("counter:hot%d", i)
	for !l.stop.Load() {
		n, err := incr(ctx, l.db, hot)
		if err == nil && n != l.hot[i]+1 {
			l.line.Lost.Add(1)
			err = fmt.Errorf("the counter became %d after %d were acknowledged", n, l.hot[i])
		}
		if err == nil {
			err = set(ctx, l.db, fmt.Sprintf("counter:new%d-%d", i, n%500), fmt.Sprint(n))
		}
		if err == nil {
			err = unit(ctx, l.db, true, func(tx *lull.Tx) error { return xadd(tx, fmt.Sprintf("events:%d", i), "n", fmt.Sprint(n)) }, fmt.Sprintf("events:%d", i))
		}
		if err != nil {
			t.Errorf("writer %d after %d rounds: %v", i, l.hot[i], err)
			return
		}
		l.hot[i] = n
		time.Sleep(time.Millisecond)
	}
}

// sample looks at the limits, and asks for keys that are not in memory.
func (l *load) sample(t *testing.T) {
	for i := 0; !l.stop.Load(); i++ {
		s := l.db.Stats()
		if s.Dirty.Rows > l.rowsMax+loadWriters || s.Log.Bytes > l.logMax || s.Memory.Bytes > l.memoryMax {
			t.Errorf("limits: %d rows, %d bytes of log, %d of memory", s.Dirty.Rows, s.Log.Bytes, s.Memory.Bytes)
		}
		wasAway, began := l.away.Load(), time.Now()
		_, err := get(context.Background(), l.db, fmt.Sprintf("counter:cold%d", i))
		switch {
		case errors.Is(err, lull.ErrNoDB):
			l.refused.Add(1)
			l.worst.Store(max(l.worst.Load(), int64(time.Since(began))))
		case err != nil:
			t.Errorf("a cold key: %v", err)
		case wasAway && l.away.Load():
			t.Error("a cold key was found, or found absent, while nothing could be read")
		default:
			l.colds.Add(1)
		}
	}
}

// through is one outage, from its beginning until SQL has everything again.
func (l *load) through(t *testing.T, tr trouble) {
	accepted := l.accepted()
	l.refused.Store(0)
	l.colds.Store(0)
	l.worst.Store(0)
	tr.begin(t)
	time.Sleep(100 * time.Millisecond) // loads that were under way end
	l.away.Store(!tr.reads)
	began := time.Now()
	time.Sleep(*outage)
	l.away.Store(false)
	lasted, found := time.Since(began), l.colds.Load()
	attempts := l.accepted() - accepted
	tr.end(t)
	settle(t, l.db)
	l.line.Tried(1, "outages")
	if tr.counted {
		l.line.Tried(attempts, "attempts to connect")
		if most := 60 + int(40*lasted.Seconds()); attempts > most {
			t.Errorf("%s: %d connections were opened in %v, wanted %d at most", tr.name, attempts, lasted, most)
		}
	}
	if tr.reads && found == 0 && *outage > 30*time.Second {
		t.Errorf("%s: no cold key was read", tr.name)
	}
	t.Logf("%s: %v, %d attempts to connect, %d cold keys refused (the slowest in %v), %d retries",
		tr.name, lasted, attempts, l.refused.Load(), time.Duration(l.worst.Load()), l.db.Stats().Flush.Retries)
}

func (l *load) accepted() int {
	if l.p.proxy == nil {
		return 0
	}
	return l.p.proxy.Accepted()
}

// finish compares SQL with what was acknowledged.
func (l *load) finish(t *testing.T) {
	l.stop.Store(true)
	l.running.Wait()
	settle(t, l.db)
	if got, err := get(t.Context(), l.db, "counter:cold"); err != nil || got != "5" {
		t.Errorf("the cold key: got %q, %v, wanted 5", got, err)
	}
	closeDB(t, l.db)
	for i, n := range l.hot {
		l.line.Tried(int(3*n), "writes")
		got := l.p.number(t, fmt.Sprintf(`SELECT n FROM counters WHERE name = 'hot%d'`, i))
		l.line.Lost.Add(max(0, n-got))
		l.line.Invented.Add(max(0, got-n))
		events := l.p.rows(t, fmt.Sprintf(`SELECT count(*), count(DISTINCT n) FROM events WHERE topic = '%d'`, i))[0]
		if events != fmt.Sprintf("%d|%d", n, n) {
			l.line.Torn.Add(1)
			t.Errorf("events of writer %d: %s, wanted %d", i, events, n)
		}
		news := fmt.Sprint(l.p.rows(t, fmt.Sprintf(`SELECT count(*), sum(n), min(n) FROM counters WHERE name LIKE 'new%d-%%'`, i)))
		from := max(1, n-499)
		if want := fmt.Sprintf("[%d|%d|%d]", n-from+1, (from+n)*(n-from+1)/2, from); news != want {
			l.line.Lost.Add(1)
			t.Errorf("keys that writer %d set: SQL has %s, wanted %s", i, news, want)
		}
	}
}

func (p *place) troubles() []trouble {
	if p.kind == "sqlite" {
		return []trouble{p.locked(), p.full()}
	}
	return []trouble{
		{name: "stopped", counted: true, begin: func(*testing.T) { p.server.Kill() }, end: func(*testing.T) { p.server.Restart() }},
		{name: "refusing", begin: func(*testing.T) { p.proxy.Refuse() }, end: func(*testing.T) { p.proxy.Resume() }},
		{name: "hanging", counted: true, begin: func(*testing.T) { p.proxy.Hang() }, end: func(*testing.T) { p.proxy.Resume() }},
		p.readOnly(), p.noConnections(), p.full(),
	}
}

// locked: somebody else holds the file's write lock.
func (p *place) locked() trouble {
	var other *sql.Conn
	return trouble{name: "locked", reads: true, begin: func(t *testing.T) {
		var err error
		other, err = p.sql.Conn(t.Context())
		must(t, err)
		_, err = other.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
		must(t, err)
	}, end: func(t *testing.T) {
		_, err := other.ExecContext(t.Context(), `ROLLBACK`)
		must(t, err)
		must(t, other.Close())
	}}
}

func (p *place) readOnly() trouble {
	on, off := `SET GLOBAL read_only = 1`, `SET GLOBAL read_only = 0`
	if p.kind == "postgres" {
		on, off = `ALTER DATABASE `+p.database()+` SET default_transaction_read_only = on`, `ALTER DATABASE `+p.database()+` RESET default_transaction_read_only`
	}
	return trouble{name: "read-only", reads: true, counted: true, begin: func(t *testing.T) {
		p.exec(t, on)
		p.proxy.Cut()
	}, end: func(t *testing.T) {
		if p.kind == "postgres" { // the test's own session reads only as well
			off = `BEGIN READ WRITE; ` + off + `; COMMIT`
		}
		p.exec(t, off)
	}}
}

// noConnections: others have taken all that the server has.
func (p *place) noConnections() trouble {
	var others []*sql.Conn
	return trouble{name: "no connections", counted: true, begin: func(t *testing.T) {
		p.proxy.Refuse()
		taken := strings.Replace(p.url, "lull@", "app@", 1)
		db := openSQL(t, p.kind, taken)
		for {
			c, err := db.Conn(t.Context())
			if err != nil {
				break
			}
			others = append(others, c)
		}
		if len(others) < 5 {
			t.Errorf("only %d connections could be taken", len(others))
		}
		p.proxy.Resume()
	}, end: func(t *testing.T) {
		for _, c := range others {
			must(t, c.Close())
		}
	}}
}

// full: there is no room where the database lies. PostgreSQL has no limit of its own:
// there a trigger says what the server says on a full disk.
func (p *place) full() trouble {
	tr := trouble{name: "full disk", reads: true, counted: true}
	if p.kind == "postgres" {
		tr.begin = func(t *testing.T) {
			p.exec(t, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$`,
				`CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON counters FOR EACH STATEMENT EXECUTE FUNCTION full_disk()`)
		}
		tr.end = func(t *testing.T) { p.exec(t, `DROP TRIGGER full_disk ON counters`) }
		return tr
	}
	tr.begin = func(t *testing.T) {
		text := strings.Repeat("x", 8000)
		for range 100_000 {
			if p.kind == "sqlite" && p.number(t, `PRAGMA page_count`) >= pagesMax() {
				return
			}
			if _, err := p.sql.ExecContext(t.Context(), `INSERT INTO filler (b) VALUES ('`+text+`')`); err != nil {
				p.fillEvents(t)
				return
			}
		}
		t.Error("the disk could not be filled")
	}
	tr.end = func(t *testing.T) {
		if p.kind == "sqlite" {
			p.exec(t, `DELETE FROM filler`)
			return
		}
		p.exec(t, `DROP TABLE filler`, `DELETE FROM events WHERE topic = 'filler'`)
	}
	return tr
}

// fillEvents takes what room the table of events has for itself.
func (p *place) fillEvents(t *testing.T) {
	for range 1000 {
		if _, err := p.sql.ExecContext(t.Context(), `INSERT INTO events SELECT 'filler', n FROM events LIMIT 500`); err != nil {
			return
		}
	}
	t.Error("the table of events could not be filled")
}
