package dirty

import "slices"

// run is rows, one behind the other, that nobody has looked for since they came: most of those
// that are pushed, added or appended to a key go to SQL before anybody does. Whoever looks for a
// row puts those of the run into the rowTable first.
type run [][]byte

// runMin and runMax are the sizes of the first part of a run and of the largest.
const runMin, runMax = 1 << 10, 32 << 10

// each yields every row. It reports whether all were wanted.
func (r run) each(yield func([]byte) bool) bool {
	for _, part := range r {
		if !eachRow(part, yield) {
			return false
		}
	}
	return true
}

// eachRow yields rows that are one behind the other. It reports whether all were wanted.
func eachRow(rows []byte, yield func([]byte) bool) bool {
	for len(rows) > 0 {
		size := rowSize(rows)
		if !yield(rows[:size:size]) {
			return false
		}
		rows = rows[size:]
	}
	return true
}

// roomFor returns the part that a row of that size goes to.
func (r *run) roomFor(size int) *[]byte {
	last := len(*r) - 1
	if last < 0 || cap((*r)[last])-len((*r)[last]) < size {
		room := runMin
		if last >= 0 {
			room = min(2*cap((*r)[last]), runMax)
		}
		*r = append(*r, make([]byte, 0, max(room, size)))
		last++
	}
	return &(*r)[last]
}

// index gives each row of the run a place of its own, where those that come from then on go
// too: a key has a run or many.
func (b *bigKey) index() {
	b.many = new(rowTable)
	b.many.reserve(int(b.count))
	b.run.each(func(row []byte) bool {
		b.many.put(idOf(row), slices.Clone(row))
		return true
	})
	b.run = nil
}
