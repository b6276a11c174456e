package lull

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/value"
)

// install lays what SQL has not shown over a loaded image and makes it the key's
// entry, unless the key has come into memory meanwhile, or letters have gone since the
// load began: what they held may be missing. Then the unit asks again.
func (db *DB) install(k *loadKey, m *image, aside uint64) error {
	sh := &db.shards[shardOf(k.hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := db.now()
	e := sh.find(k.db, k.hash, []byte(k.name))
	if e != nil && !db.replaceable(e, k, now) || db.flusher.AsideGeneration() != aside {
		return nil
	}
	laid := db.layAll(sh, k, m)
	if laid && k.need != NeedAll && len(k.t.Row) > 0 && k.t.Kind != mapping.Stream {
		return nil // changes came meanwhile: only all rows can tell, so the unit asks again
	}
	fresh := keyspace.NewEntry([]byte(k.name))
	fresh.Table, fresh.LoadedAt, fresh.Access = k.t.ID, seconds(now), accessClock(now)
	if err := db.fillEntry(fresh, k, m); err != nil {
		return err
	}
	if e != nil {
		fresh.Cut = e.Cut
		mergeBlind(fresh, e, k.t, m.tail)
		db.account(-e.Bytes())
		sh.remove(k.db, k.hash, e)
	}
	if laid {
		fresh.Cut = sh.generation + 1
	}
	sh.insert(k.db, k.hash, fresh)
	db.account(fresh.Bytes())
	return nil
}

// replaceable reports whether a load may put its result in an entry's place: a stub
// that is to become whole, or a clean entry, stub or not, that has grown old.
func (db *DB) replaceable(e *keyspace.Entry, k *loadKey, now int64) bool {
	if e.Flags&keyspace.Stub != 0 && (k.need == NeedAll || isBlindStream(e)) {
		return true
	}
	return db.grownOld(e, k.t, now)
}

// layAll lays all changes of the key that SQL may not have shown over the image,
// and reports whether there were any. The shard is locked.
func (db *DB) layAll(sh *shard, k *loadKey, m *image) bool {
	space, key, ok := k.place()
	if !ok {
		return false
	}
	laid := db.lay(sh, space, k.db, key, m)
	if space != 0 && k.t.Kind == mapping.Stream {
		laid = db.lay(sh, 0, k.db, k.name, m) || laid
	}
	return laid
}

// fillEntry makes an entry of an image.
func (db *DB) fillEntry(e *keyspace.Entry, k *loadKey, m *image) error {
	switch {
	case k.t.Kind == mapping.Stream:
		return db.fillStream(e, k, m)
	case k.t.Def.Space == 0:
		return db.fillGeneric(e, k, m)
	case k.t.Kind == mapping.String:
		fillMappedString(e, k.t, m)
	case k.t.Kind == mapping.Hash:
		fillMappedHash(e, k.t, m)
	default:
		return db.fillCollection(e, k, k.t, m)
	}
	return nil
}

func fillMappedString(e *keyspace.Entry, t *mapping.Table, m *image) {
	cells := m.find(t.ID, "")
	if cells == nil || cells[t.Value].IsNull() {
		e.Flags |= keyspace.Absent
		return
	}
	setValue(e, cells[t.Value])
	e.ExpireAt = expiryOf(t, cells)
}

func fillMappedHash(e *keyspace.Entry, t *mapping.Table, m *image) {
	cells := m.find(t.ID, "")
	if cells == nil {
		e.Flags |= keyspace.Absent
		return
	}
	e.SetNew(keyspace.TypeHash)
	var text []byte
	for i, v := range cells {
		if !v.IsNull() {
			text = v.AppendText(text[:0])
			e.Hash().Set([]byte(column(t, i).Name), text)
		}
	}
	e.ExpireAt = expiryOf(t, cells)
}

// expiryOf is the expiry that a mapped row holds.
func expiryOf(t *mapping.Table, cells []value.Value) int64 {
	if t.Expires < 0 {
		return 0
	}
	return cellTime(&t.Cells[t.Expires], cells[t.Expires])
}

func (db *DB) fillGeneric(e *keyspace.Entry, k *loadKey, m *image) error {
	strings := db.maps.Generic(mapping.String)
	if cells := m.find(strings.ID, ""); cells != nil {
		setValue(e, cells[stringsValue])
		e.ExpireAt = cellTime(&strings.Cells[stringsExpires], cells[stringsExpires])
		return nil
	}
	header := m.find(k.t.ID, "")
	if header == nil {
		e.Flags |= keyspace.Absent
		return nil
	}
	typ, ok := typeByName(header[keysType].String())
	if !ok {
		return fmt.Errorf("lull_keys: key %q has the type %q, which this version does not know", k.name, header[keysType])
	}
	e.ExpireAt = cellTime(&k.t.Cells[keysExpires], header[keysExpires])
	if typ == keyspace.TypeStream {
		return db.fillStream(e, k, m)
	}
	if k.need != NeedAll {
		e.SetNew(typ)
		e.Flags |= keyspace.Stub
		return nil
	}
	return db.fillCollection(e, k, db.maps.Generic(kindOf(typ)), m)
}

// fillCollection makes an entry of the rows of table t. A mapped collection exists
// while it has rows.
func (db *DB) fillCollection(e *keyspace.Entry, k *loadKey, t *mapping.Table, m *image) error {
	typ := typeOf(t.Kind)
	if k.need != NeedAll {
		e.SetNew(typ)
		e.Flags |= keyspace.Stub
		if len(m.rows) == 0 {
			e.Clear()
			e.Flags = keyspace.Absent
		}
		return nil
	}
	e.SetNew(typ)
	if t.Kind == mapping.List {
		m.byPosition()
	}
	put := db.putter(e, t)
	n := 0
	err := m.each(func(table uint16, row string, cells []value.Value) error {
		if table != t.ID {
			return nil
		}
		n++
		return put(row, cells)
	})
	if err != nil {
		return err
	}
	if n == 0 {
		e.Clear()
		e.Flags |= keyspace.Absent
	}
	return nil
}

// putter returns what puts a row of table t into the entry's collection.
func (db *DB) putter(e *keyspace.Entry, t *mapping.Table) func(row string, cells []value.Value) error {
	switch t.Kind {
	case mapping.Hash:
		return func(row string, cells []value.Value) error {
			e.Hash().Set([]byte(row), cells[childValue].AppendText(nil))
			return nil
		}
	case mapping.Set:
		return func(row string, _ []value.Value) error {
			e.Set().Add([]byte(row))
			return nil
		}
	case mapping.ZSet:
		score := t.Score
		if t.Def.Space == 0 {
			score = childValue
		}
		return func(row string, cells []value.Value) error {
			f, ok := cells[score].Float()
			if !ok {
				return fmt.Errorf("table %s: member %q has the score %q, which is no number", t.Name, row, cells[score])
			}
			e.ZSet().Add([]byte(row), f)
			return nil
		}
	}
	return func(row string, cells []value.Value) error {
		pos, err := position(e, row)
		if err == nil {
			e.List().Append(pos, cells[childValue].AppendText(nil))
		}
		return err
	}
}

// position is the place of a list's element, from its row's name.
func position(e *keyspace.Entry, row string) (int64, error) {
	pos, ok := value.OfString(row).Int()
	if !ok {
		return 0, fmt.Errorf("lull_lists: key %q has the position %q, which is no number", e.Key(), row)
	}
	return pos, nil
}

// byPosition sorts a list's rows, which SQL and the dirty sets give in any order.
func (m *image) byPosition() {
	m.at = nil
	slices.SortFunc(m.rows, func(a, b imageRow) int {
		x, _ := value.OfString(a.row).Int()
		y, _ := value.OfString(b.row).Int()
		return cmp.Compare(x, y)
	})
}
