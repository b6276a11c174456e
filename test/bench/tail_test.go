package matrix

import (
	"fmt"

	"github.com/lullcache/lull/internal/resp"
)

// measureTail compares latencies at a rate that both can easily take.
func measureTail(b *run) {
	b.out.About = []string{
		"SET of 100,000 keys with 64 bytes, 50 connections, one command at a time, at 30 % of the highest rate of the slower one; the same rate for both, from the same Go program. A command's latency counts from when it was due, so that a stop is not left out.",
		"Lull: `ack: memory`, flushing as by default into PostgreSQL. Redis: `everysec`, and beside it another program that upserts as many rows a second into PostgreSQL as Lull's flush does.",
	}
	url := startPostgres(b).NewDatabase(b.T)
	keys := b.scale.keys[0]
	p := &pair{keys: keys, redis: startRedis(b, "everysec"), lull: startLull(b, url, "ack: memory\n"), beside: startBeside(b, url, keys)}
	b.must(flood(p.redis.addr, keys, families[0].fill))
	b.must(flood(p.lull.addr, keys, families[0].fill))
	p.lull.settle(b)
	p.redis.stop(b)
	lullMax := loadWith(b, p.setters(b, p.lull.peer), b.scale.long/3, 0).rate
	p.lull.settle(b)
	p.lull.stop(b)
	p.redis.resume(b)
	redisMax := loadWith(b, p.setters(b, p.redis), b.scale.long/3, 0).rate
	rate := 0.3 * min(lullMax, redisMax)
	flushing := rate // at first; then what Lull's flush really wrote
	got := map[string]map[float64]values{"Lull": {}, "Redis": {}}
	for range b.rounds {
		p.redis.stop(b)
		p.lull.resume(b)
		before := p.lull.usage(b)
		note(got["Lull"], loadWith(b, p.setters(b, p.lull.peer), b.scale.long*2/3, rate))
		flushing = max((p.lull.usage(b).rows-before.rows)/(b.scale.long*2/3).Seconds(), 1)
		p.lull.settle(b)
		p.lull.stop(b)
		p.redis.resume(b)
		p.beside.run(flushing)
		note(got["Redis"], loadWith(b, p.setters(b, p.redis), b.scale.long*2/3, rate))
		p.beside.halt(b)
	}
	ratio := got["Lull"][0.999].over(got["Redis"][0.999])
	b.say("%s/s, SQL %s rows/s: p99.9 %s", count(rate), count(flushing), ratio.text(times))
	b.out.row(Row{fmt.Sprintf("p99.9 of SET at %s/s, while flushing %s rows/s", count(rate), count(flushing)), "Redis 7, everysec, the same SQL load beside it", "≤ " + times(1.5), ratio.text(times), yesNo(ratio.median() <= 1.5)})
	t := Table{Title: "Latency in ms", Head: []string{"percentile", "Redis", "Lull", "ratio"}}
	for _, share := range shares {
		r, l := got["Redis"][share], got["Lull"][share]
		t.Lines = append(t.Lines, []string{fmt.Sprintf("p%g", share*100), r.text(count), l.text(count), l.over(r).text(times)})
	}
	b.out.Tables = append(b.out.Tables, t)
	plot := Plot{Title: "Latency by percentile", About: fmt.Sprintf("ms, medians of the rounds, at %s commands/s", count(rate)), XLabel: "1 in … is slower", LogX: true, LogY: true}
	for _, name := range []string{"Redis", "Lull"} {
		one := Series{Name: name}
		for _, share := range shares {
			one.X, one.Y = append(one.X, 1/(1-share)), append(one.Y, got[name][share].median())
		}
		plot.Series = append(plot.Series, one)
	}
	b.out.Plots = append(b.out.Plots, plot)
}

var shares = []float64{0.5, 0.9, 0.99, 0.999, 0.9999}

func note(into map[float64]values, o *outcome) {
	for _, share := range shares {
		into[share] = append(into[share], o.at(share))
	}
}

// setters are 50 connections that set keys one at a time.
func (p *pair) setters(b *run, to *peer) (writers []writer) {
	for i := range clients {
		next := uniform(p.keys, uint64(i))
		writers = append(writers, newRedisWriter(b, to.addr, 1, func(out *resp.Writer) { words(out, "SET", numbered("key:", int(next())), value64) }))
	}
	return writers
}
