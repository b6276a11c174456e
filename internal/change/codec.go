// # Log records
//
// A log record is a type byte and a body:
//
//	Unit             unixMs:varint  change*
//	Dictionary       tables:uvarint  table*
//	Settled          unixMs:varint  position:uvarint  next:uvarint  part:uvarint  away:byte  bound:uvarint*
//	CheckpointBegin  unixMs:varint  base:uvarint  position:uvarint
//	CheckpointChunk  (seq:uvarint  change)*
//	CheckpointEnd    position:uvarint  changes:uvarint
//	Gap              from:uvarint  to:uvarint
//
//	change  head:byte  [table:uvarint  [db:byte]  key:bytes]  [row:bytes]  [cells:uvarint  cell*]
//	cell    col<<2|kind:uvarint  payload
//	bytes   length:uvarint  byte*
//	table   mapping, schema, name:bytes  space:uvarint  perDB:byte  3 × (names:uvarint  bytes*)
//
//	head    bits 0-2  op
//	        bits 3-4  known
//	        bit  5    db is not 0 and follows the table
//	        bit  6    row is not empty and follows
//	        bit  7    table, db and key are those of the change before and do not follow
//
//	payload Null: none; Bytes: bytes; Int: varint; Float: 8 bytes, little endian
//
// Set and Append alone have cells. Changes fill the record to its end, so that
// no count has to be believed; where a count is written, nothing is allocated
// from it.
package change

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/lullcache/lull/value"
)

// RecordType is the first byte of a log record. The numbers are in the log:
// never reuse one.
type RecordType uint8

// The record types.
const (
	// Unit holds the changes of one atomic unit.
	Unit RecordType = 1
	// DictionaryRecord holds the tables that the numbers in later records mean.
	DictionaryRecord RecordType = 2
	// SettledRecord says what the database has.
	SettledRecord RecordType = 3
	// CheckpointBegin, CheckpointChunk and CheckpointEnd enclose a dirty set that
	// was written out whole. One without its end does not count.
	CheckpointBegin RecordType = 4
	CheckpointChunk RecordType = 5
	CheckpointEnd   RecordType = 6
	// GapRecord says what the log has lost, and the database has.
	GapRecord RecordType = 7

	lastRecordType = GapRecord
)

func (t RecordType) String() string {
	names := [...]string{"", "unit", "dictionary", "settled", "checkpoint begin", "checkpoint chunk", "checkpoint end", "gap"}
	if t == 0 || int(t) >= len(names) {
		return fmt.Sprintf("unknown record type %d", uint8(t))
	}
	return names[t]
}

// TypeOf returns the type of a record. A type that this version does not know is
// an ErrUnknownType that names it.
func TypeOf[T []byte | string](rec T) (RecordType, error) {
	if len(rec) == 0 {
		return 0, fmt.Errorf("record: %w: empty", ErrDamaged)
	}
	t := RecordType(rec[0])
	if t < Unit || t > lastRecordType {
		return t, fmt.Errorf("record: %w %d, known are %d to %d", ErrUnknownType, rec[0], Unit, lastRecordType)
	}
	return t, nil
}

const (
	headOp     = 0x07
	headKnown  = 0x18
	headDB     = 0x20
	headRow    = 0x40
	headSame   = 0x80
	knownShift = 3
)

// AppendUnit appends the record of one atomic unit, made at unixMs (milliseconds
// since 1970), to dst. It allocates nothing but what dst may need to grow.
func AppendUnit(dst []byte, unixMs int64, changes []Change) []byte {
	dst = append(dst, byte(Unit))
	dst = binary.AppendVarint(dst, unixMs)
	for i := range changes {
		var before *Change
		if i > 0 {
			before = &changes[i-1]
		}
		dst = appendChange(dst, before, &changes[i])
	}
	return dst
}

// DecodeUnit decodes a record that AppendUnit made and appends its changes to
// into[:0]. The strings share one copy of the record, the cells one slice. A
// record that is not a well-formed unit is an ErrDamaged or ErrUnknownType.
func DecodeUnit(rec []byte, into []Change) (unixMs int64, changes []Change, err error) {
	unixMs, changes, _, err = SplitUnit(string(rec), into, nil)
	return unixMs, changes, err
}

// SplitUnit is DecodeUnit without the copy: the strings are parts of rec. The cells are
// appended to cells.
func SplitUnit(rec string, into []Change, cells []Cell) (unixMs int64, changes []Change, rest []Cell, err error) {
	d, err := decoderOf(rec, Unit)
	if err != nil {
		return 0, nil, cells, err
	}
	d.cells = cells
	unixMs = d.varint()
	changes = into[:0]
	for d.err == nil && len(d.s) > 0 {
		changes = append(changes, Change{})
		d.change(&changes[len(changes)-1])
	}
	return unixMs, changes, d.cells, d.err
}

func appendChange(dst []byte, before, c *Change) []byte {
	head := byte(c.Op)&headOp | byte(c.Known)<<knownShift&headKnown
	same := before != nil && before.Table == c.Table && before.DB == c.DB && before.Key == c.Key
	if same {
		head |= headSame
	} else if c.DB != 0 {
		head |= headDB
	}
	if c.Row != "" {
		head |= headRow
	}
	dst = append(dst, head)
	if !same {
		dst = binary.AppendUvarint(dst, uint64(c.Table))
		if c.DB != 0 {
			dst = append(dst, c.DB)
		}
		dst = appendString(dst, c.Key)
	}
	if c.Row != "" {
		dst = appendString(dst, c.Row)
	}
	if c.Op != Set && c.Op != Append {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Cells)))
	for i := range c.Cells {
		dst = AppendCell(dst, &c.Cells[i])
	}
	return dst
}

