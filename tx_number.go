package lull

import (
	"errors"
	"math"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/value"
)

// Errors of the operations on strings that are numbers.
var (
	// ErrNotInteger: the value is no 64-bit integer.
	ErrNotInteger = errors.New("value is not an integer or out of range")
	// ErrNotFloat: the value is no float.
	ErrNotFloat = errors.New("value is not a valid float")
	// ErrOverflow: the result would not be a 64-bit integer.
	ErrOverflow = errors.New("increment or decrement would overflow")
	// ErrNaN: the result would be infinite or no number.
	ErrNaN = errors.New("increment would produce NaN or Infinity")
)

// IncrBy adds n to the integer at key, 0 if there is none, and returns the sum.
func (tx *Tx) IncrBy(key []byte, n int64) (int64, error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil {
		return 0, err
	}
	var old, at int64
	if h.exists() {
		var ok bool
		if old, ok = h.e.Int(); !ok {
			return 0, ErrNotInteger
		}
		at = h.e.ExpireAt
	}
	if n > 0 && old > math.MaxInt64-n || n < 0 && old < math.MinInt64-n {
		return 0, ErrOverflow
	}
	v := value.OfInt(old + n)
	if h.mapped() {
		if v, err = tx.numberCell(&h, v); err != nil {
			return 0, err
		}
	}
	tx.setString(&h, v, at)
	return old + n, nil
}

// numberCell canonicalises a computed number for a mapped column.
func (tx *Tx) numberCell(h *handle, v value.Value) (value.Value, error) {
	var buf [32]byte
	return h.t.Cells[h.t.Value].Canon(v.AppendText(buf[:0]))
}

// IncrByFloat adds the float in text by to the one at key, 0 if there is none, and
// returns the sum as Redis writes it.
func (tx *Tx) IncrByFloat(key, by []byte) (string, error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil {
		return "", err
	}
	old, at := []byte("0"), int64(0)
	if h.exists() {
		old, at = h.e.AppendStr(nil), h.e.ExpireAt
	}
	if !isFloat(old) || !isFloat(by) {
		return "", ErrNotFloat
	}
	sum, ok := keyspace.AddFloatText(nil, old, by)
	if !ok {
		return "", ErrNaN
	}
	v, err := tx.stringCell(&h, sum)
	if err != nil {
		return "", err
	}
	tx.setString(&h, v, at)
	return v.String(), nil
}

// isFloat reports whether text is a number as INCRBYFLOAT takes it, which may be
// infinite.
func isFloat(text []byte) bool {
	if _, ok := keyspace.AddFloatText(nil, text, []byte("0")); ok {
		return true
	}
	f, ok := keyspace.ParseFloat(text)
	return ok && math.IsInf(f, 0)
}
