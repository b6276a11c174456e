package dirty

import (
	"slices"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
)

// Key is what is dirty of one key.
type Key struct {
	name    string
	hash    uint64    // of name, see package keyhash
	few     []byte    // the rows, one behind the other
	many    *rowTable // the rows, once they were too many for few
	count   uint32    // of the rows
	cleared bool
	removed bool // a row is, or was, Delete or Gone
}

// fewRows is the most rows that are gone over, and fewBytes the most that they may take if
// there are several: one that changes its size moves those behind it.
const fewRows, fewBytes = 12, 2 << 10

// Name returns the key.
func (k *Key) Name() string { return k.name }

// Cleared reports whether all of the key's rows go before those that are held here
// are written.
func (k *Key) Cleared() bool { return k.cleared }

// Row returns what is dirty of one row; ok is false if nothing is.
func (k *Key) Row(table uint16, name string) (r Row, ok bool) {
	var buf [64]byte
	row := k.row(k.find(appendID(buf[:0], table, name)))
	if row == nil {
		return Row{}, false
	}
	return viewOf(row), true
}

// Each yields every dirty row, in no order.
func (k *Key) Each(yield func(Row) bool) {
	for rest := k.few; len(rest) > 0; {
		size := rowSize(rest)
		if !yield(viewOf(rest[:size])) {
			return
		}
		rest = rest[size:]
	}
	if k.many == nil {
		return
	}
	for row := range k.many.all {
		if !yield(viewOf(rowOf(row))) {
			return
		}
	}
}

// ops returns the operations that the key stands for.
func (k *Key) ops() int {
	if k.cleared {
		return int(k.count) + 1
	}
	return int(k.count)
}

// bytes returns what the key's rows hold.
func (k *Key) bytes() (n int64) {
	for rest := k.few; len(rest) > 0; {
		size := rowSize(rest)
		n, rest = n+rowBytes(rest[:size]), rest[size:]
	}
	if k.many != nil {
		for row := range k.many.all {
			n += rowBytes(rowOf(row))
		}
	}
	return n
}

// noRow is the place of a row that is not there.
const noRow = -1

// find returns the place of a row: where it begins in few, or its slot in many.
func (k *Key) find(id []byte) int {
	if k.many != nil {
		return k.many.find(id)
	}
	for at := 0; at < len(k.few); {
		if hasID(k.few[at:], id) {
			return at
		}
		at += rowSize(k.few[at:])
	}
	return noRow
}

// row returns the bytes of the row at a place, or nil.
func (k *Key) row(at int) []byte {
	switch {
	case at == noRow:
		return nil
	case k.many != nil:
		return rowOf(k.many.slots[at].to)
	}
	return k.few[at : at+rowSize(k.few[at:])]
}

// add puts in a row that is not there: the id is its, r has the rest but the cells, which
// are sorted. It returns the row's bytes.
func (k *Key) add(id []byte, r Row, cells []change.Cell) []byte {
	if k.many == nil && k.count > 0 && (k.count == fewRows || len(k.few) > fewBytes) {
		k.spread()
	}
	k.count++
	k.removed = k.removed || r.State == Delete || r.State == Gone
	if k.many != nil {
		row := appendRow(nil, id, r.State, r.Known, r.Seq, cells)
		k.many.put(id, row)
		return row
	}
	at := len(k.few)
	k.few = appendRow(k.few, id, r.State, r.Known, r.Seq, cells)
	return k.few[at:]
}

// spread gives each row a place of its own.
func (k *Key) spread() {
	k.many = new(rowTable)
	k.many.reserve(2 * fewRows)
	for rest := k.few; len(rest) > 0; {
		size := rowSize(rest)
		row := slices.Clone(rest[:size])
		k.many.put(idOf(row), row)
		rest = rest[size:]
	}
	k.few = nil
}

// replace gives the row at a place, whose id it is, another state and other cells.
func (k *Key) replace(at int, id []byte, r Row, cells []change.Cell) {
	k.removed = k.removed || r.State == Delete || r.State == Gone
	if k.many != nil {
		k.many.slots[at].to = unsafe.SliceData(appendRow(nil, id, r.State, r.Known, r.Seq, cells))
		return
	}
	var buf [256]byte
	if k.count == 1 && len(k.few) > len(buf) {
		k.few = appendRow(nil, id, r.State, r.Known, r.Seq, cells)
		return
	}
	row := appendRow(buf[:0], id, r.State, r.Known, r.Seq, cells)
	k.few = slices.Replace(k.few, at, at+rowSize(k.few[at:]), row...)
}

// remove takes out the row at a place.
func (k *Key) remove(at int) {
	k.count--
	if k.many != nil {
		k.many.remove(at)
		return
	}
	k.few = slices.Delete(k.few, at, at+rowSize(k.few[at:]))
}

// detach gives k rows of its own in place of those that others may be reading.
func (k *Key) detach() { k.few = slices.Clone(k.few) }
