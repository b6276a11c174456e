package flush

import (
	"fmt"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// target returns where a table's changes go. A table whose target cannot be had is
// parked, and gets one made of its names, so that letters can be written for it.
func (f *Flusher) target(table uint16) *Target {
	if t := f.targets[table]; t != nil {
		return t
	}
	t, err := f.o.Targets(table)
	if err != nil || t == nil {
		order := 0
		if t != nil {
			order = t.Order
		}
		t = namesTarget(&f.o.Dictionary[table], order)
	}
	f.targets[table] = t
	if err != nil {
		f.park(table, sink.Reason{Message: err.Error()})
	}
	return t
}

// namesTarget describes a table by the names that the dictionary has. Its place in the
// order stays: a cut may be in SQL in part, in that order.
func namesTarget(def *change.TableDef, order int) *Target {
	t := &Target{Table: &sink.Table{Schema: def.Schema, Name: def.Name}, Order: order}
	add := func(names []string) (columns []int) {
		for _, n := range names {
			columns = append(columns, len(t.Table.Columns))
			t.Table.Columns = append(t.Table.Columns, sink.Column{Name: n, Nullable: true, Insertable: true})
		}
		return columns
	}
	if def.PerDB {
		t.ClearBy = add([]string{"name", "db"})
	}
	t.ClearBy = append(t.ClearBy, add(def.KeyColumns)...)
	t.Key = append(append(t.Key, t.ClearBy...), add(def.RowColumns)...)
	t.Cells = add(def.Columns)
	t.ClearVals = func(dst []value.Value, name string, db uint8, key string) []value.Value {
		if def.PerDB {
			dst = append(dst, value.OfString(name), value.OfInt(int64(db)))
		}
		return appendParts(dst, key, len(def.KeyColumns))
	}
	t.KeyVals = func(dst []value.Value, name string, db uint8, key, row string) []value.Value {
		dst = t.ClearVals(dst, name, db, key)
		if len(def.RowColumns) == 0 {
			return dst
		}
		return appendParts(dst, row, len(def.RowColumns))
	}
	return t
}

func appendParts(dst []value.Value, tuple string, n int) []value.Value {
	parts, ok := change.SplitTuple(nil, tuple, n)
	if !ok {
		panic(fmt.Sprintf("flush: %q is not a tuple of %d", tuple, n))
	}
	for _, p := range parts {
		dst = append(dst, value.OfString(p))
	}
	return dst
}
