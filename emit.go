package lull

import (
	"slices"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/value"
)

// The few ways in which a unit changes a key. The operations of each type are
// written in terms of these; here alone it is decided which rows of which table a
// change of a key means.

// Cells of the generic tables.
const (
	keysType, keysExpires, keysMeta = 0, 1, 2
	stringsValue, stringsExpires    = 0, 1
	childValue                      = 0 // value, score, fields
)

// tuple is the key's tuple, sharing the bytes of the entry's key where it can.
func (tx *Tx) tuple(h *handle) string {
	if !h.mapped() {
		return h.e.Key()
	}
	return h.t.TupleOfKnown(h.e.Key())
}

// known says what the unit knows of a key's row.
func (h *handle) known(complete bool) change.Known {
	switch {
	case h.exists():
		return change.Present
	case h.e != nil || complete && h.generic():
		return change.Absent
	}
	return change.Unknown
}

// setString makes the key a string that holds v, with its expiry at (ms, 0 none).
// The caller has canonicalised v and checked that the table lets keys expire.
func (tx *Tx) setString(h *handle, v value.Value, at int64) {
	known := h.known(tx.complete(h))
	if h.exists() && h.e.Type() != keyspace.TypeString {
		tx.remove(h)
		known = change.Absent
	}
	e := tx.entry(h)
	before := e.ExpireAt
	setValue(e, v)
	e.Flags &^= keyspace.Absent | keyspace.Stub
	e.ExpireAt = at
	if known == change.Unknown {
		e.Flags |= flagBlind
	}
	if h.t == nil {
		return
	}
	if h.generic() {
		tx.emitString(h, v, known)
		return
	}
	tx.putCells(h, tx.one(uint16(h.t.Value), v), known)
	if before != at || known == change.Unknown && h.t.Expires >= 0 {
		tx.emitExpiry(h)
	}
}

// setValue gives an entry a string payload.
func setValue(e *keyspace.Entry, v value.Value) {
	if v.Kind() == value.Int {
		n, _ := v.Int()
		e.SetInt(n)
		return
	}
	e.SetString(v.String())
}

// emitString records a generic string's row, whole: so a dirty string needs no
// load, also after a restart with the database away.
func (tx *Tx) emitString(h *handle, v value.Value, known change.Known) {
	start := len(tx.cells)
	tx.cells = append(tx.cells,
		change.Cell{Col: stringsValue, Val: v},
		change.Cell{Col: stringsExpires, Val: timeCell(&tx.db.maps.Generic(mapping.String).Cells[stringsExpires], h.e.ExpireAt)})
	tx.emit(h, change.Change{
		Op: change.Set, Known: known, Table: tx.db.maps.Generic(mapping.String).ID, Key: h.e.Key(),
		Cells: tx.cells[start : start+2 : start+2],
	})
}

// create makes an absent key an empty collection or hash of type typ. A mapped hash
// has no row yet: putCells makes it.
func (tx *Tx) create(h *handle, typ keyspace.Type) {
	e := tx.entry(h)
	e.SetNew(typ)
	e.Flags &^= keyspace.Absent | keyspace.Stub
	e.ExpireAt = 0
	if h.generic() {
		tx.emit(h, change.Change{
			Op: change.Set, Known: change.Absent, Table: h.t.ID, Key: e.Key(),
			Cells: tx.cellsOf(
				change.Cell{Col: keysType, Val: value.OfString(e.Type().String())},
				change.Cell{Col: keysExpires, Val: value.Value{}},
				change.Cell{Col: keysMeta, Val: value.Value{}}),
		})
	}
}

// remove deletes a key that exists.
func (tx *Tx) remove(h *handle) {
	e := tx.entry(h)
	switch {
	case h.t == nil:
	case h.generic() && e.Type() == keyspace.TypeString && e.Flags&flagBlind == 0:
		tx.emit(h, change.Change{Op: change.Delete, Known: change.Present, Table: tx.db.maps.Generic(mapping.String).ID, Key: e.Key()})
	case h.generic():
		tx.emit(h, change.Change{Op: change.Clear, Table: h.t.ID, Key: e.Key()})
	case h.t.Kind == mapping.Hash || h.t.Kind == mapping.String:
		tx.emit(h, change.Change{Op: change.Delete, Known: change.Present, Table: h.t.ID, Key: tx.tuple(h)})
	default:
		tx.emit(h, change.Change{Op: change.Clear, Table: h.t.ID, Key: tx.tuple(h)})
		tx.clearHeader(h)
	}
	tx.vanish(e)
}

