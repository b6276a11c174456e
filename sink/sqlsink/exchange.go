package sqlsink

import (
	"context"
	"slices"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// exchangeTriesMax bounds how often exchange drops rows and tries the rest.
const exchangeTriesMax = 4

// exchange helps rows that want each other's unique values, so that none can go
// first: it sets those columns to NULL in all of them, where they may be NULL, and
// writes the rows then. Nobody sees the NULLs but triggers.
func (r *run) exchange(ctx context.Context) error {
	var set []waiting
	for _, x := range r.waiting {
		if x.tried && x.w.op.Kind == sink.LetterPut && len(freeable(x.w.op)) > 0 && len(set) < refusalsMax {
			set = append(set, x)
		}
	}
	for try := 0; try < exchangeTriesMax && len(set) > 1; try++ {
		if err := r.session.Savepoint(ctx); err != nil {
			return Classify(r.d.Judge(err), err, nil)
		}
		rows := r.result.Rows
		failed, err := r.exchangeOnce(ctx, set)
		if err != nil {
			return err
		}
		if len(failed) == 0 {
			r.settle(rowsOf(set))
			r.waiting = slices.DeleteFunc(r.waiting, func(x waiting) bool { return contains(set, x.row) })
			return r.session.Release(ctx)
		}
		r.result.Rows = rows
		if err := r.session.RollbackTo(ctx); err != nil {
			return Classify(r.d.Judge(err), err, nil)
		}
		set = slices.DeleteFunc(set, func(x waiting) bool { return contains(failed, x.row) })
	}
	return nil
}

// exchangeOnce returns the rows that are refused all the same.
func (r *run) exchangeOnce(ctx context.Context, set []waiting) (failed []waiting, err error) {
	for _, x := range set {
		by := x.w.op.By
		free := &Op{Table: x.w.op.Table, Kind: sink.LetterPut, By: by, Columns: freeable(x.w.op), Mode: sink.Update}
		row := &sink.Row{Vals: slices.Concat(x.row.Vals[:len(by)], make([]value.Value, len(free.Columns)))}
		ok, err := r.tryOne(ctx, free, row)
		if err != nil {
			return nil, err
		}
		if !ok {
			failed = append(failed, x)
		}
	}
	for _, x := range set {
		if contains(failed, x.row) {
			continue
		}
		ok, err := r.tryOne(ctx, x.w.op, x.row)
		if err != nil {
			return nil, err
		}
		if !ok {
			failed = append(failed, x)
		}
	}
	return failed, nil
}

// tryOne reports whether the row is in.
func (r *run) tryOne(ctx context.Context, op *Op, row *sink.Row) (bool, error) {
	done, err := r.session.Apply(ctx, op, []*sink.Row{row}, nil)
	r.count(done)
	if err == nil {
		return true, nil
	}
	if v := r.judge(err); v.Kind != Refused && v.Kind != Clash {
		return false, Classify(v, err, op.Table)
	}
	return false, nil
}

// freeable returns the columns that op writes, that are part of a unique key, and
// that may be NULL.
func freeable(op *Op) []int {
	var columns []int
	for _, c := range op.Columns {
		column := &op.Table.Columns[c]
		inUnique := slices.ContainsFunc(op.Table.Unique, func(key []string) bool { return slices.Contains(key, column.Name) })
		if column.Nullable && inUnique {
			columns = append(columns, c)
		}
	}
	return columns
}

func contains(list []waiting, row *sink.Row) bool {
	return slices.ContainsFunc(list, func(x waiting) bool { return x.row == row })
}
