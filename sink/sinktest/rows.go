package sinktest

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

func testModes(t *testing.T, b *base) {
	p := b.table("players", 1, "id|integer", "name|text|null", "score|integer|null")
	b.write(put(p, sink.Upsert, row(1, "Ann", 10), row(2, "Bob", 20)))
	b.write(put(p, sink.Upsert, row(2, "Bob", 21), row(3, "Cid", nil)))
	b.write(put(p, sink.Insert, row(3, nil, 30), row(4, "Dan", 40)))
	b.write(put(p, sink.Update, row(1, "Ann", 11), row(4, nil, 41), row(5, "Eve", 50)))
	b.wantRows("SELECT id, name, score FROM players ORDER BY id", "1 Ann 11", "2 Bob 21", "3 NULL 30", "4 NULL 41", "5 Eve 50")

	s := b.table("members", 2, "team|text", "id|integer")
	for _, mode := range []sink.Mode{sink.Upsert, sink.Insert, sink.Update} {
		b.write(put(s, mode, row("a", 1), row("a", 2), row("b", 1)))
	}
	b.wantRows("SELECT team, id FROM members ORDER BY team, id", "a 1", "a 2", "b 1")

	e := b.table("events", 0, "topic|text", "v|integer")
	var rows []sink.Row
	for i := range 2500 {
		rows = append(rows, row("t\\\t\n", i))
	}
	result := b.write(put(e, sink.Append, rows...), put(p, sink.Upsert))
	if result.Rows != 2500 {
		t.Fatalf("append: want 2500 rows, got %+v", result)
	}
	b.write(put(e, sink.Append, row("t", 1), row("t", 1)))
	b.wantRows("SELECT count(*), min(v), max(v) FROM events", "2502 0 2499")
	b.wantRows("SELECT count(*) FROM events WHERE length(topic) = 4", "2500")
}

func testUntouched(_ *testing.T, b *base) {
	p := b.table("players", 1, "id|integer", "name|text", "score|integer|null", "note|text|null")
	b.exec("INSERT INTO players (id, name, score, note) VALUES (1, 'Ann', 1, 'mine'), (2, 'Bob', 2, NULL)")
	group := func(mode sink.Mode, rows ...sink.Row) sink.TableOps {
		return sink.TableOps{Table: p, Key: []int{0}, Put: []sink.Group{{Mode: mode, Columns: []int{2}, Rows: rows}}}
	}
	// name may not be left out of an insert: a row that is there is found all the same.
	b.write(group(sink.Update, row(1, 10), row(2, nil)))
	b.wantRows("SELECT id, name, score, note FROM players ORDER BY id", "1 Ann 10 mine", "2 Bob NULL NULL")
	result := b.write(group(sink.Update, row(1, 11), row(7, 70), row(2, 22)))
	b.wantLetters(result.Letters, "1 refused put players id=7")
	b.wantRows("SELECT id, name, score, note FROM players ORDER BY id", "1 Ann 11 mine", "2 Bob 22 NULL")
	b.write(sink.TableOps{Table: p, Key: []int{0}, Put: []sink.Group{
		{Mode: sink.Upsert, Columns: []int{1}, Rows: []sink.Row{row(3, "Cid")}},
		{Mode: sink.Upsert, Columns: []int{1, 2}, Rows: []sink.Row{row(1, "Anna", 12)}},
	}})
	b.wantRows("SELECT id, name, score, note FROM players ORDER BY id", "1 Anna 12 mine", "2 Bob 22 NULL", "3 Cid NULL NULL")
}

