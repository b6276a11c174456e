package sinktest

import (
	"context"
	"errors"
	"testing"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

func testOwnTables(_ *testing.T, b *base) {
	b.must(b.sink.CreateOwn(b.Context()))
	for _, statement := range b.sink.OwnDDL() {
		b.exec(statement)
	}
	for _, name := range sqlsink.OwnNames[2:] {
		t := b.sink.OwnTable(name)
		if t == nil || t.Name != name || len(t.PrimaryKey) < 3 {
			b.Fatalf("%s: got %+v", name, t)
		}
		found := b.look("SELECT * FROM " + b.Quote(name))
		if len(found) != 0 {
			b.Fatalf("%s: want no rows, got %q", name, found)
		}
		b.look("SELECT * FROM " + b.Quote(name+"_text"))
	}
	if b.sink.OwnTable("players") != nil || b.sink.OwnTable("lull_dead_letters") != nil {
		b.Fatal("want no description of other tables")
	}
}

func testOwnSchema(t *testing.T, b *base) {
	if b.MakeSchema == "" {
		if _, err := b.open(sqlsink.Options{OwnSchema: "elsewhere"}); err == nil {
			t.Fatal("own schema: want an error")
		}
		return
	}
	b.exec(b.MakeSchema)
	s := b.another(sqlsink.Options{OwnSchema: "else where"})
	b.must(s.CreateOwn(b.Context()))
	if _, found, err := s.Lane(b.Context(), lane); err != nil || found {
		t.Fatalf("lane: want none, got %v, %v", found, err)
	}
	b.claim(s, sink.Claim{ID: lane, LogID: "x", Start: true})
	keys := s.OwnTable("lull_keys")
	_, err := s.Write(b.Context(), &sink.Batch{To: sink.Mark{Position: 5}, Tables: []sink.TableOps{
		put(keys, sink.Upsert, row("lull", 0, "k", "hash", nil, nil)),
	}})
	b.must(err)
	b.wantRows("SELECT count(*) FROM "+b.Quote("else where")+"."+b.Quote("lull_keys"), "1")
	b.wantRows("SELECT count(*) FROM "+b.Quote("lull_keys"), "0")
}

// testFloor asks each time through a sink of its own, since connections that are open may
// be trusted.
func testFloor(t *testing.T, b *base) {
	if _, ok := b.sink.(sink.Floored); !ok {
		return
	}
	events := b.table("events", 0, "v|integer")
	b.write(put(events, sink.Append, row(1)))
	has, part := b.mark, sink.Mark{Position: b.mark.Position, Next: b.mark.Position + 9, Part: 1}
	for _, c := range []struct {
		floor  sink.Floor
		behind bool
	}{
		{sink.Floor{ID: lane, LogID: "log", Mark: has}, false},
		{sink.Floor{ID: lane, LogID: "log"}, false},
		{sink.Floor{}, false},
		{sink.Floor{ID: lane, LogID: "log", Mark: sink.Mark{Position: has.Position + 1}}, true},
		{sink.Floor{ID: lane, LogID: "log", Mark: part}, true},
		{sink.Floor{ID: lane, LogID: "other", Mark: has}, true},
		{sink.Floor{ID: sink.LaneID{Name: "lull", Lane: "gone"}, LogID: "log", Mark: has}, true},
	} {
		s := b.another(sqlsink.Options{})
		s.(sink.Floored).SetFloor(c.floor)
		for range 2 { // the refused connection is not used again
			err := s.Read(b.Context(), []sink.Query{{Table: events, Columns: []int{0}}}, func(int, []value.Value) error { return nil })
			_, _, countErr := s.Count(b.Context(), events, []int{0}, nil, 100)
			for _, err := range []error{err, countErr} {
				if errors.Is(err, sink.ErrBehind) != c.behind || err != nil && !c.behind {
					t.Fatalf("floor %+v, the lane has %s: got %v", c.floor, has, err)
				}
				if c.behind {
					b.wantClass(err, sink.Retry)
				}
			}
		}
		if _, found, err := s.Lane(b.Context(), lane); !found || err != nil {
			t.Fatalf("lane: got %v, %v", found, err)
		}
		s.(sink.Floored).SetFloor(sink.Floor{ID: lane, LogID: "log", Mark: has})
		b.must(s.Read(b.Context(), []sink.Query{{Table: events, Columns: []int{0}}}, func(int, []value.Value) error { return nil }))
	}
}

func testClaim(t *testing.T, b *base) {
	if b.held.Epoch == 0 || b.held.LogID != "log" || b.held.Mark != (sink.Mark{}) {
		t.Fatalf("first claim: got %+v", b.held)
	}
	ctx := b.Context()
	id := sink.LaneID{Name: "lull", Lane: "second"}
	if _, found, err := b.sink.Lane(ctx, id); found || err != nil {
		t.Fatalf("lane: want none, got %v, %v", found, err)
	}
	_, err := b.sink.Claim(ctx, sink.Claim{ID: id, LogID: "a", Held: sink.LaneState{LogID: "a", Epoch: 3}})
	b.wantClass(err, sink.Fenced)
	mark := sink.Mark{Position: 7, Next: 9, Part: 2}
	first := b.claim(b.sink, sink.Claim{ID: id, LogID: "a", Start: true, Mark: mark})
	stored, found, err := b.sink.Lane(ctx, id)
	b.must(err)
	if !found || stored.Mark != mark || stored.LogID != "a" || stored.Epoch != first.Epoch || !near(stored.FlushedAt) {
		t.Fatalf("lane: got %+v", stored)
	}
	raised := b.claim(b.sink, sink.Claim{ID: id, LogID: "a", Held: first})
	if raised.Epoch <= first.Epoch || raised.Mark != mark {
		t.Fatalf("reconnect: got %+v after %+v", raised, first)
	}

	other := b.another(sqlsink.Options{})
	taken := b.claim(other, sink.Claim{ID: id, LogID: "b", Start: true, Mark: sink.Mark{Position: 1}})
	if taken.Epoch <= raised.Epoch || taken.Mark != mark || taken.LogID != "b" {
		t.Fatalf("start: got %+v after %+v", taken, raised)
	}
	_, err = b.sink.Write(ctx, &sink.Batch{From: mark, To: sink.Mark{Position: 9}})
	b.wantClass(err, sink.Fenced)
	_, err = b.sink.Claim(ctx, sink.Claim{ID: id, LogID: "a", Held: raised})
	b.wantClass(err, sink.Fenced)
	b.wantClass(b.sink.Seal(ctx), sink.Fenced)
	_, err = other.Write(ctx, &sink.Batch{From: mark, To: sink.Mark{Position: 9}})
	b.must(err)

	// A backup of before takes the lane's place, and another start has the epoch that this one had.
	b.exec("UPDATE lull_lanes SET log_id = 'before' WHERE lane = 'second'")
	_, err = other.Write(ctx, &sink.Batch{From: sink.Mark{Position: 9}, To: sink.Mark{Position: 11}})
	b.wantClass(err, sink.Fenced)
	b.wantClass(other.Seal(ctx), sink.Fenced)

	reset := b.claim(other, sink.Claim{ID: id, LogID: "c", Start: true, Reset: true, Mark: sink.Mark{Position: 40}})
	if reset.Mark != (sink.Mark{Position: 40}) {
		t.Fatalf("reset: got %+v", reset)
	}
	if again, _, _ := other.Lane(ctx, id); again.Mark != reset.Mark || again.LogID != "c" || again.Epoch != reset.Epoch {
		t.Fatalf("reset: stored %+v", again)
	}
}

func testMovedLane(t *testing.T, b *base) {
	ctx := b.Context()
	none := sink.LaneState{}
	other := b.another(sqlsink.Options{})
	claim := func(seen *sink.LaneState) error {
		_, err := other.Claim(ctx, sink.Claim{ID: lane, LogID: "new", Start: true, Reset: true, ClearSealed: true, Mark: sink.Mark{Position: 77}, Seen: seen})
		return err
	}
	b.must(b.sink.Seal(ctx))
	is, _, err := b.sink.Lane(ctx, lane)
	b.must(err)
	for name, change := range map[string]func(l *sink.LaneState){
		"none was there": func(l *sink.LaneState) { *l = none },
		"log":            func(l *sink.LaneState) { l.LogID = "another" },
		"epoch":          func(l *sink.LaneState) { l.Epoch-- },
		"position":       func(l *sink.LaneState) { l.Mark.Position++ },
		"part":           func(l *sink.LaneState) { l.Mark.Next, l.Mark.Part = 9, 1 },
		"seal":           func(l *sink.LaneState) { l.Sealed = false },
	} {
		was := is
		change(&was)
		err := claim(&was)
		b.wantClass(err, sink.Retry)
		if now, _, _ := b.sink.Lane(ctx, lane); !errors.Is(err, sink.ErrLaneMoved) || now != is {
			t.Errorf("%s: %v; the lane is %+v, it was %+v", name, err, now, is)
		}
	}
	b.must(claim(&is))
	if now, _, _ := b.sink.Lane(ctx, lane); now.LogID != "new" || now.Mark.Position != 77 || now.Sealed {
		t.Errorf("taken as it was seen: %+v", now)
	}
	gone := sink.LaneID{Name: "lull", Lane: "gone"}
	_, err = other.Claim(ctx, sink.Claim{ID: gone, LogID: "new", Start: true, Mark: is.Mark, Seen: &is})
	if _, found, _ := other.Lane(ctx, gone); !errors.Is(err, sink.ErrLaneMoved) || found {
		t.Errorf("a lane that is gone: %v, found %v", err, found)
	}
	b.claim(other, sink.Claim{ID: gone, LogID: "new", Start: true, Seen: &none})
}

func testReconnect(t *testing.T, b *base) {
	// A claim that was stored, but whose answer did not arrive.
	lost := b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Held: b.held})
	_, err := b.sink.Claim(b.Context(), sink.Claim{ID: lane, LogID: "log", Held: sink.LaneState{LogID: "other", Epoch: lost.Epoch}})
	b.wantClass(err, sink.Fenced)
	b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Held: lost})
	fresh := b.another(sqlsink.Options{})
	_, err = fresh.Write(b.Context(), &sink.Batch{})
	b.wantClass(err, sink.Invalid)
	b.wantClass(fresh.Seal(b.Context()), sink.Invalid)
}

