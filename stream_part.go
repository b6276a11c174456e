package lull

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// A stream keeps its tail in memory; older entries are read from SQL when they are
// asked for, and not kept. A unit that needs a part of them says so and returns
// errMiss; the part is read without locks, and the unit runs again. As with a load the
// cuts are kept from before the read until the unit has ended, so that what they and
// the dirty set hold, laid over the rows under the lock, gives the present state.

// ErrNoStreamID: the entries are outside the tail in memory, and the table names no
// id columns by which SQL could find them.
var ErrNoStreamID = errors.New("only the tail of this stream can be read")

// streamPart is a run of a stream's entries: those from from to to, limit of them at
// most, counted from to downwards with reverse.
type streamPart struct {
	dbKey
	t        *mapping.Table // that holds the entries
	from, to keyspace.ID
	reverse  bool
	limit    int
	optional bool // the unit can do without while the database is away
}

func (p *streamPart) same(o *streamPart) bool {
	return p.dbKey == o.dbKey && p.from == o.from && p.to == o.to && p.reverse == o.reverse
}

// partRead is what SQL showed of a part.
type partRead struct {
	streamPart
	rows []imageRow // in the part's direction
	last keyspace.ID
	end  bool   // SQL has no more of the part than rows
	mark uint32 // of the cuts kept
	// aside is the generation of what was set aside when the read began.
	aside uint64
}

// streamRow is an entry of a stream.
type streamRow struct {
	id    keyspace.ID
	row   string
	cells []value.Value
}

// part returns entries that are not in memory. limit 0 means all, up to
// max_load_rows. It returns errMiss if SQL has to be asked first.
func (tx *Tx) part(h *handle, p streamPart) ([]streamRow, error) {
	p.dbKey, p.t = dbKey{h.db, string(h.name)}, tx.streamTable(h)
	if len(p.t.Row) == 0 {
		return nil, fmt.Errorf("%w: table %s; set tables.%s.id to read more of it", ErrNoStreamID, p.t.Name, p.t.Name)
	}
	rowsMax := tx.db.tables[p.t.ID].loadRowsMax
	if p.limit == 0 || p.limit > rowsMax {
		p.limit = rowsMax + 1
	}
	at := slices.IndexFunc(tx.parts, func(r *partRead) bool { return r.same(&p) })
	if at < 0 {
		return nil, tx.want(p)
	}
	read := tx.parts[at]
	if read.aside != tx.db.flusher.AsideGeneration() { // a letter went into SQL after the read
		read.rows, read.end = nil, false
		return nil, tx.want(p)
	}
	rows := tx.present(h, read)
	if len(rows) < p.limit && !read.end {
		p.limit = 2*len(read.rows) + p.limit // much of it is deleted and SQL has yet to see that
		return nil, tx.want(p)
	}
	rows = rows[:min(len(rows), p.limit)]
	if len(rows) > rowsMax {
		return nil, fmt.Errorf("%w: key %q has more than max_load_rows (%d) in this range", ErrTooManyRows, p.name, rowsMax)
	}
	return rows, nil
}

// want asks for a part before the unit runs again.
func (tx *Tx) want(p streamPart) error {
	switch {
	case tx.multi:
		return fmt.Errorf("%w: key %q: entries outside the tail in memory cannot be read in a MULTI", ErrNoDB, p.name)
	case p.optional && tx.away:
		return ErrNoDB
	}
	tx.wanted = append(tx.wanted, p)
	return errMiss
}

// streamTable is the table that holds the entries of an opened key.
func (tx *Tx) streamTable(h *handle) *mapping.Table {
	if h.generic() {
		return tx.db.maps.Generic(mapping.Stream)
	}
	return h.t
}

// present lays what SQL has not seen over the rows read and returns the entries, as
// far as the read reaches, in the part's direction.
func (tx *Tx) present(h *handle, read *partRead) []streamRow {
	m := image{width: tx.db.width, rows: slices.Clone(read.rows)}
	key := string(h.name)
	if h.mapped() {
		key = tx.tuple(h)
	}
	tx.db.lay(h.sh, h.t.Def.Space, h.db, key, &m)
	rows := m.entries(read.t)
	rows = slices.DeleteFunc(rows, func(r streamRow) bool {
		if r.id.Less(read.from) || read.to.Less(r.id) {
			return true
		}
		return !read.end && (read.reverse && r.id.Less(read.last) || !read.reverse && read.last.Less(r.id))
	})
	if read.reverse {
		slices.Reverse(rows)
	}
	return rows
}

