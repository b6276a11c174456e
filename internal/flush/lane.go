package flush

import (
	"context"
	"fmt"

	"github.com/lullcache/lull/sink"
)

// open takes the lane if the start could not, and reads the letters.
func (f *Flusher) open(ctx context.Context) error {
	assumed := f.mark
	if assumed.Part == 0 {
		assumed.Next = 0 // where a cut ends that may be in, or not
	}
	if f.o.State == nil {
		state, err := f.untilClaimed(ctx, f.o.Claim, len(f.pending))
		if err != nil {
			return err
		}
		f.lane, f.mark = state, state.Mark
	}
	if f.mark != assumed {
		// Before the letters are read, which may take several tries: until then memory shows, and
		// writers build on, what the database may have left behind.
		why := fmt.Sprintf("the database has %s, %s was assumed", f.mark, assumed)
		if assumed.After(f.mark) {
			f.event(Event{Kind: Rewound, Text: why})
		}
		if err := f.rewind(ctx, why); err != nil {
			return err
		}
	}
	if !f.aside.isLoaded() {
		if err := f.reload(ctx); err != nil {
			return err
		}
	}
	f.parkLettered()
	f.opened.Store(true)
	f.gate.settle(f.mark.Position)
	return nil
}

// untilClaimed calls claim until it works or fails for good. Meanwhile the first cuts, as
// many as are doubted, stay as they are.
func (f *Flusher) untilClaimed(ctx context.Context, claim func(context.Context) (sink.LaneState, error), doubted int) (sink.LaneState, error) {
	for {
		state, err := claim(ctx)
		if err == nil {
			return state, nil
		}
		if ctx.Err() != nil {
			return state, ctx.Err()
		}
		switch sink.ClassOf(err) {
		case sink.Retry, sink.Ambiguous:
			f.trouble(err)
			err = f.backOff(ctx)
		case sink.OwnTables:
			if f.stats.fail(f.now(), stateOwnTables, err) {
				f.event(Event{Kind: OwnTablesGone, Err: err})
			}
			err = f.sleep(ctx, f.o.LookEvery)
		}
		if err != nil {
			return state, err
		}
		f.takeBehind(doubted)
	}
}

// reclaim raises the epoch, which ends what may still be under way, and finds out
// where the database is: at to, where it was, or somewhere else.
func (f *Flusher) reclaim(ctx context.Context, to sink.Mark) error {
	was := f.mark
	state, err := f.untilClaimed(ctx, f.claimHeld, 1)
	for err != nil {
		if sink.ClassOf(err) != sink.Fenced || ctx.Err() != nil {
			return err
		}
		if _, err := f.ownPast(ctx, err); err != nil {
			return err
		}
		state, err = f.untilClaimed(ctx, f.claimHeld, 1)
	}
	f.lane, f.mark = state, state.Mark
	f.sealed = state.Sealed // an older state of the database may not be
	back := f.back
	f.back = false
	switch {
	case state.Mark == was && back:
		return f.readBack(ctx)
	case state.Mark == to, state.Mark == was:
		return nil
	}
	if state.Mark.After(was) {
		return fmt.Errorf("%w: it has %s, wanted %s or %s", ErrMark, state.Mark, was, to)
	}
	why := fmt.Sprintf("the database has %s, it had %s", state.Mark, was)
	f.event(Event{Kind: Rewound, Text: why})
	return f.rewind(ctx, why)
}

func (f *Flusher) claimHeld(ctx context.Context) (sink.LaneState, error) {
	return f.o.Writer.Claim(ctx, sink.Claim{ID: f.laneID(), LogID: f.o.LogID, Held: f.lane, Mark: f.mark})
}

func (f *Flusher) laneID() sink.LaneID { return sink.LaneID{Name: f.o.Name, Lane: f.o.Lane} }

// ownPast looks whether it is another process that has the lane, which is an error, or the
// database that has gone back to an earlier state of ours: then that is held from now on.
// Epochs only rise: a lower one with our log's id is our own past. It reports false after a
// pause if nothing can be said yet.
func (f *Flusher) ownPast(ctx context.Context, cause error) (bool, error) {
	state, found, err := f.o.Writer.Lane(ctx, f.laneID())
	switch {
	case err != nil && ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		f.trouble(err)
		return false, f.backOff(ctx)
	case !found:
		return false, fmt.Errorf("%w: the lane's row is gone, it had %s", ErrMark, f.mark)
	case !f.o.Ours(state.LogID) || state.Epoch > f.lane.Epoch:
		return false, fmt.Errorf("%w (log %s, epoch %d; this one had log %s, epoch %d): %w", ErrFenced,
			state.LogID, state.Epoch, f.o.LogID, f.lane.Epoch, cause)
	case f.holds(&state) && state.Mark == f.mark:
		f.trouble(cause)
		return false, f.backOff(ctx)
	}
	f.lane, f.back = state, true
	return true, nil
}

// holds reports whether the lane is as this process took it. An epoch alone can come twice, after a backup
// took the lane's place.
func (f *Flusher) holds(lane *sink.LaneState) bool {
	return lane.Epoch == f.lane.Epoch && lane.LogID == f.lane.LogID
}

// lookBack finds out at once whether the database has gone back, after Doubt. All else
// that may be wrong with the lane is left to the next flush.
func (f *Flusher) lookBack(ctx context.Context) error {
	if !f.doubt.Swap(false) {
		return nil
	}
	state, found, err := f.o.Writer.Lane(ctx, f.laneID())
	if err != nil || !found || !f.o.Ours(state.LogID) || state.Epoch > f.lane.Epoch ||
		state.Mark.After(f.mark) || state.Mark == f.mark && f.holds(&state) {
		return ctx.Err()
	}
	f.lane, f.back = state, true
	return f.reclaim(ctx, f.mark)
}

// readBack reads the letters of a database that has gone back, though not to another mark.
func (f *Flusher) readBack(ctx context.Context) error {
	f.work = nil
	if err := f.reload(ctx); err != nil {
		return err
	}
	f.parkLettered()
	return nil
}

// rewind begins again at the database's mark with what the log holds after it.
func (f *Flusher) rewind(ctx context.Context, why string) error {
	cuts, err := f.src.Rewind(f.mark)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMark, why, err)
	}
	f.pending, f.work, f.drops = cuts, nil, nil
	f.rewinds++
	f.gate.settle(f.mark.Position)
	if err := f.reload(ctx); err != nil {
		return err
	}
	f.parkLettered()
	return nil
}
