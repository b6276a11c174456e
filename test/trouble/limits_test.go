package trouble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
)

// limit is one that writers reach while the database is away.
type limit struct {
	name string
	set  func(o *lull.Options)
	over func(s *lull.Stats) bool
}

// limitWriters is how many writers there are: each may be one unit beyond a limit,
// since a unit is let in before its size is known.
const limitWriters = 4

func limits() []limit {
	return []limit{
		{"dirty rows", func(o *lull.Options) { o.MaxDirtyRows = 2000 },
			func(s *lull.Stats) bool { return s.Dirty.Rows > 2000+limitWriters }},
		{"dirty bytes", func(o *lull.Options) { o.MaxDirtyBytes = 1 << 20 },
			func(s *lull.Stats) bool { return s.Dirty.Bytes > 1<<20+limitWriters*4096 }},
		{"log", func(o *lull.Options) {
			o.Log = lull.LogOptions{SegmentBytes: 256 << 10, MaxBytes: 2 << 20, RetainBytes: 256 << 10, RetainAge: time.Millisecond}
		}, func(s *lull.Stats) bool { return s.Log.Bytes > 2<<20 }},
	}
}

// TestLimits fills each limit while the database is away. Writers are refused, reads go
// on, no limit is passed, and what was acknowledged is there afterwards.
func TestLimits(t *testing.T) {
	everywhere(t, false, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		p.exec(t, `CREATE TABLE counters (name TEXT(40) PRIMARY KEY, n BIGINT NOT NULL)`)
		var rate readRate
		for i, m := range limits() {
			db := p.open(t, t.TempDir(), func(o *lull.Options) {
				o.Tables = []lull.TableSpec{{Name: "counters", Key: "counter:{name*}", Type: "string", Value: "n"}}
				often(o)
				o.Name, o.WriteTimeout = fmt.Sprint("lull", i), 50*time.Millisecond
				m.set(o)
			})
			away, back := p.away(t)
			away()
			f := &filler{db: db, prefix: fmt.Sprint("l", i, "-"), over: m.over, rate: &rate}
			f.fill(t, func() bool { return f.busy.Load() >= 4*limitWriters })
			back()
			settle(t, db)
			closeDB(t, db)
			f.check(t, p, line)
			line.Tried(1, "limits reached")
		}
		line.Tried(rate.percent(), "% of the reads a second before")
	})
}

// TestSlowDatabase has writers outrun the database many times over: rows wait in a
// trigger. They are slowed and refused, and nothing that was acknowledged is lost.
func TestSlowDatabase(t *testing.T) {
	everywhere(t, false, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		p.exec(t, `CREATE TABLE counters (name TEXT(40) PRIMARY KEY, n BIGINT NOT NULL)`)
		p.exec(t, map[string][]string{
			"postgres": {`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END $$`,
				`CREATE TRIGGER slow BEFORE INSERT ON counters FOR EACH ROW EXECUTE FUNCTION slow()`},
			"mariadb": {`CREATE TRIGGER slow BEFORE INSERT ON counters FOR EACH ROW SET @slept = SLEEP(0.001)`},
			"sqlite": {`CREATE TRIGGER slow BEFORE INSERT ON counters BEGIN SELECT count(*) FROM
				(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 3000) SELECT x FROM c); END`},
		}[p.kind]...)
		db := p.open(t, t.TempDir(), func(o *lull.Options) {
			o.Tables = []lull.TableSpec{{Name: "counters", Key: "counter:{name*}", Type: "string", Value: "n"}}
			often(o)
			o.MaxDirtyRows, o.WriteTimeout = 500, 50*time.Millisecond
		})
		f := &filler{db: db, prefix: "s-", over: func(s *lull.Stats) bool { return s.Dirty.Rows > 500+limitWriters }}
		end := time.Now().Add(*pressure)
		f.fill(t, func() bool { return time.Now().After(end) })
		settle(t, db)
		s := db.Stats()
		closeDB(t, db)
		f.check(t, p, line)
		line.Tried(int(s.WritersSlowed+s.WritersWaited), "writes held up")
	})
}