// AppendCell appends a cell as records hold it: column<<2 | kind as a uvarint, then for a
// string its length as a uvarint and its bytes, for an integer a varint, for a float 8
// bytes, little-endian.
func AppendCell(dst []byte, c *Cell) []byte {
	kind := c.Val.Kind()
	dst = binary.AppendUvarint(dst, uint64(c.Col)<<2|uint64(kind))
	switch kind {
	case value.Bytes:
		return appendString(dst, c.Val.String())
	case value.Int:
		return binary.AppendVarint(dst, int64(c.Val.Bits()))
	case value.Float:
		return binary.LittleEndian.AppendUint64(dst, c.Val.Bits())
	}
	return dst
}

// CellSize returns how many bytes AppendCell appends.
func CellSize(c *Cell) int {
	n := UvarintSize(uint64(c.Col) << 2)
	switch c.Val.Kind() {
	case value.Bytes:
		size := c.Val.Size()
		n += UvarintSize(uint64(size)) + size
	case value.Int:
		i := int64(c.Val.Bits())
		n += UvarintSize(uint64(i)<<1 ^ uint64(i>>63))
	case value.Float:
		n += 8
	}
	return n
}

// CellSpan returns the column and the length of the cell that s, written by AppendCell,
// begins with.
func CellSpan(s string) (col uint16, size int) {
	head, n := Uvarint(s)
	switch value.Kind(head & 3) {
	case value.Bytes:
		length, w := Uvarint(s[n:])
		n += w + int(length)
	case value.Int:
		for s[n] >= 0x80 {
			n++
		}
		n++
	case value.Float:
		n += 8
	}
	return uint16(head >> 2), n
}

// CellAt returns the cell that s, written by AppendCell, begins with, and its length. A
// string shares the bytes of s.
func CellAt(s string) (c Cell, size int) {
	d := decoder{s: s}
	c = d.cell()
	return c, len(s) - len(d.s)
}

// UvarintSize returns how many bytes n takes as a uvarint.
func UvarintSize(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }

// Uvarint reads a uvarint that s begins with; its length is not above 0 if there is none.
func Uvarint(s string) (n uint64, size int) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint64(s[0]), 1
	}
	return uvarint(s)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// decoder takes a record apart from the front. After the first error, kept in
// err, every method returns a zero value.
type decoder struct {
	s     string // what is left
	size  int    // of the record, for messages
	what  RecordType
	err   error
	last  *Change // the change before; nil without one
	cells []Cell
}

func decoderOf(rec string, want RecordType) (decoder, error) {
	t, err := TypeOf(rec)
	if err != nil {
		return decoder{}, err
	}
	if t != want {
		return decoder{}, fmt.Errorf("record: %w: is a %s, want a %s", ErrDamaged, t, want)
	}
	return decoder{s: rec[1:], size: len(rec), what: t}, nil
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s record: %w: %s at byte %d of %d", d.what, ErrDamaged, what, d.size-len(d.s), d.size)
	}
	d.s = ""
}

func (d *decoder) byte() byte {
	if len(d.s) == 0 {
		d.fail("ends early")
		return 0
	}
	b := d.s[0]
	d.s = d.s[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	if len(d.s) > 0 && d.s[0] < 0x80 {
		n := d.s[0]
		d.s = d.s[1:]
		return uint64(n)
	}
	n, w := uvarint(d.s)
	if w <= 0 {
		d.fail("bad number")
		return 0
	}
	d.s = d.s[w:]
	return n
}

func (d *decoder) varint() int64 {
	n := d.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (d *decoder) string() string {
	n := d.uvarint()
	if n > uint64(len(d.s)) {
		d.fail("string is longer than the record")
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

// change decodes a change into c, which is empty.
func (d *decoder) change(c *Change) {
	head := d.byte()
	c.Op, c.Known = Op(head&headOp), Known(head&headKnown>>knownShift)
	if c.Op < Set || c.Op > ClearTable || c.Known > Absent || head&headSame != 0 && (head&headDB != 0 || d.last == nil) {
		d.fail("unknown change")
	}
	if head&headSame != 0 && d.last != nil {
		c.Table, c.DB, c.Key = d.last.Table, d.last.DB, d.last.Key
	} else {
		table := d.uvarint()
		if table > math.MaxUint16 {
			d.fail("table number too high")
		}
		c.Table = uint16(table)
		if head&headDB != 0 {
			c.DB = d.byte()
		}
		c.Key = d.string()
	}
	if head&headRow != 0 {
		c.Row = d.string()
	}
	if c.Op == Set || c.Op == Append {
		c.Cells = d.cellList()
	}
	d.last = c
}

func (d *decoder) cellList() []Cell {
	from := len(d.cells)
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		d.cells = append(d.cells, d.cell())
	}
	if len(d.cells) == from {
		return nil
	}
	return d.cells[from:len(d.cells):len(d.cells)]
}

func (d *decoder) cell() Cell {
	n := d.uvarint()
	if n>>2 > math.MaxUint16 {
		d.fail("column number too high")
	}
	c := Cell{Col: uint16(n >> 2)}
	switch value.Kind(n & 3) {
	case value.Bytes:
		c.Val = value.OfString(d.string())
	case value.Int:
		c.Val = value.OfInt(d.varint())
	case value.Float:
		if len(d.s) < 8 {
			d.fail("ends early")
			return c
		}
		c.Val = value.OfFloat(math.Float64frombits(le64(d.s)))
		d.s = d.s[8:]
	}
	return c
}

func le64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