func testSeal(t *testing.T, b *base) {
	b.must(b.sink.Seal(b.Context()))
	state, _, err := b.sink.Lane(b.Context(), lane)
	b.must(err)
	if !state.Sealed {
		t.Fatal("want the lane to be sealed")
	}
	state = b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Held: b.held})
	if !state.Sealed {
		t.Fatal("a claim unsealed the lane")
	}
	for _, sealed := range []bool{false, true} { // as after a backup of before took the lane's place
		mark := state.Mark
		state.Mark.Position++
		_, err := b.sink.Write(b.Context(), &sink.Batch{From: mark, To: state.Mark, Sealed: sealed})
		b.must(err)
		if stored, _, _ := b.sink.Lane(b.Context(), lane); stored.Sealed != sealed {
			t.Fatalf("after a batch with sealed %v the lane has %v", sealed, stored.Sealed)
		}
	}
	state = b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Held: state, ClearSealed: true})
	if stored, _, _ := b.sink.Lane(b.Context(), lane); state.Sealed || stored.Sealed {
		t.Fatal("want the lane not to be sealed any more")
	}
}

func testMarks(t *testing.T, b *base) {
	events := b.table("events", 0, "v|integer")
	batch := func(from, to sink.Mark, n int) *sink.Batch {
		return &sink.Batch{From: from, To: to, CatchingUp: to.Next != 0, Tables: []sink.TableOps{put(events, sink.Append, row(n))}}
	}
	first, part := sink.Mark{Position: 10}, sink.Mark{Position: 10, Next: 30, Part: 5}
	ctx := b.Context()
	for i, step := range []struct{ from, to sink.Mark }{
		{sink.Mark{}, first}, {first, part}, {part, sink.Mark{Position: 30}},
	} {
		result, err := b.sink.Write(ctx, batch(step.from, step.to, i))
		b.must(err)
		if result.Rows != 1 || result.Statements < 1 || !near(result.CommittedAt) {
			t.Fatalf("result: got %+v", result)
		}
		state, _, err := b.sink.Lane(ctx, lane)
		b.must(err)
		if state.Mark != step.to || state.CatchingUp != (step.to.Next != 0) {
			t.Fatalf("lane: got %+v, want mark %+v", state, step.to)
		}
		_, err = b.sink.Write(ctx, batch(step.from, step.to, 100+i))
		b.wantClass(err, sink.Fenced)
	}
	b.wantRows("SELECT v FROM events ORDER BY v", "0", "1", "2")
}

func testCancelled(t *testing.T, b *base) {
	events := b.table("events", 0, "v|integer")
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	batch := &sink.Batch{To: sink.Mark{Position: 10}, Tables: []sink.TableOps{put(events, sink.Append, row(1))}}
	_, err := b.sink.Write(ctx, batch)
	b.wantClass(err, sink.Retry)
	b.wantRows("SELECT v FROM events")
	_, err = b.sink.Write(b.Context(), batch)
	b.must(err)
	b.wantRows("SELECT v FROM events", "1")
}
