package sinktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// far makes b use a sink that takes the network, and reports whether there is one.
func (b *base) far(o sqlsink.Options) bool {
	b.Helper()
	if b.net == nil {
		return false
	}
	s, err := b.net.Open(o)
	b.must(err)
	b.Cleanup(func() { s.Close() })
	b.sink = s
	b.held = b.claim(s, sink.Claim{ID: lane, LogID: "log", Start: true})
	return true
}

func testAway(t *testing.T, b *base) {
	if !b.far(sqlsink.Options{}) {
		return
	}
	events := b.table("events", 0, "v|integer")
	ctx := b.Context()
	b.net.Refuse()
	batch := &sink.Batch{To: sink.Mark{Position: 100}, Tables: []sink.TableOps{put(events, sink.Append, row(1))}}
	for range 2 {
		_, err := b.sink.Write(ctx, batch)
		b.wantClass(err, sink.Retry)
		_, err = b.sink.Claim(ctx, sink.Claim{ID: lane, LogID: "log", Held: b.held})
		b.wantClass(err, sink.Retry)
		_, _, err = b.sink.Lane(ctx, lane)
		b.wantClass(err, sink.Retry)
		err = b.sink.Read(ctx, []sink.Query{{Table: events, Columns: []int{0}}}, func(int, []value.Value) error { return nil })
		b.wantClass(err, sink.Retry)
		_, _, err = b.sink.Count(ctx, events, nil, nil, 100)
		b.wantClass(err, sink.Retry)
		_, err = b.sink.Catalog(ctx, nil)
		b.wantClass(err, sink.Retry)
		b.wantClass(b.sink.CreateOwn(ctx), sink.Retry)
		b.wantClass(b.sink.Seal(ctx), sink.Retry)
	}
	b.net.Resume()
	b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Held: b.held})
	_, err := b.sink.Write(ctx, batch)
	b.must(err)
	b.wantRead(b.read(sink.Query{Table: events, Columns: []int{0}}), "0: 1")
	// A session that ended while it was idle is replaced without a word.
	b.net.Refuse()
	b.net.Resume()
	_, err = b.sink.Write(ctx, &sink.Batch{From: batch.To, To: sink.Mark{Position: 200}})
	b.must(err)
	if _, err := b.sink.Catalog(ctx, nil); err != nil {
		t.Fatalf("catalog: %v", err)
	}
}

// testCutWrite cuts the connection at many places of the same write, COMMIT
// included, recovers as a flusher does, and counts what arrived.
func testCutWrite(t *testing.T, b *base) {
	if !b.far(sqlsink.Options{}) {
		return
	}
	events := b.table("events", 0, "v|integer")
	counter := b.table("counter", 1, "id|integer", "n|integer")
	n := 0
	next := func() *sink.Batch {
		n++
		return &sink.Batch{From: b.mark, To: sink.Mark{Position: b.mark.Position + 10}, Tables: []sink.TableOps{
			put(events, sink.Append, row(n), row(-n)), put(counter, sink.Upsert, row(1, n))}}
	}
	var span [2]int64
	for i, toServer := range []bool{false, true} {
		before := b.net.Passed(toServer)
		batch := next()
		_, err := b.sink.Write(b.Context(), batch)
		b.must(err)
		b.mark = batch.To
		span[i] = b.net.Passed(toServer) - before
	}
	unclear := 0
	for i, toServer := range []bool{false, true} {
		for _, after := range places(span[i]) {
			batch := next()
			b.net.CutAfter(toServer, after)
			_, err := b.sink.Write(b.Context(), batch)
			b.net.CutAfter(toServer, -1)
			if err != nil && sink.ClassOf(err) == sink.Ambiguous {
				unclear++
				_, again := b.sink.Write(b.Context(), batch)
				b.wantClass(again, sink.Invalid)
			}
			b.recover(batch, err)
		}
	}
	if unclear == 0 {
		t.Error("no cut fell on COMMIT")
	}
	b.wantRows("SELECT count(*), count(DISTINCT v), max(v) FROM events", spell(2*n, 2*n, n))
	b.wantRows("SELECT n FROM counter", spell(n))
}

// places returns byte counts to cut after: some everywhere, many at the end, where
// COMMIT is.
func places(span int64) []int64 {
	var list []int64
	for i := range int64(6) {
		list = append(list, span*i/6)
	}
	for at := max(0, span-77); at <= span; at += 7 {
		list = append(list, at)
	}
	return list
}

