package change

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Settled says what the database has: everything up to Position, and of the cut at
// Next, if that is not 0, the first Part operations.
type Settled struct {
	UnixMs               int64 // when, in milliseconds since 1970
	Position, Next, Part uint64
	// Away: a process wrote this that had not yet tried to take the lane, so the database
	// is where those before have left it.
	Away bool
	// Start is the id of the last start that had tried to take the lane, 0 if none had.
	Start uint64
	// Bounds are the later positions, rising, up to which the database may have
	// everything, or come to have: the ends of the cuts that wait.
	Bounds []uint64
}

// What the flags of a Settled say.
const (
	settledAway  = 1
	settledStart = 4 // and there is a start
)

// AppendSettled appends the record of s to dst.
func AppendSettled(dst []byte, s Settled) []byte {
	dst = append(dst, byte(SettledRecord))
	dst = binary.AppendVarint(dst, s.UnixMs)
	dst = binary.AppendUvarint(dst, s.Position)
	dst = binary.AppendUvarint(dst, s.Next)
	dst = binary.AppendUvarint(dst, s.Part)
	flags := boolByte(s.Away)
	if s.Start != 0 {
		flags |= settledStart
	}
	dst = append(dst, flags)
	if s.Start != 0 {
		dst = binary.AppendUvarint(dst, s.Start)
	}
	for _, b := range s.Bounds {
		dst = binary.AppendUvarint(dst, b)
	}
	return dst
}

// DecodeSettled decodes a record that AppendSettled made.
func DecodeSettled(rec []byte) (Settled, error) {
	d, err := decoderOf(string(rec), SettledRecord)
	if err != nil {
		return Settled{}, err
	}
	s := Settled{UnixMs: d.varint(), Position: d.uvarint(), Next: d.uvarint(), Part: d.uvarint()}
	if len(d.s) > 0 {
		flags := d.byte()
		s.Away = flags&settledAway != 0
		if flags&settledStart != 0 {
			s.Start = d.uvarint()
		}
	}
	for len(d.s) > 0 {
		s.Bounds = append(s.Bounds, d.uvarint())
	}
	return s, d.end()
}

// Gap says that the log has nothing of (From, To], since its disk failed, and that the
// database has all of it.
type Gap struct{ From, To uint64 }

// AppendGap appends the record of g to dst.
func AppendGap(dst []byte, g Gap) []byte {
	dst = append(dst, byte(GapRecord))
	dst = binary.AppendUvarint(dst, g.From)
	return binary.AppendUvarint(dst, g.To)
}

// DecodeGap decodes a record that AppendGap made.
func DecodeGap(rec []byte) (Gap, error) {
	d, err := decoderOf(string(rec), GapRecord)
	if err != nil {
		return Gap{}, err
	}
	g := Gap{From: d.uvarint(), To: d.uvarint()}
	return g, d.end()
}

// Checkpoint is the head of a dirty set written out: the coalesced changes of
// (Base, Position].
type Checkpoint struct {
	UnixMs         int64 // when, in milliseconds since 1970
	Base, Position uint64
}

// AppendCheckpointBegin appends the record that opens a checkpoint to dst.
func AppendCheckpointBegin(dst []byte, c Checkpoint) []byte {
	dst = append(dst, byte(CheckpointBegin))
	dst = binary.AppendVarint(dst, c.UnixMs)
	dst = binary.AppendUvarint(dst, c.Base)
	return binary.AppendUvarint(dst, c.Position)
}

// DecodeCheckpointBegin decodes a record that AppendCheckpointBegin made.
func DecodeCheckpointBegin(rec []byte) (Checkpoint, error) {
	d, err := decoderOf(string(rec), CheckpointBegin)
	if err != nil {
		return Checkpoint{}, err
	}
	c := Checkpoint{UnixMs: d.varint(), Base: d.uvarint(), Position: d.uvarint()}
	return c, d.end()
}

