package lull

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
)

// Errors of the operations on hashes.
var (
	// ErrFieldNotInteger: the field's value is no 64-bit integer.
	ErrFieldNotInteger = errors.New("hash value is not an integer")
	// ErrFieldNotFloat: the field's value is no float.
	ErrFieldNotFloat = errors.New("hash value is not a float")
	// ErrInfinite: the increment is infinite or no number.
	ErrInfinite = errors.New("value is NaN or Infinity")
)

// HSet sets fields of the hash at key and returns how many had no value before.
// pairs are a field, its value, a field, its value and so on.
//
// The fields of a mapped hash are its columns; the row is created if it is not
// there. An error means that nothing was set.
func (tx *Tx) HSet(key []byte, pairs [][]byte) (added int, err error) {
	h, err := tx.open(key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return 0, err
	}
	if h.mapped() {
		return tx.setColumns(&h, pairs)
	}
	size := 0
	for i := 0; i < len(pairs); i += 2 {
		if err := tx.checkMember(&h, pairs[i]); err != nil {
			return 0, err
		}
		size += len(pairs[i]) + len(pairs[i+1])
	}
	if !h.exists() && len(pairs) > 2 {
		tx.create(&h, keyspace.TypeHash)
		h.e.Hash().Reserve(len(pairs)/2, size)
	}
	for i := 0; i < len(pairs); i += 2 {
		if tx.putField(&h, pairs[i], pairs[i+1]) {
			added++
		}
	}
	return added, nil
}

// HSetNX sets a field if it has no value, and reports whether it did.
func (tx *Tx) HSetNX(key, field, val []byte) (bool, error) {
	h, err := tx.open(key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return false, err
	}
	if _, ok := h.field(field); ok {
		return false, nil
	}
	return true, tx.setField(&h, field, val)
}

// HDel removes fields from the hash at key and returns how many had a value. A
// field of a mapped hash becomes NULL, and its row stays.
func (tx *Tx) HDel(key []byte, fields [][]byte) (removed int, err error) {
	h, err := tx.open(key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return 0, err
	}
	if h.mapped() {
		return tx.clearColumns(&h, fields)
	}
	for _, f := range fields {
		if _, ok := h.field(f); !ok {
			continue
		}
		removed++
		if h.e.Hash().Len() == 1 {
			tx.remove(&h)
			continue
		}
		tx.touch(&h)
		h.e.Hash().Del(f)
		if h.t != nil {
			tx.delRow(&h, tx.text(f))
		}
	}
	return removed, nil
}

// HIncrBy adds n to the integer in a field, 0 if it has no value, and returns the
// sum.
func (tx *Tx) HIncrBy(key, field []byte, n int64) (int64, error) {
	h, err := tx.open(key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return 0, err
	}
	var old int64
	if text, ok := h.field(field); ok {
		if old, ok = keyspace.ParseInt(text); !ok {
			return 0, ErrFieldNotInteger
		}
	}
	if n > 0 && old > math.MaxInt64-n || n < 0 && old < math.MinInt64-n {
		return 0, ErrOverflow
	}
	tx.buf = strconv.AppendInt(tx.buf[:0], old+n, 10)
	return old + n, tx.setField(&h, field, tx.buf)
}

// HIncrByFloat adds the float in text by to the one in a field, 0 if it has no
// value, and returns the field's new value. Calculated and written is as in Redis;
// the column of a mapped hash may show it in its own way.
func (tx *Tx) HIncrByFloat(key, field, by []byte) (string, error) {
	if err := checkIncrement(by); err != nil {
		return "", err
	}
	h, err := tx.open(key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return "", err
	}
	old, ok := h.field(field)
	if !ok {
		old = zeroText
	}
	sum, ok := keyspace.AddFloatText(nil, old, by)
	switch {
	case ok:
	case finite(old) || infinite(old):
		return "", ErrNaN
	default:
		return "", ErrFieldNotFloat
	}
	if err := tx.setField(&h, field, sum); err != nil {
		return "", err
	}
	text, _ := h.field(field)
	return string(text), nil
}

var zeroText = []byte("0")

// checkIncrement refuses what is no finite number.
func checkIncrement(by []byte) error {
	switch {
	case finite(by):
		return nil
	case infinite(by):
		return ErrInfinite
	}
	return ErrNotFloat
}

// finite reports whether text is a finite number of Redis's long double.
func finite(text []byte) bool {
	_, ok := keyspace.AddFloatText(nil, text, zeroText)
	return ok
}

func infinite(text []byte) bool {
	f, ok := keyspace.ParseFloat(text)
	return ok && math.IsInf(f, 0)
}

// HGet returns a field's value. It is valid until the unit ends or the hash is
// changed, whichever is first.
func (tx *Tx) HGet(key, field []byte) (val []byte, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeHash, NeedAll)
	if err != nil {
		return nil, false, err
	}
	val, ok = h.field(field)
	return val, ok, nil
}

// HGetAll returns the hash at key, empty if there is none.
func (tx *Tx) HGetAll(key []byte) (Fields, error) {
	h, err := tx.open(key, keyspace.TypeHash, NeedAll)
	if err != nil || !h.exists() {
		return Fields{}, err
	}
	return Fields{h.e.Hash()}, nil
}

