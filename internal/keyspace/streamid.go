package keyspace

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
)

// ID names an entry of a stream: milliseconds and a sequence number.
type ID struct {
	Ms, Seq uint64
}

// MinID and MaxID are what "-" and "+" mean.
var (
	MinID = ID{}
	MaxID = ID{math.MaxUint64, math.MaxUint64}
)

// Compare returns -1, 0 or 1 as id is before, the same as or behind o.
func (id ID) Compare(o ID) int { return cmp.Or(cmp.Compare(id.Ms, o.Ms), cmp.Compare(id.Seq, o.Seq)) }

// Less reports whether id is before o.
func (id ID) Less(o ID) bool { return id.Compare(o) < 0 }

// IsZero reports whether id is 0-0, which no entry has.
func (id ID) IsZero() bool { return id == ID{} }

// Next returns the id right behind id; not ok if id is the greatest.
func (id ID) Next() (next ID, ok bool) {
	switch {
	case id.Seq < math.MaxUint64:
		return ID{id.Ms, id.Seq + 1}, true
	case id.Ms < math.MaxUint64:
		return ID{id.Ms + 1, 0}, true
	}
	return id, false
}

// Prev returns the id right before id; not ok if id is 0-0.
func (id ID) Prev() (prev ID, ok bool) {
	switch {
	case id.Seq > 0:
		return ID{id.Ms, id.Seq - 1}, true
	case id.Ms > 0:
		return ID{id.Ms - 1, math.MaxUint64}, true
	}
	return id, false
}

// AppendText appends id as "ms-seq".
func (id ID) AppendText(dst []byte) []byte {
	dst = strconv.AppendUint(dst, id.Ms, 10)
	return strconv.AppendUint(append(dst, '-'), id.Seq, 10)
}

// String returns id as "ms-seq".
func (id ID) String() string { return string(id.AppendText(nil)) }

// ParseID parses "ms-seq", or "ms" with missingSeq for what is not said.
func ParseID(b []byte, missingSeq uint64) (id ID, ok bool) {
	if b, ok = idText(b); !ok {
		return ID{}, false
	}
	ms, seq, two := cutDash(b)
	if id.Ms, ok = parseUint(ms); !ok {
		return ID{}, false
	}
	if !two {
		id.Seq = missingSeq
		return id, true
	}
	if id.Seq, ok = parseUint(seq); !ok {
		return ID{}, false
	}
	return id, true
}

// ParseBound parses an end of a range: an ID as ParseID takes it, "-", "+", or "("
// before an ID, which makes it exclusive. What XRANGE calls its start misses
// sequence 0, its end the greatest.
func ParseBound(b []byte, missingSeq uint64) (id ID, exclusive, ok bool) {
	if len(b) > 1 && b[0] == '(' {
		id, ok = ParseID(b[1:], missingSeq)
		return id, true, ok
	}
	b, _ = idText(b)
	switch view(b) {
	case "-":
		return MinID, false, true
	case "+":
		return MaxID, false, true
	}
	id, ok = ParseID(b, missingSeq)
	return id, false, ok
}

// NewID is the id argument of XADD.
type NewID struct {
	ID      ID
	Auto    bool // "*": all of ID is to be chosen
	AutoSeq bool // "ms-*": ID.Seq is to be chosen
}

// ParseNewID parses "*", "ms-*", "ms-seq" or "ms", which means sequence 0.
func ParseNewID(b []byte) (n NewID, ok bool) {
	if view(b) == "*" {
		return NewID{Auto: true}, true
	}
	if b, ok = idText(b); !ok {
		return NewID{}, false
	}
	if ms, seq, two := cutDash(b); two && view(seq) == "*" {
		n.AutoSeq = true
		n.ID.Ms, ok = parseUint(ms)
		return n, ok
	}
	n.ID, ok = ParseID(b, 0)
	return n, ok
}

// After returns the id that n means behind last, at nowMs milliseconds. It is not
// ok if that would not be greater than last.
func (n NewID) After(last ID, nowMs uint64) (id ID, ok bool) {
	switch {
	case n.Auto && nowMs > last.Ms:
		return ID{Ms: nowMs}, true
	case n.Auto:
		return last.Next()
	case n.AutoSeq && n.ID.Ms == last.Ms:
		return ID{last.Ms, last.Seq + 1}, last.Seq < math.MaxUint64
	}
	return n.ID, last.Less(n.ID)
}

func cutDash(b []byte) (before, after []byte, found bool) {
	for i, c := range b {
		if c == '-' {
			return b[:i], b[i+1:], true
		}
	}
	return b, nil, false
}

// idText is what Redis reads of an id: it copies it to a C string of 127 bytes.
func idText(b []byte) (text []byte, ok bool) {
	if len(b) > 127 {
		return b, false
	}
	text, _, _ = bytes.Cut(b, []byte{0})
	return text, true
}

// parseUint parses a number as Redis parses those of ids: what is no canonical integer goes
// to strtoull, which takes spaces, a sign and leading zeros.
func parseUint(b []byte) (n uint64, ok bool) {
	if n, err := strconv.ParseInt(view(b), 10, 64); err == nil && n < 0 && b[1] != '0' {
		return 0, false
	}
	b = bytes.TrimLeft(b, " \t\n\v\f\r")
	if len(b) > 0 && (b[0] == '+' || b[0] == '-') {
		n, ok = parseDigits(b[1:])
		if b[0] == '-' {
			n = -n
		}
		return n, ok
	}
	return parseDigits(b)
}

func parseDigits(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, len(b) > 0
}
