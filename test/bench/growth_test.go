package matrix

import (
	"fmt"
	"strings"

	"github.com/lullcache/lull/internal/resp"
)

// growing is a series of measurements of one thing that grows.
type growing struct {
	label string
	at    []int
	// measure returns commands a second and µs of CPU at n, for one server.
	measure func(b *run, p *peer, n int) (rate, cpu float64)
}

// measureGrowth looks for cliffs.
func measureGrowth(b *run) {
	b.out.About = []string{
		"SET at a pipeline of 16 from 50 connections, unless said otherwise; Redis with `everysec`; Lull with `ack: memory` over PostgreSQL, flushing paused so that what grows is alone. One measurement of each size: the shape says something, single points do not.",
	}
	keys, manyClients, dirty, sizes := []int{10_000, 100_000, 1_000_000, 10_000_000}, []int{1, 10, 50, 100, 300, 1000}, []int{1000, 10_000, 100_000, 1_000_000}, []int{64, 512, 4 << 10, 64 << 10}
	switch {
	case b.scale.smoke():
		keys, manyClients, dirty, sizes = []int{100, 1000}, []int{1, 50}, []int{100}, []int{64, 4 << 10}
	case !b.scale.full():
		keys = keys[:3]
	}
	server := startPostgres(b)
	b.sub("keys", func(b *run) {
		b.grow(newURL(b, server), growing{"keys", keys, func(b *run, p *peer, n int) (float64, float64) {
			b.must(flood(p.addr, n, families[0].fill))
			return b.rateOf(p, 16, clients, n, "SET", key("key:"), value64)
		}})
	})
	b.sub("clients", func(b *run) {
		b.grow(newURL(b, server), growing{"clients (pipeline 1)", manyClients, func(b *run, p *peer, n int) (float64, float64) {
			return b.rateOf(p, 1, n, b.scale.keys[0], "SET", key("key:"), value64)
		}})
	})
	b.sub("value", func(b *run) {
		b.grow(newURL(b, server), growing{"bytes of a value (pipeline 4)", sizes, func(b *run, p *peer, n int) (float64, float64) {
			return b.rateOf(p, 4, clients, 1000, "SET", key("key:"), strings.Repeat("v", n))
		}})
	})
	b.sub("dirty", func(b *run) {
		l := startLull(b, newURL(b, server), benchSettings+"ack: memory\n")
		l.do(b, "LULL", "PAUSE")
		rate, cpu := Series{Name: "Lull"}, Series{Name: "Lull"}
		for _, n := range dirty {
			b.must(flood(l.addr, n, func(out *resp.Writer, i int) { words(out, "SET", numbered("dty:", i), value64) }))
			r, c := b.rateOf(l.peer, 16, clients, b.scale.keys[0], "GET", key("dty:"))
			rate.X, rate.Y, cpu.X, cpu.Y = append(rate.X, float64(n)), append(rate.Y, r), append(cpu.X, float64(n)), append(cpu.Y, c)
		}
		b.plotGrowth("dirty rows (GET)", []Series{rate}, []Series{cpu})
	})
}

// grow measures both servers at each size, in turn.
func (b *run) grow(url string, g growing) {
	b.Helper()
	r, l := startRedis(b, "everysec"), startLull(b, url, benchSettings+"ack: memory\n")
	l.do(b, "LULL", "PAUSE")
	rates, cpus := []Series{{Name: "Redis"}, {Name: "Lull"}}, []Series{{Name: "Redis"}, {Name: "Lull"}}
	for _, n := range g.at {
		for i, p := range []*peer{r, l.peer} {
			other := []*peer{l.peer, r}[i]
			other.stop(b)
			p.resume(b)
			rate, cpu := g.measure(b, p, n)
			rates[i].X, rates[i].Y = append(rates[i].X, float64(n)), append(rates[i].Y, rate)
			cpus[i].X, cpus[i].Y = append(cpus[i].X, float64(n)), append(cpus[i].Y, cpu)
		}
	}
	r.resume(b)
	b.plotGrowth(g.label, rates, cpus)
}

func (b *run) plotGrowth(label string, rates, cpus []Series) {
	b.out.Plots = append(b.out.Plots, Plot{Title: "Commands a second", XLabel: label, LogX: true, Series: rates},
		Plot{Title: "CPU for each command, µs", XLabel: label, LogX: true, Series: cpus})
	t := Table{Title: "By " + label, Head: []string{label}}
	for _, s := range rates {
		t.Head = append(t.Head, s.Name+" /s", s.Name+" CPU")
	}
	worst := 1.0
	for i, n := range rates[0].X {
		line := []string{count(n)}
		for j := range rates {
			line = append(line, count(rates[j].Y[i]), micros(cpus[j].Y[i]))
		}
		t.Lines = append(t.Lines, line)
		last := cpus[len(cpus)-1]
		if i > 0 {
			worst = max(worst, last.Y[i]/last.Y[i-1])
		}
	}
	b.say("%s: CPU grows at most by %s from one size to the next", label, times(worst))
	b.out.Tables = append(b.out.Tables, t)
	b.out.row(Row{"cost as work grows: " + label + ", " + count(rates[0].X[0]) + " to " + count(rates[0].X[len(rates[0].X)-1]), "–", "no cliff", fmt.Sprintf("CPU for each command grows at most by %s from one size to the next", times(worst)), ""})
}

// rateOf measures one command for a window, after a shorter one.
func (b *run) rateOf(p *peer, pipeline, connections, keys int, command ...string) (rate, cpu float64) {
	b.Helper()
	n := max(200, connections) * pipeline
	l := redisBenchmarkFrom(b, p, connections, pipeline, keys, n, command...)
	if !b.scale.smoke() {
		l = redisBenchmarkFrom(b, p, connections, pipeline, keys, max(n, int(l.rate*b.scale.window.Seconds()/4)), command...)
		n = max(n, int(l.rate*b.scale.window.Seconds()))
	}
	before := p.usage(b)
	l = redisBenchmarkFrom(b, p, connections, pipeline, keys, n, command...)
	return l.rate, float64((p.usage(b).cpu - before.cpu).Nanoseconds()) / 1000 / float64(n)
}
