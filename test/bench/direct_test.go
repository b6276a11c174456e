package matrix

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lullcache/lull/internal/resp"
)

// directRun is one way to write, at one skew.
type directRun struct {
	name            string
	skew            func(n int, seed uint64) chooser
	pipeline        int     // 0: plain SQL
	asked           float64 // writes/s; 0: as many as are answered
	rates, p99, lag values
	cpu             values // µs of Lull for each write
}

// arena is a PostgreSQL with two tables of the same rows, one for Lull and one for
// plain SQL, and a Lull that has all its rows in memory.
type arena struct {
	url    string
	rows   int
	lull   *lull
	writes int64 // through Lull
	seed   uint64
}

const directStatement = "UPDATE bench_direct SET hits = hits + 1 WHERE id = $1"

// measureDirect compares writers that go through Lull with writers that UPDATE.
func measureDirect(b *run) {
	b.out.About = []string{
		fmt.Sprintf("50 clients add 1 to counters: %s rows `(id bigint PRIMARY KEY, hits bigint)` that are there, in PostgreSQL, synchronous commits.", keysText(b.scale.items)),
		"Plain: `UPDATE … SET hits = hits + 1 WHERE id = $1`, prepared, from 50 connections, each its own transaction. Lull: `INCRBY` over the mapped table, `ack: memory`, all else as by default, its rows in memory before. Both from the same program.",
		"Held at a rate: each pipeline is sent when it is due, and its latency counts from then. Lag: a row written through Lull every 20 ms and looked for in SQL every 50 ms. After each measurement of Lull its flush is waited for. At the end the sum of SQL has to be exactly what was answered.",
	}
	a := startArena(b)
	runs := []*directRun{
		{name: "plain UPDATE, zipf 1.1", skew: skewed}, {name: "Lull, zipf 1.1, pipeline 16", skew: skewed, pipeline: 16},
		{name: "Lull, zipf 1.1, pipeline 1", skew: skewed, pipeline: 1},
		{name: "plain UPDATE, uniform", skew: uniform}, {name: "Lull, uniform, pipeline 16", skew: uniform, pipeline: 16},
	}
	for range b.rounds {
		for _, r := range runs {
			a.measure(b, r, b.scale.long*2/3)
		}
	}
	held := []*directRun{
		{name: "zipf 1.1, pipeline 16", skew: skewed, pipeline: 16, asked: 100_000}, {name: "zipf 1.1, pipeline 1", skew: skewed, pipeline: 1},
		{name: "uniform, pipeline 16", skew: uniform, pipeline: 16},
	}
	for _, r := range held {
		a.measure(b, r, b.scale.hold)
	}
	a.check(b)
	b.out.directRows(b.scale, runs, held)
	t := Table{Title: "Ways to write", Head: []string{"way", "writes/s", "p99 ms", "lag median s", "Lull's CPU a write"}}
	for _, r := range append(runs, held...) {
		lag, cpu := "none", "–"
		if r.pipeline > 0 {
			lag, cpu = r.lag.text(count), r.cpu.text(micros)
		}
		t.Lines = append(t.Lines, []string{r.name, r.rates.text(count), r.p99.text(count), lag, cpu})
	}
	for i := range held {
		t.Lines[len(runs)+i][0] += held[i].heldFor(b.scale)
	}
	b.out.Tables = append(b.out.Tables, t)
}

func (r *directRun) heldFor(sc *scale) string {
	if r.asked > 0 {
		return fmt.Sprintf(", %s/s held for %v", count(r.asked), sc.hold)
	}
	return fmt.Sprintf(", held for %v", sc.hold)
}

func startArena(b *run) *arena {
	b.Helper()
	a := &arena{url: startPostgres(b).NewDatabase(b.T), rows: b.scale.items}
	fill := "INSERT INTO %s SELECT i, 0 FROM generate_series(0, %d) AS i"
	execute(b, a.url, probeTable, "CREATE TABLE bench_counters (id bigint PRIMARY KEY, hits bigint NOT NULL)", "CREATE TABLE bench_direct (id bigint PRIMARY KEY, hits bigint NOT NULL)",
		fmt.Sprintf(fill, "bench_counters", a.rows-1), fmt.Sprintf(fill, "bench_direct", a.rows-1), "VACUUM ANALYZE")
	a.lull = startLull(b, a.url, "ack: memory\nmax_memory: 8GiB\ntables:\n"+probeSpec+"  bench_counters: {key: \"counter:{id}\", type: string, value: hits, max_age: 0s}\n")
	b.must(flood(a.lull.addr, a.rows, func(out *resp.Writer, i int) { words(out, "INCRBY", counter(int64(i)), "1") }))
	a.writes = int64(a.rows)
	a.lull.settle(b)
	return a
}

