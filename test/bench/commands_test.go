package matrix

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/resp"
)

// value64 is the value of 64 bytes.
var value64 = strings.Repeat("v", 64)

// class is a line of what is wanted.
type class struct {
	name       string
	ratio, cpu float64 // at least, at most; cpu 0: none is asked for
}

var (
	writing  = &class{"SET, HSET, XADD, SADD, RPUSH", 2, 0.5}
	counting = &class{"INCR, HINCRBY", 1.3, 0.8}
	reading  = &class{"GET, HGET, HGETALL, MGET", 1.3, 0.8}
	ranking  = &class{"ZADD, ZINCRBY, ZRANK, ZREVRANGE 0 99", 3, 0}
	single   = &class{"all commands at pipeline 1", 1.1, 0.95}
)

// command is one that redis-benchmark sends.
type command struct {
	name  string
	class *class
	args  []string
}

// family is a set of commands over the same data.
type family struct {
	name     string
	commands []command
	// fill writes key i with all that it has at first; nil: nothing is there at first.
	// perKey is how many commands that takes.
	fill   func(out *resp.Writer, i int)
	grows  bool // each command makes a row, so that every measurement begins anew
	member bool // the keys are members of one board, and 1 M of them are enough
}

func key(prefix string) string { return prefix + randomWord }

var families = []*family{
	{name: "strings", fill: func(out *resp.Writer, i int) { words(out, "SET", numbered("key:", i), value64) }, commands: []command{
		{"SET", writing, []string{"SET", key("key:"), value64}},
		{"GET", reading, []string{"GET", key("key:")}},
		{"MGET of 10", reading, append([]string{"MGET"}, slices.Repeat([]string{key("key:")}, 10)...)},
	}},
	{name: "hashes", fill: func(out *resp.Writer, i int) {
		words(out, "HSET", numbered("usr:", i), "f1", value64, "f2", "Ann", "f3", "12345678", "f4", "2026-01-01")
	}, commands: []command{
		{"HSET", writing, []string{"HSET", key("usr:"), "f1", value64}},
		{"HGET", reading, []string{"HGET", key("usr:"), "f1"}},
		{"HGETALL of 4", reading, []string{"HGETALL", key("usr:")}},
	}},
	{name: "counters", fill: func(out *resp.Writer, i int) { words(out, "SET", numbered("cnt:", i), "1") }, commands: []command{
		{"INCR", counting, []string{"INCR", key("cnt:")}},
	}},
	{name: "hash counters", fill: func(out *resp.Writer, i int) { words(out, "HSET", numbered("hct:", i), "n", "1") }, commands: []command{
		{"HINCRBY", counting, []string{"HINCRBY", key("hct:"), "n", "1"}},
	}},
	{name: "board", member: true, fill: func(out *resp.Writer, i int) { words(out, "ZADD", "board", fmt.Sprint(i), numbered("mem:", i)) }, commands: []command{
		{"ZADD", ranking, []string{"ZADD", "board", randomWord, key("mem:")}},
		{"ZINCRBY", ranking, []string{"ZINCRBY", "board", "1", key("mem:")}},
		{"ZRANK", ranking, []string{"ZRANK", "board", key("mem:")}},
		{"ZREVRANGE 0 99", ranking, []string{"ZREVRANGE", "board", "0", "99"}},
	}},
	{name: "streams", grows: true, commands: []command{{"XADD", writing, []string{"XADD", key("log:"), "*", "f", value64}}}},
	{name: "sets", grows: true, commands: []command{{"SADD", writing, []string{"SADD", key("set:"), key("m:")}}}},
	{name: "lists", grows: true, commands: []command{{"RPUSH", writing, []string{"RPUSH", key("lst:"), value64}}}},
}

// pipelines are how many commands a connection sends before it waits.
var pipelines = []int{1, 16, 64}

// cell is one comparison.
type cell struct {
	command    command
	keys       int
	pipeline   int
	redis      side
	lull       side
	flushed    values // rows a second while Lull was measured
	loadLimits bool   // the load was busy all the time, so that more was not to be had
}

// side is what the rounds gave for one server.
type side struct {
	rates values // commands a second
	cpu   values // µs of the server process for each
	flush values // µs of those that are Lull's flusher's
}