func testRemove(_ *testing.T, b *base) {
	s := b.table("scores", 2, "board|text", "id|integer", "points|float|null")
	fill := func() {
		b.write(put(s, sink.Upsert, row("a", 1, 1.5), row("a", 2, 2.5), row("b", 1, 3.5), row("c", 1, nil)))
	}
	fill()
	b.write(sink.TableOps{Table: s, Key: []int{0, 1}, Delete: []sink.Row{row("a", 2), row("c", 1), row("x", 1)}})
	b.wantRows("SELECT board, id FROM scores ORDER BY board, id", "a 1", "b 1")
	fill()
	b.write(sink.TableOps{Table: s, Key: []int{0, 1}, ClearBy: []int{0}, Clear: []sink.Row{row("a"), row("c"), row("x")},
		Put: []sink.Group{{Mode: sink.Insert, Columns: []int{2}, Rows: []sink.Row{row("a", 9, 9.0)}}}})
	b.wantRows("SELECT board, id FROM scores ORDER BY board, id", "a 9", "b 1")
	fill()
	b.write(sink.TableOps{Table: s, Key: []int{0, 1}, Truncate: true, Where: []sink.Match{
		{Column: 0, Op: "=", Value: of("a")}, {Column: 1, Op: "<", Value: of(9)}}})
	b.wantRows("SELECT board, id FROM scores ORDER BY board, id", "a 9", "b 1", "c 1")
	b.write(sink.TableOps{Table: s, Key: []int{0, 1}, Truncate: true, Where: []sink.Match{{Column: 2, Op: "is null"}}})
	b.wantRows("SELECT board, id FROM scores ORDER BY board, id", "a 9", "b 1")
	b.write(sink.TableOps{Table: s, Key: []int{0, 1}, Truncate: true,
		Put: []sink.Group{{Columns: []int{2}, Rows: []sink.Row{row("z", 1, 1.0)}}}})
	b.wantRows("SELECT board, id FROM scores ORDER BY board, id", "z 1")
}

// samples are values in canonical text, by family, that every database takes.
var samples = map[string][]any{
	"integer":     {0, -12, math.MaxInt64, math.MinInt64, "77", nil},
	"decimal":     {"12.50", "-0.01", "123456789012345.67", nil},
	"float":       {0.1, -1e300, 1.0 / 3, 5e-324, "2.5", nil},
	"bool":        {1, 0, "1", nil},
	"text":        {"", "Ä \U0001F600 'x' \"y\" `z` \\ % ; -- $1 ?", " padded ", "line\nline\ttab", nil},
	"binary":      {"", "\x00\xff\xfe\x80'\\", "plain", "\xc3\x28", nil},
	"date":        {"2026-01-31", "1999-12-31", nil},
	"time":        {"23:59:59.123456", "00:00:00", nil},
	"timestamp":   {"2026-01-31 23:59:59.123456", "1999-12-31 00:00:00", nil},
	"timestamptz": {"2026-01-31T23:59:59.123456Z", "1999-12-31T00:00:00Z", nil},
	"uuid":        {"123e4567-e89b-12d3-a456-426614174000", nil},
	"json":        {`{"a":[1,2,"x"]}`, `"text"`, nil},
}

func testFamilies(t *testing.T, b *base) {
	for name, vals := range samples {
		if b.Types[families[name]].SQL == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t1 := b.table("t_"+name, 1, "id|integer", "v|"+name+"|null")
			for _, mode := range []sink.Mode{sink.Insert, sink.Update, sink.Upsert} {
				var rows []sink.Row
				for i, v := range vals {
					rows = append(rows, row(i, v))
				}
				if r := b.write(put(t1, mode, rows...)); len(r.Letters) > 0 {
					t.Fatalf("refused: %+v", r.Letters[0])
				}
				b.sameBack(t1, vals)
			}
			events := b.table("e_"+name, 0, "id|integer", "v|"+name+"|null")
			var rows []sink.Row
			for n := range 200 {
				rows = append(rows, row(n, vals[n%len(vals)]))
			}
			if r := b.write(put(events, sink.Append, rows...)); len(r.Letters) > 0 {
				t.Fatalf("append refused: %+v", r.Letters[0])
			}
			b.sameBack(events, vals)
		})
	}
}

// sameBack reads the rows with id below len(vals) and compares them.
func (b *base) sameBack(t *sink.Table, vals []any) {
	b.Helper()
	got := map[int64]value.Value{}
	q := sink.Query{Table: t, Columns: []int{0, 1}, Where: []sink.Match{{Column: 0, Op: "<", Value: of(len(vals))}}}
	b.must(b.sink.Read(b.Context(), []sink.Query{q}, func(_ int, row []value.Value) error {
		id, _ := row[0].Int()
		got[id] = row[1]
		return nil
	}))
	for i, v := range vals {
		if want := of(v); !same(t.Columns[1].Type.Family, got[int64(i)], want) {
			b.Fatalf("%s: value %d: got %q (kind %d), want %q", t.Name, i, got[int64(i)].String(), got[int64(i)].Kind(), want.String())
		}
	}
}

