package dirty

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
)

// Key is what is dirty of one key. In an arena it is the head of a record: behind it are
// its name and its rows, one behind the other.
type Key struct {
	words   uint16 // of the record
	nameLen uint16
	rowsLen uint16
	count   uint8 // of the rows
	flags   uint8
}

// keyHead is the size of a Key.
const keyHead = int(unsafe.Sizeof(Key{}))

// What the flags of a Key say.
const (
	keyCleared = 1 << iota
	keyRemoved // a row is, or was, Delete or Gone
	keyBig     // it is that of a bigKey
	keyGap     // it is no more
)

// bigKey is a key that is too large for a record. Of its Key the flags alone mean something.
type bigKey struct {
	Key
	name  string
	few   []byte    // the first rows, one behind the other
	run   run       // those that came next, until one is looked for
	many  *rowTable // from then on
	count uint32    // of all
}

// fewRows is the most rows that are gone over, and fewBytes the most that they may take if
// there are several: one that changes its size moves those behind it.
const fewRows, fewBytes = 12, 2 << 10

func (k *Key) big() *bigKey {
	if k.flags&keyBig == 0 {
		return nil
	}
	return (*bigKey)(unsafe.Pointer(k))
}

// room returns what is behind the head of a record.
func (k *Key) room() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(k), keyHead)), int(k.words)*wordBytes-keyHead)
}

// bytes returns the name and the rows of a record.
func (k *Key) bytes() []byte { return k.room()[:int(k.nameLen)+int(k.rowsLen)] }

// few returns the rows that are one behind the other, with the room behind them as their
// capacity.
func (k *Key) few() []byte {
	if b := k.big(); b != nil {
		return b.few
	}
	return k.room()[k.nameLen:][:k.rowsLen]
}

func (k *Key) many() *rowTable {
	if b := k.big(); b != nil {
		return b.many
	}
	return nil
}

// rows returns how many rows there are.
func (k *Key) rows() int {
	if b := k.big(); b != nil {
		return int(b.count)
	}
	return int(k.count)
}

func (k *Key) addRows(n int) {
	if b := k.big(); b != nil {
		b.count += uint32(n)
		return
	}
	k.count += uint8(n)
}

// Name returns the key.
func (k *Key) Name() string {
	if b := k.big(); b != nil {
		return b.name
	}
	return unsafe.String((*byte)(unsafe.Add(unsafe.Pointer(k), keyHead)), int(k.nameLen))
}

// Cleared reports whether all of the key's rows go before those that are held here
// are written.
func (k *Key) Cleared() bool { return k.flags&keyCleared != 0 }

// Row returns what is dirty of one row; ok is false if nothing is.
func (k *Key) Row(table uint16, name string) (r Row, ok bool) {
	var buf [64]byte
	id := appendID(buf[:0], table, name)
	if row := k.row(k.find(id)); row != nil {
		return viewOf(row), true
	}
	b := k.big()
	if b == nil {
		return Row{}, false
	}
	b.run.each(func(row []byte) bool { // others may be reading the key: it stays as it is
		if ok = hasID(row, id); ok {
			r = viewOf(row)
		}
		return !ok
	})
	return r, ok
}

// Each yields every dirty row, in no order.
func (k *Key) Each(yield func(Row) bool) {
	for row := range k.all {
		if !yield(viewOf(row)) {
			return
		}
	}
}

// all is Each for their bytes.
func (k *Key) all(yield func([]byte) bool) {
	if !eachRow(k.few(), yield) {
		return
	}
	b := k.big()
	if b == nil || !b.run.each(yield) || b.many == nil {
		return
	}
	for row := range b.many.all {
		if !yield(rowOf(row)) {
			return
		}
	}
}

// ops returns the operations that the key stands for.
func (k *Key) ops() int {
	if k.Cleared() {
		return k.rows() + 1
	}
	return k.rows()
}

// size returns what the key costs, estimated.
func (k *Key) size() int64 {
	n := keyOverhead + int64(len(k.Name())) + k.overhead()
	for row := range k.all {
		n += int64(len(row))
	}
	return n
}

// overhead is what a key costs for being big.
func (k *Key) overhead() int64 {
	b := k.big()
	if b == nil {
		return 0
	}
	n := int64(bigOverhead)
	if b.many != nil {
		n += rowOverhead * int64(b.many.n)
	}
	if last := len(b.run) - 1; last >= 0 {
		n += partOverhead*int64(len(b.run)) + int64(cap(b.run[last])-len(b.run[last]))
	}
	return n
}

// noRow is the place of a row, or of a key, that is not there.
const noRow = -1

// find returns the place of a row: where it begins in few, or below noRow if it is in many.
// It does not find those of a run.
func (k *Key) find(id []byte) int {
	few := k.few()
	for at := 0; at < len(few); {
		if hasID(few[at:], id) {
			return at
		}
		at += rowSize(few[at:])
	}
	if many := k.many(); many != nil {
		if slot := many.find(id); slot != noRow {
			return placeOf(slot)
		}
	}
	return noRow
}

// placeOf returns the place of the row in a slot of many, and that slot for a place.
func placeOf(slot int) int { return noRow - 1 - slot }

