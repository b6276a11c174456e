package mapping

import (
	"fmt"
	"slices"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// Target says where the changes of one dictionary table go in a live one. It needs
// no mapping, so changes from an old segment of the log find their way too.
type Target struct {
	Table *sink.Table
	// Key are the columns that identify a row, in the order of KeyVals; ClearBy those
	// that all rows of a key share, in the order of ClearVals. With no ClearBy (a
	// pattern without columns) a key is the whole table.
	Key, ClearBy []int
	// Cells gives the live column for each of the definition's Columns, or -1 if it
	// is no longer there.
	Cells []int
	// Unique is true if the table has a primary or unique key on exactly Key. A
	// stream without id columns has none: its rows can only be appended.
	Unique bool

	own       bool
	keys      int // columns of the key tuple
	rows      int // columns of the row tuple
	typedKeys []bool
}

// Resolve finds the columns of def in live. own is true for the generic tables, whose
// rows begin with the Lull's name and the database number. It fails, naming the
// column, if one that identifies rows is missing.
func Resolve(def change.TableDef, live *sink.Table, own bool) (*Target, error) {
	if live == nil {
		return nil, fmt.Errorf("table %s: does not exist", tableName(def))
	}
	tg := &Target{Table: live, own: own, keys: len(def.KeyColumns), rows: len(def.RowColumns)}
	var names []string
	if own {
		names = append(names, "name", "db")
	}
	names = append(append(names, def.KeyColumns...), def.RowColumns...)
	for _, name := range names {
		i := live.Column(name)
		if i < 0 {
			return nil, fmt.Errorf("table %s: column %s does not exist", live, name)
		}
		tg.Key = append(tg.Key, i)
		tg.typedKeys = append(tg.typedKeys, live.Columns[i].Type.Family == sink.Integer)
	}
	tg.ClearBy = tg.Key[: len(tg.Key)-tg.rows : len(tg.Key)-tg.rows]
	for _, name := range def.Columns {
		tg.Cells = append(tg.Cells, live.Column(name))
	}
	tg.Unique = hasUniqueKey(live, names)
	return tg, nil
}

func tableName(def change.TableDef) string {
	t := sink.Table{Schema: def.Schema, Name: def.Name}
	return t.String()
}

// KeyVals appends the values of Key for a row: of a row of Lull's own tables the name
// and database number first. Integer columns get an Int where the text is one.
func (tg *Target) KeyVals(dst []value.Value, name string, db uint8, key, row string) []value.Value {
	dst = tg.ClearVals(dst, name, db, key)
	if tg.rows > 0 {
		dst = tg.appendTuple(dst, row, tg.rows, len(tg.ClearBy))
	}
	return dst
}

// ClearVals appends the values of ClearBy for a key.
func (tg *Target) ClearVals(dst []value.Value, name string, db uint8, key string) []value.Value {
	at := 0
	if tg.own {
		dst = append(dst, value.OfString(name), value.OfInt(int64(db)))
		at = 2
	}
	return tg.appendTuple(dst, key, tg.keys, at)
}

// appendTuple appends the n parts of tuple, which belong to Key[at:].
func (tg *Target) appendTuple(dst []value.Value, tuple string, n, at int) []value.Value {
	if n == 1 {
		return append(dst, tg.keyVal(at, tuple))
	}
	var room [keyColumnsMax]string
	parts, ok := change.SplitTuple(room[:0], tuple, n)
	if !ok {
		panic(fmt.Sprintf("mapping: table %s: %q is not a tuple of %d", tg.Table, tuple, n))
	}
	for i, p := range parts {
		dst = append(dst, tg.keyVal(at+i, p))
	}
	return dst
}

// keyVal is the value of one of Key.
func (tg *Target) keyVal(at int, text string) value.Value {
	v := value.OfString(text)
	if tg.typedKeys[at] {
		if n, ok := v.Int(); ok {
			return value.OfInt(n)
		}
	}
	return v
}

// hasUniqueKey reports whether t has a primary or unique key on exactly columns.
func hasUniqueKey(t *sink.Table, columns []string) bool {
	if sameColumns(t.PrimaryKey, columns) {
		return true
	}
	return slices.ContainsFunc(t.Unique, func(u []string) bool { return sameColumns(u, columns) })
}

func sameColumns(a, b []string) bool {
	return len(a) == len(b) && len(a) > 0 && containsAll(a, b)
}

func containsAll(all, some []string) bool {
	for _, name := range some {
		if !slices.Contains(all, name) {
			return false
		}
	}
	return true
}
