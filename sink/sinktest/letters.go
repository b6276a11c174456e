package sinktest

import (
	"math"
	"reflect"
	"testing"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

func testParked(t *testing.T, b *base) {
	gone := &sink.Table{Schema: "away", Name: "players", PrimaryKey: []string{"id"}, Columns: []sink.Column{
		{Name: "id", Type: b.Types[sink.Integer]}, {Name: "name", Type: b.Types[sink.Text]}}}
	reason := sink.Reason{Code: "42P01", Message: "no such table"}
	other := b.table("others", 1, "id|integer")
	r := b.write(sink.TableOps{
		Table: gone, Key: []int{0}, Parked: &reason, Truncate: true, Where: []sink.Match{{Column: 1, Op: "=", Value: of("x")}, {Column: 0, Op: "<", Value: of(9)}},
		ClearBy: []int{1}, Clear: []sink.Row{row("a")}, Delete: []sink.Row{row(4)},
		Put: []sink.Group{
			{Columns: []int{1}, Rows: []sink.Row{row(1, "Ann"), row(2, nil)}},
			{Mode: sink.Append, Columns: []int{1}, Rows: []sink.Row{row(3, "Cid")}},
		},
	}, put(other, sink.Upsert, row(1)))
	b.wantLetters(r.Letters, "1 parked truncate players name=x id <=9", "2 parked clear players name=a", "3 parked delete players id=4",
		"4 parked put players id=1", "5 parked put players id=2", "6 parked append players id=3")
	if l := r.Letters[0]; l.Schema != "away" || l.Reason != reason || l.Position != b.mark.Position {
		t.Fatalf("letter: got %+v", l)
	}
	b.wantRows("SELECT id FROM others", "1")
	stored, err := b.sink.Letters(b.Context(), "lull")
	b.must(err)
	if !reflect.DeepEqual(stored, r.Letters) {
		t.Fatalf("letters:\n got %+v\nwant %+v", stored, r.Letters)
	}
	if other, err := b.sink.Letters(b.Context(), "another"); err != nil || len(other) != 0 {
		t.Fatalf("letters of another Lull: got %v, %v", other, err)
	}
}

func testLetters(t *testing.T, b *base) {
	columns := []sink.Column{{Name: "id"}}
	vals := []value.Value{of("\xff\x00key")}
	for name, v := range map[string]any{
		"null": nil, "int": math.MinInt64, "big": math.MaxInt64, "whole": 3.0, "float": -1e-300, "third": 1.0 / 3,
		"inf": math.Inf(-1), "text": "Ä \u2028 <&> \x00 \"quoted\" \\ {\"b64\":1}", "bytes": "\xfe\xff", "empty": "", "the \"name\"": "x",
	} {
		columns, vals = append(columns, sink.Column{Name: name}), append(vals, of(v))
	}
	gone := &sink.Table{Name: "ta\"ble\\", Columns: columns}
	long := make([]byte, 3000)
	for i := range long {
		long[i] = 0xff
	}
	r := b.batch(&sink.Batch{Tables: []sink.TableOps{{
		Table: gone, Key: []int{0}, Parked: &sink.Reason{Code: "1", Message: "\xff\x00 bad " + string(long)},
		Put: []sink.Group{{Columns: upTo(1, len(columns)), Rows: []sink.Row{{Vals: vals}}}},
	}}})
	stored, err := b.sink.Letters(b.Context(), "lull")
	b.must(err)
	if !reflect.DeepEqual(stored, r.Letters) || !reflect.DeepEqual(append(stored[0].Key, stored[0].Vals...), vals) {
		t.Fatalf("letters:\n got %+v\nwant %+v", stored, r.Letters)
	}
}

func testLettersSettled(t *testing.T, b *base) {
	p := b.table("players", 1, "id|integer", "score|integer|null|CHECK (score < 1000)")
	r := b.write(put(p, sink.Upsert, row(1, 1000), row(2, 2000), row(3, 3000), row(4, 4000)))
	b.wantLetters(r.Letters, "1 refused put players id=1", "2 refused put players id=2", "3 refused put players id=3", "4 refused put players id=4")
	with := func(r sink.Row, letter int64) sink.Row { r.Letter = letter; return r }
	r = b.batch(&sink.Batch{DropLetters: []int64{4}, Tables: []sink.TableOps{
		put(p, sink.Upsert, with(row(1, 1), 1), with(row(2, 2222), 2), row(5, 5000)),
	}})
	b.wantLetters(r.Letters, "2 refused put players id=2", "5 refused put players id=5")
	letters, err := b.sink.Letters(b.Context(), "lull")
	b.must(err)
	b.wantLetters(letters, "2 refused put players id=2", "3 refused put players id=3", "5 refused put players id=5")
	if got := letters[0].Vals[0].String(); got != "2222" {
		t.Fatalf("letter: want the newer value, got %s", got)
	}
	b.batch(&sink.Batch{DropLetters: []int64{5}})
	r = b.write(put(p, sink.Upsert, row(6, 6000)))
	b.wantLetters(r.Letters, "6 refused put players id=6") // 5 is not given again
}

func testTableGone(t *testing.T, b *base) {
	p := b.table("players", 1, "id|integer", "name|text|null")
	q := b.table("others", 1, "id|integer", "v|text|null")
	batch := &sink.Batch{To: sink.Mark{Position: 100}, Tables: []sink.TableOps{
		put(q, sink.Upsert, row(1, "x")), put(p, sink.Upsert, row(1, "Ann"))}}
	check := func() {
		t.Helper()
		for _, mode := range []sink.Mode{sink.Upsert, sink.Update, sink.Append} {
			batch.Tables[1].Put[0].Mode = mode
			_, err := b.sink.Write(b.Context(), batch)
			b.wantClass(err, sink.TableGone)
			if e := err.(*sink.Error); e.Table != "players" || e.Reason.Message == "" {
				t.Fatalf("error: want table players and a reason, got %+v", e)
			}
		}
		b.wantRows("SELECT count(*) FROM others", "0")
	}
	b.exec("ALTER TABLE players RENAME COLUMN name TO nick")
	check()
	err := b.sink.Read(b.Context(), []sink.Query{{Table: p, Columns: []int{0, 1}}}, func(int, []value.Value) error { return nil })
	b.wantClass(err, sink.TableGone)
	b.exec("DROP TABLE players")
	check()
	batch.Tables[1].Parked = &sink.Reason{Message: "gone"}
	_, err = b.sink.Write(b.Context(), batch)
	b.must(err)
	b.wantRows("SELECT count(*) FROM others", "1")
}

func testOwnGone(_ *testing.T, b *base) {
	b.exec("DROP TABLE lull_dead_letters")
	p := b.table("players", 1, "id|integer")
	batch := &sink.Batch{To: sink.Mark{Position: 100}, Tables: []sink.TableOps{
		{Table: p, Key: []int{0}, Parked: &sink.Reason{}, Delete: []sink.Row{row(1)}}}}
	_, err := b.sink.Write(b.Context(), batch)
	b.wantClass(err, sink.OwnTables)
	_, err = b.sink.Letters(b.Context(), "lull")
	b.wantClass(err, sink.OwnTables)
	b.exec("DROP TABLE lull_lanes")
	_, err = b.sink.Write(b.Context(), batch)
	b.wantClass(err, sink.OwnTables)
	_, err = b.sink.Claim(b.Context(), sink.Claim{ID: lane, LogID: "log", Start: true})
	b.wantClass(err, sink.OwnTables)
	_, _, err = b.sink.Lane(b.Context(), lane)
	b.wantClass(err, sink.OwnTables)
	b.must(b.sink.CreateOwn(b.Context()))
	b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Start: true})
	_, err = b.sink.Write(b.Context(), batch)
	b.must(err)
}
