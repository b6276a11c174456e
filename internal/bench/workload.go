package bench

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lullcache/lull/internal/resp"
)

// Workloads are the names that Options.Workload may have.
var Workloads = []string{"leaderboard", "counters", "events", "sessions", "mixed"}

// write is one write of a workload: what becomes of one row.
type write struct {
	table *table
	id    int64  // of the player, counter, user or session
	n     int64  // the points or hits to add; of sessions and probes, the time in µs
	text  string // the board, topic, page
}

// table is a table of the benchmark and how its rows are written, as a Redis command
// and as SQL.
type table struct {
	name    string
	key     []string // its key's columns, which come first in columns; none: rows are appended
	columns []string
	spec    string // in lull.yaml
	adds    bool   // the last column is added to, not set
	command func(out *resp.Writer, w *write)
	args    func(w *write) []any // in the order of columns
	total   string               // of what the check compares, in SQL
}

var (
	scores = &table{
		name: "bench_scores", key: []string{"board", "player_id"}, columns: []string{"board", "player_id", "points"}, adds: true,
		spec:  `{key: "bench:board:{board}", type: zset, member: player_id, score: points}`,
		total: "SELECT coalesce(sum(points), 0) FROM bench_scores",
		command: func(out *resp.Writer, w *write) {
			command(out, "ZINCRBY", "bench:board:"+w.text, strconv.FormatInt(w.n, 10), strconv.FormatInt(w.id, 10))
		},
		args: func(w *write) []any { return []any{w.text, w.id, w.n} },
	}
	counters = &table{
		name: "bench_counters", key: []string{"id"}, columns: []string{"id", "hits"}, adds: true,
		spec:  `{key: "bench:counter:{id}", type: string, value: hits}`,
		total: "SELECT coalesce(sum(hits), 0) FROM bench_counters",
		command: func(out *resp.Writer, w *write) {
			command(out, "INCRBY", "bench:counter:"+strconv.FormatInt(w.id, 10), strconv.FormatInt(w.n, 10))
		},
		args: func(w *write) []any { return []any{w.id, w.n} },
	}
	events = &table{
		name: "bench_events", columns: []string{"topic", "user_id", "action"},
		spec:  `{key: "bench:events:{topic}", type: stream, columns: [user_id, action]}`,
		total: "SELECT count(*) FROM bench_events",
		command: func(out *resp.Writer, w *write) {
			command(out, "XADD", "bench:events:"+w.text, "*", "user_id", strconv.FormatInt(w.id, 10), "action", "opened")
		},
		args: func(w *write) []any { return []any{w.text, w.id, "opened"} },
	}
	sessions = &table{
		name: "bench_sessions", key: []string{"id"}, columns: []string{"id", "seen", "page"},
		spec:  `{key: "bench:session:{id}", type: hash}`,
		total: "SELECT count(*) FROM bench_sessions",
		command: func(out *resp.Writer, w *write) {
			command(out, "HSET", "bench:session:"+strconv.FormatInt(w.id, 10), "seen", strconv.FormatInt(w.n, 10), "page", w.text)
		},
		args: func(w *write) []any { return []any{w.id, w.n, w.text} },
	}
	// probes is one row, written often, by which the lag is seen.
	probes = &table{
		name: "bench_probe", key: []string{"id"}, columns: []string{"id", "seen"},
		spec: `{key: "bench:probe:{id}", type: hash}`,
		command: func(out *resp.Writer, w *write) {
			command(out, "HSET", "bench:probe:"+strconv.FormatInt(w.id, 10), "seen", strconv.FormatInt(w.n, 10))
		},
		args: func(w *write) []any { return []any{w.id, w.n} },
	}
	tables = []*table{scores, counters, events, sessions, probes}
)

func command(out *resp.Writer, args ...string) {
	out.Array(len(args))
	for _, a := range args {
		out.BulkString(a)
	}
}

// TablesYAML is the part of lull.yaml that maps the benchmark's tables.
func TablesYAML() string {
	var b strings.Builder
	b.WriteString("tables:\n")
	for _, t := range tables {
		fmt.Fprintf(&b, "  %s: %s\n", t.name, t.spec)
	}
	return b.String()
}

const (
	boardPlayers = 1000 // players on one board
	topicCount   = 16
	pageCount    = 100
)

// generator makes one client's writes. It belongs to one goroutine.
type generator struct {
	keys     *chooser
	workload string
	boards   int64
}

func newGenerator(o *Options, client int) *generator {
	return &generator{keys: newChooser(o, client), workload: o.Workload, boards: max(1, o.Keys/boardPlayers)}
}

// next makes a write, at a time in µs.
func (g *generator) next(now int64) write {
	id := g.keys.next()
	kind := g.workload
	if kind == "mixed" {
		kind = [...]string{"counters", "counters", "counters", "counters", "sessions", "sessions", "sessions", "leaderboard", "leaderboard", "events"}[g.keys.rng.IntN(10)]
	}
	switch kind {
	case "leaderboard":
		return write{table: scores, id: id, n: 1 + g.keys.rng.Int64N(9), text: "b" + strconv.FormatInt(id%g.boards, 10)}
	case "counters":
		return write{table: counters, id: id, n: 1}
	case "events":
		return write{table: events, id: id, text: "t" + strconv.FormatInt(id%topicCount, 10)}
	}
	return write{table: sessions, id: id, n: now, text: "/page/" + strconv.Itoa(g.keys.rng.IntN(pageCount))}
}