// HScan calls fn with about count fields and returns the cursor to go on with, 0 at
// the end. Fields that are there all the time are passed at least once.
func (tx *Tx) HScan(key []byte, cursor uint64, count int, fn func(field, val []byte)) (next uint64, err error) {
	h, err := tx.open(key, keyspace.TypeHash, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	return h.e.Hash().Scan(cursor, count, fn), nil
}

// Fields is a hash to read from. It is valid until the unit ends or the hash is
// changed, whichever is first; so are the slices that it gives.
type Fields struct{ hash *keyspace.Hash }

// Len returns the number of fields that have a value.
func (f Fields) Len() int {
	if f.hash == nil {
		return 0
	}
	return f.hash.Len()
}

// Get returns a field's value.
func (f Fields) Get(field []byte) (val []byte, ok bool) {
	if f.hash == nil {
		return nil, false
	}
	return f.hash.Get(field)
}

// Each calls fn for every field until it returns false.
func (f Fields) Each(fn func(field, val []byte) bool) {
	if f.hash != nil {
		f.hash.Each(fn)
	}
}

// Random returns a field chosen at random; not ok if there is none.
func (f Fields) Random() (field, val []byte, ok bool) {
	if f.hash == nil {
		return nil, nil, false
	}
	return f.hash.Random(rand.Uint64())
}

// Sample calls fn with n different fields chosen at random, or with all if there
// are no more.
func (f Fields) Sample(n int, fn func(field, val []byte)) {
	if sparse(n, f.Len()) {
		seen := make(map[string]struct{}, n)
		for len(seen) < n {
			field, val, _ := f.Random()
			if _, again := seen[string(field)]; !again {
				seen[string(field)] = struct{}{}
				fn(field, val)
			}
		}
		return
	}
	pick := picker{left: f.Len(), wanted: n}
	f.Each(func(field, val []byte) bool {
		if pick.take() {
			fn(field, val)
		}
		return pick.wanted > 0
	})
}

// field is the value of a field of the key's hash.
func (h *handle) field(name []byte) (val []byte, ok bool) {
	if !h.exists() {
		return nil, false
	}
	return h.e.Hash().Get(name)
}

// setField checks and sets one field.
func (tx *Tx) setField(h *handle, field, val []byte) error {
	if h.mapped() {
		c, err := tx.fieldCell(h, field, val)
		if err != nil {
			return err
		}
		_, err = tx.putFields(h, tx.one(c.Col, c.Val))
		return err
	}
	if err := tx.checkMember(h, field); err != nil {
		return err
	}
	tx.putField(h, field, val)
	return nil
}

// putField sets a field that was checked, creating the key if need be.
func (tx *Tx) putField(h *handle, field, val []byte) (created bool) {
	if !h.exists() {
		tx.create(h, keyspace.TypeHash)
	}
	tx.touch(h)
	created = h.e.Hash().Set(field, val)
	if h.t != nil {
		tx.putRow(h, tx.text(field), tx.one(childValue, tx.textCell(val)), !created)
	}
	return created
}

// setColumns is HSet for a mapped hash. Of a field that is given twice the last
// counts.
func (tx *Tx) setColumns(h *handle, pairs [][]byte) (added int, err error) {
	start := len(tx.cells)
	for i := 0; i < len(pairs); i += 2 {
		c, err := tx.fieldCell(h, pairs[i], pairs[i+1])
		if err != nil {
			tx.cells = tx.cells[:start]
			return 0, err
		}
		tx.addCell(start, c)
	}
	return tx.putFields(h, tx.cells[start:len(tx.cells):len(tx.cells)])
}

// clearColumns is HDel for a mapped hash.
func (tx *Tx) clearColumns(h *handle, fields [][]byte) (removed int, err error) {
	start := len(tx.cells)
	for _, f := range fields {
		i, ok := h.t.Field(f)
		if !ok || h.t.Cells[i].Managed {
			tx.cells = tx.cells[:start]
			return 0, h.t.UnknownField(f)
		}
		if _, ok := h.field(f); ok {
			tx.addCell(start, change.Cell{Col: uint16(i)})
		}
	}
	cells := tx.cells[start:len(tx.cells):len(tx.cells)]
	if len(cells) == 0 {
		return 0, nil
	}
	_, err = tx.putFields(h, cells)
	if err != nil {
		return 0, err
	}
	return len(cells), nil
}

// addCell puts a cell into the arena, over the one of its column if there is one
// from start on.
func (tx *Tx) addCell(start int, c change.Cell) {
	for i := range tx.cells[start:] {
		if tx.cells[start+i].Col == c.Col {
			tx.cells[start+i] = c
			return
		}
	}
	tx.cells = append(tx.cells, c)
}

// sparse reports whether n of size elements are found sooner by choosing one after
// the other than by going over all.
func sparse(n, size int) bool { return n < size/8 }

// picker chooses wanted of left elements that go by, each set of them equally often
// (Knuth, The Art of Computer Programming, 3.4.2, algorithm S).
type picker struct{ left, wanted int }

// take reports whether the next element is chosen.
func (p *picker) take() bool {
	chosen := p.wanted > 0 && rand.IntN(p.left) < p.wanted
	p.left--
	if chosen {
		p.wanted--
	}
	return chosen
}
