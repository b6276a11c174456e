package lull

import (
	"context"
	"fmt"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
)

const (
	// warmPage is how many keys are loaded at a time.
	warmPage = 500
	// warmFill is the part of MaxMemory at which warming stops: what is loaded beyond
	// it would push out what was loaded before.
	warmFill = 0.8
)

// warm loads the tables that ask for it. A key that cannot be loaded is left to its
// first touch.
func (db *DB) warm(ctx context.Context) error {
	for _, t := range db.maps.Tables() {
		if !t.Spec.Warm {
			continue
		}
		if err := db.warmTable(ctx, t); err != nil {
			return fmt.Errorf("warming table %s: %w", t.Name, err)
		}
	}
	return nil
}

func (db *DB) warmTable(ctx context.Context, t *mapping.Table) error {
	st := scanState{}
	for st.table == 0 {
		page, err := db.tablePage(ctx, &st, t, warmPage)
		if err != nil {
			return err
		}
		keys := make([]loadKey, len(page))
		for i := range page {
			name := page[i].key
			keys[i] = loadKey{dbKey: dbKey{0, name}, need: NeedAll, t: t, hash: keyspace.HashString(name)}
		}
		if len(keys) > 0 {
			_ = db.load(ctx, keys)
		}
		if m := db.memoryMax.Load(); m > 0 && float64(db.used.Load()) > warmFill*float64(m) {
			db.opts.OnEvent(Event{Kind: EventWarm, Text: fmt.Sprintf("table %s: stopped at 80%% of max_memory", t.Name)})
			return nil
		}
	}
	return nil
}
