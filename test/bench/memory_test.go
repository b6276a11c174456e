package matrix

import (
	"fmt"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/resp"
)

// things are what memory is filled with: item i is one key, or one member.
var things = []struct {
	name string
	fill func(out *resp.Writer, i int)
}{
	{"strings (16 B key, 64 B value)", families[0].fill},
	{"counters", func(out *resp.Writer, i int) { words(out, "INCR", numbered("cnt:", i)) }},
	{"hashes of 4 fields", func(out *resp.Writer, i int) {
		words(out, "HSET", numbered("usr:", i), "f1", "12345678", "f2", "Ann Example", "f3", "12345678", "f4", "2026-01-01")
	}},
	{"members of one sorted set", func(out *resp.Writer, i int) {
		words(out, "ZADD", "board", fmt.Sprint(i*7919%1_000_003), numbered("member:", i))
	}},
}

// measureMemory fills both servers with the same and reads what RAM they have.
func measureMemory(b *run) {
	b.out.About = []string{
		fmt.Sprintf("Bytes of RAM (RSS) for each of %s items, over those of the empty server; from /proc.", count(float64(b.scale.items))),
		"Lull with generic tables in PostgreSQL and `ack: memory`. All dirty: flushing paused, after MEMORY PURGE, which collects garbage and gives memory back. Clean: after everything was flushed, and MEMORY PURGE.",
		"Redis without an append-only file, after MEMORY PURGE.",
		"Memory hardly varies from run to run: it is measured once, whatever ROUNDS is.",
	}
	t := Table{Title: "Bytes for each item", Head: []string{"what", "Redis", "Lull, clean", "ratio", "Lull, all dirty", "ratio"}}
	clean, dirty := map[string]float64{}, map[string]float64{}
	server := startPostgres(b)
	for _, thing := range things {
		b.sub(thing.name, func(b *run) {
			r, l := startRedis(b, "no"), startLull(b, server.NewDatabase(b.T), benchSettings+"ack: memory\nmax_load_rows: 10_000_000\n")
			redis := b.fillAndWeigh(r, thing.fill)
			l.do(b, "LULL", "PAUSE")
			empty := l.resident(b)
			b.must(flood(l.addr, b.scale.items, thing.fill))
			allDirty := (l.rest(b) - empty) / float64(b.scale.items)
			l.do(b, "LULL", "RESUME")
			l.settle(b)
			allClean := (l.rest(b) - empty) / float64(b.scale.items)
			clean[thing.name], dirty[thing.name] = allClean/redis, allDirty/redis
			t.Lines = append(t.Lines, []string{thing.name, bytesText(redis), bytesText(allClean), times(allClean / redis), bytesText(allDirty), times(allDirty / redis)})
			b.say("%s: Redis %.0f B, Lull %.0f B clean, %.0f B dirty", thing.name, redis, allClean, allDirty)
		})
	}
	b.out.Tables = append(b.out.Tables, t)
	b.out.ratioRow("memory for each item, clean", "Redis", clean, 1.2)
	b.out.ratioRow("memory for each item, all dirty", "Redis", dirty, 1.8)
}

// ratioRow is a line for several things of which each has to be at most some ratio.
func (s *Section) ratioRow(what, against string, got map[string]float64, most float64) {
	if len(got) == 0 {
		return
	}
	var parts []string
	met := true
	for _, thing := range things {
		if ratio, ok := got[thing.name]; ok {
			parts = append(parts, fmt.Sprintf("%s %s", thing.name, times(ratio)))
			met = met && ratio <= most
		}
	}
	s.row(Row{what, against, "≤ " + times(most), strings.Join(parts, "; "), yesNo(met)})
}

func bytesText(f float64) string { return fmt.Sprintf("%.0f B", f) }

func (b *run) fillAndWeigh(p *peer, fill func(*resp.Writer, int)) float64 {
	b.Helper()
	empty := p.resident(b)
	b.must(flood(p.addr, b.scale.items, fill))
	return (p.rest(b) - empty) / float64(b.scale.items)
}

// rest is the memory after what is not needed was given back.
func (p *peer) rest(b *run) float64 {
	b.Helper()
	p.do(b, "MEMORY", "PURGE")
	if !b.scale.smoke() {
		time.Sleep(500 * time.Millisecond)
		p.do(b, "MEMORY", "PURGE")
	}
	return p.resident(b)
}