// entries returns the rows of a stream's table, by rising id.
func (m *image) entries(t *mapping.Table) []streamRow {
	rows := make([]streamRow, 0, len(m.rows))
	for i := range m.rows {
		r := &m.rows[i]
		if r.gone || r.table != t.ID {
			continue
		}
		if ms, seq, ok := t.ParseStreamRow(r.row); ok {
			rows = append(rows, streamRow{keyspace.ID{Ms: ms, Seq: seq}, r.row, r.cells})
		}
	}
	slices.SortFunc(rows, func(a, b streamRow) int { return a.id.Compare(b.id) })
	return rows
}

// readParts reads what was wanted from SQL.
func (tx *Tx) readParts(ctx context.Context) error {
	if len(tx.wanted) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tx.db.opts.LoadTimeout)
	defer cancel()
	var queries []sink.Query
	var reads []*partRead
	for _, p := range tx.wanted {
		at := slices.IndexFunc(tx.parts, func(r *partRead) bool { return r.same(&p) })
		if at < 0 {
			at = len(tx.parts)
			tx.parts = append(tx.parts, &partRead{streamPart: p, mark: tx.db.cuts.begin()})
		}
		read := tx.parts[at]
		read.limit = p.limit
		if len(read.rows) == 0 {
			read.aside = tx.db.flusher.AsideGeneration()
		}
		q, ok := tx.db.partQuery(read)
		if !ok {
			read.end = true
			continue
		}
		queries, reads = append(queries, q), append(reads, read)
	}
	if len(queries) == 0 {
		return nil
	}
	tx.db.stats.loadQueries.Add(uint64(len(queries)))
	got := make([]int, len(reads))
	err := tx.db.readSQL(ctx, queries, func(q int, vals []value.Value) error {
		got[q]++
		reads[q].add(tx.db, vals)
		return nil
	})
	if err != nil {
		return tx.db.loadError(err)
	}
	for i, r := range reads {
		r.end = got[i] < queries[i].Limit || !r.t.Ordered()
		if !r.t.Ordered() && got[i] > tx.db.tables[r.t.ID].loadRowsMax {
			return fmt.Errorf("%w: key %q has more than max_load_rows (%d); with two bigint id columns a part of it can be read", ErrTooManyRows, r.name, tx.db.tables[r.t.ID].loadRowsMax)
		}
	}
	return nil
}

// add takes a row that SQL has.
func (r *partRead) add(db *DB, vals []value.Value) {
	m := image{rows: r.rows}
	(&load{db: db}).addRow(&m, r.t, vals[len(db.tables[r.t.ID].plan.key):])
	if r.rows = m.rows; len(r.rows) == 0 {
		return
	}
	ms, seq, _ := r.t.ParseStreamRow(r.rows[len(r.rows)-1].row)
	r.last = keyspace.ID{Ms: ms, Seq: seq}
}

// partQuery is the query for what is not read yet of a part; not ok if no row can
// match. Text ids do not sort as streams do, so all rows of the key are read then,
// unless it is one that is looked for.
func (db *DB) partQuery(r *partRead) (sink.Query, bool) {
	plan := &db.tables[r.t.ID].plan
	q := sink.Query{Table: r.t.SQL, Columns: plan.all, Limit: r.limit}
	tuple, err := r.t.TupleString(r.name)
	if err != nil {
		return q, false
	}
	if r.from == r.to {
		row, err := r.t.StreamRow(r.from.Ms, r.from.Seq)
		q.By, q.Keys = plan.target.Key, [][]value.Value{plan.target.KeyVals(nil, db.opts.Name, r.db, tuple, row)}
		q.Limit = 2
		return q, err == nil
	}
	if len(plan.key) > 0 {
		q.By, q.Keys = plan.key, [][]value.Value{plan.target.ClearVals(nil, db.opts.Name, r.db, tuple)}
	}
	if !r.t.Ordered() {
		q.Limit = db.tables[r.t.ID].loadRowsMax + 1
		return q, true
	}
	for i := range r.t.Row {
		q.OrderBy = append(q.OrderBy, r.t.Row[i].Index)
	}
	q.Descending, q.AtAfter = r.reverse, true
	q.After, q.Until = idVals(r.from), idVals(r.to)
	if r.reverse {
		q.After, q.Until = q.Until, q.After
	}
	if len(r.rows) > 0 {
		q.After, q.AtAfter = idVals(r.last), false
	}
	return q, r.from.Ms <= math.MaxInt64
}

// idVals is an id as the columns that hold it. Ids above them are in no row.
func idVals(id keyspace.ID) []value.Value {
	if id.Ms > math.MaxInt64 {
		id = keyspace.ID{Ms: math.MaxInt64, Seq: math.MaxInt64}
	}
	return []value.Value{value.OfInt(int64(id.Ms)), value.OfInt(int64(min(id.Seq, math.MaxInt64)))}
}

// endParts lets go of what the unit has read.
func (tx *Tx) endParts() {
	for _, r := range tx.parts {
		tx.db.cuts.end(r.mark)
	}
	tx.parts = nil
}
