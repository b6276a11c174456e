package lull

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
)

// ErrFlushForbidden: AllowFlushAll is not set.
var ErrFlushForbidden = errors.New("emptying the tables of the configuration is not allowed; set allow_flush_all: true to allow it")

// FlushDB removes every key of database n, or of all with n < 0. It is for units over
// all shards. It fails with ErrFlushForbidden if that would empty mapped tables and
// AllowFlushAll is not set. The keys that somebody watches are loaded first, unless the
// database is away: then those who watch a key that memory does not know are told that it
// has changed.
func (tx *Tx) FlushDB(n int) error {
	if len(tx.db.maps.Tables()) > 0 && n <= 0 && !tx.db.opts.AllowFlushAll {
		return ErrFlushForbidden
	}
	if err := tx.knowWatched(); err != nil {
		return err
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
	inSQL := func(name string) bool { return !complete || n == 0 && db.maps.Match([]byte(name)) != nil }
	for i := range db.shards {
		sh := &db.shards[i]
		sh.notifyAll(n, inSQL)
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

// knowWatched makes sure that it is known of all watched keys whether they exist, as far as
// SQL says it. Every shard is locked.
func (tx *Tx) knowWatched() error {
	if tx.multi || tx.away {
		return nil
	}
	var unknown []dbKey
	for i := range tx.db.shards {
		for key := range tx.db.shards[i].watched {
			if tx.lookup(key).e == nil {
				unknown = append(unknown, key)
			}
		}
	}
	slices.SortFunc(unknown, func(a, b dbKey) int { return cmp.Or(cmp.Compare(a.db, b.db), strings.Compare(a.name, b.name)) })
	sel := tx.sel
	defer func() { tx.sel = sel }()
	for _, key := range unknown {
		tx.sel = key.db
		_, _ = tx.open([]byte(key.name), keyspace.TypeNone, NeedExists) // one that no key can have is not there
	}
	for i := range tx.misses {
		tx.misses[i].optional = true
	}
	if len(tx.misses) > 0 {
		return errMiss
	}
	return nil
}