func counter(id int64) string { return "counter:" + strconv.FormatInt(id, 10) }

// measure adds one measurement to r.
func (a *arena) measure(b *run, r *directRun, d time.Duration) {
	b.Helper()
	var writers []writer
	for range clients {
		a.seed++
		next := r.skew(a.rows, a.seed)
		if r.pipeline == 0 {
			writers = append(writers, newSQLWriter(b, a.url, directStatement, next))
			continue
		}
		writers = append(writers, newRedisWriter(b, a.lull.addr, r.pipeline, func(out *resp.Writer) { words(out, "INCRBY", counter(next()), "1") }))
	}
	if r.pipeline == 0 {
		o := loadWith(b, writers, d, 0)
		r.rates, r.p99 = append(r.rates, o.rate), append(r.p99, o.at(0.99))
		b.say("%s: %s/s, p99 %.2f ms", r.name, count(o.rate), o.at(0.99))
		return
	}
	before := a.lull.usage(b)
	probe := startProbe(b, a.lull, a.url)
	o := loadWith(b, writers, d, r.asked/float64(r.pipeline))
	lag, lagMax := probe.stop(b)
	cpu := a.lull.usage(b).cpu - before.cpu
	a.writes += o.writes
	r.rates, r.p99, r.lag = append(r.rates, o.rate), append(r.p99, o.at(0.99)), append(r.lag, lag)
	r.cpu = append(r.cpu, float64(cpu.Nanoseconds())/1000/float64(max(o.writes, 1)))
	began := time.Now()
	a.lull.settle(b)
	b.say("%s: %s/s, p99 %.2f ms, lag %.2f s, at most %.2f s, the rest in SQL after %.1f s", r.name, count(o.rate), o.at(0.99), lag, lagMax, time.Since(began).Seconds())
}

// check compares SQL with what was answered.
func (a *arena) check(b *run) {
	b.Helper()
	conn, err := pgx.Connect(context.Background(), a.url)
	b.must(err)
	defer conn.Close(context.Background())
	var sum int64
	b.must(conn.QueryRow(context.Background(), "SELECT sum(hits) FROM bench_counters").Scan(&sum))
	if sum != a.writes {
		b.Fatalf("SQL has %d, and %d writes were answered", sum, a.writes)
	}
}

func (s *Section) directRows(sc *scale, runs, held []*directRun) {
	plain, p16, p1, plainUniform, uniform16 := runs[0], runs[1], runs[2], runs[3], runs[4]
	against := fmt.Sprintf("plain UPDATEs: %s/s, p99 %.0f ms", count(plain.rates.median()), plain.p99.median())
	for i, want := range []float64{100_000, 50_000} {
		h, r := held[i], []*directRun{p16, p1}[i]
		share := h.p99.median() / plain.p99.median()
		// What is due is sent a little later than that at the end: a hundredth is no difference.
		met := h.rates.median() >= 0.99*want && h.lag.median() <= 2 && share <= 0.05
		s.row(Row{fmt.Sprintf("50 clients on %s rows, %s%s", keysText(sc.items), h.name, h.heldFor(sc)), against,
			fmt.Sprintf("≥ %s/s, lag ≤ 2 s, p99 ≤ 0.05 ×", count(want)),
			fmt.Sprintf("%s/s, lag %.2f s, p99 %s; rounds, as many as are answered: %s/s, %s, p99 %s", count(h.rates.median()), h.lag.median(), times(share),
				r.rates.text(count), r.rates.over(plain.rates).text(times), r.p99.over(plain.p99).text(times)), yesNo(met)})
	}
	ratio := uniform16.rates.over(plainUniform.rates)
	heldRatio := held[2].rates.median() / plainUniform.rates.median()
	s.row(Row{"the same, uniform, pipeline 16", fmt.Sprintf("plain UPDATEs: %s/s", count(plainUniform.rates.median())), "≥ " + times(5) + " held, lag bounded",
		fmt.Sprintf("%s; held for %v: %s/s, %s, lag %.2f s", ratio.text(times), sc.hold, count(held[2].rates.median()), times(heldRatio), held[2].lag.median()), yesNo(heldRatio >= 5)})
}
