package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lullcache/lull/internal/change"
)

// unique checks that the database can tell rows apart as Lull does: by the key
// columns and, in collections, the row columns.
func (c *compiler) unique(t *Table) {
	if t.Kind == Stream && len(t.Row) == 0 {
		return
	}
	want := append(sqlNames(t.Key), sqlNames(t.Row)...)
	if !hasUniqueKey(t.SQL, want) {
		list := strings.Join(want, ", ")
		c.complain("key", fmt.Sprintf("%s has no primary or unique key on exactly (%s)", t.SQL, list),
			fmt.Sprintf("add one, as in CREATE UNIQUE INDEX %s_key ON %s (%s), or name other columns", t.SQL.Name, t.SQL, list))
	}
	if t.Kind != Stream || len(t.Key) == 0 {
		return
	}
	ids := sqlNames(t.Row)
	for _, u := range append(slices.Clone(t.SQL.Unique), t.SQL.PrimaryKey) {
		if len(u) > 0 && containsAll(ids, u) {
			c.complain("id", fmt.Sprintf("two streams may have the same id, and the unique key on (%s) would refuse the second", strings.Join(u, ", ")),
				"add the key columns to that unique key")
		}
	}
}

// unfilled finds what a new row needs: cells that must be set, and columns that
// are not in the mapping at all, so that nothing could fill them.
func (c *compiler) unfilled(t *Table) {
	for i := range t.Cells {
		col := &t.Cells[i]
		if !col.Nullable && col.Default == nil && !col.Made && !col.Managed && !t.SQL.Triggers {
			t.required = append(t.required, i)
		}
	}
	free := c.free(t)
	for i := range t.SQL.Columns {
		col := &t.SQL.Columns[i]
		if !col.Nullable && col.Default == nil && !col.Made && !t.SQL.Triggers && slices.Contains(free, col.Name) {
			t.unfilled = append(t.unfilled, col.Name)
		}
	}
	// A hash may still be meant for rows that others create.
	if len(t.unfilled) > 0 && t.Kind != Hash {
		c.complain("", fmt.Sprintf("a new row of %s needs %s, which may not be NULL, has no default, and is not in this mapping", t.SQL, strings.Join(t.unfilled, ", ")),
			"give it a default, or map the table as a hash")
	}
}

// defaults canonicalises the constant defaults that Lull writes itself into new
// rows. One that it cannot read is left to the database, and the row read back. So
// is parsed JSON that is not PostgreSQL's, whose numbers each database writes in its
// own way.
func (c *compiler) defaults(t *Table) {
	for i := range t.Cells {
		col := &t.Cells[i]
		if col.Type.Parsed && col.Type.SQL != "jsonb" {
			t.Reload = true
		}
		if col.Default == nil || col.Managed {
			continue
		}
		v, err := col.CanonString(*col.Default)
		if err != nil {
			t.Reload = true
			continue
		}
		t.defaults = append(t.defaults, change.Cell{Col: uint16(i), Val: v})
	}
}
