package dirty

import (
	"encoding/binary"
	"unsafe"

	"github.com/lullcache/lull/internal/keyhash"
)

// rowTable finds the rows of a key that has many, by their ids. Each row stands by
// itself, which is never written to in a Cut.
type rowTable struct{ table[byte] }

func (x *rowTable) find(id []byte) int {
	if x.n == 0 {
		return noRow
	}
	hash := keyhash.Bytes(id)
	for i := x.home(hash); x.slots[i].to != nil; i = (i + 1) & (len(x.slots) - 1) {
		if x.slots[i].hash == hash && hasID(rowOf(x.slots[i].to), id) {
			return i
		}
	}
	return noRow
}

// put adds a row, whose id must not be there.
func (x *rowTable) put(id, row []byte) {
	x.insert(keyhash.Bytes(id), unsafe.SliceData(row))
}

// rowOf returns the bytes of a row that stands by itself: it begins with its size.
func rowOf(first *byte) []byte {
	var head [binary.MaxVarintLen64]byte
	n := 0
	for {
		head[n] = *(*byte)(unsafe.Add(unsafe.Pointer(first), n))
		if n++; head[n-1] < 0x80 {
			break
		}
	}
	size, _ := binary.Uvarint(head[:n])
	return unsafe.Slice(first, n+int(size))
}

// textOf returns b as a string that shares its bytes.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
