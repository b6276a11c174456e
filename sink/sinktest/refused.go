package sinktest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/lullcache/lull/sink"
)

func testOneBadRow(t *testing.T, b *base) {
	p := b.table("players", 1, "id|integer", "name|text|null", "score|integer|null|CHECK (score < 1000000)")
	var rows []sink.Row
	for i := range 10_000 {
		score := i
		if i == 6_543 {
			score = 1_000_000
		}
		rows = append(rows, row(i, "somebody", score))
	}
	for turn, mode := range []sink.Mode{sink.Insert, sink.Update, sink.Upsert} {
		clean := b.write(put(p, mode, rows[:6_000]...))
		result := b.write(put(p, mode, rows...))
		b.wantLetters(result.Letters, fmt.Sprintf("%d refused put players id=6543", turn+1))
		l := result.Letters[0]
		if l.Reason.Code == "" || l.Reason.Message == "" || l.Position != b.mark.Position || !near(l.At) ||
			!slices.Equal(l.Names, []string{"name", "score"}) || l.Vals[1].String() != "1000000" {
			t.Fatalf("letter: got %+v", l)
		}
		if extra := result.Statements - clean.Statements*10/6; clean.Statements < 1000 && extra > 50 {
			t.Fatalf("mode %d: %d statements instead of about %d", mode, result.Statements, clean.Statements*10/6)
		}
		b.wantRows("SELECT count(*) FROM players", "9999")
		b.batch(&sink.Batch{DropLetters: []int64{99}})
	}
}

func testTrigger(_ *testing.T, b *base) {
	for i, trigger := range b.RefuseTrigger {
		t := b.table(fmt.Sprint("t", i), 1, "id|integer", "v|text|null")
		t.Triggers = true
		b.exec(trigger)
		result := b.write(put(t, sink.Upsert, row(1, "a"), row(2, "refuse"), row(3, "c")))
		b.wantLetters(result.Letters, fmt.Sprintf("%d refused put t%d id=2", i+1, i))
		b.wantRows(fmt.Sprintf("SELECT id, v FROM t%d ORDER BY id", i), "1 a", "3 c")
		b.exec(fmt.Sprintf("DELETE FROM t%d", i))
	}
}

func testUniqueChain(_ *testing.T, b *base) {
	p := b.table("players", 1, "id|integer", "name|text|null|unique")
	for _, mode := range []sink.Mode{sink.Upsert, sink.Update} {
		b.exec("DELETE FROM players")
		b.write(put(p, sink.Insert, row(1, "a"), row(2, "b"), row(3, "c"), row(4, "d")))
		// Each takes the name of the next.
		r := b.write(put(p, mode, row(1, "b"), row(2, "c"), row(3, "d"), row(4, "e")))
		b.wantLetters(r.Letters)
		b.wantRows("SELECT id, name FROM players ORDER BY id", "1 b", "2 c", "3 d", "4 e")
		r = b.write(put(p, mode, row(1, "a"), row(2, "b"), row(3, "c"), row(4, "d")))
		b.wantLetters(r.Letters)
		b.wantRows("SELECT id, name FROM players ORDER BY id", "1 a", "2 b", "3 c", "4 d")
	}
	// Two change places, and three in a ring, beside one whose wish cannot be met.
	b.write(put(p, sink.Insert, row(5, "e"), row(6, "f"), row(7, "g")))
	r := b.write(put(p, sink.Upsert, row(1, "b"), row(2, "a"), row(3, "d"), row(4, "e"), row(5, "c"), row(6, "g"), row(8, "h")))
	b.wantLetters(r.Letters, "1 refused put players id=6")
	b.wantRows("SELECT id, name FROM players ORDER BY id", "1 b", "2 a", "3 d", "4 e", "5 c", "6 f", "7 g", "8 h")

	// Where the column may not be NULL they stand in each other's way for good.
	q := b.table("strict", 1, "id|integer", "name|text|unique")
	b.write(put(q, sink.Insert, row(1, "a"), row(2, "b"), row(3, "c")))
	r = b.write(put(q, sink.Upsert, row(1, "b"), row(2, "a"), row(3, "cc"), row(5, "c")))
	b.wantLetters(r.Letters, "2 refused put strict id=1", "3 refused put strict id=2")
	b.wantRows("SELECT id, name FROM strict ORDER BY id", "1 a", "2 b", "3 cc", "5 c")
}

