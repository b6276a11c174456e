package wal

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
)

// The numbers of the format; the package comment draws it.
const (
	formatVersion = 1

	headerSize   = 128  // bytes of a segment header
	headerCopyAt = 512  // the second header, in another sector
	frameStart   = 1024 // the first frame
	frameHeader  = 16
	frameAlign   = 8
	markSize     = 16 // data of a mark

	segmentBytesMin = 4 << 10
	segmentBytesMax = 1 << 31
	recordBytesMax  = 1 << 30
)

// kind says what a frame is: four letters, to be seen in a hex dump.
type kind uint32

const (
	kindRecord   kind = 'R' | 'E'<<8 | 'C'<<16 | 'O'<<24
	kindFirst    kind = 'F' | 'R'<<8 | 'S'<<16 | 'T'<<24
	kindMiddle   kind = 'M' | 'I'<<8 | 'D'<<16 | 'L'<<24
	kindLast     kind = 'L' | 'A'<<8 | 'S'<<16 | 'T'<<24
	kindMark     kind = 'M' | 'A'<<8 | 'R'<<16 | 'K'<<24
	kindPreamble kind = 'P' | 'R'<<8 | 'E'<<16 | 'A'<<24
	kindLost     kind = 'L' | 'O'<<8 | 'S'<<16 | 'T'<<24 // put by Repair where records were
)

func (k kind) known() bool {
	switch k {
	case kindRecord, kindFirst, kindMiddle, kindLast, kindMark, kindPreamble, kindLost:
		return true
	}
	return false
}

func (k kind) String() string {
	switch k {
	case kindRecord:
		return "record"
	case kindFirst:
		return "first part"
	case kindMiddle:
		return "middle part"
	case kindLast:
		return "last part"
	case kindMark:
		return "mark"
	case kindPreamble:
		return "preamble"
	case kindLost:
		return "lost"
	}
	return fmt.Sprintf("unknown kind %#08x", uint32(k))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// magic begins every segment in every version of the format, with the version and
// a CRC of both behind it.
const magic = "LULLWAL\n"

type logID [16]byte

func (id logID) String() string { return hex.EncodeToString(id[:]) }

func parseLogID(s string) (id logID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("log id %q: want 32 hexadecimal digits", s)
	}
	return logID(b), nil
}

// header is what a segment says about itself and its predecessor.
type header struct {
	id      logID
	number  uint64   // rises by at least one from segment to segment; never used twice
	base    Position // of the file's first byte
	size    int64    // of the file
	prev    uint64   // number of the predecessor, 0 for none
	prevEnd Position // records of the predecessor that end later are void
	after   Position // the records here come after this; above prevEnd if Repair found segments missing
	durable Position // all bytes below were on the disk when this was written
	carried uint64   // bytes of the unfinished record that goes on here
	created int64    // Unix nanoseconds
	// preamble is the CRC of the preamble's data, 0 if there is none: should it be lost,
	// another segment may have the same.
	preamble uint32
}

func (h *header) encode() []byte {
	b := make([]byte, 0, headerSize)
	le := binary.LittleEndian
	b = append(b, magic...)
	b = le.AppendUint32(b, formatVersion)
	b = le.AppendUint32(b, crc32.Checksum(b, castagnoli))
	b = append(b, h.id[:]...)
	for _, v := range []uint64{
		h.number, uint64(h.base), uint64(h.size), h.prev, uint64(h.prevEnd),
		uint64(h.after), uint64(h.durable), h.carried, uint64(h.created),
	} {
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(b, h.preamble)
	b = b[:headerSize-4]
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// headerState is what decodeHeader found.
type headerState int

const (
	headerBlank headerState = iota // zeros: allocated, not used
	headerValid
	headerBroken
	headerNewer // a valid beginning with a version that this program does not know
)

// decodeHeader reads a header. For headerNewer, version is the one that is needed.
func decodeHeader(b []byte) (h header, state headerState, version uint32) {
	le := binary.LittleEndian
	if blank(b[:headerSize]) {
		return h, headerBlank, 0
	}
	if string(b[:8]) != magic || le.Uint32(b[12:]) != crc32.Checksum(b[:12], castagnoli) {
		return h, headerBroken, 0
	}
	if version = le.Uint32(b[8:]); version != formatVersion {
		return h, headerNewer, version
	}
	if le.Uint32(b[headerSize-4:]) != crc32.Checksum(b[:headerSize-4], castagnoli) {
		return h, headerBroken, version
	}
	copy(h.id[:], b[16:])
	word := func(i int) uint64 { return le.Uint64(b[32+8*i:]) }
	h.number, h.base, h.size = word(0), Position(word(1)), int64(word(2))
	h.prev, h.prevEnd, h.after = word(3), Position(word(4)), Position(word(5))
	h.durable, h.carried, h.created = Position(word(6)), word(7), int64(word(8))
	h.preamble = le.Uint32(b[104:])
	return h, headerValid, version
}

func blank(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if string(b[:n]) != string(zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

// zeros is what segments are filled with. Never written to.
var zeros [256 << 10]byte

// seedOf is where the CRC of every frame in a segment starts, so that frames of an
// earlier life of the same disk blocks do not pass.
func seedOf(id logID, number uint64) uint32 {
	var b [24]byte
	copy(b[:], id[:])
	binary.LittleEndian.PutUint64(b[16:], number)
	return crc32.Checksum(b[:], castagnoli)
}

// frameSize is what n bytes of data take in a segment.
func frameSize(n int) int64 {
	return frameHeader + (int64(n)+frameAlign-1)&^(frameAlign-1)
}

// putFrameHeader writes the header of a frame at offset off into b. The offset goes
// into the CRC, so that a frame passes only where it was written.
func putFrameHeader(b []byte, seed uint32, off int64, k kind, n int, dataSum uint32) {
	le := binary.LittleEndian
	le.PutUint32(b[4:], uint32(n))
	le.PutUint32(b[8:], uint32(k))
	le.PutUint32(b[12:], dataSum)
	le.PutUint32(b[0:], frameSum(b, seed, off))
}

func frameSum(b []byte, seed uint32, off int64) uint32 {
	return crc32.Update(seed, castagnoli, b[4:frameHeader]) ^ uint32(off)
}

// frame is one frame of a segment.
type frame struct {
	kind kind
	off  int64  // in the file
	next int64  // offset behind it
	data []byte // shared with the reader's buffer
}

// mark is the data of a kindMark frame.
type mark struct {
	durable Position // all bytes below were on the disk when this was written
	base    Position // of the segment, in case its header is lost
}

func (m mark) encode(b *[markSize]byte) {
	binary.LittleEndian.PutUint64(b[0:], uint64(m.durable))
	binary.LittleEndian.PutUint64(b[8:], uint64(m.base))
}

func decodeMark(b []byte) (mark, bool) {
	if len(b) != markSize {
		return mark{}, false
	}
	return mark{
		durable: Position(binary.LittleEndian.Uint64(b[0:])),
		base:    Position(binary.LittleEndian.Uint64(b[8:])),
	}, true
}
