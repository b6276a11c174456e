package lull

import (
	"unsafe"

	"github.com/lullcache/lull/value"
)

// textsKeep is how much room for texts is kept from one unit to the next.
const textsKeep = 64 << 10

// text returns a copy of b for rows and cells of the unit's changes. It is good until the
// next unit begins: log and dirty sets copy what they take over. A string of its own would
// be garbage at once.
func (tx *Tx) text(b []byte) string { return tx.kept(append(tx.textRoom(len(b)), b...)) }

// textCell is a text as the value of a cell.
func (tx *Tx) textCell(b []byte) value.Value { return value.OfString(tx.text(b)) }

// textRoom returns an empty slice with room for n bytes, to be filled and given to kept.
func (tx *Tx) textRoom(n int) []byte {
	const roomMin = 512
	if cap(tx.texts)-len(tx.texts) < n {
		tx.texts = make([]byte, 0, max(n, 2*cap(tx.texts), roomMin)) // texts in the former one stay as they are
	}
	return tx.texts[len(tx.texts):]
}

// kept makes a text of what was appended to textRoom's slice.
func (tx *Tx) kept(b []byte) string {
	at := unsafe.SliceData(b)
	if at == unsafe.SliceData(tx.texts[len(tx.texts):]) { // not if it grew out of it
		tx.texts = tx.texts[:len(tx.texts)+len(b)]
	}
	return unsafe.String(at, len(b))
}

// dropTexts ends the life of all texts.
func (tx *Tx) dropTexts() {
	if cap(tx.texts) > textsKeep {
		tx.texts = nil
	}
	tx.texts = tx.texts[:0]
}