// Placed is a change with its place in the order of all changes (see
// dirty.SeqOf).
type Placed struct {
	Seq uint64
	Change
}

// AppendCheckpointChunk appends a record of some of a checkpoint's changes to dst.
func AppendCheckpointChunk(dst []byte, changes []Placed) []byte {
	dst = append(dst, byte(CheckpointChunk))
	for i := range changes {
		var before *Change
		if i > 0 {
			before = &changes[i-1].Change
		}
		dst = binary.AppendUvarint(dst, changes[i].Seq)
		dst = appendChange(dst, before, &changes[i].Change)
	}
	return dst
}

// DecodeCheckpointChunk decodes a record that AppendCheckpointChunk made and
// appends its changes to into[:0]; see DecodeUnit.
func DecodeCheckpointChunk(rec []byte, into []Placed) ([]Placed, error) {
	d, err := decoderOf(string(rec), CheckpointChunk)
	if err != nil {
		return nil, err
	}
	into = into[:0]
	for d.err == nil && len(d.s) > 0 {
		into = append(into, Placed{Seq: d.uvarint()})
		d.change(&into[len(into)-1].Change)
	}
	return into, d.err
}

// AppendCheckpointEnd appends the record that closes a checkpoint of the given
// position and number of changes to dst.
func AppendCheckpointEnd(dst []byte, position, changes uint64) []byte {
	dst = append(dst, byte(CheckpointEnd))
	dst = binary.AppendUvarint(dst, position)
	return binary.AppendUvarint(dst, changes)
}

// DecodeCheckpointEnd decodes a record that AppendCheckpointEnd made.
func DecodeCheckpointEnd(rec []byte) (position, changes uint64, err error) {
	d, err := decoderOf(string(rec), CheckpointEnd)
	if err != nil {
		return 0, 0, err
	}
	position, changes = d.uvarint(), d.uvarint()
	return position, changes, d.end()
}

// AppendDictionary appends the record of def to dst.
func AppendDictionary(dst []byte, def Dictionary) []byte {
	dst = append(dst, byte(DictionaryRecord))
	dst = binary.AppendUvarint(dst, uint64(len(def)))
	for i := range def {
		t := &def[i]
		dst = appendString(dst, t.Mapping)
		dst = appendString(dst, t.Schema)
		dst = appendString(dst, t.Name)
		dst = binary.AppendUvarint(dst, uint64(t.Space))
		dst = append(dst, boolByte(t.PerDB))
		for _, names := range [...][]string{t.KeyColumns, t.RowColumns, t.Columns} {
			dst = binary.AppendUvarint(dst, uint64(len(names)))
			for _, n := range names {
				dst = appendString(dst, n)
			}
		}
	}
	return dst
}

// DecodeDictionary decodes a record that AppendDictionary made.
func DecodeDictionary(rec []byte) (Dictionary, error) {
	d, err := decoderOf(string(rec), DictionaryRecord)
	if err != nil {
		return nil, err
	}
	var def Dictionary
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		def = append(def, d.table())
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return def, nil
}

func (d *decoder) table() TableDef {
	t := TableDef{Mapping: d.string(), Schema: d.string(), Name: d.string()}
	space := d.uvarint()
	if space > math.MaxUint16 {
		d.fail("space number too high")
	}
	t.Space = uint16(space)
	perDB := d.byte()
	if perDB > 1 {
		d.fail("bad flag")
	}
	t.PerDB = perDB == 1
	t.KeyColumns, t.RowColumns, t.Columns = d.names(), d.names(), d.names()
	return t
}

func (d *decoder) names() (names []string) {
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		names = append(names, d.string())
	}
	return names
}

// end checks that nothing is left of the record.
func (d *decoder) end() error {
	if d.err == nil && len(d.s) > 0 {
		return fmt.Errorf("%s record: %w: %d bytes too many", d.what, ErrDamaged, len(d.s))
	}
	return d.err
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
