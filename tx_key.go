package lull

import (
	"errors"
	"fmt"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
)

// Errors of the operations on keys.
var (
	// ErrNoKey: the key does not exist.
	ErrNoKey = errors.New("no such key")
	// ErrSameKey: source and destination are the same.
	ErrSameKey = errors.New("source and destination objects are the same")
	// ErrOtherTable: the keys belong to different tables.
	ErrOtherTable = errors.New("keys of different tables")
)

// KeyType is the type of a key's value; its String is what TYPE answers.
type KeyType = keyspace.Type

// Del removes keys and returns how many existed. Collections are not loaded for it.
func (tx *Tx) Del(keys ...[]byte) (n int, err error) {
	opened, err := tx.ready(keys, NeedExists)
	if err != nil {
		return 0, err
	}
	for i := range opened {
		if h := &opened[i]; h.exists() { // a key that comes twice has one entry
			tx.remove(h)
			n++
		}
	}
	return n, nil
}

// Exists returns how many of the keys exist; one that is named twice counts twice.
// They then count as used.
func (tx *Tx) Exists(keys ...[]byte) (n int, err error) {
	opened, err := tx.ready(keys, NeedExists)
	if err != nil {
		return 0, err
	}
	for i := range opened {
		if opened[i].exists() {
			n++
		}
	}
	return n, nil
}

// ready opens several keys, so that those not in memory are loaded together, and before
// any is changed. The handles are valid until ready is called again.
func (tx *Tx) ready(keys [][]byte, need Need) (opened []handle, err error) {
	tx.opened = tx.opened[:0]
	for _, key := range keys {
		h, e := tx.open(key, keyspace.TypeNone, need)
		if e != nil && err != errMiss {
			err = e
		}
		tx.opened = append(tx.opened, h)
	}
	return tx.opened, err
}

// Type returns the type of key, keyspace.TypeNone if it does not exist.
func (tx *Tx) Type(key []byte) (keyspace.Type, error) {
	h, err := tx.open(key, keyspace.TypeNone, NeedExists)
	if err != nil || !h.exists() {
		return keyspace.TypeNone, err
	}
	return h.e.Type(), nil
}

// ExpiresAt returns when key expires, in ms since 1970, 0 if never. ok is false if
// there is no such key.
func (tx *Tx) ExpiresAt(key []byte) (at int64, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeNone, NeedExists)
	if err != nil || !h.exists() {
		return 0, false, err
	}
	return h.e.ExpireAt, true, nil
}

// ExpireWhen is a condition of Expire.
type ExpireWhen uint8

// The conditions: set the expiry always, only without one, only with one, only if
// it is later, only if it is sooner than the present one. No expiry counts as the
// latest of all.
const (
	ExpireAlways  ExpireWhen = 0
	ExpireIfNone  ExpireWhen = 1
	ExpireIfSome  ExpireWhen = 2
	ExpireIfLater ExpireWhen = 4
	ExpireIfLess  ExpireWhen = 8
)

// allows reports whether an expiry may change from old to at.
func (w ExpireWhen) allows(old, at int64) bool {
	switch {
	case w&ExpireIfNone != 0 && old != 0, w&ExpireIfSome != 0 && old == 0:
		return false
	case w&ExpireIfLater != 0 && (old == 0 || at <= old):
		return false
	case w&ExpireIfLess != 0 && old != 0 && at >= old:
		return false
	}
	return true
}

// Expire makes key expire at a time, ms since 1970, and reports whether it did. A
// time that is not in the future deletes the key.
func (tx *Tx) Expire(key []byte, at int64, when ExpireWhen) (bool, error) {
	h, err := tx.open(key, keyspace.TypeNone, NeedExists)
	if err != nil || !h.exists() {
		return false, err
	}
	if h.mapped() {
		if err := canExpire(h.t); err != nil {
			return false, err
		}
	}
	switch {
	case !when.allows(h.e.ExpireAt, at):
		return false, nil
	case at <= tx.now:
		tx.remove(&h)
		return true, nil
	}
	if at, err = expiryFor(&h, at); err != nil {
		return false, err
	}
	tx.setExpiry(&h, at)
	return true, nil
}

// Persist takes key's expiry away and reports whether it had one.
func (tx *Tx) Persist(key []byte) (bool, error) {
	h, err := tx.open(key, keyspace.TypeNone, NeedExists)
	if err != nil || !h.exists() || h.e.ExpireAt == 0 {
		return false, err
	}
	tx.setExpiry(&h, 0)
	return true, nil
}

// Rename gives the value of from to the key to, whatever that was. With ifAbsent it
// does nothing if to exists. Both keys have to be of one table, or generic.
func (tx *Tx) Rename(from, to []byte, ifAbsent bool) (bool, error) {
	src, dst, err := tx.pair(from, to, tx.sel)
	if err != nil {
		return false, err
	}
	if !src.exists() {
		return false, ErrNoKey
	}
	if ifAbsent && dst.exists() {
		return false, nil
	}
	if string(from) == string(to) {
		return true, nil
	}
	if err := sameTable(&src, &dst); err != nil {
		return false, err
	}
	if err := tx.duplicate(&src, &dst); err != nil {
		return false, err
	}
	tx.remove(&src)
	return true, nil
}

// Copy makes the key to, in database n, a copy of from. It does nothing if to exists,
// unless replace is set.
func (tx *Tx) Copy(from, to []byte, n uint8, replace bool) (bool, error) {
	if n == tx.sel && string(from) == string(to) {
		return false, ErrSameKey
	}
	src, dst, err := tx.pair(from, to, n)
	if err != nil || !src.exists() || dst.exists() && !replace {
		return false, err
	}
	if err := sameTable(&src, &dst); err != nil {
		return false, err
	}
	if err := tx.duplicate(&src, &dst); err != nil {
		return false, err
	}
	return true, nil
}

// Move moves key to database n, if it is not there, and reports whether it did.
func (tx *Tx) Move(key []byte, n uint8) (bool, error) {
	if n == tx.sel {
		return false, ErrSameKey
	}
	src, dst, err := tx.pair(key, key, n)
	if err != nil || !src.exists() || dst.exists() {
		return false, err
	}
	if err := sameTable(&src, &dst); err != nil {
		return false, err
	}
	if err := tx.duplicate(&src, &dst); err != nil {
		return false, err
	}
	tx.remove(&src)
	return true, nil
}

// pair opens a source and a destination, the latter in database n.
func (tx *Tx) pair(from, to []byte, n uint8) (src, dst handle, err error) {
	src, err = tx.open(from, keyspace.TypeNone, NeedAll)
	if err != nil && err != errMiss {
		return src, dst, err
	}
	sel := tx.sel
	tx.sel = n
	dst, errTo := tx.open(to, keyspace.TypeNone, NeedExists)
	tx.sel = sel
	if errTo != nil {
		err = errTo
	}
	return src, dst, err
}

// sameTable reports why a value cannot go from one key to another.
func sameTable(src, dst *handle) error {
	if src.t != dst.t {
		return fmt.Errorf("%w: %s and %s", ErrOtherTable, tableOf(src), tableOf(dst))
	}
	if src.mapped() && src.t.Kind == mapping.Stream {
		return fmt.Errorf("%w: a mapped stream is only in memory in part and cannot be copied or renamed", ErrOtherTable)
	}
	return nil
}

func tableOf(h *handle) string {
	if !h.mapped() {
		return fmt.Sprintf("%q is not mapped", h.name)
	}
	return fmt.Sprintf("%q is of table %s", h.name, h.t.Name)
}
