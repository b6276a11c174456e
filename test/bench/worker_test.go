package matrix

import (
	"fmt"
	"time"

	"github.com/lullcache/lull/internal/bench"
)

// duel is one workload at one pipeline, through Lull and through a Redis with a
// worker.
type duel struct {
	workload            string
	pipeline            int
	lull, redis         values // writes/s
	lullLag, redisLag   values // s, at the median
	lullCPU, redisCPU   values // µs of the server for each write
	lullRest, redisRest values // s until SQL had all
}

// measureWorker runs the workloads of `lull bench` on both.
func measureWorker(b *run) {
	d := min(b.scale.long*2/3, 3*time.Second)
	keys := int64(b.scale.keys[0])
	b.out.About = []string{
		fmt.Sprintf("The workloads of `lull bench`: 50 clients, %s keys, zipf 1.1, %v each, PostgreSQL, `ack: memory` beside `appendfsync everysec`. Each begins with empty tables.", keysText(int(keys)), d),
		"The worker is as well made as we can: each write marks its row in the same MULTI; all marks are taken at once, values read in pipelines of a thousand, upserts of 500 rows in one transaction, the same moments as Lull's flushes. Its CPU is not in Redis' figure; Lull's has its flushing in it.",
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
			duel.redis, duel.redisLag, duel.redisCPU, duel.redisRest = runOf(b, o, "redis+worker", duel.redis, duel.redisLag, duel.redisCPU, duel.redisRest)
			duel.lull, duel.lullLag, duel.lullCPU, duel.lullRest = runOf(b, o, "lull", duel.lull, duel.lullLag, duel.lullCPU, duel.lullRest)
			b.say("%s, pipeline %d: %s", duel.workload, duel.pipeline, duel.lull.over(duel.redis).text(times))
		}
	}
	t := Table{Title: "Workloads", Head: []string{"workload", "pipeline", "Redis + worker /s", "Lull /s", "ratio", "lag (Redis) s", "lag (Lull) s", "CPU (Redis)", "CPU (Lull)", "SQL had all after (Redis, Lull) s"}}
	for _, d := range duels {
		ratio := d.lull.over(d.redis)
		b.out.row(Row{fmt.Sprintf("%s, 50 clients, pipeline %d", d.workload, d.pipeline), "Redis + worker", "≥ " + times(1.5) + " at equal or smaller lag",
			fmt.Sprintf("%s; lag %.2f s beside %.2f s", ratio.text(times), d.lullLag.median(), d.redisLag.median()),
			yesNo(ratio.median() >= 1.5 && d.lullLag.median() <= d.redisLag.median())})
		t.Lines = append(t.Lines, []string{d.workload, fmt.Sprint(d.pipeline), d.redis.text(count), d.lull.text(count), ratio.text(times), d.redisLag.text(count), d.lullLag.text(count),
			micros(d.redisCPU.median()), micros(d.lullCPU.median()), fmt.Sprintf("%.1f, %.1f", d.redisRest.median(), d.lullRest.median())})
	}
	b.out.Tables = append(b.out.Tables, t)
}

// runOf runs one target and adds its figures.
func runOf(b *run, o bench.Options, target string, rates, lags, cpus, rests values) (_, _, _, _ values) {
	b.Helper()
	if target != "lull" {
		o.Alone, o.Against = true, []string{target}
	}
	results, err := bench.Run(b.Context(), o)
	b.must(err)
	r := results[0]
	return append(rates, r.WritesPerSecond()), append(lags, r.Lag(0.5).Seconds()), append(cpus, float64(r.CPUPerWrite().Nanoseconds())/1000), append(rests, r.Settled.Seconds())
}
