package sinktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

func testReadKeys(t *testing.T, b *base) {
	s := b.table("scores", 2, "board|text", "id|integer", "points|float|null")
	var rows []sink.Row
	for i := range 300 {
		rows = append(rows, row(fmt.Sprint("b", i%3), i, float64(i)/2))
	}
	b.write(put(s, sink.Insert, rows...))
	var keys [][]value.Value
	for i := range 20_000 {
		keys = append(keys, []value.Value{of(fmt.Sprint("b", i%3)), of(i)})
	}
	got := b.read(
		sink.Query{Table: s, Columns: []int{1}, By: []int{0, 1}, Keys: keys},
		sink.Query{Table: s, Columns: []int{2, 0}, By: []int{1}, Keys: [][]value.Value{{of(7)}, {of(7)}, {of(-1)}}},
		sink.Query{Table: s, Columns: []int{1}, By: []int{0}, Keys: [][]value.Value{{of("b1")}}, Where: []sink.Match{
			{Column: 1, Op: ">=", Value: of(4)}, {Column: 1, Op: "<=", Value: of(10)}, {Column: 2, Op: "is not null"}}},
		sink.Query{Table: s, Columns: []int{1}, By: []int{0}},
	)
	if n := len(slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.HasPrefix(s, "0:") })); n != 300 {
		t.Fatalf("want 300 rows of query 0, got %d", n)
	}
	rest := slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "0:") })
	slices.Sort(rest)
	b.wantRead(rest, "1: 3.5 b1", "2: 10", "2: 4", "2: 7")

	stop := errors.New("enough")
	if err := b.sink.Read(b.Context(), []sink.Query{{Table: s, Columns: []int{0}}}, func(int, []value.Value) error { return stop }); err != stop {
		t.Fatalf("want the caller's own error, got %v", err)
	}
	b.wantRead(b.read(sink.Query{Table: s, Columns: []int{1}, OrderBy: []int{1}, Limit: 1}), "0: 0")
}

func testReadPages(t *testing.T, b *base) {
	s := b.table("scores", 3, "board|text", "id|integer", "sub|text", "v|integer|null")
	var rows []sink.Row
	var all []string
	for _, board := range []string{"", "a", "b"} {
		for id := range 4 {
			for _, sub := range []string{"x", "y"} {
				rows = append(rows, row(board, id, sub, id))
				all = append(all, fmt.Sprintf("0: %s %d %s", board, id, sub))
			}
		}
	}
	b.write(put(s, sink.Insert, rows...))
	page := sink.Query{Table: s, Columns: []int{0, 1, 2}, OrderBy: []int{0, 1, 2}, Limit: 5}
	for _, descending := range []bool{false, true} {
		want := slices.Clone(all)
		if descending {
			slices.Reverse(want)
		}
		page.Descending = descending
		var got []string
		for page.After = nil; ; {
			found := b.read(page)
			got = append(got, found...)
			if len(found) < page.Limit {
				break
			}
			parts := strings.Split(strings.TrimPrefix(found[len(found)-1], "0: "), " ")
			page.After = []value.Value{of(parts[0]), of(parts[1]), of(parts[2])}
		}
		b.wantRead(got, want...)
	}
	from := sink.Query{Table: s, Columns: []int{0, 1, 2}, OrderBy: []int{0, 1, 2}, AtAfter: true,
		After: []value.Value{of("a"), of(3), of("y")}, Until: []value.Value{of("b"), of(0), of("y")}}
	b.wantRead(b.read(from), "0: a 3 y", "0: b 0 x", "0: b 0 y")
	from.AtAfter = false
	b.wantRead(b.read(from), "0: b 0 x", "0: b 0 y")
	b.wantRead(b.read(sink.Query{Table: s, Columns: []int{0}, Distinct: true, OrderBy: []int{0}, After: []value.Value{of("")}}), "0: a", "0: b")
	err := b.sink.Read(b.Context(), []sink.Query{{Table: s, Columns: []int{0}, OrderBy: []int{0, 1}, After: []value.Value{of("a")}}},
		func(int, []value.Value) error { return nil })
	b.wantClass(err, sink.Invalid)
	err = b.sink.Read(b.Context(), []sink.Query{{Table: s, Columns: []int{0}, Where: []sink.Match{{Op: "= 1 OR 1 ="}}}},
		func(int, []value.Value) error { return nil })
	b.wantClass(err, sink.Invalid)
}

