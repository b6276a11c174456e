package lull

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/value"
)

// ErrIndexRange: the list has no element with that index.
var ErrIndexRange = errors.New("index out of range")

// End is an end of a list.
type End bool

// The ends.
const (
	Head End = false
	Tail End = true
)

// Push puts vals one after the other onto an end of the list at key and returns its
// length. With ifExists it does nothing if there is no list.
func (tx *Tx) Push(key []byte, end End, vals [][]byte, ifExists bool) (n int, err error) {
	h, err := tx.open(key, keyspace.TypeList, NeedAll)
	if err != nil || !h.exists() && (ifExists || len(vals) == 0) {
		return 0, err
	}
	for _, v := range vals {
		tx.pushElement(&h, end, v)
	}
	return h.e.List().Len(), nil
}

// Pop takes n elements, or all if there are no more, off an end of the list at key.
// fn gets each of them, valid until it returns.
func (tx *Tx) Pop(key []byte, end End, n int, fn func(v []byte)) (popped int, err error) {
	h, err := tx.open(key, keyspace.TypeList, NeedAll)
	if err != nil || !h.exists() || n <= 0 {
		return 0, err
	}
	return tx.popElements(&h, end, n, fn), nil
}

// LMove takes an element off an end of one list, puts it onto an end of another, or
// of the same, and returns it. The caller may keep it. ok is false if there is no
// list to take from.
func (tx *Tx) LMove(from, to []byte, fromEnd, toEnd End) (v []byte, ok bool, err error) {
	src, err := tx.open(from, keyspace.TypeList, NeedAll)
	if err != nil || !src.exists() {
		return nil, false, err
	}
	dst, err := tx.open(to, keyspace.TypeList, NeedAll)
	if err != nil {
		return nil, false, err
	}
	if string(from) == string(to) {
		dst = src
		if src.e.List().Len() == 1 {
			tx.touch(&src)
			v, _, _ := src.e.List().Index(0)
			return bytes.Clone(v), true, nil
		}
	}
	tx.popElements(&src, fromEnd, 1, func(e []byte) { v = bytes.Clone(e) })
	tx.pushElement(&dst, toEnd, v)
	return v, true, nil
}

// LInsert puts v into the list at key before or behind the first element that equals
// pivot, and returns the list's length: -1 if there is no such element, 0 if there is
// no list.
func (tx *Tx) LInsert(key []byte, before bool, pivot, v []byte) (n int, err error) {
	h, err := tx.open(key, keyspace.TypeList, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	list := h.e.List()
	at := indexOf(list, pivot)
	if at < 0 {
		return -1, nil
	}
	if !before {
		at++
	}
	tx.touch(&h)
	var m moves
	pos := list.InsertBefore(at, v, m.note)
	tx.emitMoves(&h, m)
	tx.putElement(&h, pos, v, false)
	return list.Len(), nil
}

// LSet replaces the element with index i, counted from the end if i is negative.
func (tx *Tx) LSet(key []byte, i int, v []byte) error {
	h, err := tx.open(key, keyspace.TypeList, NeedAll)
	if err != nil {
		return err
	}
	if !h.exists() {
		return ErrNoKey
	}
	n := h.e.List().Len()
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return ErrIndexRange
	}
	tx.touch(&h)
	tx.putElement(&h, h.e.List().Set(i, v), v, true)
	return nil
}