func (c *cell) ratios() values { return c.lull.rates.over(c.redis.rates) }

// cpus is without the work of the flush, which is shown apart.
func (c *cell) cpus() values {
	var commands values
	for i := range c.lull.cpu {
		commands = append(commands, c.lull.cpu[i]-c.lull.flush[i])
	}
	return commands.over(c.redis.cpu)
}

// wholes is with it.
func (c *cell) wholes() values { return c.lull.cpu.over(c.redis.cpu) }

// wanted is what the cell has to reach; nil: nothing is asked for.
func (c *cell) wanted() *class {
	switch {
	case c.pipeline == 1:
		return single
	case c.command.class == ranking && c.pipeline != 16:
		return nil
	}
	return c.command.class
}

func (c *cell) met() string {
	w := c.wanted()
	if w == nil {
		return ""
	}
	return yesNo(c.ratios().median() >= w.ratio && (w.cpu == 0 || c.cpus().median() <= w.cpu))
}

// measureCommands compares each command while Lull flushes at 5,000 rows/s, then those
// that write at full flush.
func measureCommands(b *run) {
	b.out.About = []string{
		"Load: redis-benchmark, one thread, 50 connections, values of 64 bytes, keys at random; the same for both.",
		"Redis: `appendonly yes`, `appendfsync everysec`, no snapshots, no rewriting of the file meanwhile.",
		"Lull: `ack: memory`, log on, generic tables in PostgreSQL, limits raised so that none is reached. Flushing at 5,000 rows/s: " +
			"triggers in PostgreSQL sleep for as long as a statement's rows are worth, so that Lull flushes without end at that rate (the details say what was reached). What the servers " +
			"are filled with at first is part of that backlog.",
		"XADD, SADD and RPUSH make a row with each command: each of their measurements begins with empty servers.",
		"Full flush: the same without triggers, `max_transaction_rows: 10000`. Beside Redis another program upserts as many rows a second into the same PostgreSQL as Lull's flush did.",
		"CPU is the server process's, user and system, as getrusage says. Of it flushing: the CPU time of the thread that flushes and does nothing else, from the order of a cut to the " +
			"database's answers (`lull_flush_cpu_seconds` in INFO); what the garbage collector does for it and what a command pays after a cut, when it is the first of its key, are left with the commands. " +
			"The CPU ratio, which is judged, is that of the rest; beside it the ratio of the whole.",
	}
	var paced, full []*cell
	server := startPostgres(b)
	newURL := func(b *run) string { return server.NewDatabase(b.T) }
	some, at := families, pipelines
	if b.scale.smoke() {
		some, at = []*family{families[0], families[len(families)-1]}, []int{16}
	}
	for _, f := range some {
		for _, keys := range f.keyCounts(b.scale) {
			paced = append(paced, f.measure(b, newURL, keys, at, false)...)
		}
	}
	for _, f := range some {
		if f.commands[0].class == writing || f.commands[0].class == counting {
			full = append(full, f.measure(b, newURL, b.scale.keyCount(), at[max(len(at)-2, 0):], true)...)
		}
	}
	b.out.rowsOf(paced, full)
	b.out.Tables = append(b.out.Tables, cellTable("Flushing at 5,000 rows/s, beside Redis alone", paced), cellTable("At full flush, beside Redis with the same SQL load", full))
	b.out.Plots = append(b.out.Plots, commandPlots(paced)...)
}

func (f *family) keyCounts(s *scale) []int {
	if f.member {
		return []int{s.keyCount()}
	}
	return s.keys
}

// measure compares the family's commands, or with full only the one that writes.
func (f *family) measure(b *run, newURL func(*run) string, keys int, pipelines []int, full bool) (all []*cell) {
	mode := "paced"
	commands := f.commands
	if full {
		mode, commands = "full", commands[:1]
	}
	name := fmt.Sprintf("%s %s %s", mode, f.name, keysText(keys))
	if !f.grows {
		b.sub(name, func(b *run) {
			pair := f.start(b, newURL(b), keys, full)
			for _, p := range pipelines {
				for _, c := range commands {
					all = append(all, pair.compare(b, c, p))
				}
			}
		})
		return all
	}
	for _, p := range pipelines {
		b.sub(fmt.Sprintf("%s p%d", name, p), func(b *run) {
			all = append(all, f.start(b, newURL(b), keys, full).compare(b, commands[0], p))
		})
	}
	return all
}

