package lull

import (
	"time"

	"github.com/lullcache/lull/internal/keyspace"
)

// Encoding says how the value at key is held in memory, in Redis's words. ok is false
// if there is no such key.
func (tx *Tx) Encoding(key []byte) (name string, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeNone, NeedAll)
	if err != nil || !h.exists() {
		return "", false, err
	}
	return h.e.Encoding(), true, nil
}

// Idle returns for how long key was not used, exact to 64 ms. To ask is no use.
func (tx *Tx) Idle(key []byte) (idle time.Duration, ok bool, err error) {
	before := tx.lookup(dbKey{tx.sel, string(key)})
	access := accessClock(tx.now)
	if before.e != nil {
		access = before.e.Access
	}
	h, err := tx.open(key, keyspace.TypeNone, NeedExists)
	if err != nil || !h.exists() {
		return 0, false, err
	}
	h.e.Access = access
	return time.Duration(accessClock(tx.now)-access) << 6 * time.Millisecond, true, nil
}