func testCount(t *testing.T, b *base) {
	s := b.table("scores", 2, "board|text", "id|integer")
	var rows []sink.Row
	for i := range 3000 {
		rows = append(rows, row(fmt.Sprint("b", i%3), i))
	}
	b.write(put(s, sink.Insert, rows...))
	for _, c := range []struct {
		distinct []int
		where    []sink.Match
		want     int64
	}{
		{nil, nil, 3000},
		{[]int{0}, nil, 3},
		{[]int{0, 1}, []sink.Match{{Column: 1, Op: "<", Value: of(10)}}, 10},
		{nil, []sink.Match{{Column: 0, Op: "=", Value: of("b1")}}, 1000},
	} {
		n, exact, err := b.sink.Count(b.Context(), s, c.distinct, c.where, 1_000_000)
		b.must(err)
		if n != c.want || !exact {
			t.Fatalf("count: want %d, got %d (exact %v)", c.want, n, exact)
		}
	}
	if b.Estimates == "" {
		return
	}
	b.exec(b.Estimates + " scores")
	n, exact, err := b.sink.Count(b.Context(), s, nil, nil, 100)
	b.must(err)
	if exact || n < 2000 || n > 4000 {
		t.Fatalf("estimate: want about 3000, got %d (exact %v)", n, exact)
	}
}

func testHostile(_ *testing.T, b *base) {
	name := "Robert'); DROP TABLE \"x\"; -- `y` \\ ä ? $1"
	t := b.table(name, 2, "key|text", `se"le'ct`+"`|integer", "group by ?|text|null")
	nasty := []string{"'; DROP TABLE x; --", `\'; \" \0 \\`, "?, $1, :a, @b", "%s %d", "\u202e\u0000"[:3], "NULL", `\N`, "{a,b}", `"`}
	var rows []sink.Row
	for i, v := range nasty {
		rows = append(rows, row(v, i, v))
	}
	for _, mode := range []sink.Mode{sink.Insert, sink.Update, sink.Upsert} {
		b.wantLetters(b.write(put(t, mode, rows...)).Letters)
	}
	for i, v := range nasty {
		b.wantRead(b.read(sink.Query{Table: t, Columns: []int{2, 1}, By: []int{0, 1}, Keys: [][]value.Value{{of(v), of(i)}},
			OrderBy: []int{0, 1}}), fmt.Sprintf("0: %s %d", v, i))
	}
	events := b.table("e", 0, "v|text|null", "n|integer")
	rows = nil
	for i := range 300 {
		rows = append(rows, row(nasty[i%len(nasty)], i))
	}
	b.wantLetters(b.write(put(events, sink.Append, rows...)).Letters)
	for i, v := range nasty {
		b.wantRead(b.read(sink.Query{Table: events, Columns: []int{0}, By: []int{1}, Keys: [][]value.Value{{of(i)}}}), "0: "+v)
	}
	b.write(sink.TableOps{Table: t, Key: []int{0, 1}, Delete: []sink.Row{row(nasty[0], 0)}, ClearBy: []int{0}, Clear: []sink.Row{row(nasty[1])}})
	b.wantRows("SELECT count(*) FROM "+b.Quote(name), fmt.Sprint(len(nasty)-2))
}

func testLarge(_ *testing.T, b *base) {
	wide := b.table("wide", 1, "id|integer", "a|text", "b|text", "c|text", "d|text", "e|integer", "f|integer", "g|integer", "h|integer", "i|integer")
	var rows []sink.Row
	for i := range 20_000 {
		rows = append(rows, row(i, "a", "b", "c", "d", i, i, i, i, i))
	}
	r := b.write(put(wide, sink.Upsert, rows...))
	b.wantLetters(r.Letters)
	if r.Rows != 20_000 {
		b.Fatalf("want 20000 rows, got %d", r.Rows)
	}
	var gone []sink.Row
	for i := range 19_990 {
		gone = append(gone, row(i))
	}
	b.write(sink.TableOps{Table: wide, Key: []int{0}, Delete: gone})
	b.wantRows("SELECT count(*) FROM wide", "10")

	big := b.sink.OwnTable("lull_strings")
	rows = nil
	text := strings.Repeat("'\\x", 1<<20/3)
	for i := range 40 {
		rows = append(rows, row("lull", 0, fmt.Sprint("k", i), text, nil))
	}
	b.wantLetters(b.write(put(big, sink.Upsert, rows...)).Letters)
	b.wantRows("SELECT count(*), min(length(value)), max(length(value)) FROM lull_strings", fmt.Sprintf("40 %d %d", len(text), len(text)))
}

func testCatalog(t *testing.T, b *base) {
	b.table("players", 1, "id|integer", "name|text|null|unique")
	c, err := b.sink.Catalog(timeout(b, 10e9), []string{"players", "nothing"})
	b.must(err)
	p := c.Find("players")
	if p == nil || len(c.Tables) != 1 || !slices.Equal(p.PrimaryKey, []string{"id"}) || len(p.Unique) != 1 {
		t.Fatalf("catalog: got %+v", c.Tables)
	}
	b.wantLetters(b.write(put(p, sink.Upsert, row(1, "Ann"), row(2, "Bob"))).Letters)
	b.wantRead(b.read(sink.Query{Table: p, Columns: []int{0, 1}, OrderBy: []int{0}}), "0: 1 Ann", "0: 2 Bob")
}
