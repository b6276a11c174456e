package matrix

import (
	"fmt"

	"github.com/lullcache/lull/internal/testdb"
)

// measureDisk compares answers that wait for the disk, under the conditions of the commands.
func measureDisk(b *run) {
	b.out.About = []string{
		"Lull: `ack: disk` (the default), generic tables in PostgreSQL. Redis: `appendfsync always`. SET and INCR of 100,000 keys, 50 connections, redis-benchmark.",
		"Flushing at 5,000 rows/s, and full flush beside a Redis with the same SQL load, are as in the section of the commands.",
		"How long a sync takes is the disk's affair: only the ratio says something.",
	}
	server := startPostgres(b)
	paced := measureDiskAt(b, server, false)
	full := measureDiskAt(b, server, true)
	b.out.diskRows(paced, "flushing at 5,000 rows/s", "Redis 7, appendfsync always")
	b.out.diskRows(full, "full flush", "Redis 7, appendfsync always, the same SQL load beside it")
	b.out.Tables = append(b.out.Tables, diskTable("Flushing at 5,000 rows/s, beside Redis alone", paced), diskTable("At full flush, beside Redis with the same SQL load", full))
}

// measureDiskAt measures all cells, paced or with full flush.
func measureDiskAt(b *run, server *testdb.Server, full bool) (cells []*cell) {
	for _, f := range []*family{families[0], families[2]} {
		b.sub(f.name, func(b *run) {
			keys, url := b.scale.keys[0], server.NewDatabase(b.T)
			p := &pair{keys: keys, redis: startRedis(b, "always"), lull: startLull(b, url, benchSettings+"ack: disk\nflush: {max_transaction_rows: 10000}\n")}
			if full {
				p.beside = startBeside(b, url, keys)
			} else {
				pace(b, url)
			}
			b.must(flood(p.redis.addr, keys, f.fill))
			b.must(flood(p.lull.addr, keys, f.fill))
			for _, pipeline := range []int{1, 16} {
				cells = append(cells, p.compare(b, f.commands[0], pipeline))
			}
		})
	}
	return cells
}

func (s *Section) diskRows(cells []*cell, how, against string) {
	const wanted = 1.5
	for _, c := range cells {
		s.row(Row{fmt.Sprintf("%s, ack: disk, pipeline %d, %s", c.command.name, c.pipeline, how), against, "≥ " + times(wanted),
			c.ratios().text(times) + ", CPU " + c.cpus().text(times), yesNo(c.ratios().median() >= wanted)})
	}
}

// diskTable leaves out whether a cell is met: what is wanted here is not what is wanted
// of the commands.
func diskTable(title string, cells []*cell) Table {
	t := cellTable(title, cells)
	for _, line := range t.Lines {
		line[len(line)-1] = ""
	}
	return t
}
