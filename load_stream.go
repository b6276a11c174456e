package lull

import (
	"encoding/json"
	"fmt"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// A stream is loaded as its header, which knows the last id and how many entries
// there are, and a tail of entries. The header is a row of lull_keys, for mapped
// streams too.

// streamMeta is what a stream's header keeps, as JSON.
type streamMeta struct {
	Last       string `json:"last"`
	Length     int64  `json:"length"`
	Added      uint64 `json:"added"`
	MaxDeleted string `json:"max_deleted,omitempty"`
}

// parseStreamMeta reads what appendMeta wrote.
func parseStreamMeta(text string) (m streamMeta, err error) {
	if err = json.Unmarshal([]byte(text), &m); err != nil {
		return m, fmt.Errorf("lull_keys: meta of a stream: %w", err)
	}
	return m, nil
}

// tailDefault is how many entries of a stream stay in memory.
const tailDefault = 10_000

func (db *DB) tailOf(t *mapping.Table) int {
	if t.Spec.Tail > 0 {
		return t.Spec.Tail
	}
	return tailDefault
}

// streams asks for mapped streams: their headers, and their tails where a stream has
// ids in SQL.
func (l *load) streams(t *mapping.Table, members []int) {
	keysTable := l.db.maps.KeysTable()
	plan := &l.db.tables[keysTable.ID].plan
	index := make(map[dbKey]int, len(members))
	var keys [][]value.Value
	for _, i := range members {
		index[l.keys[i].dbKey] = i
		keys = append(keys, l.db.ownKey(l.keys[i].dbKey))
	}
	l.add(sink.Query{Table: keysTable.SQL, By: plan.key, Keys: keys, Columns: plan.all}, func(vals []value.Value) error {
		if i, ok := index[ownName(vals)]; ok {
			l.addRow(&l.images[i], keysTable, vals[len(plan.key):])
		}
		return nil
	})
	if len(t.Row) > 0 {
		l.tails(t, members)
	}
}

// tails asks for the newest entries of streams, one query for each: for the tail, or,
// where only the header matters, for the last one, which may be newer than the
// header.
func (l *load) tails(t *mapping.Table, members []int) {
	plan := &l.db.tables[t.ID].plan
	for _, i := range members {
		k, m := &l.keys[i], &l.images[i]
		tuple, err := t.TupleString(k.name)
		if err != nil {
			continue
		}
		q := sink.Query{Table: t.SQL, Columns: plan.all, Limit: l.db.tailOf(t), Descending: true}
		if len(plan.key) > 0 {
			q.By, q.Keys = plan.key, [][]value.Value{plan.target.ClearVals(nil, l.db.opts.Name, k.db, tuple)}
		}
		for c := range t.Row {
			q.OrderBy = append(q.OrderBy, t.Row[c].Index)
		}
		all := k.need == NeedAll && !t.Ordered()
		switch {
		case all: // text ids sort as text, so the newest are not known before all are
			q.Limit, q.OrderBy, q.Descending = l.db.tables[t.ID].loadRowsMax+1, nil, false
		case k.need != NeedAll:
			q.Limit = 1
		}
		l.add(q, func(vals []value.Value) error {
			m.tail.rows++
			if m.tail.cut = m.tail.rows == q.Limit; m.tail.cut && all {
				m.tail.lowest = keyspace.MaxID // none of them can stay
				return nil
			}
			l.addRow(m, t, vals[len(plan.key):])
			if ms, seq, ok := t.ParseStreamRow(m.rows[len(m.rows)-1].row); ok {
				m.tail.lowest = keyspace.ID{Ms: ms, Seq: seq}
			}
			return nil
		})
	}
}

// fillStream makes an entry of a stream's header and tail.
func (db *DB) fillStream(e *keyspace.Entry, k *loadKey, m *image) error {
	header := m.find(db.maps.KeysTable().ID, "")
	t := k.t
	if t.Generic() {
		t = db.maps.Generic(mapping.Stream)
	}
	return db.buildStream(e, k, t, header, m)
}
