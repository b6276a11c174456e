package lull

import (
	"context"
	"fmt"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// scanRow is a key that SQL has, as one of its rows tells.
type scanRow struct {
	key, tuple string
	typ        keyspace.Type
	expireAt   int64
}

// scanTables are the tables whose rows tell of keys of a database.
func (db *DB) scanTables(n uint8) (tables []*mapping.Table) {
	if db.opts.Unmapped == UnmappedGeneric {
		tables = append(tables, db.maps.Generic(mapping.String), db.maps.KeysTable())
	}
	if n != 0 {
		return tables
	}
	streams := false
	for _, t := range db.maps.Tables() {
		tables = append(tables, t)
		streams = streams || t.Kind == mapping.Stream
	}
	if streams && db.opts.Unmapped != UnmappedGeneric {
		tables = append(tables, db.maps.KeysTable()) // which has the headers of mapped streams
	}
	return tables
}

// scanTable gives one page of a table's keys.
func (db *DB) scanTable(ctx context.Context, st *scanState, t *mapping.Table, count int, fn func(string, keyspace.Type)) (n int, err error) {
	page, err := db.tablePage(ctx, st, t, max(count, 10))
	if err != nil {
		return 0, fmt.Errorf("scan: %w", err)
	}
	var unsure []string
	for i := range page {
		if db.reachable(t, st.n, page[i].key) {
			n, unsure = db.giveRow(st, t, &page[i], n, unsure, fn)
		}
	}
	more, err := db.giveExisting(ctx, st.n, unsure, fn)
	return n + more, err
}

// tablePage returns the next keys of a table in SQL, and moves on to the next table
// behind the last.
func (db *DB) tablePage(ctx context.Context, st *scanState, t *mapping.Table, limit int) (page []scanRow, err error) {
	if len(t.Key) == 0 && !t.Generic() { // the pattern is one key
		st.table++
		return []scanRow{{key: string(t.AppendKey(nil, ""))}}, nil
	}
	q, keyAt := db.pageQuery(t, st.n)
	q.After, q.Limit = st.after, limit
	ctx, cancel := context.WithTimeout(ctx, db.opts.LoadTimeout)
	defer cancel()
	seen, keys := 0, len(db.tables[t.ID].plan.key)
	err = db.readSQL(ctx, []sink.Query{q}, func(_ int, vals []value.Value) error {
		seen++
		st.after = append([]value.Value(nil), vals[keyAt:keys]...)
		if row, ok := db.scanRow(t, vals[keyAt:keys], vals[keys:]); ok {
			page = append(page, row)
		}
		return nil
	})
	if err != nil {
		return nil, db.loadError(err)
	}
	if seen < limit {
		st.table, st.after = st.table+1, nil
	}
	return page, nil
}

// scanRow reads a row of a page: its key columns, and what pageQuery asks for behind
// them.
func (db *DB) scanRow(t *mapping.Table, key, rest []value.Value) (row scanRow, ok bool) {
	if row.key, row.tuple, ok = t.KeyOf(key); !ok {
		return row, false
	}
	switch {
	case t == db.maps.KeysTable():
		row.typ, _ = typeByName(rest[1].String())
	default:
		row.typ = typeOf(t.Kind)
	}
	if c := expiresCell(t); c != nil && len(rest) > 0 {
		v, _ := c.CanonLoaded(rest[0])
		row.expireAt = cellTime(c, v)
	}
	return row, true
}

// expiresCell is the cell that holds a key's expiry, nil if the table has none.
func expiresCell(t *mapping.Table) *mapping.Column {
	switch {
	case t.Generic() && t.Kind == mapping.String:
		return &t.Cells[stringsExpires]
	case t.Generic():
		return &t.Cells[keysExpires]
	case t.Expires >= 0:
		return &t.Cells[t.Expires]
	}
	return nil
}

// pageQuery asks for the keys of a table in their order; keyAt is where the key
// columns begin that clients know. Behind them come the expiry, if the table has one,
// and the type, if it tells.
func (db *DB) pageQuery(t *mapping.Table, n uint8) (q sink.Query, keyAt int) {
	key := db.tables[t.ID].plan.key
	q = sink.Query{Table: t.SQL, Columns: key[:len(key):len(key)], OrderBy: key, Distinct: len(t.Row) > 0}
	if c := expiresCell(t); c != nil && !q.Distinct {
		q.Columns = append(q.Columns, c.Index)
	}
	if !t.Generic() {
		return q, 0
	}
	q.By, q.OrderBy = key[:2], key[2:]
	q.Keys = [][]value.Value{db.ownKey(dbKey{db: n})[:2]}
	if t == db.maps.KeysTable() {
		q.Columns = append(q.Columns, t.Cells[keysType].Index)
	}
	return q, 2
}

// reachable reports whether clients can ask for a key that stands in a table:
// patterns may have changed since it was written.
func (db *DB) reachable(t *mapping.Table, n uint8, key string) bool {
	if !t.Generic() {
		return true
	}
	var by *mapping.Table
	if n == 0 {
		by = db.maps.Match([]byte(key))
	}
	if by == nil {
		return db.opts.Unmapped == UnmappedGeneric
	}
	return by.Kind == mapping.Stream && t == db.maps.KeysTable()
}

// giveRow gives the key of a row if it exists, or adds it to those that are unsure:
// changes that SQL has not shown have to be laid over it.
func (db *DB) giveRow(st *scanState, t *mapping.Table, row *scanRow, n int, unsure []string, fn func(string, keyspace.Type)) (int, []string) {
	hash := keyspace.HashString(row.key)
	sh := &db.shards[shardOf(hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := db.now()
	if e := sh.find(st.n, hash, []byte(row.key)); e != nil {
		if st.given(e) || !live(e, now) {
			return n, unsure
		}
		fn(row.key, e.Type())
		return n + 1, unsure
	}
	k := loadKey{dbKey: dbKey{st.n, row.key}, t: t}
	switch laid := db.layAll(sh, &k, &image{width: db.width}); {
	case laid, row.typ == keyspace.TypeNone:
		return n, append(unsure, row.key)
	case row.expireAt != 0 && row.expireAt <= now:
		return n, unsure
	}
	fn(row.key, row.typ)
	return n + 1, unsure
}
