// Package value holds one cell of a row: NULL, bytes, an integer or a float.
//
// A Value is immutable and small enough to be passed by copy. The keyspace, the
// dirty set and the batches on their way to SQL share the same bytes, so nothing
// may ever write through a Value's string.
package value

import (
	"math"
	"strconv"
)

// Kind says how a Value is held. It says nothing about the column: an integer
// column may hold a Bytes value with its canonical text.
type Kind uint8

// The kinds. The zero Value is Null.
const (
	Null Kind = iota
	Bytes
	Int
	Float
)

// Value is one cell. Use the Of functions to make one; compare with Equal.
type Value struct {
	s string
	n uint64
	k Kind
}

// OfString returns a Bytes value that shares s.
func OfString(s string) Value { return Value{s: s, k: Bytes} }

// OfBytes returns a Bytes value with a copy of b.
func OfBytes(b []byte) Value { return Value{s: string(b), k: Bytes} }

// OfInt returns an Int value.
func OfInt(n int64) Value { return Value{n: uint64(n), k: Int} }

// OfFloat returns a Float value.
func OfFloat(f float64) Value { return Value{n: math.Float64bits(f), k: Float} }

// Kind returns how v is held.
func (v Value) Kind() Kind { return v.k }

// IsNull reports whether v is NULL.
func (v Value) IsNull() bool { return v.k == Null }

// Int returns v as an integer: an Int as it is, Bytes if they are the decimal
// text of a signed 64-bit integer.
func (v Value) Int() (n int64, ok bool) {
	switch v.k {
	case Int:
		return int64(v.n), true
	case Bytes:
		n, err := strconv.ParseInt(v.s, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// Float returns v as a float: a Float as it is, an Int converted, Bytes if they
// are the text of a float ("inf", "-inf" and "nan" included).
func (v Value) Float() (f float64, ok bool) {
	switch v.k {
	case Float:
		return math.Float64frombits(v.n), true
	case Int:
		return float64(int64(v.n)), true
	case Bytes:
		f, err := strconv.ParseFloat(v.s, 64)
		return f, err == nil
	}
	return 0, false
}

// AppendText appends the text of v as a client would read it: the bytes, a
// decimal integer, or a float in Redis's form (17 significant digits at most,
// no exponent for whole numbers below 1e17). NULL appends nothing.
func (v Value) AppendText(dst []byte) []byte {
	switch v.k {
	case Bytes:
		return append(dst, v.s...)
	case Int:
		return strconv.AppendInt(dst, int64(v.n), 10)
	case Float:
		return AppendFloat(dst, math.Float64frombits(v.n))
	}
	return dst
}

// String returns the text of v; see AppendText. It costs nothing for Bytes.
func (v Value) String() string {
	if v.k == Bytes {
		return v.s
	}
	return string(v.AppendText(nil))
}

// Size returns the bytes that v's payload takes: the length of Bytes, 8 for
// numbers, 0 for NULL.
func (v Value) Size() int {
	switch v.k {
	case Bytes:
		return len(v.s)
	case Null:
		return 0
	}
	return 8
}

// Bits returns the raw 64 bits of an Int or Float, for codecs.
func (v Value) Bits() uint64 { return v.n }

// Equal reports whether v and w are the same kind and the same bits. An Int and
// Bytes with its text are not Equal: canonicalise first.
func (v Value) Equal(w Value) bool { return v == w }

// AppendFloat appends f in the text form that Redis 7.0 gives scores: %.17g of C,
// which writes whole numbers below 1e17 as integers, and "inf", "-inf", "nan".
func AppendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	case math.IsNaN(f):
		return append(dst, "nan"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e17 {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	return strconv.AppendFloat(dst, f, 'g', 17, 64)
}
