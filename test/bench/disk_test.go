package matrix

import "fmt"

// measureDisk compares answers that wait for the disk.
func measureDisk(b *run) {
	b.out.About = []string{
		"Lull: `ack: disk` (the default), generic tables in PostgreSQL, flushing as by default. Redis: `appendfsync always`. SET and INCR of 100,000 keys, 50 connections, redis-benchmark.",
		"How long a sync takes is the disk's affair: only the ratio says something.",
	}
	var cells []*cell
	server := startPostgres(b)
	for _, f := range []*family{families[0], families[2]} {
		b.sub(f.name, func(b *run) {
			keys := b.scale.keys[0]
			p := &pair{keys: keys, redis: startRedis(b, "always"), lull: startLull(b, server.NewDatabase(b.T), benchSettings+"ack: disk\n")}
			b.must(flood(p.redis.addr, keys, f.fill))
			b.must(flood(p.lull.addr, keys, f.fill))
			for _, pipeline := range []int{1, 16} {
				cells = append(cells, p.compare(b, f.commands[0], pipeline))
			}
		})
	}
	for _, c := range cells {
		b.out.row(Row{fmt.Sprintf("%s, ack: disk, pipeline %d", c.command.name, c.pipeline), "Redis 7, appendfsync always", "≥ " + times(1.5),
			c.ratios().text(times) + ", CPU " + c.cpus().text(times), yesNo(c.ratios().median() >= 1.5)})
	}
	t := cellTable("Waiting for the disk", cells)
	for _, line := range t.Lines {
		line[len(line)-1] = ""
	}
	b.out.Tables = append(b.out.Tables, t)
}
