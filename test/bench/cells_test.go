package matrix

import (
	"fmt"
	"math"
	"slices"
)

// rowsOf writes the lines of the table at the top: one for each line of what is
// wanted, with its worst and its best cell.
func (s *Section) rowsOf(paced, full []*cell) {
	const redis = "Redis 7, everysec"
	for _, c := range []*class{writing, counting, reading, ranking, single} {
		cells := wantedBy(paced, c)
		where := "pipeline 16 and 64, "
		switch c {
		case single:
			where = ""
		case ranking:
			where = "pipeline 16, "
		}
		s.rowOf(c, c.name+"; "+where+"flushing at 5,000 rows/s", redis, cells)
		if cells := wantedBy(full, c); len(cells) > 0 {
			s.rowOf(c, c.name+"; "+where+"full flush", redis+", the same SQL load beside it", cells)
		}
	}
}

// wantedBy are the cells of a class.
func wantedBy(cells []*cell, c *class) []*cell {
	return slices.DeleteFunc(slices.Clone(cells), func(one *cell) bool { return one.wanted() != c })
}

func (s *Section) rowOf(c *class, what, against string, cells []*cell) {
	if len(cells) == 0 {
		return
	}
	byRatio := func(a, b *cell) int { return compareFloats(a.ratios().median(), b.ratios().median()) }
	byCPU := func(a, b *cell) int { return compareFloats(a.cpus().median(), b.cpus().median()) }
	low, high, dear := slices.MinFunc(cells, byRatio), slices.MaxFunc(cells, byRatio), slices.MaxFunc(cells, byCPU)
	met := 0
	for _, one := range cells {
		if one.met() == "yes" {
			met++
		}
	}
	wanted := fmt.Sprintf("≥ %s", times(c.ratio))
	if c.cpu > 0 {
		wanted += fmt.Sprintf(", CPU ≤ %s", times(c.cpu))
	}
	got := fmt.Sprintf("lowest %s %s, highest %s %s; most CPU %s %s; %d of %d cells met", low.ratios().text(times), low.name(),
		times(high.ratios().median()), high.name(), dear.cpus().text(times), dear.name(), met, len(cells))
	s.row(Row{what, against, wanted, got, yesNo(met == len(cells))})
}

func compareFloats(a, b float64) int {
	switch {
	case a < b || math.IsNaN(a):
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (c *cell) name() string {
	return fmt.Sprintf("(%s p%d, %s)", c.command.name, c.pipeline, keysText(c.keys))
}

func cellTable(title string, cells []*cell) Table {
	t := Table{Title: title, About: "Medians of the rounds; ratios with the least and the greatest. † the load was busy all the time: Lull could have answered more.",
		Head: []string{"command", "keys", "pipeline", "Redis /s", "Lull /s", "ratio", "Redis CPU", "Lull CPU", "of it flushing", "CPU ratio", "with flushing", "flushed rows/s", "met"}}
	for _, c := range cells {
		mark := ""
		if c.loadLimits {
			mark = " †"
		}
		t.Lines = append(t.Lines, []string{c.command.name, keysText(c.keys), fmt.Sprint(c.pipeline), count(c.redis.rates.median()), count(c.lull.rates.median()) + mark,
			c.ratios().text(times), micros(c.redis.cpu.median()), micros(c.lull.cpu.median()), micros(c.lull.flush.mean()), c.cpus().text(times), times(c.wholes().median()), count(c.flushed.mean()), c.met()})
	}
	return t
}

// commandPlots draw the ratios over the pipeline, one plot for each class.
func commandPlots(cells []*cell) (plots []Plot) {
	for _, c := range []*class{writing, counting, reading, ranking} {
		throughput := Plot{Title: c.name + ": throughput", About: "times Redis, more is better; the greater count of keys", XLabel: "pipeline", LogX: true}
		cpu := Plot{Title: c.name + ": CPU for each command", About: "times Redis, less is better; the greater count of keys", XLabel: "pipeline", LogX: true}
		for _, f := range families {
			for _, cmd := range f.commands {
				a, b := Series{Name: cmd.name}, Series{Name: cmd.name}
				for _, one := range cells {
					if cmd.class == c && one.command.name == cmd.name && one.keys == keysMax(cells) {
						a.X, a.Y = append(a.X, float64(one.pipeline)), append(a.Y, one.ratios().median())
						b.X, b.Y = append(b.X, float64(one.pipeline)), append(b.Y, one.cpus().median())
					}
				}
				if len(a.X) > 0 {
					throughput.Series, cpu.Series = append(throughput.Series, a), append(cpu.Series, b)
				}
			}
		}
		if len(throughput.Series) > 0 {
			plots = append(plots, throughput, cpu)
		}
	}
	return plots
}

func keysMax(cells []*cell) (n int) {
	for _, c := range cells {
		n = max(n, c.keys)
	}
	return n
}
