package lull

import (
	"context"
	"fmt"
	"math"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// tailRead is what a load was shown of a stream's newest entries.
type tailRead struct {
	rows   int         // read from SQL
	lowest keyspace.ID // of those
	cut    bool        // SQL may have earlier ones
	// counted is how many rows SQL has of a stream without a header: one that others
	// wrote. 0: all are in rows.
	counted int64
	// newer is how many entries are newer than the header.
	newer int64
}

// buildStream makes an entry of a stream's header and of its newest entries, over
// both of which everything was laid that SQL has not seen.
//
// The header says the last id and the length. It may be behind: entries that were
// added while the database was away, without a look at the header, and rows that others
// inserted, count on top, and the last id is the greatest that is seen anywhere.
func (db *DB) buildStream(e *keyspace.Entry, k *loadKey, t *mapping.Table, header []value.Value, m *image) error {
	rows := m.entries(t)
	if header == nil && len(rows) == 0 && m.tail.counted == 0 {
		e.Flags |= keyspace.Absent
		return nil
	}
	e.SetNew(keyspace.TypeStream)
	s := e.Stream()
	meta := s.Meta()
	length, err := headerOf(header, meta)
	if err != nil {
		return fmt.Errorf("key %q: %w", k.name, err)
	}
	length += m.tail.counted
	counted := meta.LastID
	if m.tail.counted > 0 {
		counted = m.newest(t)
	}
	for _, r := range rows {
		if counted.Less(r.id) {
			m.tail.newer++
		}
		if meta.LastID.Less(r.id) {
			meta.LastID = r.id
		}
	}
	length += m.tail.newer
	meta.EntriesAdded += uint64(m.tail.newer)
	if err := db.fillTail(s, k, t, rows, m.tail); err != nil {
		return err
	}
	meta.Total = max(length, int64(s.Len()))
	meta.Tail = meta.Total > int64(s.Len()) || m.tail.cut
	if k.need != NeedAll {
		e.Flags |= keyspace.Stub
		meta.Tail = true
	}
	return nil
}

// headerOf reads a header, which may be nil, into meta and returns the length.
func headerOf(header []value.Value, meta *keyspace.StreamMeta) (length int64, err error) {
	if header == nil || header[keysMeta].IsNull() {
		return 0, nil
	}
	h, err := parseStreamMeta(header[keysMeta].String())
	if err != nil {
		return 0, err
	}
	var ok bool
	if meta.LastID, ok = keyspace.ParseID([]byte(h.Last), 0); !ok {
		return 0, fmt.Errorf("lull_keys: last id %q of a stream, wanted ms-seq", h.Last)
	}
	if h.MaxDeleted != "" {
		meta.MaxDeletedID, _ = keyspace.ParseID([]byte(h.MaxDeleted), 0)
	}
	meta.EntriesAdded = h.Added
	return h.Length, nil
}

// fillTail puts the newest entries into memory, without a gap.
func (db *DB) fillTail(s *keyspace.Stream, k *loadKey, t *mapping.Table, rows []streamRow, tail tailRead) error {
	if k.need != NeedAll {
		return nil
	}
	if more := len(rows) - db.tailOf(t); more > 0 && !t.Generic() {
		rows = rows[more:]
	}
	last := s.Meta().LastID
	for _, r := range rows {
		if tail.cut && r.id.Less(tail.lowest) {
			continue
		}
		packed, err := packFields(t, r.cells)
		if err != nil {
			return fmt.Errorf("key %q, entry %s: %w", k.name, r.id, err)
		}
		s.Append(r.id, packed)
	}
	s.Meta().LastID = last
	return nil
}

// newest is the greatest id among the rows that SQL gave.
func (m *image) newest(t *mapping.Table) (id keyspace.ID) {
	for i := range min(m.tail.rows, len(m.rows)) {
		if ms, seq, ok := t.ParseStreamRow(m.rows[i].row); ok && id.Less(keyspace.ID{Ms: ms, Seq: seq}) {
			id = keyspace.ID{Ms: ms, Seq: seq}
		}
	}
	return id
}

// countStreams counts the rows of mapped streams that have no header in SQL, unless
// all are read already.
func (l *load) countStreams(ctx context.Context) error {
	for i := range l.keys {
		k, m := &l.keys[i], &l.images[i]
		if l.skip[i] || l.errs[i] != nil || k.t.Kind != mapping.Stream || m.find(l.db.maps.KeysTable().ID, "") != nil {
			continue
		}
		tuple, err := k.t.TupleString(k.name)
		if err != nil || len(k.t.Row) > 0 && !m.tail.cut {
			continue
		}
		plan := &l.db.tables[k.t.ID].plan
		var where []sink.Match
		for c, v := range plan.target.ClearVals(nil, "", 0, tuple) {
			where = append(where, sink.Match{Column: plan.key[c], Op: "=", Value: v})
		}
		if m.tail.counted, _, err = l.db.countSQL(ctx, k.t.SQL, nil, where, math.MaxInt64); err != nil {
			return err
		}
	}
	return nil
}

// newer asks for all entries behind a header that SQL's newest entries show to be
// behind, so that they can be counted. They stand before those that were read without
// a gap, and the same row counts once however often it is read.
func (l *load) newer(t *mapping.Table, members []int) {
	plan := &l.db.tables[t.ID].plan
	for _, i := range members {
		k, m := &l.keys[i], &l.images[i]
		var meta keyspace.StreamMeta
		header := m.find(l.db.maps.KeysTable().ID, "")
		_, err := headerOf(header, &meta)
		if err != nil || header == nil || !m.tail.cut || !meta.LastID.Less(m.tail.lowest) || !t.Ordered() && k.need == NeedAll {
			continue
		}
		p := partRead{streamPart: streamPart{dbKey: k.dbKey, t: t, from: meta.LastID, to: m.tail.lowest, limit: l.db.tables[t.ID].loadRowsMax}}
		q, ok := l.db.partQuery(&p)
		if !ok {
			continue
		}
		seen := make(map[string]struct{}, len(m.rows))
		for i := range m.rows {
			seen[m.rows[i].row] = struct{}{}
		}
		rows, lowest := 0, m.tail.lowest
		l.add(q, func(vals []value.Value) error {
			if row, ok := t.RowOf(vals[len(plan.key):]); ok {
				if _, again := seen[row]; !again {
					l.addRow(m, t, vals[len(plan.key):])
				}
			}
			m.tail.lowest = meta.LastID
			if rows++; rows == q.Limit {
				m.tail.lowest = lowest // there is a gap before what was read first
			}
			return nil
		})
	}
}

// isBlindStream tells a stream to which XADD came while its header could not be
// read: how many entries it has, and whether its last id is the greatest, is open.
func isBlindStream(e *keyspace.Entry) bool {
	return e.Flags&flagBlind != 0 && e.Type() == keyspace.TypeStream
}

// blind reports whether a blind stream's header has to be read now: always when need
// cannot do without, else from time to time.
func (tx *Tx) blind(h *handle, need Need) bool {
	if need == NeedNone || !isBlindStream(h.e) || tx.multi {
		return false
	}
	return need != NeedHint || !tx.away && seconds(tx.now) > h.e.LoadedAt
}

// mergeBlind adds to a loaded stream what a blind one, in whose place it comes, has
// gathered. The entries themselves were laid over the load, or are in SQL; where they
// have no ids there, the load could not count those.
func mergeBlind(fresh, old *keyspace.Entry, t *mapping.Table, tail tailRead) {
	if !isBlindStream(old) || fresh.Type() != keyspace.TypeStream {
		return
	}
	fresh.Flags |= flagHeaderDue
	from, to := old.Stream().Meta(), fresh.Stream().Meta()
	if to.LastID.Less(from.LastID) {
		to.LastID = from.LastID
	}
	if uncounted := int64(from.EntriesAdded) - tail.newer; len(t.Row) == 0 && uncounted > 0 {
		to.Total += uncounted
		to.EntriesAdded += uint64(uncounted)
		to.Tail = true
	}
}
