package lull

import (
	"errors"

	"github.com/lullcache/lull/internal/keyspace"
)

// Errors of LCS.
var (
	// ErrNotStrings: one of the keys holds another type.
	ErrNotStrings = errors.New("the specified keys must contain string values")
	// ErrLCSMemory: the table for two strings of these lengths would be too large.
	ErrLCSMemory = errors.New("insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")
)

// lcsTableMax bounds the table that an LCS takes while it is computed, in bytes.
const lcsTableMax = StringSizeMax

// LCS is a longest common subsequence of two strings.
type LCS struct {
	// Len is its length in bytes, Text what it is.
	Len  int
	Text []byte
	// Matches are the parts of the two strings that make it up, the last first.
	Matches []LCSMatch
}

// LCSMatch is a part that is the same in both strings: bytes AStart to AEnd of the
// first and BStart to BEnd of the second, all included.
type LCSMatch struct{ AStart, AEnd, BStart, BEnd int }

// Len is the number of bytes that match.
func (m LCSMatch) Len() int { return m.AEnd - m.AStart + 1 }

// LCS finds the longest common subsequence of the strings at two keys. It takes time
// and memory in proportion to the product of their lengths. lengthOnly leaves out the
// text and the matches.
func (tx *Tx) LCS(a, b []byte, lengthOnly bool) (LCS, error) {
	x, err := tx.lcsText(a)
	y, err2 := tx.lcsText(b)
	if err == nil || err2 == errMiss {
		err = err2
	}
	if err != nil {
		return LCS{}, err
	}
	if uint64(len(x)+1)*uint64(len(y)+1)*4 > lcsTableMax {
		return LCS{}, ErrLCSMemory
	}
	t := newLCSTable(x, y)
	if lengthOnly {
		return LCS{Len: int(t.at(len(x), len(y)))}, nil
	}
	return t.trace(), nil
}

func (tx *Tx) lcsText(key []byte) (string, error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if errors.Is(err, ErrWrongType) {
		return "", ErrNotStrings
	}
	if err != nil || !h.exists() {
		return "", err
	}
	return h.e.Str(), nil
}

// lcsTable holds, for each pair of prefixes of a and b, the length of their longest
// common subsequence.
type lcsTable struct {
	a, b  string
	cells []uint32
}

func newLCSTable(a, b string) *lcsTable {
	width := len(b) + 1
	t := &lcsTable{a: a, b: b, cells: make([]uint32, (len(a)+1)*width)}
	for i := 1; i <= len(a); i++ {
		above, row := t.cells[(i-1)*width:i*width], t.cells[i*width:(i+1)*width]
		for j := 1; j <= len(b); j++ {
			if a[i-1] == b[j-1] {
				row[j] = above[j-1] + 1
			} else {
				row[j] = max(above[j], row[j-1])
			}
		}
	}
	return t
}

func (t *lcsTable) at(i, j int) uint32 { return t.cells[i*(len(t.b)+1)+j] }

// trace walks back through the table, as Redis does, so that of several longest ones
// the same is found.
func (t *lcsTable) trace() LCS {
	i, j := len(t.a), len(t.b)
	left := int(t.at(i, j))
	l := LCS{Len: left, Text: make([]byte, left)}
	var m LCSMatch
	open := false
	for i > 0 && j > 0 {
		done := false
		if t.a[i-1] == t.b[j-1] {
			left--
			i, j = i-1, j-1
			l.Text[left] = t.a[i]
			switch {
			case !open:
				m, open = LCSMatch{i, i, j, j}, true
			default: // the step before was here too: a step aside ends the match
				m.AStart, m.BStart = i, j
			}
			done = i == 0 || j == 0
		} else {
			if t.at(i-1, j) > t.at(i, j-1) {
				i--
			} else {
				j--
			}
			done = open
		}
		if done {
			l.Matches, open = append(l.Matches, m), false
		}
	}
	return l
}