// vanish makes a touched entry say that there is no such key.
func (tx *Tx) vanish(e *keyspace.Entry) {
	e.Clear()
	e.ExpireAt = 0
	e.LoadedAt = seconds(tx.now)
	e.Flags = e.Flags&^(keyspace.Stub|flagBlind) | keyspace.Absent
}

// childTable is the table that holds the rows of the key's collection.
func (tx *Tx) childTable(h *handle) uint16 {
	if h.generic() {
		return tx.db.maps.Generic(kindOf(h.e.Type())).ID
	}
	return h.t.ID
}

// putRow sets a row of a collection: a member with its score, a field, an element.
// cells is nil for sets. existed says whether the row was there.
func (tx *Tx) putRow(h *handle, row string, cells []change.Cell, existed bool) {
	tx.touch(h)
	if h.t == nil {
		return
	}
	known := change.Absent
	if existed {
		known = change.Present
	}
	if h.mapped() {
		if existed && len(cells) == 0 && h.t.UpdatedAt < 0 {
			return
		}
		cells = tx.withTime(h, cells)
	}
	tx.emit(h, change.Change{Op: change.Set, Known: known, Table: tx.childTable(h), Key: tx.tuple(h), Row: row, Cells: cells})
}

// delRow removes a row of a collection. The caller removes the key instead when
// the last row goes.
func (tx *Tx) delRow(h *handle, row string) {
	tx.touch(h)
	if h.t == nil {
		return
	}
	tx.emit(h, change.Change{Op: change.Delete, Known: change.Present, Table: tx.childTable(h), Key: tx.tuple(h), Row: row})
}

// delLast removes the last row of a collection, and the key with it. Of a mapped
// collection that row alone goes: others may have put in rows since it was loaded.
func (tx *Tx) delLast(h *handle, row string) {
	if !h.mapped() {
		tx.remove(h)
		return
	}
	tx.delRow(h, row)
	tx.vanish(h.e)
}

// putCells sets columns of a mapped key's one row. For a row that is not there the
// constant defaults of columns not named are written too. If the same unit has
// deleted the row before, the two become one update.
func (tx *Tx) putCells(h *handle, cells []change.Cell, known change.Known) {
	tx.touch(h)
	key := tx.tuple(h)
	if known == change.Absent {
		cells = tx.withDefaults(h, cells)
		if tx.undelete(h, key) {
			cells, known = tx.filled(h, cells), change.Present
		}
	}
	tx.emit(h, change.Change{Op: change.Set, Known: known, Table: h.t.ID, Key: key, Cells: tx.withTime(h, cells)})
}

// undelete takes back this unit's Delete of the key's row, if there is one.
func (tx *Tx) undelete(h *handle, key string) bool {
	for i := len(tx.changes) - 1; i >= 0; i-- {
		c := &tx.changes[i]
		if c.Op == change.Delete && c.Table == h.t.ID && c.Key == key && c.Row == "" {
			tx.changes = slices.Delete(tx.changes, i, i+1)
			tx.to = slices.Delete(tx.to, i, i+1)
			if i < tx.early {
				tx.early--
			}
			return true
		}
	}
	return false
}

// filled adds NULL for every column that cells does not name, but for the one that takes
// the time of the write: a row that was there may hold anything, also an expiry.
func (tx *Tx) filled(h *handle, cells []change.Cell) []change.Cell {
	out := slices.Clone(cells)
	for i := range h.t.Cells {
		if i != h.t.UpdatedAt && !hasCell(cells, uint16(i)) {
			out = append(out, change.Cell{Col: uint16(i)})
		}
	}
	return tx.cellsOf(out...)
}

func hasCell(cells []change.Cell, col uint16) bool {
	return slices.ContainsFunc(cells, func(c change.Cell) bool { return c.Col == col })
}

