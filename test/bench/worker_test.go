package matrix

import (
	"fmt"
	"time"

	"github.com/lullcache/lull/internal/bench"
)

// duel is one workload at one pipeline, through Lull and through a Redis with a
// worker.
type duel struct {
	workload    string
	pipeline    int
	lull, redis dueller
}

// dueller is what the rounds gave for one side.
type dueller struct {
	rates    values // writes/s over the whole time until SQL had all
	answered values // writes/s, while the clients wrote
	lags     values // s, at the median
	cpu      values // µs of the server for each write
	rests    values // s from the last answer until SQL had all
}

// measureWorker runs the workloads of `lull bench` on both.
func measureWorker(b *run) {
	d := b.scale.long
	keys := int64(b.scale.keys[0])
	b.out.About = []string{
		fmt.Sprintf("The workloads of `lull bench`: 50 clients, %s keys, zipf 1.1, %v each, PostgreSQL, `ack: memory` beside `appendfsync everysec`. Each begins with empty tables.", keysText(int(keys)), d),
		"The worker is as well made as we can: each write marks its row in the same MULTI; all marks are taken at once, values read in pipelines of a thousand, upserts of 500 rows in one transaction, the same moments as Lull's flushes. Its CPU is not in Redis' figure; Lull's has its flushing in it.",
		"The rate is that of the writes over the whole time until SQL had all of them, and beside it how fast they were answered: where the worker cannot keep up, that rate is not one that could be held.",
		"Lag: as `lull bench` measures it, the median of each run. Both sides' totals are compared with SQL after each run.",
	}
	url := startPostgres(b).NewDatabase(b.T)
	duels := []*duel{{workload: "leaderboard", pipeline: 16}, {workload: "counters", pipeline: 16}, {workload: "events", pipeline: 16}, {workload: "sessions", pipeline: 16}, {workload: "mixed", pipeline: 1}}
	if b.scale.smoke() {
		duels = duels[len(duels)-1:]
	}
	for range b.rounds {
		for _, duel := range duels {
			o := bench.Options{Database: url, Workload: duel.workload, Clients: clients, Pipeline: duel.pipeline, Keys: keys, Duration: max(d, time.Second), Ack: "memory", Program: lullProgram}
			duel.redis.run(b, o, "redis+worker")
			duel.lull.run(b, o, "lull")
			b.say("%s, pipeline %d: %s", duel.workload, duel.pipeline, duel.lull.rates.over(duel.redis.rates).text(times))
		}
	}
	t := Table{Title: "Workloads", Head: []string{"workload", "pipeline", "Redis + worker /s", "Lull /s", "ratio", "answered/s (Redis)", "answered/s (Lull)", "ratio",
		"lag (Redis) s", "lag (Lull) s", "CPU (Redis)", "CPU (Lull)", "SQL had all after (Redis, Lull) s"}}
	for _, d := range duels {
		redis, lull := &d.redis, &d.lull
		ratio := lull.rates.over(redis.rates)
		b.out.row(Row{fmt.Sprintf("%s, 50 clients, pipeline %d", d.workload, d.pipeline), "Redis + worker", "≥ " + times(1.5) + " at equal or smaller lag",
			fmt.Sprintf("%s; lag %.2f s beside %.2f s", ratio.text(times), lull.lags.median(), redis.lags.median()),
			yesNo(ratio.median() >= 1.5 && lull.lags.median() <= redis.lags.median())})
		t.Lines = append(t.Lines, []string{d.workload, fmt.Sprint(d.pipeline), redis.rates.text(count), lull.rates.text(count), ratio.text(times),
			redis.answered.text(count), lull.answered.text(count), lull.answered.over(redis.answered).text(times), redis.lags.text(count), lull.lags.text(count),
			micros(redis.cpu.median()), micros(lull.cpu.median()), fmt.Sprintf("%.1f, %.1f", redis.rests.median(), lull.rests.median())})
	}
	b.out.Tables = append(b.out.Tables, t)
}

// run runs a target once and adds its figures.
func (d *dueller) run(b *run, o bench.Options, target string) {
	b.Helper()
	if target != "lull" {
		o.Alone, o.Against = true, []string{target}
	}
	results, err := bench.Run(b.Context(), o)
	b.must(err)
	r := results[0]
	d.rates = append(d.rates, float64(r.Writes)/(r.Took+r.Settled).Seconds())
	d.answered = append(d.answered, r.WritesPerSecond())
	d.lags = append(d.lags, r.Lag(0.5).Seconds())
	d.cpu = append(d.cpu, float64(r.CPUPerWrite().Nanoseconds())/1000)
	d.rests = append(d.rests, r.Settled.Seconds())
}