// pair is the two servers.
type pair struct {
	redis  *peer
	lull   *lull
	keys   int
	beside *beside // nil: Redis is alone
}

// start starts both servers and fills them.
func (f *family) start(b *run, url string, keys int, full bool) *pair {
	b.Helper()
	p := &pair{keys: keys, redis: startRedis(b, "everysec"), lull: startLull(b, url, benchSettings+"ack: memory\nflush: {max_transaction_rows: 10000}\n")}
	if full {
		p.beside = startBeside(b, url, keys)
	} else {
		pace(b, url)
	}
	if f.fill != nil {
		b.must(flood(p.redis.addr, keys, f.fill))
		b.must(flood(p.lull.addr, keys, f.fill))
	}
	return p
}

// compare measures one command on both in turn.
func (p *pair) compare(b *run, c command, pipeline int) *cell {
	b.Helper()
	got := &cell{command: c, keys: p.keys, pipeline: pipeline}
	p.redis.stop(b)
	p.lull.resume(b)
	before := p.lull.usage(b)
	nLull, took := b.calibrate(p.lull.peer, c, pipeline, p.keys)
	flushing := (p.lull.usage(b).rows - before.rows) / took.Seconds()
	p.lull.stop(b)
	p.redis.resume(b)
	nRedis, _ := b.calibrate(p.redis, c, pipeline, p.keys)
	for range b.rounds {
		p.lull.stop(b)
		p.redis.resume(b)
		if p.beside != nil {
			p.beside.run(flushing)
		}
		one := b.measureOne(p.redis, c, pipeline, p.keys, nRedis, &got.redis)
		if p.beside != nil {
			p.beside.halt(b)
		}
		p.redis.stop(b)
		p.lull.resume(b)
		before, began := p.lull.usage(b), time.Now()
		other := b.measureOne(p.lull.peer, c, pipeline, p.keys, nLull, &got.lull)
		rate := (p.lull.usage(b).rows - before.rows) / time.Since(began).Seconds()
		got.flushed = append(got.flushed, rate)
		flushing = got.flushed.mean()
		got.loadLimits = got.loadLimits || min(one.busy, other.busy) > 0.95 || other.busy > 0.97
	}
	p.redis.resume(b)
	b.say("%s, pipeline %d, %s keys: %s, CPU %s, with flushing %s", c.name, pipeline, keysText(p.keys), got.ratios().text(times), got.cpus().text(times), got.wholes().text(times))
	return got
}

func (v values) mean() float64 {
	sum := 0.0
	for _, f := range v {
		sum += f
	}
	return sum / float64(max(len(v), 1))
}

// calibrate finds how many commands take one window. It is the warm-up too.
func (b *run) calibrate(p *peer, c command, pipeline, keys int) (n int, took time.Duration) {
	b.Helper()
	began := time.Now()
	n = 200 * pipeline
	if b.scale.smoke() {
		redisBenchmark(b, p, pipeline, keys, n, c.args...)
		return n, time.Since(began)
	}
	for {
		l := redisBenchmark(b, p, pipeline, keys, n, c.args...)
		seconds := l.commands / l.rate
		want := int(l.rate * b.scale.window.Seconds())
		if seconds >= b.scale.window.Seconds()/4 {
			return max(want, 1), time.Since(began)
		}
		n = min(max(want/3, 2*n), 10*n)
	}
}

func (b *run) measureOne(p *peer, c command, pipeline, keys, n int, into *side) load {
	b.Helper()
	before := p.usage(b)
	l := redisBenchmark(b, p, pipeline, keys, n, c.args...)
	after := p.usage(b)
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / l.commands }
	into.rates = append(into.rates, l.rate)
	into.cpu, into.flush = append(into.cpu, each(after.cpu-before.cpu)), append(into.flush, each(after.flush-before.flush))
	return l
}
