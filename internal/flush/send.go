package flush

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lullcache/lull/sink"
)

// attempt writes the next part of the first cut that waits, in one transaction.
func (f *Flusher) attempt(ctx context.Context) error {
	cut := f.pending[0]
	if f.work == nil {
		f.work = f.workOf(cut)
	}
	f.stats.pendingAt(f.work.total)
	if f.mark.Next != 0 && f.mark.Next != cut.Position() {
		return fmt.Errorf("%w: it has part %d of a cut at %d, and the cut at hand ends at %d", ErrMark, f.mark.Part, f.mark.Next, cut.Position())
	}
	total := f.work.total
	from := int(min(f.mark.Part, uint64(total)))
	end := min(from+f.o.MaxTransactionRows, total)
	if f.sealed && f.mark.Next == 0 {
		end = total // the log may not have what a restart would need to go on with a part
	}
	to := sink.Mark{Position: cut.Position()}
	if end < total {
		to = sink.Mark{Position: f.mark.Position, Next: cut.Position(), Part: uint64(end)}
	}
	r := rooms.Get().(*room)
	r.ops = f.work.part(r.ops, from, end)
	f.parkMissing(r.ops)
	b := f.build(r, to)
	sealed := f.sealed
	if err := f.syncLog(ctx, cut.Position()); err != nil {
		return err
	}
	if f.sealed != sealed {
		f.join() // and goes on, as a sealed lane
		return nil
	}
	began := f.now()
	result, err := f.o.Writer.Write(ctx, b)
	switch {
	case err == nil:
		f.written(b, r, result, f.o.World.Since(began))
		return nil
	case sink.ClassOf(err) != sink.Ambiguous || ctx.Err() != nil:
		return err
	}
	f.stats.ambiguous.Add(1)
	f.trouble(err)
	if err := f.reclaim(ctx, to); err != nil {
		return err
	}
	if f.mark != to {
		return f.backOff(ctx)
	}
	f.drops = nil
	if err := f.reload(ctx); err != nil {
		return err
	}
	f.settled(r.ops, f.o.World.Since(began))
	return nil
}

// join makes one cut, which ends where the log does, of all that wait and of which nothing
// is in: where a cut ends that is sent now, the log cannot say any more.
func (f *Flusher) join() {
	if f.mark.Next != 0 {
		return
	}
	f.take()
	first := f.pending[0]
	for _, cut := range f.pending[1:] {
		first.Merge(cut)
	}
	f.pending, f.work = f.pending[:1], nil
}

// syncLog has the log on disk before SQL holds what it says. If the log has failed
// the lane is sealed first: its mark may lie beyond the log's end.
func (f *Flusher) syncLog(ctx context.Context, position uint64) error {
	if f.sealed {
		return nil
	}
	failed := f.src.SyncLog(ctx, position)
	if failed == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.o.Writer.Seal(ctx); err != nil {
		return sealError(err)
	}
	f.sealed = true
	f.event(Event{Kind: Sealed, Err: failed})
	return nil
}

// sealError makes an error of Seal one to retry: sealing twice does no harm.
func sealError(err error) error {
	if sink.ClassOf(err) == sink.Ambiguous {
		return &sink.Error{Class: sink.Retry, Err: err}
	}
	return err
}

// written takes over what became of a batch that is in.
func (f *Flusher) written(b *sink.Batch, r *room, result sink.Result, took time.Duration) {
	f.takeLetters(b, r.ops, result.Letters)
	f.mark = b.To
	f.stats.statements.Add(uint64(result.Statements))
	f.settled(r.ops, took)
	if len(result.Letters) == 0 { // they may share the rows' values
		r.giveBack()
	}
}

// settled lets everybody know where the mark is now.
func (f *Flusher) settled(ops []op, took time.Duration) {
	f.backoff = 0
	f.stats.flushed(f.now(), f.mark, len(ops), took)
	f.stats.taken(ops)
	if f.stats.well() {
		f.event(Event{Kind: Flushing})
	}
	if f.mark.Next != 0 {
		f.src.Settled(f.mark)
		return
	}
	f.pending, f.work = slices.Delete(f.pending, 0, 1), nil // lets go of the cut
	f.stats.pendingAt(0)
	f.src.Settled(f.mark)
	f.gate.settle(f.mark.Position)
}

// conflictBackoffMax is the longest pause after another transaction was in the way: to give it more
// time does not help if others like it follow.
const conflictBackoffMax = 500 * time.Millisecond

// recover does what an error of a batch asks for before the next attempt. It
// returns an error if there is to be none.
func (f *Flusher) recover(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var classed *sink.Error
	if !errors.As(err, &classed) {
		return err
	}
	switch classed.Class {
	case sink.Retry, sink.Ambiguous:
		f.trouble(err)
		if classed.Conflict {
			f.backoff = min(f.backoff, conflictBackoffMax/2)
		}
		return f.backOff(ctx)
	case sink.OwnTables:
		if f.stats.fail(f.now(), stateOwnTables, err) {
			f.event(Event{Kind: OwnTablesGone, Err: err})
		}
		return f.sleep(ctx, f.o.LookEvery)
	case sink.TableGone:
		f.stats.retries.Add(1)
		if f.parkNamed(classed) {
			return nil
		}
		f.trouble(err)
		return f.backOff(ctx)
	case sink.Fenced:
		if past, err := f.ownPast(ctx, err); !past || err != nil {
			return err
		}
		return f.reclaim(ctx, f.mark)
	}
	return err
}

// trouble notes that the database did not take a batch, and says so the first time.
func (f *Flusher) trouble(err error) {
	var classed *sink.Error
	if errors.As(err, &classed) && classed.Conflict {
		f.stats.conflicts.Add(1)
	}
	if f.stats.fail(f.now(), stateRetrying, err) {
		f.event(Event{Kind: DatabaseAway, Err: err})
	}
}
