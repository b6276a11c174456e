package dirty

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/lullcache/lull/internal/change"
)

// State says what becomes of a row.
type State uint8

// The states of a row.
const (
	// Put: the row gets the values in Cells; what is not in them stays.
	Put State = iota + 1
	// Append: the row is inserted, in the order of Seq among those of its table.
	Append
	// Delete: the row goes.
	Delete
	// Recreate: the row goes and another with these Cells takes its place.
	Recreate
	// Gone: SQL will not hold the row once earlier cuts are in, so nothing is to be
	// done. It is kept since a further deletion that knows nothing of the row must
	// not become work, or a cut would depend on how it was put together.
	Gone
)

// Row is what is dirty of one row. Its strings are those of the set: they are valid until
// the set changes, in a Cut for as long as the row is wanted.
type Row struct {
	Table uint16
	Name  string // the row's tuple
	State State
	// Known is what was known of the row when the first change that is held came to
	// it; Absent for Append and Recreate.
	Known change.Known
	// Seq is the place of an Append, or of the one that a Recreate came from; else 0.
	Seq   uint64
	Cells Cells
	Ref   RowRef
}

// RowRef is where a row of a Cut is. It is good for as long as nothing is merged into the
// Cut.
type RowRef struct{ first *byte }

// Row returns the row.
func (r RowRef) Row() Row { return viewOf(rowOf(r.first)) }

// Cells are cells sorted by column, without repeats, as change.AppendCell writes them.
type Cells string

// AppendTo appends the cells to dst. Their strings share the bytes of cells.
func (cells Cells) AppendTo(dst []change.Cell) []change.Cell {
	for len(cells) > 0 {
		c, size := change.CellAt(string(cells))
		dst, cells = append(dst, c), cells[size:]
	}
	return dst
}

// Len returns the number of cells.
func (cells Cells) Len() (n int) {
	for ; len(cells) > 0; n++ {
		_, size := change.CellAt(string(cells))
		cells = cells[size:]
	}
	return n
}

// A set keeps a row as bytes:
//
//	size    uvarint, of all that follows
//	id      table: uvarint; length of the row's tuple: uvarint; the tuple
//	head    state | known << headKnown | headSeq if there is a seq
//	seq     8 bytes, little-endian
//	cells   to the end
const (
	headState = 0x07
	headKnown = 3 // bits
	headSeq   = 0x20
)

// appendID appends what a row is found by. No id is the beginning of another.
func appendID(dst []byte, table uint16, name string) []byte {
	dst = binary.AppendUvarint(dst, uint64(table))
	dst = binary.AppendUvarint(dst, uint64(len(name)))
	return append(dst, name...)
}

// bodySize is the size of a row of these parts without that of the size before it.
func bodySize(id []byte, seq uint64, cells []change.Cell) int {
	size := len(id) + 1
	if seq != 0 {
		size += 8
	}
	for i := range cells {
		size += change.CellSize(&cells[i])
	}
	return size
}

// appendRow appends a row: the id is its, r has the rest but the cells. body is the row's
// bodySize.
func appendRow(dst []byte, body int, id []byte, r Row, cells []change.Cell) []byte {
	dst = append(binary.AppendUvarint(dst, uint64(body)), id...)
	head := byte(r.State) | byte(r.Known)<<headKnown
	if r.Seq != 0 {
		dst = binary.LittleEndian.AppendUint64(append(dst, head|headSeq), r.Seq)
	} else {
		dst = append(dst, head)
	}
	for i := range cells {
		dst = change.AppendCell(dst, &cells[i])
	}
	return dst
}

// rowSize returns the length of the row that b begins with.
func rowSize(b []byte) int {
	if b[0] < 0x80 {
		return 1 + int(b[0])
	}
	size, w := binary.Uvarint(b)
	return w + int(size)
}

// idAt returns where in a row its id begins.
func idAt(row []byte) int {
	at := 0
	for row[at] >= 0x80 {
		at++
	}
	return at + 1
}

// idOf returns the id of a row.
func idOf(row []byte) []byte {
	row = row[idAt(row):]
	_, table := binary.Uvarint(row)
	size, w := binary.Uvarint(row[table:])
	return row[:table+w+int(size)]
}

// hasID reports whether a row has that id.
func hasID(row, id []byte) bool { return bytes.HasPrefix(row[idAt(row):], id) }

// cellsOf returns the cells of a row whose head is at head.
func cellsOf(row []byte, head int) []byte {
	if row[head]&headSeq != 0 {
		head += 8
	}
	return row[head+1:]
}

// viewOf returns the row as a Row that shares its bytes.
func viewOf(row []byte) Row {
	s := textOf(row)
	s = s[idAt(row):]
	table, w := change.Uvarint(s)
	s = s[w:]
	size, w := change.Uvarint(s)
	s = s[w:]
	r := Row{Table: uint16(table), Name: s[:size], Ref: RowRef{unsafe.SliceData(row)}}
	s = s[size:]
	head := s[0]
	r.State, r.Known = State(head&headState), change.Known(head>>headKnown&3)
	s = s[1:]
	if head&headSeq != 0 {
		var seq [8]byte
		copy(seq[:], s)
		r.Seq, s = binary.LittleEndian.Uint64(seq[:]), s[8:]
	}
	r.Cells = Cells(s)
	return r
}

// overwrite gives cells, the tail of a row, the values of with, if those take just the
// room of the ones that are there. If it reports false some may have been written: laying
// all of with over them then is the same as if none had been.
func overwrite(cells []byte, with []change.Cell) bool {
	at := 0
	for i := range with {
		for {
			if at == len(cells) {
				return false
			}
			col, size := change.CellSpan(textOf(cells[at:]))
			if col == with[i].Col && size == change.CellSize(&with[i]) {
				change.AppendCell(cells[at:at:at+size], &with[i])
				at += size
				break
			}
			if col >= with[i].Col {
				return false
			}
			at += size
		}
	}
	return true
}

// remove makes r what it is after a deletion.
func (r *Row) remove() {
	if r.State == Append || r.State == Gone || r.State == Put && r.Known == change.Absent {
		r.State, r.Known = Gone, change.Absent
	} else {
		r.State, r.Known = Delete, change.Unknown
	}
	r.Seq, r.Cells = 0, ""
}

// putOver makes r's state what it is after a Set or an Append at seq; the caller
// merges the cells.
func (r *Row) putOver(isAppend bool, seq uint64) {
	if r.State != Delete && r.State != Gone {
		return
	}
	switch {
	case r.State == Delete:
		r.State = Recreate
	case isAppend:
		r.State = Append
	default:
		r.State = Put
	}
	if r.Known = change.Absent; isAppend {
		r.Seq = seq
	}
}

// mergeCells lays cells, in any order, over those in onto, which are sorted.
func mergeCells(onto, cells []change.Cell) []change.Cell {
	for i := range cells {
		at := len(onto)
		for at > 0 && onto[at-1].Col >= cells[i].Col {
			at--
		}
		if at < len(onto) && onto[at].Col == cells[i].Col {
			onto[at].Val = cells[i].Val
		} else {
			onto = slices.Insert(onto, at, cells[i])
		}
	}
	return onto
}

// sorted reports whether cells are sorted, without repeats.
func sorted(cells []change.Cell) bool {
	for i := 1; i < len(cells); i++ {
		if cells[i-1].Col >= cells[i].Col {
			return false
		}
	}
	return true
}