// same compares what a sink may return with the canonical value.
func same(f sink.Family, got, want value.Value) bool {
	if got.IsNull() || want.IsNull() {
		return got.IsNull() == want.IsNull()
	}
	switch f {
	case sink.FloatNum, sink.Decimal:
		g, ok1 := got.Float()
		w, ok2 := want.Float()
		return ok1 && ok2 && g == w
	case sink.JSON:
		return strings.ReplaceAll(got.String(), " ", "") == strings.ReplaceAll(want.String(), " ", "")
	case sink.Time, sink.Timestamp, sink.TimestampTZ:
		return plainTime(got.String()) == plainTime(want.String())
	}
	return got.String() == want.String()
}

// plainTime drops zeros at the end of the fraction.
func plainTime(s string) string {
	whole, fraction, found := strings.Cut(strings.TrimSuffix(s, "Z"), ".")
	if fraction = strings.TrimRight(fraction, "0"); found && fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

func testOwnBytes(t *testing.T, b *base) {
	keys, hashes, strs := b.sink.OwnTable("lull_keys"), b.sink.OwnTable("lull_hashes"), b.sink.OwnTable("lull_strings")
	names := []string{"k", "042", "42", "4.50", "\x00", "\xff\xfe", "Ä", "ä", "a", "A", "a ", "'\"`\\", strings.Repeat("\xff", 1000), ""}
	var k, h, s []sink.Row
	for i, name := range names {
		k = append(k, row("lull", 0, name, "hash", nil, nil))
		h = append(h, row("lull", 0, name, name, value.OfBytes([]byte{byte(i), 0xff})))
		s = append(s, row("lull", i%2, name, value.OfString(name), "2026-01-31T23:59:59.123Z"))
	}
	for range 2 {
		if r := b.write(put(keys, sink.Upsert, k...), put(hashes, sink.Upsert, h...), put(strs, sink.Upsert, s...)); len(r.Letters) > 0 {
			t.Fatalf("refused: %+v", r.Letters[0])
		}
	}
	for i, name := range names {
		got := b.read(
			sink.Query{Table: hashes, Columns: []int{3, 4}, By: []int{0, 1, 2}, Keys: [][]value.Value{{of("lull"), of(0), of(name)}}},
			sink.Query{Table: strs, Columns: []int{2, 3, 4}, By: []int{0, 1, 2}, Keys: [][]value.Value{{of("lull"), of(i % 2), of(name)}}},
		)
		want := []string{fmt.Sprintf("0: %s %s", name, []byte{byte(i), 0xff}), fmt.Sprintf("1: %s %s 2026-01-31T23:59:59.123Z", name, name)}
		b.wantRead(got, want...)
	}
	b.look("SELECT * FROM lull_hashes_text")
	b.look("SELECT * FROM lull_strings_text")
}

func testCascade(_ *testing.T, b *base) {
	keys, zsets, streams := b.sink.OwnTable("lull_keys"), b.sink.OwnTable("lull_zsets"), b.sink.OwnTable("lull_streams")
	b.write(put(keys, sink.Upsert, row("lull", 0, "z", "zset", nil, nil), row("lull", 0, "y", "zset", nil, "m")),
		put(zsets, sink.Upsert, row("lull", 0, "z", "m", 1.5), row("lull", 0, "y", "m", -1e300)),
		put(streams, sink.Append, row("lull", 0, "z", 1, 2, `["f","v"]`)))
	b.wantRows("SELECT id FROM lull_streams_text", "1-2")
	b.write(sink.TableOps{Table: keys, Key: []int{0, 1, 2}, ClearBy: []int{0, 1, 2}, Clear: []sink.Row{row("lull", 0, "z")}})
	b.wantRows("SELECT count(*) FROM lull_zsets", "1")
	b.wantRows("SELECT count(*) FROM lull_streams", "0")
}
