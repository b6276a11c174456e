package change

import (
	"fmt"
	"math"

	"github.com/lullcache/lull/value"
)

// Part is a change of a unit whose record was looked through, but for what is in it: that is
// decoded later, perhaps elsewhere. It has no pointers, and its places are those in the
// text in which the record stands.
type Part struct {
	Table            uint16
	DB               uint8
	head             byte
	keyFrom, keyTo   uint32
	restFrom, restTo uint32 // row and cells
}

// SplitParts appends the changes of a unit's record to into[:0]; the record begins at a place of the
// text. It finds all that DecodeUnit would find damaged, so Change cannot fail.
func SplitParts(rec string, at int, into []Part) (unixMs int64, parts []Part, err error) {
	d, err := decoderOf(rec, Unit)
	if err != nil {
		return 0, nil, err
	}
	unixMs = d.varint()
	parts = into[:0]
	for d.err == nil && len(d.s) > 0 {
		parts = append(parts, Part{})
		d.part(parts, at)
	}
	return unixMs, parts, d.err
}

// Op is the kind of the change.
func (p *Part) Op() Op { return Op(p.head & headOp) }

// Key is the change's key, a part of the text.
func (p *Part) Key(text string) string { return text[p.keyFrom:p.keyTo] }

// KeyIn is Key for who has the record alone, and where it begins in the text.
func (p *Part) KeyIn(rec string, at int) string {
	return rec[int(p.keyFrom)-at : int(p.keyTo)-at]
}

// Span is the part of the text that Change reads.
func (p *Part) Span(text string) string { return text[p.keyFrom:p.restTo] }

// Change decodes the change. Its strings are parts of the text, its cells are appended to
// cells[:0].
func (p *Part) Change(text string, cells []Cell) (c Change, rest []Cell) {
	d := decoder{s: text[p.restFrom:p.restTo], what: Unit, cells: cells[:0]}
	c = Change{Op: p.Op(), Known: p.known(), Table: p.Table, DB: p.DB, Key: p.Key(text)}
	if p.head&headRow != 0 {
		c.Row = d.string()
	}
	if c.Op == Set || c.Op == Append {
		c.Cells = d.cellList()
	}
	if d.err != nil {
		panic(fmt.Sprintf("change: a part that was found well: %v", d.err))
	}
	return c, d.cells
}

func (p *Part) known() Known { return Known(p.head & headKnown >> knownShift) }

// part looks through a change, the last of parts.
func (d *decoder) part(parts []Part, at int) {
	p := &parts[len(parts)-1]
	p.head = d.byte()
	same, first := p.head&headSame != 0, len(parts) == 1
	if p.Op() < Set || p.Op() > ClearTable || p.known() > Absent || same && (p.head&headDB != 0 || first) {
		d.fail("unknown change")
		return
	}
	if same {
		before := &parts[len(parts)-2]
		p.Table, p.DB, p.keyFrom, p.keyTo = before.Table, before.DB, before.keyFrom, before.keyTo
	} else {
		table := d.uvarint()
		if table > math.MaxUint16 {
			d.fail("table number too high")
		}
		p.Table = uint16(table)
		if p.head&headDB != 0 {
			p.DB = d.byte()
		}
		n := len(d.string())
		p.keyTo = d.place(at)
		p.keyFrom = p.keyTo - uint32(n)
	}
	p.restFrom = d.place(at)
	if p.head&headRow != 0 {
		d.string()
	}
	if p.Op() == Set || p.Op() == Append {
		for n := d.uvarint(); n > 0 && d.err == nil; n-- {
			d.skipCell()
		}
	}
	p.restTo = d.place(at)
}

// place is how far the decoder is, in the text in which the record begins at a place.
func (d *decoder) place(at int) uint32 { return uint32(at + d.size - len(d.s)) }

// skipCell is cell for who does not want it.
func (d *decoder) skipCell() {
	n := d.uvarint()
	if n>>2 > math.MaxUint16 {
		d.fail("column number too high")
	}
	switch value.Kind(n & 3) {
	case value.Bytes:
		d.string()
	case value.Int:
		d.uvarint()
	case value.Float:
		if len(d.s) < 8 {
			d.fail("ends early")
			return
		}
		d.s = d.s[8:]
	}
}
