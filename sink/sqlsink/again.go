package sqlsink

import (
	"context"
	"slices"

	"github.com/lullcache/lull/sink"
)

// turnsMax bounds how often the rows that wait are tried again.
const turnsMax = 8

// again tries the rows that clashed with others, now that the others are in, as
// long as that helps. Every other turn goes backwards: where each of a chain of
// rows takes the unique value that the next one gives up, one of the two directions
// solves it at once.
func (r *run) again(ctx context.Context) error {
	if len(r.waiting) == 0 {
		return nil
	}
	places := r.plan.numbers()
	for turn := 1; turn <= turnsMax && len(r.waiting) > 0; turn++ {
		list := r.waiting
		slices.SortFunc(list, func(a, b waiting) int { return places[a.row] - places[b.row] })
		r.waiting = nil
		for i := range r.tables {
			r.tables[i].waiting = 0
			r.tables[i].unblock()
		}
		if err := r.turn(ctx, list, turn%2 == 1); err != nil {
			return err
		}
		if len(r.waiting) >= len(list) {
			break
		}
	}
	if err := r.exchange(ctx); err != nil {
		return err
	}
	r.giveUp(places)
	return nil
}

// turn tries a sorted list once: removals in their order, then rows.
func (r *run) turn(ctx context.Context, list []waiting, backwards bool) error {
	if r.careful {
		return r.together(ctx, list)
	}
	puts := slices.IndexFunc(list, func(x waiting) bool { return !x.w.removes() })
	if puts < 0 {
		puts = len(list)
	}
	if backwards {
		slices.Reverse(list[puts:])
	}
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].w == list[0].w {
			n++
		}
		if err := r.do(ctx, list[0].w, rowsOf(list[:n])); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// together applies the rows of all tables as one, since they may satisfy each
// other's deferred constraints, and halves the list if that fails.
func (r *run) together(ctx context.Context, list []waiting) error {
	if list = r.unblocked(list); len(list) == 0 {
		return nil
	}
	if err := r.session.Savepoint(ctx); err != nil {
		return err
	}
	rows := r.result.Rows
	err := r.deferred(ctx, list)
	if err == nil {
		r.settle(rowsOf(list))
		return r.session.Release(ctx)
	}
	r.result.Rows = rows
	v := r.judge(err)
	if v.Kind != Clash {
		return Classify(v, err, list[0].w.op.Table)
	}
	if err := r.session.RollbackTo(ctx); err != nil {
		return err
	}
	if len(list) == 1 {
		r.refuse(list[0].w, list[0].row, v)
		return nil
	}
	half := len(list) / 2
	if err := r.together(ctx, list[:half]); err != nil {
		return err
	}
	return r.together(ctx, list[half:])
}

// unblocked takes out the rows that wait for a removal that failed in this turn.
func (r *run) unblocked(list []waiting) []waiting {
	var left []waiting
	for _, x := range list {
		if rows := r.sift(x.w, []*sink.Row{x.row}); len(rows) == 1 {
			left = append(left, x)
		}
	}
	return left
}

// deferred applies the rows of a list, which is in the order of the plan, and then
// has their constraints checked.
func (r *run) deferred(ctx context.Context, list []waiting) error {
	if err := r.session.Deferred(ctx); err != nil {
		return err
	}
	for len(list) > 0 {
		w := list[0].w
		n := 1
		for n < len(list) && list[n].w == w {
			n++
		}
		n = r.size(w.op, rowsOf(list[:n]))
		done, err := r.session.Apply(ctx, w.op, rowsOf(list[:n]), nil)
		r.count(done)
		if err == nil {
			list = list[n:]
		} else if v := r.judge(err); v.Kind == Clash {
			return err
		} else {
			return Classify(v, err, w.op.Table)
		}
	}
	return r.immediate(ctx)
}

// giveUp sets aside what still waits.
func (r *run) giveUp(places map[*sink.Row]int) {
	slices.SortFunc(r.waiting, func(a, b waiting) int { return places[a.row] - places[b.row] })
	for _, x := range r.waiting {
		r.setAside(x.w.op, x.row, stateFor(x.v.Reason), x.v.Reason)
	}
	r.waiting = nil
}

func rowsOf(list []waiting) []*sink.Row {
	rows := make([]*sink.Row, len(list))
	for i := range list {
		rows[i] = list[i].row
	}
	return rows
}