func (tx *Tx) withDefaults(h *handle, cells []change.Cell) []change.Cell {
	defaults := h.t.Defaults()
	if len(defaults) == 0 {
		return cells
	}
	out := slices.Clone(cells)
	for _, d := range defaults {
		if !hasCell(cells, d.Col) {
			out = append(out, d)
		}
	}
	return tx.cellsOf(out...)
}

// withTime adds the column that takes the time of the write.
func (tx *Tx) withTime(h *handle, cells []change.Cell) []change.Cell {
	if h.t.UpdatedAt < 0 {
		return cells
	}
	at := change.Cell{Col: uint16(h.t.UpdatedAt), Val: timeCell(&h.t.Cells[h.t.UpdatedAt], tx.now)}
	tx.showManaged(h, at)
	return tx.cellsOf(append(slices.Clone(cells), at)...)
}

// showManaged has a mapped hash in memory hold a column that Lull fills, as SQL will.
func (tx *Tx) showManaged(h *handle, c change.Cell) {
	if h.t.Kind == mapping.Hash && h.exists() {
		tx.showCell(h, c)
	}
}

// setExpiry gives an existing key the expiry at (ms, 0 none).
func (tx *Tx) setExpiry(h *handle, at int64) {
	tx.touch(h)
	if h.e.ExpireAt == at {
		return
	}
	h.e.ExpireAt = at
	tx.emitExpiry(h)
}

// emitExpiry records the entry's expiry where its table keeps it.
func (tx *Tx) emitExpiry(h *handle) {
	at := h.e.ExpireAt
	switch {
	case h.t == nil:
	case h.generic() && h.e.Type() == keyspace.TypeString:
		tx.emit(h, change.Change{
			Op: change.Set, Known: change.Present, Table: tx.db.maps.Generic(mapping.String).ID, Key: h.e.Key(),
			Cells: tx.one(stringsExpires, timeCell(&tx.db.maps.Generic(mapping.String).Cells[stringsExpires], at)),
		})
	case h.generic():
		tx.emit(h, change.Change{
			Op: change.Set, Known: change.Present, Table: h.t.ID, Key: h.e.Key(),
			Cells: tx.one(keysExpires, timeCell(&h.t.Cells[keysExpires], at)),
		})
	case h.t.Expires >= 0:
		c := change.Cell{Col: uint16(h.t.Expires), Val: timeCell(&h.t.Cells[h.t.Expires], at)}
		tx.showManaged(h, c)
		tx.emit(h, change.Change{
			Op: change.Set, Known: change.Present, Table: h.t.ID, Key: tx.tuple(h), Cells: tx.one(c.Col, c.Val),
		})
	}
}

// header gives a stream its row in lull_keys, which keeps the last id; mapped
// streams have one as well.
func (tx *Tx) header(h *handle, meta string) {
	tx.touch(h)
	if h.t == nil {
		return
	}
	tx.emit(h, change.Change{
		Op: change.Set, Known: change.Unknown, Table: tx.db.maps.KeysTable().ID, Key: h.e.Key(),
		Cells: tx.cellsOf(
			change.Cell{Col: keysType, Val: value.OfString(keyspace.TypeStream.String())},
			change.Cell{Col: keysExpires, Val: timeCell(&tx.db.maps.KeysTable().Cells[keysExpires], h.e.ExpireAt)},
			change.Cell{Col: keysMeta, Val: value.OfString(meta)}),
	})
}

// clearHeader removes the row in lull_keys of a mapped stream.
func (tx *Tx) clearHeader(h *handle) {
	if h.t.Kind == mapping.Stream {
		tx.emit(h, change.Change{Op: change.Delete, Known: change.Unknown, Table: tx.db.maps.KeysTable().ID, Key: h.e.Key()})
	}
}

// appendRow inserts a stream's entry. cells are all that it has.
func (tx *Tx) appendRow(h *handle, row string, cells []change.Cell) {
	tx.touch(h)
	if h.t == nil {
		return
	}
	tx.emit(h, change.Change{Op: change.Append, Known: change.Absent, Table: tx.childTable(h), Key: tx.tuple(h), Row: row, Cells: cells})
}
