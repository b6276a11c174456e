package lull

import (
	"errors"
	"math"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
)

// Errors of the operations on streams.
var (
	// ErrStreamZeroID: an entry cannot have the id 0-0.
	ErrStreamZeroID = errors.New("an entry's id must be greater than 0-0")
	// ErrStreamID: the id is not above that of the last entry.
	ErrStreamID = errors.New("the id is not above that of the stream's last entry")
	// ErrStreamExhausted: the last id is the greatest there is.
	ErrStreamExhausted = errors.New("the stream has reached the last possible id")
	// ErrNoSuchKey: the key does not exist.
	ErrNoSuchKey = errors.New("no such key")
	// The others refuse a new last id (XSetID).
	ErrStreamSetTop   = errors.New("the last id is below that of an entry")
	ErrStreamSetAdded = errors.New("the number of entries added is below the stream's length")
)

type (
	// StreamID names an entry of a stream.
	StreamID = keyspace.ID
	// NewStreamID is the id that XAdd is to give an entry: one that is said, or one
	// that is chosen in whole or in part.
	NewStreamID = keyspace.NewID
)

// StreamMin and StreamMax are before and behind all entries.
var (
	StreamMin = keyspace.MinID
	StreamMax = keyspace.MaxID
)

// ParseStreamID reads "ms-seq", or "ms" with missingSeq for what is not said.
func ParseStreamID(b []byte, missingSeq uint64) (StreamID, bool) {
	return keyspace.ParseID(b, missingSeq)
}

// ParseNewStreamID reads "*", "ms-*", "ms-seq" or "ms".
func ParseNewStreamID(b []byte) (NewStreamID, bool) { return keyspace.ParseNewID(b) }

// ParseStreamBound reads an end of a range: an id, "-", "+", or "(" and an id, which
// then is not in the range.
func ParseStreamBound(b []byte, missingSeq uint64) (id StreamID, exclusive, ok bool) {
	return keyspace.ParseBound(b, missingSeq)
}

// XAddOptions are the conditions of XAdd.
type XAddOptions struct {
	// NoCreate does nothing if there is no stream.
	NoCreate bool
	// Trim is done after the entry was added.
	Trim StreamTrim
}

// XAdd appends an entry to the stream at key and returns its id. fields are names and
// values in turn. added is false with NoCreate if there is no stream.
//
// It needs the stream's header alone, never its entries. While the database is away
// an entry with an id that Lull chooses can be appended to a mapped stream without the
// header: the clock is above every id that was chosen before, and the row is
// inserted whatever the header says. The header then is neither known nor written;
// the next look at the stream reads it and puts both together. Only the length of a
// stream without id columns misses such entries if Lull was restarted in between.
func (tx *Tx) XAdd(key []byte, id NewStreamID, fields [][]byte, o XAddOptions) (at StreamID, added bool, err error) {
	if !id.Auto && !id.AutoSeq && id.ID.IsZero() {
		return at, false, ErrStreamZeroID
	}
	h, err := tx.open(key, keyspace.TypeStream, tx.addNeed(key, id, &o))
	if err != nil {
		return at, false, err
	}
	if o.NoCreate && !h.exists() {
		return at, false, nil
	}
	if at, err = tx.nextID(&h, id); err != nil {
		return at, false, err
	}
	row, err := tx.streamRowName(&h, at)
	if err != nil {
		return at, false, err
	}
	cells, packed, err := tx.streamCells(&h, fields)
	if err != nil {
		return at, false, err
	}
	plan, err := tx.planTrim(&h, o.Trim, 1)
	if err != nil {
		return at, false, err
	}
	tx.appendEntry(&h, at, row, cells, packed)
	tx.trim(&h, plan)
	tx.boundTail(&h)
	tx.putHeader(&h)
	return at, true, nil
}

// addNeed is how much of a stream XAdd has to know.
func (tx *Tx) addNeed(key []byte, id NewStreamID, o *XAddOptions) Need {
	var t *mapping.Table
	if tx.sel == 0 {
		t = tx.db.maps.Match(key)
	}
	switch {
	case o.Trim.By != TrimNone && (t == nil || t.Spec.OnTrim == "delete"):
		return NeedAll
	case id.Auto && !o.NoCreate:
		return NeedHint
	}
	return NeedExists
}

// nextID gives the new entry its id.
func (tx *Tx) nextID(h *handle, id NewStreamID) (StreamID, error) {
	var last StreamID
	if h.exists() {
		last = h.e.Stream().Meta().LastID
	}
	if last == keyspace.MaxID {
		return last, ErrStreamExhausted
	}
	at, ok := id.After(last, uint64(tx.now))
	if !ok {
		return at, ErrStreamID
	}
	return at, nil
}

// streamRowMax is the longest name of an entry's row.
const streamRowMax = 2 * (1 + 20)

// streamRowName is the row of the entry with this id.
func (tx *Tx) streamRowName(h *handle, id StreamID) (string, error) {
	if h.t == nil {
		return "", nil
	}
	row, err := tx.streamTable(h).AppendStreamRow(tx.textRoom(streamRowMax), id.Ms, id.Seq)
	return tx.kept(row), err
}

