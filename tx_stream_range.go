package lull

import (
	"slices"

	"github.com/lullcache/lull/internal/keyspace"
)

// StreamEntry is an entry of a stream. Fields is valid until the unit ends or the
// stream is changed.
type StreamEntry struct {
	ID     StreamID
	Fields StreamFields
}

// XRange returns the entries of the stream at key with ids from from to to, both
// included: count of them at most (0: all), the first ones or, with reverse, the last
// ones downwards.
//
// Entries outside the tail in memory are read from SQL. If the table has no id
// columns the error then wraps ErrNoStreamID; if they are more than max_load_rows it is
// ErrTooManyRows.
func (tx *Tx) XRange(key []byte, from, to StreamID, reverse bool, count int) ([]StreamEntry, error) {
	h, err := tx.open(key, keyspace.TypeStream, NeedAll)
	if err != nil || !h.exists() {
		return nil, err
	}
	return tx.entriesIn(&h, from, to, reverse, count)
}

// entriesIn is XRange for an opened stream.
func (tx *Tx) entriesIn(h *handle, from, to StreamID, reverse bool, count int) ([]StreamEntry, error) {
	s := h.e.Stream()
	if to.Less(from) {
		return nil, nil
	}
	start := tailStart(s)
	if !from.Less(start) {
		return tailEntries(s, nil, from, to, reverse, count), nil
	}
	older, _ := start.Prev()
	if to.Less(older) {
		older = to
	}
	var found []StreamEntry
	if reverse {
		if found = tailEntries(s, nil, start, to, true, count); count > 0 && len(found) >= count {
			return found, nil
		}
	}
	limit := 0
	if count > 0 {
		limit = count - len(found)
	}
	rows, err := tx.part(h, streamPart{from: from, to: older, reverse: reverse, limit: limit})
	if err != nil {
		return nil, err
	}
	t := tx.streamTable(h)
	for _, r := range rows {
		packed, err := packFields(t, r.cells)
		if err != nil {
			return nil, err
		}
		found = append(found, StreamEntry{r.id, packed})
	}
	if !reverse && (count == 0 || len(found) < count) {
		found = tailEntries(s, found, start, to, false, count)
	}
	return found, nil
}

// tailStart is the first id from which on all entries are in memory.
func tailStart(s *keyspace.Stream) StreamID {
	m := s.Meta()
	if !m.Tail {
		return keyspace.MinID
	}
	if id, _, ok := s.First(); ok {
		return id
	}
	next, _ := m.LastID.Next()
	return next
}

// tailEntries appends entries that are in memory to found, until it holds count.
func tailEntries(s *keyspace.Stream, found []StreamEntry, from, to StreamID, reverse bool, count int) []StreamEntry {
	s.Range(from, to, reverse, func(id StreamID, fields []byte) bool {
		found = append(found, StreamEntry{id, fields})
		return count == 0 || len(found) < count
	})
	return found
}

// XDel removes entries of the stream at key by id and returns how many were there.
// The stream stays, even without entries.
func (tx *Tx) XDel(key []byte, ids []StreamID) (removed int, err error) {
	h, err := tx.open(key, keyspace.TypeStream, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	s := h.e.Stream()
	ids = slices.Clone(ids)
	slices.SortFunc(ids, StreamID.Compare)
	ids = slices.Compact(ids)
	start := tailStart(s)
	there := make([]bool, len(ids))
	var missing error
	for i, id := range ids {
		if !id.Less(start) {
			if _, there[i] = s.Get(id); there[i] && h.mapped() && len(h.t.Row) == 0 {
				_, err = tx.part(&h, streamPart{}) // says which setting is missing
				return 0, err
			}
			continue
		}
		rows, err := tx.part(&h, streamPart{from: id, to: id, limit: 1})
		if err == errMiss {
			missing = err
		} else if err != nil {
			return 0, err
		}
		there[i] = len(rows) > 0
	}
	if missing != nil {
		return 0, missing
	}
	for i, id := range ids {
		if there[i] {
			tx.delEntry(&h, id)
			removed++
		}
	}
	if removed > 0 {
		tx.putHeader(&h)
	}
	return removed, nil
}

// delEntry removes an entry that is there, in memory or outside of it.
func (tx *Tx) delEntry(h *handle, id StreamID) {
	tx.touch(h)
	if row, err := tx.streamRowName(h, id); err == nil {
		tx.delRow(h, row)
	}
	s := h.e.Stream()
	m := s.Meta()
	s.Del(id)
	m.Total--
	if m.MaxDeletedID.Less(id) {
		m.MaxDeletedID = id
	}
}

// StreamInfo is what XINFO STREAM shows.
type StreamInfo struct {
	Length       int64
	Chunks       int // in memory
	LastID       StreamID
	MaxDeletedID StreamID
	EntriesAdded uint64
	First, Last  []StreamEntry // of one entry, or empty
}

// XInfo describes the stream at key, which has to exist.
func (tx *Tx) XInfo(key []byte) (info StreamInfo, err error) {
	h, err := tx.open(key, keyspace.TypeStream, NeedAll)
	if err != nil {
		return info, err
	}
	if !h.exists() {
		return info, ErrNoSuchKey
	}
	s := h.e.Stream()
	m := s.Meta()
	info = StreamInfo{Length: streamLen(s), LastID: m.LastID, MaxDeletedID: m.MaxDeletedID, EntriesAdded: m.EntriesAdded}
	info.Chunks = (s.Len() + 99) / 100
	if info.First, err = tx.entriesIn(&h, keyspace.MinID, keyspace.MaxID, false, 1); err != nil {
		return info, err
	}
	info.Last, err = tx.entriesIn(&h, keyspace.MinID, keyspace.MaxID, true, 1)
	return info, err
}