// row returns the bytes of the row at a place, or nil.
func (k *Key) row(at int) []byte {
	if at == noRow {
		return nil
	}
	if at < noRow {
		return rowOf(k.many().slots[placeOf(at)].to)
	}
	few := k.few()[at:]
	return few[:rowSize(few)]
}

// Changes of a key move it when it needs more room, so its keyMap makes them, in the slot
// where the key is.

// newKey puts in a key, whose name is not there, and returns its slot.
func (m *keyMap) newKey(hash uint64, name string) int {
	words := recordWords(len(name))
	if words > recordMax {
		return m.insert(hash, m.putBig(&bigKey{Key: Key{flags: keyBig}, name: strings.Clone(name)}))
	}
	r, k := m.take(words)
	k.nameLen = uint16(copy(k.room(), name))
	return m.insert(hash, r)
}

// dropKey takes out the key in a slot.
func (m *keyMap) dropKey(i int) {
	r := m.slots[i].ref()
	m.vacate(i)
	m.drop(r)
}

// roomFor gives the key in a slot room for so many bytes of rows.
func (m *keyMap) roomFor(i, rows int) *Key {
	r := m.slots[i].ref()
	k := m.at(r)
	if k.flags&keyBig != 0 {
		return k
	}
	words := recordWords(int(k.nameLen) + rows)
	if words <= int(k.words) || words <= recordMax && m.extend(r, k, words) {
		return k
	}
	if words > recordMax {
		return &m.enlarge(i).Key
	}
	m.move(i, min(words+words/2, recordMax)) // what grew once will again
	return m.key(i)
}

// move gives the key in a slot another record.
func (m *keyMap) move(i, words int) {
	r := m.slots[i].ref()
	to := m.copyOf(m.at(r), words)
	m.drop(r)
	m.slots[i] = slot(uint64(m.slots[i])&^(1<<32-1) | uint64(to))
}

// enlarge makes the key in a slot one that is by itself.
func (m *keyMap) enlarge(i int) *bigKey {
	r := m.slots[i].ref()
	k := m.at(r)
	if b := k.big(); b != nil {
		return b
	}
	b := &bigKey{Key: Key{flags: k.flags | keyBig}, name: strings.Clone(k.Name()), few: slices.Clone(k.few()), count: uint32(k.count)}
	m.drop(r)
	m.slots[i] = slot(uint64(m.slots[i])&^(1<<32-1) | uint64(m.putBig(b)))
	m.untidy = true // no other record may come for long
	return b
}

// detach gives the key in a slot bytes of its own in place of those that others may be
// reading.
func (m *keyMap) detach(i int) {
	k := m.key(i)
	if b := k.big(); b != nil {
		b.few = slices.Clone(b.few)
		return
	}
	m.move(i, int(k.words))
}

// addRow puts in a row that the key in a slot does not have: the id is its, r has the rest
// but the cells, which are sorted. It returns the row's length.
func (m *keyMap) addRow(i int, id []byte, r Row, cells []change.Cell) int {
	k := m.key(i)
	body := bodySize(id, r.Seq, cells)
	size := body + change.UvarintSize(uint64(body))
	switch b := k.big(); {
	case b != nil && b.many != nil:
		b.many.put(id, appendRow(make([]byte, 0, size), body, id, r, cells))
	case b != nil && b.run != nil || k.rows() > 0 && (k.rows() == fewRows || len(k.few()) > fewBytes):
		b = m.enlarge(i)
		part := b.run.roomFor(size)
		*part = appendRow(*part, body, id, r, cells)
		k = &b.Key
	default:
		k = m.roomFor(i, len(k.few())+size)
		k.setFew(appendRow(k.few(), body, id, r, cells))
	}
	k.addRows(1)
	k.note(r.State)
	return size
}

// setFew takes rows for those that are one behind the other. In a record they are there
// already.
func (k *Key) setFew(few []byte) {
	if b := k.big(); b != nil {
		b.few = few
		return
	}
	k.rowsLen = uint16(len(few))
}

// note keeps in mind that a row gets a state.
func (k *Key) note(s State) {
	if s == Delete || s == Gone {
		k.flags |= keyRemoved
	}
}

// replaceRow gives the row at a place in the key in a slot another state and other cells.
// row is the row as it becomes; its bytes are copied. It returns by how much it is longer.
func (m *keyMap) replaceRow(i, at int, state State, row []byte) int {
	k := m.key(i)
	k.note(state)
	was := len(k.row(at))
	if at < noRow {
		k.many().slots[placeOf(at)].to = unsafe.SliceData(slices.Clone(row))
		return len(row) - was
	}
	if b := k.big(); b != nil && b.count == 1 {
		b.few = slices.Clone(row)
		return len(row) - was
	}
	k = m.roomFor(i, len(k.few())-was+len(row))
	k.setFew(slices.Replace(k.few(), at, at+was, row...))
	return len(row) - was
}

// removeRow takes out the row at a place. It returns its length.
func (k *Key) removeRow(at int) int {
	size := len(k.row(at))
	k.addRows(-1)
	if at < noRow {
		k.many().remove(placeOf(at))
	} else {
		k.setFew(slices.Delete(k.few(), at, at+size))
	}
	return size
}
