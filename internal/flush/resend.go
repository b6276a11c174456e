package flush

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// letterOp is the operation that a letter stands for.
func letterOp(l *letter) op {
	return op{kind: kindOf(l.Op), table: l.table, db: l.db, key: l.key, row: l.row}
}

func kindOf(o sink.LetterOp) opKind {
	switch o {
	case sink.LetterTruncate:
		return opTruncate
	case sink.LetterClear:
		return opClear
	case sink.LetterDelete:
		return opDelete
	case sink.LetterAppend:
		return opAppend
	}
	return opPut
}

// compareLetters is the order of operations; appended rows stand by number.
func (f *Flusher) compareLetters(a, b *letter) int {
	x, y := f.groupOf(a), f.groupOf(b)
	switch {
	case x != y:
		return cmp.Compare(x, y)
	case a.Op == sink.LetterAppend:
		return byNumber(a, b)
	}
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.row, b.row))
}

func (f *Flusher) groupOf(l *letter) uint64 {
	db := l.db
	if l.Op == sink.LetterAppend {
		db = 0
	}
	return groupOrder(f.target(l.table).Order, l.table, kindOf(l.Op), db)
}

// sendLetters tries letters again, and removes those in drops, in transactions of
// their own that leave the mark where it is. It returns when it is known what became
// of them. If the database is found to have gone back meanwhile it stops: those are not
// the letters that are there now, and what they hold comes again from the log.
func (f *Flusher) sendLetters(ctx context.Context, letters []*letter) error {
	letters = slices.DeleteFunc(slices.Clone(letters), func(l *letter) bool { return !l.found })
	slices.SortFunc(letters, f.compareLetters)
	rewinds := f.rewinds
	for first := true; (first || len(letters) > 0) && f.rewinds == rewinds; first = false {
		n := min(len(letters), f.o.MaxTransactionRows)
		if err := f.sendSome(ctx, letters[:n]); err != nil {
			return err
		}
		letters = letters[n:]
	}
	return nil
}

func (f *Flusher) sendSome(ctx context.Context, letters []*letter) error {
	ops := make([]op, len(letters))
	for i, l := range letters {
		ops[i] = letterOp(l)
	}
	for rewinds := f.rewinds; f.rewinds == rewinds; {
		b := f.buildLetters(letters)
		if len(b.Tables)+len(b.DropLetters) == 0 {
			return nil
		}
		result, err := f.o.Writer.Write(ctx, b)
		if err == nil {
			f.takeLetters(b, ops, result.Letters)
			return nil
		}
		if sink.ClassOf(err) != sink.Ambiguous || ctx.Err() != nil {
			if err := f.recover(ctx, err); err != nil {
				return err
			}
			continue
		}
		f.trouble(err)
		if err := f.reclaim(ctx, f.mark); err != nil {
			return err
		}
		if err := f.reload(ctx); err != nil {
			return err
		}
		if f.settles(b, letters) {
			return nil
		}
	}
	return nil
}

// settles reports whether b, which moves no mark, is in: it is if one of the letters
// that it was to settle is gone. If the database has refused them all again, they
// are all there; then sending them once more does no harm.
func (f *Flusher) settles(b *sink.Batch, letters []*letter) bool {
	gone := func(id int64) bool { return f.aside.letters[id] == nil }
	if slices.ContainsFunc(letters, func(l *letter) bool { return gone(l.ID) }) || slices.ContainsFunc(b.DropLetters, gone) {
		f.drops = nil
		return true
	}
	return false
}

