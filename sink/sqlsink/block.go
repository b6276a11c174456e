package sqlsink

import (
	"slices"
	"strconv"

	"github.com/lullcache/lull/sink"
)

// blockers are removals of one table that did not happen, or not yet. The rows that
// they would remove must not be written before them: the removal, when it is tried
// again, would take what is new. by are the columns of the removals; with none of
// them every row is blocked.
type blockers struct {
	by   []int
	rows map[string]Verdict
}

// block notes that w's removal of row did not happen. Other rows block nothing.
func (r *run) block(w *work, row *sink.Row, v Verdict) {
	if !w.removes() {
		return
	}
	t := &r.tables[w.table]
	at := slices.IndexFunc(t.blockers, func(b blockers) bool { return slices.Equal(b.by, w.op.By) })
	if at < 0 {
		at = len(t.blockers)
		t.blockers = append(t.blockers, blockers{by: w.op.By, rows: make(map[string]Verdict)})
	}
	key, _ := tuple(row, w.op.By, w.op.By)
	t.blockers[at].rows[key] = v
}

// unblock forgets the removals that are to be tried again.
func (t *tableRun) unblock() {
	for _, b := range t.blockers {
		for key, v := range b.rows {
			if v.Kind == Clash {
				delete(b.rows, key)
			}
		}
	}
	t.blockers = slices.DeleteFunc(t.blockers, func(b blockers) bool { return len(b.rows) == 0 })
}

// blocked returns why a removal that has to come before row did not happen.
func (t *tableRun) blocked(w *work, row *sink.Row) (Verdict, bool) {
	if w.removes() {
		return Verdict{}, false
	}
	for _, b := range t.blockers {
		key, known := tuple(row, b.by, w.op.All())
		if !known { // the row does not say whether it is meant
			for _, v := range b.rows {
				return v, true
			}
		}
		if v, ok := b.rows[key]; ok {
			return v, true
		}
	}
	return Verdict{}, false
}

// tuple returns the values of the columns by in a row whose values are those of
// columns; ok is false if one is not among them.
func tuple(row *sink.Row, by, columns []int) (key string, ok bool) {
	var dst []byte
	for _, c := range by {
		at := slices.Index(columns, c)
		if at < 0 {
			return "", false
		}
		text := row.Vals[at].String()
		dst = strconv.AppendInt(dst, int64(len(text)), 10)
		dst = append(append(dst, ':'), text...)
	}
	return string(dst), true
}