// recover gets batch in after err, by the rules of sink.Sink.
func (b *base) recover(batch *sink.Batch, err error) {
	b.Helper()
	for try := 0; err != nil; try++ {
		class := sink.ClassOf(err)
		if try > 20 || (class != sink.Retry && class != sink.Ambiguous) {
			b.Fatalf("recovery: %v", err)
		}
		if class == sink.Ambiguous {
			var state sink.LaneState
			if state, err = b.sink.Claim(b.Context(), sink.Claim{ID: lane, LogID: "log", Held: b.held}); err != nil {
				b.wantClass(err, sink.Retry)
				err = &sink.Error{Class: sink.Ambiguous, Err: err}
				continue
			}
			b.held = state
			if state.Mark == batch.To {
				break
			}
			if state.Mark != batch.From {
				b.Fatalf("mark: got %+v, want %+v or %+v", state.Mark, batch.From, batch.To)
			}
		}
		_, err = b.sink.Write(b.Context(), batch)
	}
	b.mark = batch.To
}

func testCutClaim(t *testing.T, b *base) {
	if !b.far(sqlsink.Options{}) {
		return
	}
	var span [2]int64
	for i, toServer := range []bool{false, true} {
		before := b.net.Passed(toServer)
		b.held = b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Held: b.held})
		span[i] = b.net.Passed(toServer) - before
	}
	for i, toServer := range []bool{false, true} {
		for _, after := range places(span[i]) {
			b.net.CutAfter(toServer, after)
			state, err := b.sink.Claim(b.Context(), sink.Claim{ID: lane, LogID: "log", Held: b.held})
			b.net.CutAfter(toServer, -1)
			for try := 0; err != nil; try++ {
				if try > 5 {
					t.Fatalf("claim after a cut at %d of %d: %v", after, span[i], err)
				}
				b.wantClass(err, sink.Retry)
				state, err = b.sink.Claim(b.Context(), sink.Claim{ID: lane, LogID: "log", Held: b.held})
			}
			if state.Epoch <= b.held.Epoch {
				t.Fatalf("epoch: got %d after %d", state.Epoch, b.held.Epoch)
			}
			b.held = state
		}
	}
}

// stuck leaves a session of b's sink in the middle of a transaction on the server:
// it waits there for a row that someone else has locked, and its client has gone
// away. The returned function lets the row go.
func (b *base) stuck(p *sink.Table) (batch *sink.Batch, release func()) {
	b.Helper()
	b.write(put(p, sink.Upsert, row(1, 0), row(2, 0)))
	tx, err := b.db.BeginTx(b.Context(), nil)
	b.must(err)
	_, err = tx.ExecContext(b.Context(), "UPDATE players SET score = 5 WHERE id = 1")
	b.must(err)
	batch = &sink.Batch{From: b.mark, To: sink.Mark{Position: b.mark.Position + 10},
		Tables: []sink.TableOps{put(p, sink.Upsert, row(1, 10), row(2, 20))}}
	ctx, cancel := context.WithTimeout(b.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = b.sink.Write(ctx, batch)
	b.wantClass(err, sink.Retry)
	return batch, func() { b.must(tx.Rollback()) }
}

// The former session holds the lane's row until somebody ends it.
func testFormerClaim(t *testing.T, b *base) {
	if !b.far(sqlsink.Options{LockWait: time.Second}) {
		return
	}
	p := b.table("players", 1, "id|integer", "score|integer")
	batch, release := b.stuck(p)
	state := b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Held: b.held})
	if state.Mark != batch.From {
		t.Fatalf("mark: got %+v, want %+v", state.Mark, batch.From)
	}
	release()
	_, err := b.sink.Write(b.Context(), batch)
	b.must(err)
	b.wantRows("SELECT id, score FROM players ORDER BY id", "1 10", "2 20")
}

func testFormerWrite(_ *testing.T, b *base) {
	if !b.far(sqlsink.Options{}) {
		return
	}
	p := b.table("players", 1, "id|integer", "score|integer")
	batch, release := b.stuck(p)
	defer release()
	batch.Tables[0] = put(p, sink.Upsert, row(2, 22))
	_, err := b.sink.Write(b.Context(), batch)
	b.must(err)
	b.wantRows("SELECT score FROM players WHERE id = 2", "22")
}

func testClose(t *testing.T, b *base) {
	if !b.far(sqlsink.Options{}) {
		return
	}
	p := b.table("players", 1, "id|integer", "score|integer")
	b.write(put(p, sink.Upsert, row(1, 0)))
	tx, err := b.db.BeginTx(b.Context(), nil)
	b.must(err)
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(b.Context(), "UPDATE players SET score = 5 WHERE id = 1")
	b.must(err)
	ended := make(chan error, 1)
	go func() {
		_, err := b.sink.Write(context.Background(), &sink.Batch{From: b.mark, To: sink.Mark{Position: 1000},
			Tables: []sink.TableOps{put(p, sink.Upsert, row(1, 10))}})
		ended <- err
	}()
	time.Sleep(200 * time.Millisecond)
	b.must(b.sink.Close())
	select {
	case err := <-ended:
		b.wantClass(err, sink.Retry)
	case <-time.After(5 * time.Second):
		t.Fatal("the write goes on after Close")
	}
	if _, err := b.sink.Write(context.Background(), &sink.Batch{}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("write after Close: got %v", err)
	}
}
