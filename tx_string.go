package lull

import (
	"errors"
	"math"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/value"
)

// StringSizeMax is the most bytes that a string may have, as in Redis.
const StringSizeMax = 512 << 20

// Errors of the operations on strings.
var (
	// ErrNotInteger: the value is no 64-bit integer.
	ErrNotInteger = errors.New("value is not an integer or out of range")
	// ErrNotFloat: the value is no float.
	ErrNotFloat = errors.New("value is not a valid float")
	// ErrOverflow: the result would not be a 64-bit integer.
	ErrOverflow = errors.New("increment or decrement would overflow")
	// ErrNaN: the result would be infinite or no number.
	ErrNaN = errors.New("increment would produce NaN or Infinity")
	// ErrTooLong: the string would be longer than StringSizeMax.
	ErrTooLong = errors.New("string exceeds maximum allowed size (proto-max-bulk-len)")
)

// SetOptions are the conditions and the expiry of Set. The zero value sets always
// and lets no expiry stand.
type SetOptions struct {
	// IfAbsent and IfPresent set only if the key does not, or does, exist.
	IfAbsent, IfPresent bool
	// KeepTTL leaves the expiry as it is. ExpireAt sets it, in ms since 1970; 0 none.
	KeepTTL  bool
	ExpireAt int64
	// Get asks for the old value, which then has to be a string.
	Get bool
}

// SetResult is what Set found and did. Old is valid with SetOptions.Get.
type SetResult struct {
	Done   bool
	Old    value.Value
	HadOld bool
}

// Get returns the string at key. ok is false if there is none.
func (tx *Tx) Get(key []byte) (v value.Value, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil || !h.exists() {
		return value.Value{}, false, err
	}
	return h.e.Value(), true, nil
}

// Set makes key the string val, whatever it was. Without conditions it does not look
// at what is there, so it also works while the database is away.
func (tx *Tx) Set(key, val []byte, o SetOptions) (SetResult, error) {
	need, want := NeedNone, keyspace.TypeNone
	if o.IfAbsent || o.IfPresent {
		need = NeedExists
	}
	if o.Get || o.KeepTTL {
		need = NeedAll
	}
	if o.Get {
		want = keyspace.TypeString
	}
	h, err := tx.open(key, want, need)
	if err != nil {
		return SetResult{}, err
	}
	v, err := tx.stringCell(&h, val)
	if err != nil {
		return SetResult{}, err
	}
	at := o.ExpireAt
	if o.KeepTTL && h.exists() {
		at = h.e.ExpireAt
	}
	if at != 0 {
		if err := tx.canExpire(&h); err != nil {
			return SetResult{}, err
		}
	}
	var r SetResult
	if o.Get && h.exists() {
		r.Old, r.HadOld = h.e.Value(), true
	}
	if o.IfAbsent && h.exists() || o.IfPresent && !h.exists() {
		return r, nil
	}
	tx.setString(&h, v, at)
	r.Done = true
	return r, nil
}

// stringCell checks and canonicalises a string for the key's table. It copies val.
func (tx *Tx) stringCell(h *handle, val []byte) (value.Value, error) {
	if len(val) > StringSizeMax {
		return value.Value{}, ErrTooLong
	}
	if h.mapped() {
		if h.t.Kind != kindOf(keyspace.TypeString) {
			return value.Value{}, &wrongTableType{h.t.Name, h.t.Kind.String()}
		}
		return h.t.Cells[h.t.Value].Canon(val)
	}
	if n, ok := keyspace.ParseInt(val); ok {
		return value.OfInt(n), nil
	}
	return value.OfBytes(val), nil
}

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
	if _, ok := keyspace.AddFloatText(nil, old, []byte("0")); !ok {
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

// Append adds val behind the string at key and returns the new length.
func (tx *Tx) Append(key, val []byte) (int, error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil {
		return 0, err
	}
	var text []byte
	var at int64
	if h.exists() {
		text, at = h.e.AppendStr(nil), h.e.ExpireAt
	}
	if len(text)+len(val) > StringSizeMax {
		return 0, ErrTooLong
	}
	return tx.replaceString(&h, append(text, val...), at)
}

// replaceString sets the key to a computed text and returns its length.
func (tx *Tx) replaceString(h *handle, text []byte, at int64) (int, error) {
	v, err := tx.stringCell(h, text)
	if err != nil {
		return 0, err
	}
	tx.setString(h, v, at)
	return h.e.StrLen(), nil
}

// SetRange writes val over the string at key from offset on, padding with zero
// bytes, and returns the new length. An empty val changes nothing.
func (tx *Tx) SetRange(key []byte, offset int, val []byte) (int, error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil {
		return 0, err
	}
	var text []byte
	var at int64
	if h.exists() {
		text, at = h.e.AppendStr(nil), h.e.ExpireAt
	}
	if len(val) == 0 {
		return len(text), nil
	}
	if offset > StringSizeMax-len(val) {
		return 0, ErrTooLong
	}
	if pad := offset + len(val) - len(text); pad > 0 {
		text = append(text, make([]byte, pad)...)
	}
	copy(text[offset:], val)
	return tx.replaceString(&h, text, at)
}
