package sqlsink

import (
	"context"
	"errors"

	"github.com/lullcache/lull/sink"
)

// refusalsMax is after how many refused rows of one table in one batch the rest of
// that table is not tried any more.
const refusalsMax = 64

// run applies a plan and finds the rows that the database refuses.
//
// A statement takes about a thousand rows. If it fails because of a row, the halves
// are tried, so that one bad row in n costs 2·log2(n) statements. A row that fails
// alone is set aside, except if other rows may be in its way (unique and foreign
// keys): it waits and is tried again when all others are in.
type run struct {
	d       Dialect
	plan    *plan
	careful bool // have no constraint wait for COMMIT
	poison  map[*sink.Row]sink.Reason

	session Session
	tables  []tableRun
	waiting []waiting
	aside   []aside
	settled []int64 // letters of rows that went through
	result  sink.Result
}

// tableRun is what happened to one table so far.
type tableRun struct {
	refused  int
	waiting  int        // rows that clashed in this turn
	blockers []blockers // removals that did not happen
}

// waiting is a row to be tried again.
type waiting struct {
	w     *work
	row   *sink.Row
	v     Verdict
	tried bool
}

// aside is a row that becomes a letter.
type aside struct {
	op     *Op
	row    *sink.Row
	state  sink.LetterState
	reason sink.Reason
}

func newRun(d Dialect, p *plan, careful bool, poison map[*sink.Row]sink.Reason) *run {
	return &run{d: d, plan: p, careful: careful, poison: poison, tables: make([]tableRun, len(p.parked))}
}

// rows applies the whole plan.
func (r *run) rows(ctx context.Context, session Session) error {
	r.session = session
	if r.careful {
		if err := r.immediate(ctx); err != nil {
			return Classify(r.judge(err), err, nil)
		}
	}
	for _, w := range r.plan.works {
		if reason := r.plan.parked[w.table]; reason != nil {
			for _, row := range w.rows {
				r.setAside(w.op, row, sink.Parked, *reason)
			}
			continue
		}
		if err := r.do(ctx, w, w.rows); err != nil {
			return err
		}
	}
	return r.again(ctx)
}

// do applies rows of w in statements of a good size.
func (r *run) do(ctx context.Context, w *work, rows []*sink.Row) error {
	t := &r.tables[w.table]
	rows = r.sift(w, rows)
	for len(rows) > 0 {
		if t.refused >= refusalsMax {
			for _, row := range rows {
				r.block(w, row, Verdict{Kind: Refused, Reason: refusing})
				r.setAside(w.op, row, sink.Refusing, refusing)
			}
			return nil
		}
		if t.waiting >= refusalsMax {
			for _, row := range rows {
				r.wait(w, row, Verdict{Kind: Clash, Reason: refusing}, false)
			}
			return nil
		}
		n := r.size(w.op, rows)
		rest := rows[n:]
		if err := r.piece(ctx, w, rows[:n], rest[:r.size(w.op, rest)]); err != nil {
			return err
		}
		rows = rest
	}
	return nil
}

// refusing is the reason of rows that were not tried.
var refusing = sink.Reason{Message: "not tried: too many rows of this table were refused"}

// sift takes out the rows that must not be tried.
func (r *run) sift(w *work, rows []*sink.Row) []*sink.Row {
	t := &r.tables[w.table]
	if len(r.poison) == 0 && (len(t.blockers) == 0 || w.removes()) {
		return rows
	}
	left := make([]*sink.Row, 0, len(rows))
	for _, row := range rows {
		if reason, ok := r.poison[row]; ok {
			r.refuse(w, row, Verdict{Kind: Refused, Reason: reason})
		} else if v, ok := t.blocked(w, row); !ok {
			left = append(left, row)
		} else if v.Kind == Clash {
			r.wait(w, row, v, false)
		} else {
			r.setAside(w.op, row, stateFor(v.Reason), v.Reason)
		}
	}
	return left
}

// stateFor returns the state of a letter with this reason.
func stateFor(reason sink.Reason) sink.LetterState {
	if reason == refusing {
		return sink.Refusing
	}
	return sink.Refused
}

// size returns how many of the rows go into one statement.
func (r *run) size(op *Op, rows []*sink.Row) int {
	rowsMax, bytesMax := r.session.RowsMax(op)
	n, bytes := 0, 0
	for n < len(rows) && n < rowsMax {
		for _, v := range rows[n].Vals {
			bytes += v.Size() + 8
		}
		if n > 0 && bytes > bytesMax {
			break
		}
		n++
	}
	return n
}

// piece applies rows in one statement, or what of them can be; next come after them.
func (r *run) piece(ctx context.Context, w *work, rows, next []*sink.Row) error {
	done, err := r.session.Apply(ctx, w.op, rows, next)
	r.count(done)
	if err == nil {
		r.settle(rows)
		return nil
	}
	v := r.judge(err)
	if v.Kind != Refused && v.Kind != Clash && v.Kind != Undone {
		return Classify(v, err, w.op.Table)
	}
	var one *RowError
	if errors.As(err, &one) {
		r.settle(rows[:one.Row])
		rows = rows[one.Row:]
	}
	if v.Kind == Undone {
		return &undoneError{row: rows[0], reason: v.Reason, err: err}
	}
	if one != nil || len(rows) == 1 {
		r.refuse(w, rows[0], v)
		return r.do(ctx, w, rows[1:])
	}
	half := len(rows) / 2
	if err := r.do(ctx, w, rows[:half]); err != nil {
		return err
	}
	return r.do(ctx, w, rows[half:])
}

// immediate has all constraints checked, now and from now on.
func (r *run) immediate(ctx context.Context) error {
	r.result.Statements++
	return r.session.Immediate(ctx)
}

// judge judges an error of a row. If careful, what would be checked at COMMIT may have
// failed: other rows may still put that right.
func (r *run) judge(err error) Verdict {
	v := r.d.Judge(err)
	if r.careful && v.Kind == Refused {
		v.Kind = Clash
	}
	return v
}

func (r *run) count(a Applied) {
	r.result.Statements += a.Statements
	r.result.Rows += a.Rows
}

func (r *run) settle(rows []*sink.Row) {
	for _, row := range rows {
		if row.Letter != 0 {
			r.settled = append(r.settled, row.Letter)
		}
	}
}

// refuse deals with one row that failed alone.
func (r *run) refuse(w *work, row *sink.Row, v Verdict) {
	if v.Kind == Clash {
		r.tables[w.table].waiting++
		r.wait(w, row, v, true)
		return
	}
	r.block(w, row, v)
	r.tables[w.table].refused++
	r.setAside(w.op, row, sink.Refused, v.Reason)
}

func (r *run) wait(w *work, row *sink.Row, v Verdict, tried bool) {
	r.block(w, row, v)
	r.waiting = append(r.waiting, waiting{w, row, v, tried})
}

func (r *run) setAside(op *Op, row *sink.Row, state sink.LetterState, reason sink.Reason) {
	r.aside = append(r.aside, aside{op, row, state, reason})
}
