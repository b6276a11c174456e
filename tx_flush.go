package lull

import (
	"errors"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
)

// ErrFlushForbidden: AllowFlushAll is not set.
var ErrFlushForbidden = errors.New("emptying the tables of the configuration is not allowed; set allow_flush_all: true to allow it")

// FlushDB removes every key of database n, or of all with n < 0. It is for units over
// all shards. It fails with ErrFlushForbidden if that would empty mapped tables and
// AllowFlushAll is not set.
func (tx *Tx) FlushDB(n int) error {
	if len(tx.db.maps.Tables()) > 0 && n <= 0 && !tx.db.opts.AllowFlushAll {
		return ErrFlushForbidden
	}
	// What the unit did before is done: its entries go with all others.
	for i := range tx.touched {
		tx.settleEntry(&tx.touched[i], len(tx.changes) > 0)
	}
	tx.touched = tx.touched[:0]
	for i := range uint8(dbCount) {
		if n < 0 || int(i) == n {
			tx.flushOne(i)
		}
	}
	return nil
}

// flushOne empties one database: every table of its keys, and what memory holds.
func (tx *Tx) flushOne(n uint8) {
	db := tx.db
	for _, t := range db.scanTables(n) {
		if t == db.maps.Generic(mapping.String) {
			continue // it is of one space with the table of keys
		}
		tx.ack = max(tx.ack, db.tables[t.ID].ack)
		tx.changes = append(tx.changes, change.Change{Op: change.ClearTable, DB: n, Table: t.ID})
		tx.to = append(tx.to, destination{}) // every shard
	}
	complete := db.complete[n].Load()
	for i := range db.shards {
		sh := &db.shards[i]
		sh.notifyAll(n, complete)
		if t := sh.dbs[n]; t != nil {
			t.All(func(e *keyspace.Entry) bool {
				db.account(-e.Bytes())
				return true
			})
			sh.dbs[n] = nil
		}
	}
	tx.emptied |= 1 << n
}