// LRem removes elements that equal v from the list at key: the first count, with a
// negative count the last, with 0 all. It returns how many.
func (tx *Tx) LRem(key []byte, count int, v []byte) (removed int, err error) {
	h, err := tx.open(key, keyspace.TypeList, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	list := h.e.List()
	if indexOf(list, v) < 0 {
		return 0, nil
	}
	tx.touch(&h)
	count = min(max(count, -list.Len()), list.Len())
	removed = list.RemoveEqual(v, count, func(pos int64) { tx.delElement(&h, pos) })
	if list.Len() == 0 {
		tx.remove(&h)
	}
	return removed, nil
}

// LTrim removes all elements of the list at key but those from start to stop, both
// counted from the end if they are negative.
func (tx *Tx) LTrim(key []byte, start, stop int) error {
	h, err := tx.open(key, keyspace.TypeList, NeedAll)
	if err != nil || !h.exists() {
		return err
	}
	n := h.e.List().Len()
	from, to := span(start, stop, n)
	tx.touch(&h)
	if to-from < n {
		tx.keepElements(&h, from, to)
	}
	return nil
}

// List returns the list at key, empty if there is none.
func (tx *Tx) List(key []byte) (Elements, error) {
	h, err := tx.open(key, keyspace.TypeList, NeedAll)
	if err != nil || !h.exists() {
		return Elements{}, err
	}
	return Elements{h.e.List()}, nil
}

// Elements is a list to read from. It is valid until the unit ends or the list is
// changed, whichever is first; so are the slices that it gives.
type Elements struct{ list *keyspace.List }

// Len returns the number of elements; it is 0 only if there is no list.
func (e Elements) Len() int {
	if e.list == nil {
		return 0
	}
	return e.list.Len()
}

// At returns the element with index i, counted from the end if i is negative.
func (e Elements) At(i int) (v []byte, ok bool) {
	if i < 0 {
		i += e.Len()
	}
	if i < 0 || i >= e.Len() {
		return nil, false
	}
	v, _, ok = e.list.Index(i)
	return v, ok
}

// Range gives the elements from start to stop, both counted from the end if they are
// negative: how many they are to begin, then each to fn.
func (e Elements) Range(start, stop int, begin func(n int), fn func(v []byte)) {
	from, to := span(start, stop, e.Len())
	begin(to - from)
	if from == to {
		return
	}
	e.list.Each(from, false, func(i int, _ int64, v []byte) bool {
		fn(v)
		return i+1 < to
	})
}

// Find calls fn with the index of each element that equals v until it returns false,
// looking at no more than limit elements, from the end with reverse.
func (e Elements) Find(v []byte, reverse bool, limit int, fn func(i int) bool) {
	if e.Len() == 0 || limit <= 0 {
		return
	}
	start := 0
	if reverse {
		start = e.Len() - 1
	}
	e.list.Each(start, reverse, func(i int, _ int64, got []byte) bool {
		limit--
		return (!bytes.Equal(got, v) || fn(i)) && limit > 0
	})
}

// span brings an inclusive range, in which negative indexes count from the end of n
// elements, to the form from <= i < to.
func span(start, stop, n int) (from, to int) {
	if start < 0 {
		start = max(start+n, 0)
	}
	if stop < 0 {
		stop += n
	}
	if start > stop || start >= n {
		return 0, 0
	}
	return start, min(stop, n-1) + 1
}

// indexOf returns the index of the first element that equals v, or -1.
func indexOf(list *keyspace.List, v []byte) (at int) {
	at = -1
	Elements{list}.Find(v, false, list.Len(), func(i int) bool {
		at = i
		return false
	})
	return at
}

// pushElement puts v onto an end of the key's list, creating the key if need be.
func (tx *Tx) pushElement(h *handle, end End, v []byte) {
	if !h.exists() {
		tx.create(h, keyspace.TypeList)
	}
	tx.touch(h)
	var m moves
	var pos int64
	if end == Tail {
		pos = h.e.List().PushBack(v, m.note)
	} else {
		pos = h.e.List().PushFront(v, m.note)
	}
	tx.emitMoves(h, m)
	tx.putElement(h, pos, v, false)
}

// popElements takes n elements, but not more than there are, off an end of the key's
// list and returns how many.
func (tx *Tx) popElements(h *handle, end End, n int, fn func(v []byte)) int {
	list := h.e.List()
	size := list.Len()
	n = min(n, size)
	left, start := n, 0
	if end == Tail {
		start = size - 1
	}
	list.Each(start, end == Tail, func(_ int, _ int64, v []byte) bool {
		fn(v)
		left--
		return left > 0
	})
	if end == Tail {
		tx.keepElements(h, 0, size-n)
	} else {
		tx.keepElements(h, n, size)
	}
	return n
}

// keepElements removes all elements of the key's list but those with from <= i < to.
func (tx *Tx) keepElements(h *handle, from, to int) {
	if from == to {
		tx.remove(h)
		return
	}
	tx.touch(h)
	h.e.List().Trim(from, to, func(pos int64) { tx.delElement(h, pos) })
}

// moves gathers the elements that got other positions to make room.
type moves []move

type move struct {
	from, to int64
	val      value.Value
}

func (m *moves) note(from, to int64, v []byte) {
	*m = append(*m, move{from, to, value.OfBytes(v)})
}

// emitMoves records moves: all old rows go before the new ones come, since a new
// position may be another's old one.
func (tx *Tx) emitMoves(h *handle, m moves) {
	if h.t == nil {
		return
	}
	for i := range m {
		tx.delElement(h, m[i].from)
	}
	for i := range m {
		tx.putRow(h, tx.positionText(m[i].to), tx.one(childValue, m[i].val), false)
	}
}

// putElement records the element at a position.
func (tx *Tx) putElement(h *handle, pos int64, v []byte, existed bool) {
	if h.t != nil {
		tx.putRow(h, tx.positionText(pos), tx.one(childValue, tx.textCell(v)), existed)
	}
}

// delElement records that the element at a position is gone.
func (tx *Tx) delElement(h *handle, pos int64) {
	if h.t != nil {
		tx.delRow(h, tx.positionText(pos))
	}
}

// positionText is a position as its row's name.
func (tx *Tx) positionText(pos int64) string {
	const digitsMax = 20
	return tx.kept(strconv.AppendInt(tx.textRoom(digitsMax), pos, 10))
}
