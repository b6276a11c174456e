package mapping

import (
	"fmt"
	"slices"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
)

// Numbers of the generic tables in every dictionary.
const (
	keysID = iota
	stringsID
	hashesID
	zsetsID
	setsID
	listsID
	streamsID
)

var genericNames = [...]string{
	keysID: "lull_keys", stringsID: "lull_strings", hashesID: "lull_hashes", zsetsID: "lull_zsets",
	setsID: "lull_sets", listsID: "lull_lists", streamsID: "lull_streams",
}

var genericOf = [...]int{String: stringsID, Hash: hashesID, ZSet: zsetsID, Set: setsID, List: listsID, Stream: streamsID}

// GenericSizeMax is the most bytes that a generic key, or a key and its field or
// member together, may have: what every database's index takes.
const GenericSizeMax = 2000

// CheckGenericSize refuses a generic key, with its field or member if it has one,
// that is above GenericSizeMax.
func CheckGenericSize(key, member []byte) error {
	if len(key)+len(member) <= GenericSizeMax {
		return nil
	}
	if len(member) == 0 {
		return fmt.Errorf("key of %d bytes; at most %d can be kept", len(key), GenericSizeMax)
	}
	return fmt.Errorf("key of %d bytes with a field or member of %d; together at most %d can be kept", len(key), len(member), GenericSizeMax)
}

// genericTable describes a generic table by its columns: name and db, then key,
// then the rest of the primary key, which tells the rows of a key apart; all others
// are cells.
func genericTable(id uint16, name string, live *sink.Table) *Table {
	t := &Table{
		ID: id, Order: int(id), Name: name, Kind: String, SQL: live,
		Value: None, Score: None, UpdatedAt: None, Expires: None,
		Def: change.TableDef{Mapping: name, Schema: live.Schema, Name: live.Name, PerDB: true},
	}
	for kind, of := range genericOf {
		if of == int(id) {
			t.Kind = Kind(kind)
		}
	}
	for i := range live.Columns {
		c := Column{Name: live.Columns[i].Name, Index: i, Column: live.Columns[i], table: name}
		switch {
		case c.Name == "name" || c.Name == "db":
		case c.Name == "key":
			t.Key = append(t.Key, c)
		case slices.Contains(live.PrimaryKey, c.Name):
			t.Row = append(t.Row, c)
		case c.Insertable || !c.Made:
			t.addCell(c)
		}
	}
	t.Value, t.Score, t.Expires = t.cell("value"), t.cell("score"), t.cell("expires_at")
	t.define()
	return t
}

// addCell appends a cell and its field.
func (t *Table) addCell(c Column) {
	if t.fields == nil {
		t.fields = map[string]int{}
	}
	t.fields[c.Name] = len(t.Cells)
	t.Cells = append(t.Cells, c)
}

// cell returns the cell of the field called name, or None.
func (t *Table) cell(name string) int {
	if i, ok := t.fields[name]; ok {
		return i
	}
	return None
}

// define fills in the dictionary's entry from the columns.
func (t *Table) define() {
	t.Def.KeyColumns, t.Def.RowColumns, t.Def.Columns = sqlNames(t.Key), sqlNames(t.Row), sqlNames(t.Cells)
}

func sqlNames(columns []Column) []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].Column.Name
	}
	return names
}