func testSecondaryUnique(_ *testing.T, b *base) {
	p := b.table("players", 1, "id|integer", "name|text|null|unique", "score|integer|null")
	b.write(put(p, sink.Insert, row(1, "a", 1), row(2, "b", 2)))
	r := b.write(put(p, sink.Upsert, row(3, "a", 33), row(4, "d", 44)))
	b.wantLetters(r.Letters, "1 refused put players id=3")
	r = b.write(put(p, sink.Insert, row(5, "b", 55)), put(p, sink.Update, row(1, "b", 11), row(6, "a", 66)))
	b.wantLetters(r.Letters, "2 refused put players id=5", "3 refused put players id=1", "4 refused put players id=6")
	b.wantRows("SELECT id, name, score FROM players ORDER BY id", "1 a 1", "2 b 2", "4 d 44")

	// The key need not be the primary key.
	byName := sink.TableOps{Table: p, Key: []int{1}, Put: []sink.Group{{Columns: []int{0, 2}, Rows: []sink.Row{
		row("a", 1, 100), row("d", 2, 400), row("e", 5, 500)}}}}
	r = b.write(byName)
	b.wantLetters(r.Letters, "5 refused put players name=d")
	b.wantRows("SELECT id, name, score FROM players ORDER BY id", "1 a 100", "2 b 2", "4 d 44", "5 e 500")
}

// family makes a parent and a child table.
func family(b *base, more string) (parents, children *sink.Table) {
	parents = b.table("parents", 1, "id|integer", "v|text|null")
	children = b.table("children", 1, "id|integer", "parent|integer|null")
	b.exec("DROP TABLE children", fmt.Sprintf("CREATE TABLE children (id %s PRIMARY KEY, parent %s, FOREIGN KEY (parent) REFERENCES parents (id) %s)",
		b.Types[sink.Integer].SQL, b.Types[sink.Integer].SQL, more))
	children.ForeignKeys = []sink.ForeignKey{{Columns: []string{"parent"}, RefTable: "parents", RefColumns: []string{"id"}, OnDelete: "no action", OnUpdate: "no action"}}
	return parents, children
}

func testForeignKeys(_ *testing.T, b *base) {
	parents, children := family(b, "")
	r := b.write(put(parents, sink.Upsert, row(1, "a"), row(2, "b")), put(children, sink.Upsert, row(10, 1), row(20, 2), row(30, 3)))
	b.wantLetters(r.Letters, "1 refused put children id=30")
	ops := put(children, sink.Upsert)
	ops.Delete = []sink.Row{row(10)}
	gone := put(parents, sink.Upsert)
	gone.Delete = []sink.Row{row(1), row(2)}
	r = b.write(gone, ops)
	b.wantLetters(r.Letters, "2 refused delete parents id=2")
	b.wantRows("SELECT id FROM parents", "2")
	// The child moves to another parent in the same batch.
	r = b.write(sink.TableOps{Table: parents, Key: []int{0}, Delete: []sink.Row{{Vals: row(2).Vals, Letter: 2}},
		Put: []sink.Group{{Columns: []int{1}, Rows: []sink.Row{row(3, "c")}}}}, put(children, sink.Update, row(20, 3)))
	b.wantLetters(r.Letters)
	b.wantRows("SELECT id FROM parents", "3")
	letters, err := b.sink.Letters(b.Context(), "lull")
	b.must(err)
	b.wantLetters(letters, "1 refused put children id=30")
}

func testRefusedRemoval(_ *testing.T, b *base) {
	parents, children := family(b, "")
	b.write(put(parents, sink.Upsert, row(1, "a"), row(2, "b"), row(3, "c")), put(children, sink.Upsert, row(10, 1)))
	// Row 1 is deleted and made again; since it cannot be deleted, it stays whole.
	r := b.write(sink.TableOps{Table: parents, Key: []int{0}, Delete: []sink.Row{row(1), row(2)},
		Put: []sink.Group{{Mode: sink.Insert, Columns: []int{1}, Rows: []sink.Row{row(1, "new"), row(2, "new"), row(3, "new")}}}})
	b.wantLetters(r.Letters, "1 refused delete parents id=1", "2 refused put parents id=1")
	b.wantRows("SELECT id, v FROM parents ORDER BY id", "1 a", "2 new", "3 new")
	// The delete works once the child is elsewhere, and is not done after the put.
	r = b.write(sink.TableOps{Table: parents, Key: []int{0}, Delete: []sink.Row{row(1)},
		Put: []sink.Group{{Mode: sink.Insert, Columns: []int{1}, Rows: []sink.Row{row(1, "again")}}}}, put(children, sink.Update, row(10, 2)))
	b.wantLetters(r.Letters)
	b.wantRows("SELECT id, v FROM parents ORDER BY id", "1 again", "2 new", "3 new")
}

