package lull

import (
	"fmt"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/value"
)

// genericTables is how many tables of its own Lull keeps keys in; they come first in
// every dictionary.
const genericTables = 7

// kinds pairs Redis types with mapping kinds.
var kinds = [...]struct {
	typ  keyspace.Type
	kind mapping.Kind
}{
	{keyspace.TypeString, mapping.String},
	{keyspace.TypeList, mapping.List},
	{keyspace.TypeSet, mapping.Set},
	{keyspace.TypeZSet, mapping.ZSet},
	{keyspace.TypeHash, mapping.Hash},
	{keyspace.TypeStream, mapping.Stream},
}

// kindOf gives the mapping kind of a Redis type.
func kindOf(t keyspace.Type) mapping.Kind {
	for _, k := range kinds {
		if k.typ == t {
			return k.kind
		}
	}
	panic("lull: no table holds the type " + t.String())
}

// typeOf gives the Redis type of a mapping kind.
func typeOf(kind mapping.Kind) keyspace.Type {
	for _, k := range kinds {
		if k.kind == kind {
			return k.typ
		}
	}
	panic("lull: no type for " + kind.String())
}

// typeByName gives the type that lull_keys names.
func typeByName(name string) (keyspace.Type, bool) {
	for _, k := range kinds {
		if k.typ.String() == name {
			return k.typ, true
		}
	}
	return keyspace.TypeNone, false
}

// timeCell is the cell that column c holds for a time in ms; 0 is NULL.
func timeCell(c *mapping.Column, ms int64) value.Value {
	if ms == 0 {
		return value.Value{}
	}
	v, err := c.Time(ms)
	if err != nil {
		return value.Value{} // beyond what the column holds: as good as never
	}
	return v
}

// cellTime is the inverse of timeCell.
func cellTime(c *mapping.Column, v value.Value) int64 {
	if v.IsNull() {
		return 0
	}
	ms, _ := c.TimeOf(v)
	return ms
}

// genericBounds are the sizes that Lull's own tables take in this database: some keep
// less of a key in an index than mapping.GenericSizeMax.
type genericBounds struct{ key, member int } // bytes; 0: no bound of its own

func genericBoundsOf(m *mapping.Mapping) genericBounds {
	b := genericBounds{key: m.KeysTable().Key[0].Type.Length}
	for _, k := range []mapping.Kind{mapping.Hash, mapping.Set, mapping.ZSet} {
		b.member = m.Generic(k).Row[0].Type.Length
	}
	return b
}

// check refuses a key, with its field or member if it has one, that could not be
// stored.
func (b genericBounds) check(key, member []byte) error {
	switch {
	case b.key > 0 && len(key) > b.key:
		return fmt.Errorf("%w: key of %d bytes; at most %d can be kept", ErrTooLarge, len(key), b.key)
	case b.member > 0 && len(member) > b.member:
		return fmt.Errorf("%w: field or member of %d bytes; at most %d can be kept", ErrTooLarge, len(member), b.member)
	}
	return mapping.CheckGenericSize(key, member)
}

// CheckValueSize returns ErrTooLarge if the database could not store a value that has n
// bytes together with its key. It costs nothing where there is no such bound.
func (db *DB) CheckValueSize(n int) error {
	if m := db.valueMax.Load(); m > 0 && int64(n) > m {
		return fmt.Errorf("%w: %d bytes; the server takes at most %d together with the key", ErrTooLarge, n, m)
	}
	return nil
}
