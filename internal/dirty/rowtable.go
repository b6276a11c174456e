package dirty

import (
	"encoding/binary"
	"unsafe"

	"github.com/lullcache/lull/internal/keyhash"
)

// rowTable finds the rows of a key that has many, by their ids. Each row stands by
// itself, which is never written to in a Cut. The table is open-addressed.
type rowTable struct {
	slots []rowSlot // a power of two, or none
	n     int
}

type rowSlot struct {
	hash uint64 // of the row's name
	to   *byte  // nil: free
}

func (x *rowTable) find(id []byte) int {
	if x.n == 0 {
		return noRow
	}
	hash := hashOf(id)
	for i := x.home(hash); x.slots[i].to != nil; i = (i + 1) & (len(x.slots) - 1) {
		if x.slots[i].hash == hash && hasID(rowOf(x.slots[i].to), id) {
			return i
		}
	}
	return noRow
}

// put adds a row, whose id must not be there.
func (x *rowTable) put(id, row []byte) {
	x.insert(hashOf(id), unsafe.SliceData(row))
}

// hashOf returns the hash of the row's name, which is known to those who ask for it ahead.
func hashOf(id []byte) uint64 {
	_, table := binary.Uvarint(id)
	_, size := binary.Uvarint(id[table:])
	return keyhash.Bytes(id[table+size:])
}

// insert puts in what is not there.
func (x *rowTable) insert(hash uint64, to *byte) {
	x.reserve(x.n + 1)
	x.slots[x.free(hash)] = rowSlot{hash, to}
	x.n++
}

// home returns the slot at which a hash's probe begins.
func (x *rowTable) home(hash uint64) int { return int(hash>>16) & (len(x.slots) - 1) }

// free returns the slot where the next of that hash goes.
func (x *rowTable) free(hash uint64) int {
	i := x.home(hash)
	for x.slots[i].to != nil {
		i = (i + 1) & (len(x.slots) - 1)
	}
	return i
}

// reserve makes room for n. Who adds many in the order of another table has to reserve
// first: they would crowd the low places of a table that is too small.
func (x *rowTable) reserve(n int) {
	if n <= len(x.slots)*5/8 {
		return
	}
	size := max(slotsMin, 2*len(x.slots))
	for n > size*5/8 {
		size *= 2
	}
	old := x.slots
	x.slots = make([]rowSlot, size)
	for _, s := range old {
		if s.to != nil {
			x.slots[x.free(s.hash)] = s
		}
	}
}

// guess returns the first row with that hash, or nil.
func (x *rowTable) guess(hash uint64) *byte {
	for i := x.home(hash); x.slots[i].to != nil; i = (i + 1) & (len(x.slots) - 1) {
		if x.slots[i].hash == hash {
			return x.slots[i].to
		}
	}
	return nil
}

// remove empties slot i, and moves later ones of the run up, so that no probe ends in a
// gap before what it seeks.
func (x *rowTable) remove(i int) {
	mask := len(x.slots) - 1
	for j := (i + 1) & mask; x.slots[j].to != nil; j = (j + 1) & mask {
		if (j-x.home(x.slots[j].hash))&mask >= (j-i)&mask {
			x.slots[i] = x.slots[j]
			i = j
		}
	}
	x.slots[i] = rowSlot{}
	x.n--
}

// all yields what is there, in no order. None may be added or removed meanwhile.
func (x *rowTable) all(yield func(*byte) bool) {
	for i := range x.slots {
		if to := x.slots[i].to; to != nil && !yield(to) {
			return
		}
	}
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