// away returns how to take the place's database away, and back.
func (p *place) away(t *testing.T) (away, back func()) {
	if p.proxy != nil {
		return p.proxy.Refuse, p.proxy.Resume
	}
	locked := p.locked()
	return func() { locked.begin(t) }, func() { locked.end(t) }
}

// filler writes new keys, and keeps count of what was acknowledged.
type filler struct {
	db      *lull.DB
	prefix  string
	over    func(s *lull.Stats) bool
	busy    atomic.Int64 // writes refused
	reads   atomic.Int64
	written [limitWriters]int64
	rate    *readRate // nil: not measured
}

// readRate is how long reads take: before a limit is reached, and while it is.
type readRate [2][]time.Duration

func (r *readRate) add(full bool, took time.Duration) {
	switch {
	case r == nil:
	case full:
		r[1] = append(r[1], took)
	default:
		r[0] = append(r[0], took)
	}
}

// percent compares the two by what half of the reads take at most: the machine may have
// other work.
func (r *readRate) percent() int {
	for i := range r {
		slices.Sort(r[i])
	}
	if len(r[0]) == 0 || len(r[1]) == 0 {
		return 0
	}
	return int(100 * r[0][len(r[0])/2] / r[1][len(r[1])/2])
}

// fill writes until done says so, and looks at the limits and reads meanwhile.
func (f *filler) fill(t *testing.T, done func() bool) {
	var stop atomic.Bool
	var writers, looker sync.WaitGroup
	for i := range limitWriters {
		writers.Go(func() {
			for !stop.Load() {
				n := f.written[i] + 1
				switch err := set(context.Background(), f.db, fmt.Sprintf("counter:%s%d-%d", f.prefix, i, n), fmt.Sprint(n)); {
				case err == nil:
					f.written[i] = n
				case errors.Is(err, lull.ErrBusy):
					f.busy.Add(1)
				default:
					t.Errorf("writer %d: %v", i, err)
					return
				}
			}
		})
	}
	looker.Go(func() {
		first := "counter:" + f.prefix + "0-1"
		for !stop.Load() {
			if s := f.db.Stats(); f.over(&s) {
				t.Errorf("a limit was passed: %+v, %+v", s.Dirty, s.Log)
				return
			}
			began := time.Now()
			if got, err := get(context.Background(), f.db, first); err != nil && !errors.Is(err, lull.ErrNoDB) || got != "" && got != "1" {
				t.Errorf("%s: got %q, %v", first, got, err)
				return
			} else if got == "1" {
				f.reads.Add(1)
				f.rate.add(f.busy.Load() > 0, time.Since(began))
			}
		}
	})
	deadline := time.Now().Add(hangMax + *pressure)
	for !done() && !t.Failed() {
		if time.Now().After(deadline) {
			s := f.db.Stats()
			t.Errorf("the limit was not reached: %+v, %+v", s.Dirty, s.Log)
		}
		time.Sleep(5 * time.Millisecond)
	}
	stop.Store(true)
	writers.Wait()
	looker.Wait()
}

func (f *filler) check(t *testing.T, p *place, line *proof.Line) {
	t.Helper()
	if f.reads.Load() == 0 {
		t.Error("nothing was read meanwhile")
	}
	for i, n := range f.written {
		line.Tried(int(n), "writes")
		got := p.rows(t, fmt.Sprintf(`SELECT count(*), coalesce(max(n), 0) FROM counters WHERE name LIKE '%s%d-%%'`, f.prefix, i))[0]
		if got != fmt.Sprintf("%d|%d", n, n) {
			line.Lost.Add(1)
			t.Errorf("writer %d: SQL has %s, wanted %d", i, got, n)
		}
	}
	line.Tried(int(f.busy.Load()), "writes refused")
}