func (f *Flusher) buildLetters(letters []*letter) *sink.Batch {
	bl := f.newBuilder(new(room), f.mark)
	bl.b.DropLetters = append(bl.b.DropLetters, f.drops...)
	for _, l := range letters {
		t := bl.tableOf(l.table)
		row := sink.Row{Vals: slices.Clone(l.Key), Letter: l.ID}
		switch l.Op {
		case sink.LetterTruncate:
			bl.truncate(t, l.db)
			bl.drops[l.ID] = true
		case sink.LetterClear:
			t.ops.Clear = append(t.ops.Clear, row)
		case sink.LetterDelete:
			t.ops.Delete = append(t.ops.Delete, row)
		default:
			mode, cols := sink.Upsert, map[int]value.Value{}
			if l.Op == sink.LetterAppend {
				mode = sink.Append
			}
			for i, name := range l.Names {
				if c := t.target.Table.Column(name); c >= 0 {
					cols[c] = l.Vals[i]
				}
			}
			bl.wideRow(t, mode, cols, row)
		}
	}
	return bl.finish()
}

// takeLetters changes the layer by what became of a batch that is in.
func (f *Flusher) takeLetters(b *sink.Batch, ops []op, letters []sink.Letter) {
	f.drops = nil
	if f.aside.empty() && len(letters) == 0 {
		return
	}
	out := slices.Clone(b.DropLetters)
	eachRow(b, func(r *sink.Row) {
		if r.Letter != 0 {
			out = append(out, r.Letter)
		}
	})
	keep := f.overtaken(ops, letters)
	f.aside.change(out, keep)
	f.countRefusing()
	f.stats.lettersTaken(letters)
	f.tellRefused(letters)
}

func eachRow(b *sink.Batch, visit func(*sink.Row)) {
	each := func(rows []sink.Row) {
		for i := range rows {
			visit(&rows[i])
		}
	}
	for i := range b.Tables {
		t := &b.Tables[i]
		each(t.Clear)
		each(t.Delete)
		for g := range t.Put {
			each(t.Put[g].Rows)
		}
	}
}

// overtaken returns letters without the removals that were refused although rows of
// the same batch have since been written in their place: tried again, such a removal
// would take those rows. It is dropped, and memory forgets what it thought.
func (f *Flusher) overtaken(ops []op, letters []sink.Letter) []sink.Letter {
	if !slices.ContainsFunc(letters, isRefusedRemoval) {
		return letters
	}
	rows, keys, spaces := map[keyRow]bool{}, map[keyID]bool{}, map[keyID]bool{}
	for i := range ops {
		if o := &ops[i]; o.kind >= opPut {
			id := f.aside.keyOf(o.table, o.db, o.key)
			rows[keyRow{id, rowID{o.table, o.row}}], keys[id], spaces[keyID{id.space, id.db, ""}] = true, true, true
		}
	}
	return slices.DeleteFunc(slices.Clone(letters), func(s sink.Letter) bool {
		l := f.aside.identify(s)
		if !l.found || !isRefusedRemoval(s) {
			return false
		}
		id := f.aside.keyOf(l.table, l.db, l.key)
		over := rows[keyRow{id, rowID{l.table, l.row}}]
		switch s.Op {
		case sink.LetterClear:
			over = keys[id]
		case sink.LetterTruncate:
			over = spaces[keyID{id.space, id.db, ""}]
		}
		if over {
			f.drops = append(f.drops, l.ID)
			f.forget(l)
			f.event(Event{Kind: GivenUp, Table: s.Table, Text: string(s.Op) + " " + tuple(s.Key) + ": " + s.Reason.Message})
		}
		return over
	})
}

type keyRow struct {
	key keyID
	row rowID
}

func isRefusedRemoval(l sink.Letter) bool {
	return l.State != sink.Parked && l.Op != sink.LetterPut && l.Op != sink.LetterAppend
}

func (f *Flusher) tellRefused(letters []sink.Letter) {
	counts, first := map[string]int{}, map[string]string{}
	for _, l := range letters {
		if l.State == sink.Parked {
			continue
		}
		if counts[l.Table]++; counts[l.Table] == 1 {
			first[l.Table] = l.Reason.Message
		}
	}
	for _, table := range slices.Sorted(maps.Keys(counts)) {
		f.event(Event{Kind: RowsRefused, Table: table, Text: fmt.Sprintf("%d, the first: %s", counts[table], first[table])})
	}
}
