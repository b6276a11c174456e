package lull

import (
	"errors"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/value"
)

// StringSizeMax is the most bytes that a string may have, as in Redis.
const StringSizeMax = 512 << 20

// ErrTooLong: the string would be longer than StringSizeMax.
var ErrTooLong = errors.New("string exceeds maximum allowed size (proto-max-bulk-len)")

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
	if o.IfAbsent || o.IfPresent || o.KeepTTL {
		need = NeedExists
	}
	if o.Get {
		need, want = NeedAll, keyspace.TypeString
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
		if at, err = expiryFor(&h, at); err != nil {
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

// GetDel returns the string at key and removes the key. ok is false if there is none.
func (tx *Tx) GetDel(key []byte) (v value.Value, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil || !h.exists() {
		return value.Value{}, false, err
	}
	v = h.e.Value()
	tx.remove(&h)
	return v, true, nil
}

// GetExpire returns the string at key and makes the key expire at a time, ms since
// 1970; 0 takes its expiry away. A time that is not in the future deletes the key.
func (tx *Tx) GetExpire(key []byte, at int64) (v value.Value, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil || !h.exists() {
		return value.Value{}, false, err
	}
	if at != 0 {
		if at, err = expiryFor(&h, at); err != nil {
			return value.Value{}, false, err
		}
	}
	v = h.e.Value()
	switch {
	case at != 0 && at <= tx.now:
		tx.remove(&h)
	case at != h.e.ExpireAt:
		tx.setExpiry(&h, at)
	}
	return v, true, nil
}

// StrLen returns the length of the string at key in bytes, 0 if there is none.
func (tx *Tx) StrLen(key []byte) (int, error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	return h.e.StrLen(), nil
}

// GetRange returns the bytes from start to end of the string at key, both included;
// negative ones count from the end, -1 being the last.
func (tx *Tx) GetRange(key []byte, start, end int64) (string, error) {
	h, err := tx.open(key, keyspace.TypeString, NeedAll)
	if err != nil || !h.exists() {
		return "", err
	}
	text := h.e.Str()
	n := int64(len(text))
	if start < 0 && end < 0 && start > end {
		return "", nil
	}
	if start < 0 {
		start = max(start+n, 0)
	}
	if end < 0 {
		end = max(end+n, 0)
	}
	if end = min(end, n-1); start > end {
		return "", nil
	}
	return text[start : end+1], nil
}

// GetMany calls fn with the string at each key in turn; ok is false where there is
// none, or a key of another type.
func (tx *Tx) GetMany(keys [][]byte, fn func(v value.Value, ok bool)) error {
	opened, err := tx.ready(keys, NeedAll)
	if err != nil {
		return err
	}
	for i := range opened {
		h := &opened[i]
		if ok := h.exists() && h.e.Type() == keyspace.TypeString; ok {
			fn(h.e.Value(), true)
		} else {
			fn(value.Value{}, false)
		}
	}
	return nil
}

// SetMany makes each key the string behind it: pairs holds keys and values in turn.
// With ifAbsent it does nothing if one of the keys exists. It reports whether it
// has set them.
func (tx *Tx) SetMany(pairs [][]byte, ifAbsent bool) (bool, error) {
	need := NeedNone
	if ifAbsent {
		need = NeedExists
	}
	var miss error
	found := false
	for i := 0; i < len(pairs); i += 2 {
		h, err := tx.open(pairs[i], keyspace.TypeNone, need)
		if err == nil {
			_, err = tx.stringCell(&h, pairs[i+1])
		}
		switch {
		case err == errMiss:
			miss = err
		case err != nil:
			return false, err
		}
		found = found || h.exists()
	}
	if miss != nil || ifAbsent && found {
		return false, miss
	}
	for i := 0; i < len(pairs); i += 2 {
		// Opened again: a key may come twice, and is there by the second time.
		h, err := tx.open(pairs[i], keyspace.TypeNone, NeedNone)
		if err != nil {
			return false, err
		}
		v, err := tx.stringCell(&h, pairs[i+1])
		if err != nil {
			return false, err
		}
		tx.setString(&h, v, 0)
	}
	return true, nil
}

// stringCell checks and canonicalises a string for the key's table. It copies val.
func (tx *Tx) stringCell(h *handle, val []byte) (value.Value, error) {
	if len(val) > StringSizeMax {
		return value.Value{}, ErrTooLong
	}
	if err := tx.db.CheckValueSize(len(h.name) + len(val)); err != nil {
		return value.Value{}, err
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
