package lull

import (
	"errors"
	"math"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
)

// TrimBy says what a StreamTrim keeps.
type TrimBy uint8

// The kinds of trimming.
const (
	TrimNone TrimBy = iota
	TrimLen         // the newest MaxLen entries
	TrimID          // those from MinID on
)

// StreamTrim says which entries to remove from the front of a stream.
type StreamTrim struct {
	By     TrimBy
	MaxLen int64
	MinID  StreamID
	// Approx removes a little less if that is cheaper, and at most Limit entries, if
	// that is not 0.
	Approx bool
	Limit  int64
}

// trimStep is about how many entries trimming by Approx removes at once: a chunk.
const trimStep = 100

// trimPlan is a StreamTrim whose rows outside of memory are known.
type trimPlan struct {
	trim    StreamTrim
	forget  bool        // memory alone is trimmed
	clear   bool        // everything goes
	outside []streamRow // to be deleted, not in memory
	inside  bool        // entries in memory go, too
}

// XTrim removes the entries that t says from the stream at key, and returns how many.
// Of a table with `on_trim: keep` only memory is trimmed, and nothing removed.
func (tx *Tx) XTrim(key []byte, t StreamTrim) (removed int64, err error) {
	h, err := tx.open(key, keyspace.TypeStream, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	plan, err := tx.planTrim(&h, t, 0)
	if err != nil {
		return 0, err
	}
	removed = tx.trim(&h, plan)
	if removed > 0 {
		tx.putHeader(&h)
	}
	return removed, nil
}

// planTrim finds what is to go of an opened stream to which adding entries are about
// to be added. Rows outside of memory are read from SQL first, unless all go.
func (tx *Tx) planTrim(h *handle, t StreamTrim, adding int64) (plan trimPlan, err error) {
	plan.trim = t
	if t.By == TrimNone {
		return plan, nil
	}
	if h.mapped() && h.t.Spec.OnTrim != "delete" {
		plan.forget = true
		return plan, nil
	}
	plan.inside = true
	if !h.exists() {
		return plan, nil
	}
	s := h.e.Stream()
	total := streamLen(s)
	outside := total - int64(s.Len())
	if outside <= 0 {
		return plan, nil
	}
	part := streamPart{from: keyspace.MinID, optional: t.Approx}
	part.to, _ = tailStart(s).Prev()
	if t.By == TrimID {
		if adding == 0 && s.Meta().LastID.Less(t.MinID) && !t.Approx {
			plan.clear = true
			return plan, nil
		}
		if before, ok := t.MinID.Prev(); !ok {
			return trimPlan{}, nil
		} else if before.Less(part.to) {
			part.to, plan.inside = before, false
		}
		part.limit = int(min(t.Limit, math.MaxInt32))
	} else {
		excess := t.excess(total + adding)
		if excess <= 0 {
			return trimPlan{}, nil
		}
		if excess >= total+adding && adding == 0 {
			plan.clear = true
			return plan, nil
		}
		part.limit, plan.inside = int(min(excess, outside, math.MaxInt32)), excess > outside
	}
	plan.outside, err = tx.part(h, part)
	if errors.Is(err, ErrNoDB) && part.optional {
		return trimPlan{}, nil // about as long as asked for will do, later
	}
	return plan, err
}

// excess is how many of n entries trimming by length removes.
func (t *StreamTrim) excess(n int64) int64 {
	excess := n - t.MaxLen
	if t.Approx {
		excess -= excess % trimStep
		if t.Limit > 0 {
			excess = min(excess, t.Limit-t.Limit%trimStep)
		}
	}
	return excess
}

// trim does what was planned and returns how many entries went.
func (tx *Tx) trim(h *handle, plan trimPlan) (removed int64) {
	s := h.e.Stream()
	switch {
	case plan.forget:
		if plan.trim.By == TrimLen {
			forgetHead(s, int(min(plan.trim.MaxLen, math.MaxInt32)))
		}
		return 0
	case plan.clear:
		removed = streamLen(s)
		tx.clearEntries(h)
		return removed
	}
	for _, r := range plan.outside {
		tx.delRow(h, r.row)
	}
	s.Meta().Total -= int64(len(plan.outside))
	removed = int64(len(plan.outside))
	if plan.inside {
		removed += tx.trimInside(h, plan.trim, removed)
	}
	if m := s.Meta(); m.Tail && m.Total <= int64(s.Len()) && h.e.Flags&keyspace.Stub == 0 {
		m.Tail = false
	}
	return removed
}

// trimInside removes entries that are in memory, where nothing older is left.
func (tx *Tx) trimInside(h *handle, t StreamTrim, done int64) int64 {
	s := h.e.Stream()
	k := keyspace.Trim{MaxLen: int(min(t.MaxLen, math.MaxInt)), ByID: t.By == TrimID, MinID: t.MinID, Approx: t.Approx}
	if t.Limit > 0 {
		if k.Limit = int(min(t.Limit-done, math.MaxInt)); k.Limit <= 0 {
			return 0
		}
	}
	if first, _, ok := s.First(); !ok || k.ByID && !first.Less(k.MinID) || !k.ByID && s.Len() <= k.MaxLen {
		return 0
	}
	tx.touch(h)
	n := s.Trim(k, func(id StreamID) {
		if row, err := tx.streamRowName(h, id); err == nil {
			tx.delRow(h, row)
		}
	})
	s.Meta().Total -= int64(n)
	return int64(n)
}

// clearEntries removes all entries by one change. The caller writes the header again.
func (tx *Tx) clearEntries(h *handle) {
	tx.touch(h)
	if h.t != nil {
		tx.emit(h, change.Change{Op: change.Clear, Table: h.t.ID, Key: tx.tuple(h)})
	}
	old := *h.e.Stream().Meta()
	h.e.SetNew(keyspace.TypeStream)
	m := h.e.Stream().Meta()
	*m = old
	m.Tail, m.Total = false, 0
}
