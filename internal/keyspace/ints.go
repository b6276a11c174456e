package keyspace

import (
	"encoding/binary"
	"math"
)

// A set of integers is a packed buffer of them in order, each 2, 4 or 8 bytes
// wide, as the widest needs. The width's exponent is in the bits of e.num above
// the buffer's counts. It has at most intsMax members, as Redis's intset.
const (
	intsMax        = 512
	intsWidthShift = 48
)

func (e *Entry) intsWidth() int { return 2 << (e.num >> intsWidthShift) }

func (e *Entry) intsAt(i int) int64 { return readInt(e.packed(), e.intsWidth(), i) }

func readInt(b []byte, width, i int) int64 {
	switch b = b[i*width:]; width {
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

func writeInt(b []byte, width, i int, n int64) {
	switch b = b[i*width:]; width {
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(n))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(n))
	default:
		binary.LittleEndian.PutUint64(b, uint64(n))
	}
}

// intsSearch returns where n is or would be.
func (e *Entry) intsSearch(n int64) (i int, found bool) {
	b, width := e.packed(), e.intsWidth()
	low, high := 0, e.packedLen()
	for low < high {
		mid := (low + high) / 2
		if readInt(b, width, mid) < n {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low, low < e.packedLen() && readInt(b, width, low) == n
}

func (e *Entry) intsHas(n int64) bool {
	_, found := e.intsSearch(n)
	return found
}

func (e *Entry) intsAdd(n int64) bool {
	i, found := e.intsSearch(n)
	if found {
		return false
	}
	e.intsWiden(n)
	width := e.intsWidth()
	b := splice(e.packed(), i*width, 0, width)
	writeInt(b, width, i, n)
	e.setPacked(b, e.packedLen()+1)
	return true
}

func (e *Entry) intsRemove(n int64) bool {
	i, found := e.intsSearch(n)
	if found {
		width := e.intsWidth()
		e.setPacked(splice(e.packed(), i*width, width, 0), e.packedLen()-1)
	}
	return found
}

// intsWiden makes the members wide enough for n.
func (e *Entry) intsWiden(n int64) {
	exponent := 2
	switch {
	case n >= math.MinInt16 && n <= math.MaxInt16:
		exponent = 0
	case n >= math.MinInt32 && n <= math.MaxInt32:
		exponent = 1
	}
	was, width := e.intsWidth(), 2<<exponent
	if width <= was {
		return
	}
	from, count := e.packed(), e.packedLen()
	to := splice(nil, 0, 0, (count+1)*width)[:count*width]
	for i := range count {
		writeInt(to, width, i, readInt(from, was, i))
	}
	e.num = uint64(exponent) << intsWidthShift
	e.setPacked(to, count)
}
