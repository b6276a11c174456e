package lull_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// The benchmarks here do the same work through Lull and without it, in turn, on the
// same database: "ratio" is Lull's rate over the other's, "ns/row" and "cpu-ns/row" are
// Lull's, "raw-…" the other's. "cpu" is this process's alone, "db-cpu" that of
// PostgreSQL's sessions. On a busy machine the two CPU times say more than the rates.

const (
	benchRows = 20_000
	benchKey  = "player:"
)

// spent is what some work took.
type spent struct {
	time, cpu, server time.Duration
	allocated         uint64
	rows              int
}

// benchWork measures what is done on a database.
type benchWork struct {
	ours, raw spent
	p         *place
}

func (w *benchWork) do(b *testing.B, s *spent, rows int, work func()) {
	b.Helper()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	server := w.p.serverCPU(b)
	cpu, began := cpuTime(), time.Now()
	work()
	s.time += time.Since(began)
	s.cpu += cpuTime() - cpu
	s.server += w.p.serverCPU(b) - server
	runtime.ReadMemStats(&after)
	s.allocated += after.TotalAlloc - before.TotalAlloc
	s.rows += rows
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serverCPU is what the sessions on the database have used so far, where that is shown.
func (p *place) serverCPU(b *testing.B) (total time.Duration) {
	b.Helper()
	if p.kind != "postgres" {
		return 0
	}
	query := `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
	rows, err := p.direct.QueryContext(b.Context(), query)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			b.Fatal(err)
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has ended
		}
		parts := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, ticks := range parts[11:13] { // utime, stime
			n, _ := strconv.Atoi(ticks)
			total += time.Duration(n) * (time.Second / 100)
		}
	}
	return total
}

func (w *benchWork) report(b *testing.B) {
	ours, raw := w.ours, w.raw
	b.ReportMetric(0, "ns/op")
	per := func(x float64, s spent) float64 { return x / float64(s.rows) }
	b.ReportMetric(per(float64(ours.time), ours), "ns/row")
	b.ReportMetric(per(float64(raw.time), raw), "raw-ns/row")
	b.ReportMetric(per(float64(ours.cpu), ours), "cpu-ns/row")
	b.ReportMetric(per(float64(raw.cpu), raw), "raw-cpu-ns/row")
	if raw.server > 0 {
		b.ReportMetric(per(float64(ours.server), ours), "db-cpu-ns/row")
		b.ReportMetric(per(float64(raw.server), raw), "raw-db-cpu-ns/row")
	}
	b.ReportMetric(per(float64(ours.allocated), ours), "B/row")
	b.ReportMetric(per(float64(raw.allocated), raw), "raw-B/row")
	b.ReportMetric(per(float64(raw.time), raw)/per(float64(ours.time), ours), "ratio")
}

// benchOver opens an engine that flushes only when it is asked to.
func benchOver(b *testing.B, p *place, specs ...lull.TableSpec) *lull.DB {
	b.Helper()
	db, err := lull.Open(b.Context(), lull.Options{
		DataDir: b.TempDir(), Sink: p.sink(b), Tables: specs, Ack: lull.AckMemory, MaxDirtyRows: 10_000_000, LoadTimeout: time.Minute,
		Flush: lull.FlushOptions{MaxDelay: time.Hour, Lull: time.Hour, MaxRows: 100_000_000, MaxBytes: 1 << 40},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close(b.Context()) })
	return db
}

func benchSync(b *testing.B, db *lull.DB) {
	b.Helper()
	if err := db.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// hsetCall sets two columns of a player.
type hsetCall struct {
	key   [1][]byte
	pairs [4][]byte
}

func (c *hsetCall) Run(tx *lull.Tx) error {
	_, err := tx.HSet(c.key[0], c.pairs[:])
	return err
}

// touchPlayers changes all players in memory.
func touchPlayers(b *testing.B, db *lull.DB, version int) {
	b.Helper()
	s := db.NewSession()
	c := &hsetCall{pairs: [4][]byte{[]byte("score"), nil, []byte("seen"), nil}}
	for i := range benchRows {
		c.key[0] = strconv.AppendInt(append(c.key[0][:0], benchKey...), int64(i), 10)
		c.pairs[1] = strconv.AppendInt(c.pairs[1][:0], int64(i+version), 10)
		c.pairs[3] = strconv.AppendInt(c.pairs[3][:0], int64(version), 10)
		if _, err := s.Exec(b.Context(), c.key[:], true, c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFlushUpdate flushes rows that are there, each with two columns changed.
func BenchmarkFlushUpdate(b *testing.B) {
	for _, kind := range []string{"postgres", "mariadb", "sqlite"} {
		b.Run(kind, func(b *testing.B) {
			p := newPlace(b, kind)
			p.exec(b, `CREATE TABLE players (id BIGINT PRIMARY KEY, name TEXT(40) NOT NULL, score BIGINT NOT NULL, seen BIGINT NOT NULL)`,
				playersFilled(kind, benchRows))
			raw := newRaw(b, p)
			db := benchOver(b, p, lull.TableSpec{Name: "players", Key: benchKey + "{id}", Type: "hash"})
			loadPlayers(b, db, benchRows)
			w := benchWork{p: p}
			for n := 1; b.Loop(); n++ {
				w.do(b, &w.raw, benchRows, func() { raw.update(b, benchRows, 2*n) })
				touchPlayers(b, db, 2*n+1)
				w.do(b, &w.ours, benchRows, func() { benchSync(b, db) })
			}
			w.report(b)
		})
	}
}

// BenchmarkFlushAppend flushes a stream's new entries into a table that is only
// appended to.
func BenchmarkFlushAppend(b *testing.B) {
	p := newPlace(b, "postgres")
	p.exec(b, `CREATE TABLE events (topic TEXT(60) NOT NULL, id TEXT(41) NOT NULL, player BIGINT NOT NULL, amount DOUBLE PRECISION NOT NULL, PRIMARY KEY (topic, id))`)
	raw := newRaw(b, p)
	db := benchOver(b, p, lull.TableSpec{Name: "events", Key: "events:{topic}", Type: "stream", ID: []string{"id"}})
	s, key := db.NewSession(), [][]byte{[]byte("events:signup")}
	w := benchWork{p: p}
	var at int
	add := lull.RunFunc(func(tx *lull.Tx) error {
		fields := [][]byte{[]byte("player"), strconv.AppendInt(nil, int64(at), 10), []byte("amount"), []byte("12.5")}
		_, _, err := tx.XAdd(key[0], lull.NewStreamID{Auto: true}, fields, lull.XAddOptions{})
		return err
	})
	for n := 1; b.Loop(); n++ {
		w.do(b, &w.raw, benchRows, func() { raw.copy(b, benchRows, n) })
		for at = range benchRows {
			if _, err := s.Exec(b.Context(), key, true, add); err != nil {
				b.Fatal(err)
			}
		}
		w.do(b, &w.ours, benchRows, func() { benchSync(b, db) })
	}
	w.report(b)
}

// BenchmarkLoad reads rows that are not in memory, in pipelines of 64 keys.
func BenchmarkLoad(b *testing.B) {
	p := newPlace(b, "postgres")
	p.exec(b, `CREATE TABLE players (id BIGINT PRIMARY KEY, name TEXT(40) NOT NULL, score BIGINT NOT NULL, seen BIGINT NOT NULL)`,
		playersFilled("postgres", benchRows), `ANALYZE`)
	raw := newRaw(b, p)
	db := benchOver(b, p, lull.TableSpec{Name: "players", Key: benchKey + "{id}", Type: "hash"})
	w := benchWork{p: p}
	for b.Loop() {
		w.do(b, &w.raw, benchRows, func() { raw.load(b, benchRows) })
		lull.EvictAll(db)
		w.do(b, &w.ours, benchRows, func() { loadPlayers(b, db, benchRows) })
	}
	w.report(b)
}

const benchPipeline = 64

// loadPlayers brings players into memory as the server does for pipelines.
func loadPlayers(b *testing.B, db *lull.DB, rows int) {
	b.Helper()
	s := db.NewSession()
	names := make([]lull.KeyNeed, 0, benchPipeline)
	for i := range rows {
		names = append(names, lull.KeyNeed{Name: strconv.AppendInt([]byte(benchKey), int64(i*7919%rows), 10), Need: lull.NeedAll})
		if len(names) == benchPipeline || i == rows-1 {
			s.Prefetch(b.Context(), names)
			names = names[:0]
		}
	}
	var found bool
	last := []byte(benchKey + strconv.Itoa(rows-1))
	_, err := s.Exec(b.Context(), [][]byte{last}, false, lull.RunFunc(func(tx *lull.Tx) error {
		fields, err := tx.HGetAll(last)
		found = fields.Len() == 3
		return err
	}))
	if err != nil || !found {
		b.Fatalf("player %s: not loaded whole (%v)", last, err)
	}
}