// appendEntry adds an entry whose id and fields were checked.
func (tx *Tx) appendEntry(h *handle, id StreamID, row string, cells []change.Cell, packed []byte) {
	if !h.exists() {
		blind := h.e == nil && h.mapped() && tx.away
		tx.create(h, keyspace.TypeStream)
		h.e.LoadedAt = seconds(tx.now)
		if blind {
			h.e.Flags |= keyspace.Stub | flagBlind
			h.e.Stream().Meta().Tail = true
		}
	}
	tx.touch(h)
	s := h.e.Stream()
	s.Append(id, packed)
	s.Meta().EntriesAdded++
	s.Meta().Total++
	tx.appendRow(h, row, cells)
}

// putHeader writes the stream's header, unless it is not known.
func (tx *Tx) putHeader(h *handle) {
	if h.t != nil && !isBlindStream(h.e) {
		tx.header(h, tx.kept(appendMeta(tx.textRoom(metaMax), h.e.Stream())))
	}
}

// boundTail drops the oldest entries from memory once there are more than the table's
// tail. SQL, and what it has not seen, still has them.
func (tx *Tx) boundTail(h *handle) {
	if h.t == nil {
		return
	}
	s := h.e.Stream()
	tail := tx.db.tailOf(tx.streamTable(h))
	if s.Len() > tail+tail/8 {
		forgetHead(s, tail)
	}
}

// forgetHead drops the oldest entries of s from memory, by whole chunks, as far as it
// keeps n.
func forgetHead(s *keyspace.Stream, n int) {
	total := streamLen(s)
	if s.Trim(keyspace.Trim{MaxLen: n, Approx: true}, nil) > 0 {
		s.Meta().Tail, s.Meta().Total = true, total
	}
}

// XLen returns the number of entries.
func (tx *Tx) XLen(key []byte) (int64, error) {
	h, err := tx.open(key, keyspace.TypeStream, NeedExists)
	if err != nil || !h.exists() {
		return 0, err
	}
	return streamLen(h.e.Stream()), nil
}

// StreamLast returns the last id that the stream at key ever had.
func (tx *Tx) StreamLast(key []byte) (id StreamID, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeStream, NeedExists)
	if err != nil || !h.exists() {
		return id, false, err
	}
	return h.e.Stream().Meta().LastID, true, nil
}

// XSetIDOptions are further properties that XSetID gives a stream.
type XSetIDOptions struct {
	EntriesAdded uint64
	SetAdded     bool // EntriesAdded is to be set
	MaxDeleted   StreamID
}

// XSetID makes id the last id of the stream at key, which has to exist. The id cannot
// be below that of an entry.
func (tx *Tx) XSetID(key []byte, id StreamID, o XSetIDOptions) error {
	h, err := tx.open(key, keyspace.TypeStream, NeedAll)
	if err != nil {
		return err
	}
	if !h.exists() {
		return ErrNoSuchKey
	}
	s := h.e.Stream()
	if n := streamLen(s); n > 0 {
		top, err := tx.streamTop(&h)
		switch {
		case err != nil:
			return err
		case id.Less(top):
			return ErrStreamSetTop
		case o.SetAdded && (o.EntriesAdded > math.MaxInt64 || n > int64(o.EntriesAdded)):
			return ErrStreamSetAdded
		}
	}
	if _, err := tx.streamRowName(&h, id); err != nil {
		return err
	}
	tx.touch(&h)
	m := s.Meta()
	m.LastID = id
	if o.SetAdded {
		m.EntriesAdded = o.EntriesAdded
	}
	if !o.MaxDeleted.IsZero() {
		m.MaxDeletedID = o.MaxDeleted
	}
	tx.putHeader(&h)
	return nil
}

// streamTop is the id of the last entry of a stream that has one.
func (tx *Tx) streamTop(h *handle) (StreamID, error) {
	last, err := tx.entriesIn(h, keyspace.MinID, keyspace.MaxID, true, 1)
	if err != nil || len(last) == 0 {
		return StreamID{}, err
	}
	return last[0].ID, nil
}

// duplicateStream copies all entries of src, which are known, to dst, which is empty.
func (tx *Tx) duplicateStream(src, dst *handle) {
	entries, err := tx.entriesIn(src, keyspace.MinID, keyspace.MaxID, false, 0)
	if err != nil {
		panic("lull: entries were known and then not: " + err.Error())
	}
	for _, e := range entries {
		var fields [][]byte
		e.Fields.Each(func(part []byte) { fields = append(fields, part) })
		row, rowErr := tx.streamRowName(dst, e.ID)
		cells, packed, err := tx.streamCells(dst, fields)
		if err = errors.Join(rowErr, err); err != nil {
			panic("lull: an entry was valid and then not: " + err.Error())
		}
		tx.appendEntry(dst, e.ID, row, cells, packed)
	}
	tx.touch(dst)
	from, to := src.e.Stream().Meta(), dst.e.Stream().Meta()
	to.LastID, to.MaxDeletedID, to.EntriesAdded = from.LastID, from.MaxDeletedID, from.EntriesAdded
	tx.putHeader(dst)
}