// Many parents are deleted and made again while their children still stand: the
// deletes work only at the end, and the new rows have to wait for them.
func testManyRemovals(_ *testing.T, b *base) {
	parents, children := family(b, "")
	const many = 300
	var old, kids, gone, fresh, moved []sink.Row
	for i := range many {
		old, kids = append(old, row(i, "old")), append(kids, row(1000+i, i))
		gone, fresh, moved = append(gone, row(i)), append(fresh, row(i, "new")), append(moved, row(1000+i, 999))
	}
	b.write(put(parents, sink.Upsert, append(old, row(999, "home"))...), put(children, sink.Upsert, kids...))
	again := put(parents, sink.Insert, fresh...)
	again.Delete = gone
	b.wantLetters(b.write(again, put(children, sink.Update, moved...)).Letters)
	b.wantRows("SELECT v, count(*) FROM parents GROUP BY v ORDER BY v", "home 1", "new 300")
	// Now it cannot work at all: nothing that was to be removed gets half of its new row.
	b.write(put(children, sink.Update, kids...))
	for i := range fresh {
		fresh[i].Vals[1] = of("newer")
	}
	letters := b.write(again).Letters
	if len(letters) != 2*many {
		b.Fatalf("letters: want %d, got %d", 2*many, len(letters))
	}
	b.wantRows("SELECT v, count(*) FROM parents GROUP BY v ORDER BY v", "home 1", "new 300")
}

func testDeferred(_ *testing.T, b *base) {
	if !b.Deferred {
		return
	}
	parents, children := family(b, "DEFERRABLE INITIALLY DEFERRED")
	kids := func(rows ...sink.Row) sink.TableOps { return put(children, sink.Upsert, rows...) }
	// Children first: only the end counts.
	r := b.write(kids(row(10, 1), row(20, 2)), put(parents, sink.Upsert, row(1, "a"), row(2, "b")))
	b.wantLetters(r.Letters)
	var rows []sink.Row
	for i := range 3000 {
		rows = append(rows, row(100+i, 1+i%2))
	}
	rows[1234].Vals[1] = of(77)
	rows[2345].Vals[1] = of(3)
	r = b.write(kids(rows...), put(parents, sink.Upsert, row(3, "late")))
	b.wantLetters(r.Letters, "1 refused put children id=1334")
	b.wantRows("SELECT count(*) FROM children", "3001")
	b.wantRows("SELECT count(*) FROM parents", "3")
	r = b.write(sink.TableOps{Table: parents, Key: []int{0}, Delete: []sink.Row{row(2), row(3)}},
		sink.TableOps{Table: children, Key: []int{0}, Delete: []sink.Row{row(2445)}})
	b.wantLetters(r.Letters, "2 refused delete parents id=2")
	b.wantRows("SELECT id FROM parents ORDER BY id", "1", "2")
}

func testRefusing(t *testing.T, b *base) {
	p := b.table("players", 1, "id|integer", "score|integer|null|CHECK (score < 1000)")
	q := b.table("others", 1, "id|integer", "score|integer|null")
	var rows, fine []sink.Row
	for i := range 3000 {
		score := 1
		if i >= 500 && i < 600 {
			score = 1000
		}
		rows, fine = append(rows, row(i, score)), append(fine, row(i, 1))
	}
	r := b.write(put(p, sink.Upsert, rows...), put(q, sink.Upsert, fine...))
	states := map[sink.LetterState]int{}
	for _, l := range r.Letters {
		states[l.State]++
	}
	landed := b.look("SELECT count(*) FROM players")[0]
	if states[sink.Refused] != 64 || fmt.Sprint(3000-len(r.Letters)) != landed || states[sink.Refusing] < 2000 {
		t.Fatalf("letters: got %v, %s rows landed", states, landed)
	}
	b.wantRows("SELECT count(*) FROM others", "3000")
	letters, err := b.sink.Letters(b.Context(), "lull")
	b.must(err)
	if len(letters) != len(r.Letters) {
		t.Fatalf("letters: want %d, got %d", len(r.Letters), len(letters))
	}
}
