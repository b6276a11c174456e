package lull

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/value"
)

// install makes entries of what was read; aside is Flusher.AsideGeneration from before.
func (l *load) install(aside uint64) {
	now, grown := l.db.now(), int64(0)
	for from := 0; from < len(l.keys); from += lockedAtOnce {
		grown += l.installSome(from, min(from+lockedAtOnce, len(l.keys)), aside, now)
	}
	l.db.account(grown)
}

// installSome makes entries of the keys from one place to another.
func (l *load) installSome(from, to int, aside uint64, now int64) (grown int64) {
	var locks lockSet
	for i := from; i < to; i++ {
		if l.errs[i] == nil {
			locks.add(shardOf(l.keys[i].hash))
		}
	}
	l.db.lock(&locks)
	for i := from; i < to; i++ {
		if k := &l.keys[i]; l.errs[i] == nil {
			l.db.shards[shardOf(k.hash)].approach(k.db, k.hash)
		}
	}
	var old [lockedAtOnce]bool
	for i := from; i < to; i++ {
		if old[i-from] = l.errs[i] != nil; !old[i-from] {
			var bytes int64
			bytes, l.errs[i] = l.db.install(&l.keys[i], &l.images[i], aside, now)
			grown += bytes
		}
	}
	l.db.unlock(&locks)
	for i := from; i < to; i++ {
		if old[i-from] && l.db.keepStale(&l.keys[i], l.errs[i]) {
			l.errs[i] = nil
		}
	}
	return grown
}

// install lays what SQL has not shown over a loaded image and makes it the key's
// entry, unless the key has come into memory meanwhile, or letters have gone since the
// load began: what they held may be missing. Then the unit asks again. It returns the bytes
// by which memory grew. The shard is locked.
func (db *DB) install(k *loadKey, m *image, aside uint64, now int64) (grown int64, err error) {
	sh := &db.shards[shardOf(k.hash)]
	e := sh.findString(k.db, k.hash, k.name)
	if e != nil && !db.replaceable(e, k, now) || db.flusher.AsideGeneration() != aside {
		return 0, nil
	}
	laid := db.layAll(sh, k, m)
	if laid && k.need != NeedAll && len(k.t.Row) > 0 && k.t.Kind != mapping.Stream {
		return 0, nil // changes came meanwhile: only all rows can tell, so the unit asks again
	}
	fresh := keyspace.NewEntry([]byte(k.name))
	fresh.Table, fresh.LoadedAt, fresh.Access = k.t.ID, seconds(now), accessClock(now)
	if err := db.fillEntry(fresh, k, m); err != nil {
		return 0, err
	}
	if e != nil {
		fresh.Cut = e.Cut
		mergeBlind(fresh, e, k.t, m.tail)
		grown = -e.Bytes()
		sh.remove(k.db, k.hash, e)
	}
	if laid {
		fresh.Cut = sh.generation + 1
	}
	sh.insert(k.db, k.hash, fresh)
	return grown + fresh.Bytes(), nil
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
	var room [128]byte
	var endRoom [16]int
	texts, ends, size, fields := room[:0], endRoom[:0], 0, 0
	for i, v := range cells {
		if texts = v.AppendText(texts); !v.IsNull() {
			size += len(column(t, i).Name)
			fields++
		}
		ends = append(ends, len(texts))
	}
	h, from := e.Hash(), 0
	h.Reserve(fields, size+len(texts))
	for i := range cells {
		if !cells[i].IsNull() {
			h.Add(column(t, i).Name, texts[from:ends[i]])
		}
		from = ends[i]
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
