package matrix

import (
	"os/exec"
	"strconv"
	"strings"
)

// measureFlush runs the Go benchmarks beside the engine that do the same work through
// Lull and with the driver alone, in turn.
func measureFlush(b *run) {
	b.out.About = []string{
		"Go benchmarks in the module's root (`go test -bench 'FlushUpdate|FlushAppend|Load$' .`): the same rows through Lull and by the same driver and method alone, in turn on the same database; 20,000 rows each time, in one process.",
		"CPU is that of this process, without the database's.",
	}
	pattern, at := "^(BenchmarkFlushUpdate|BenchmarkFlushAppend|BenchmarkLoad)$", "5x"
	if b.scale.smoke() {
		pattern, at = "^BenchmarkLoad$", "1x"
	}
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", pattern, "-benchtime", at, "-count", strconv.Itoa(b.rounds), "-timeout", "1h", ".")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("go test -bench: %v\n%s", err, out)
	}
	got := parseBenchmarks(string(out))
	t := Table{Title: "Rows", Head: []string{"what", "Lull rows/s", "driver alone rows/s", "ratio", "Lull's CPU a row", "driver's CPU a row"}}
	for _, one := range []struct {
		name, what, against string
		least               float64
	}{
		{"FlushUpdate/postgres", "flush of changed rows into PostgreSQL", "pgx, UPDATE … FROM unnest", 0.9},
		{"FlushUpdate/mariadb", "flush of changed rows into MariaDB", "go-sql-driver, INSERT … ON DUPLICATE KEY UPDATE of many rows", 0.9},
		{"FlushUpdate/sqlite", "flush of changed rows into SQLite", "modernc.org/sqlite, a prepared UPDATE in one transaction", 0.9},
		{"FlushAppend", "flush of appended rows into PostgreSQL", "pgx, COPY", 0.8},
		{"Load", "load by first touch in pipelines of 64, PostgreSQL", "pgx, SELECT … = ANY", 0.8},
	} {
		m, ok := got[one.name]
		if !ok {
			if !b.scale.smoke() {
				b.Errorf("no benchmark %s in what go test said:\n%s", one.name, out)
			}
			continue
		}
		ratio := m["ratio"]
		b.out.row(Row{one.what, one.against, "≥ " + times(one.least), ratio.text(times), yesNo(ratio.median() >= one.least)})
		perSecond := func(unit string) string { return count(1e9 / m[unit].median()) }
		t.Lines = append(t.Lines, []string{one.what, perSecond("ns/row"), perSecond("raw-ns/row"), ratio.text(times), micros(m["cpu-ns/row"].median() / 1000), micros(m["raw-cpu-ns/row"].median() / 1000)})
		b.say("%s: %s", one.what, ratio.text(times))
	}
	b.out.Tables = append(b.out.Tables, t)
}

// parseBenchmarks reads lines of "BenchmarkName/sub-2  5  12 ns/row  0.9 ratio".
func parseBenchmarks(out string) map[string]map[string]values {
	all := make(map[string]map[string]values)
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		if all[name] == nil {
			all[name] = make(map[string]values)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if f, err := strconv.ParseFloat(fields[i], 64); err == nil {
				all[name][fields[i+1]] = append(all[name][fields[i+1]], f)
			}
		}
	}
	return all
}
