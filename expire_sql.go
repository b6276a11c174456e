package lull

import (
	"context"
	"time"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

const (
	// sweepSQLEvery is how often expired rows that are not in memory are looked for.
	sweepSQLEvery = time.Second
	// sweepSQLRows bounds one look at one table.
	sweepSQLRows = 500
)

// sweepSQL finds rows whose time has come and that are not in memory, by the index on
// their expiry, and deletes them as any other expired key: through a unit.
func (db *DB) sweepSQL(ctx context.Context) {
	for {
		db.opts.world.Wait(ctx, sweepSQLEvery, nil)
		if ctx.Err() != nil {
			return
		}
		_ = db.sweepTables(ctx) // the database is away: the next round tries again
	}
}

func (db *DB) sweepTables(ctx context.Context) error {
	for id := range db.tables {
		t := db.maps.Table(uint16(id))
		owns := t.Generic() && !db.allInMemory(0)
		if t.Expires < 0 || !owns && t.Spec.OnExpire != "delete" {
			continue
		}
		if err := db.expireRows(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// expireRows deletes some expired rows of one table.
func (db *DB) expireRows(ctx context.Context, t *mapping.Table) error {
	plan := &db.tables[t.ID].plan
	now := timeCell(&t.Cells[t.Expires], db.now())
	q := sink.Query{
		Table: t.SQL, Columns: plan.key, Limit: sweepSQLRows,
		Where: []sink.Match{{Column: t.Cells[t.Expires].Index, Op: "<=", Value: now}},
	}
	skip := 0
	if t.Generic() {
		q.By, q.Keys, skip = plan.key[:1], [][]value.Value{{value.OfString(db.opts.Name)}}, 2
	}
	var due []dbKey
	bounded, cancel := context.WithTimeout(ctx, db.opts.LoadTimeout)
	defer cancel()
	err := db.readSQL(bounded, []sink.Query{q}, func(_ int, vals []value.Value) error {
		if name, _, ok := t.KeyOf(vals[skip:]); ok {
			n := int64(0)
			if t.Generic() {
				n, _ = vals[1].Int()
			}
			due = append(due, dbKey{uint8(n), name})
		}
		return nil
	})
	if err != nil {
		return err
	}
	s := db.NewSession()
	for _, k := range due {
		s.sel = k.db
		name := []byte(k.name)
		_, err := s.Exec(ctx, [][]byte{name}, true, RunFunc(func(tx *Tx) error {
			_, err := tx.open(name, keyspace.TypeNone, NeedExists)
			return err
		}))
		if err != nil {
			return err
		}
	}
	return nil
}
