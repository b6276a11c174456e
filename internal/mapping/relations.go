package mapping

import (
	"fmt"
	"slices"

	"github.com/lullcache/lull/sink"
)

// relations links tables by their foreign keys, complains of those through which
// one mapped table changes another behind Lull's back, and orders parents before
// children.
func (c *compiler) relations(tables []*Table) {
	for _, t := range tables {
		c.spec = &t.Spec
		for i := range t.SQL.ForeignKeys {
			fk := &t.SQL.ForeignKeys[i]
			parent := referenced(tables, t, fk)
			if parent == nil {
				continue
			}
			if parent != t && !slices.Contains(t.Parents, parent) {
				t.Parents = append(t.Parents, parent)
			}
			c.cascade(t, parent, fk)
		}
	}
	order := len(genericNames)
	visited := map[*Table]bool{}
	for _, t := range tables {
		visit(t, visited, &order)
	}
}

func referenced(tables []*Table, child *Table, fk *sink.ForeignKey) *Table {
	for _, t := range tables {
		if t.SQL.Name == fk.RefTable && (t.SQL.Schema == fk.RefSchema || fk.RefSchema == "" && t.SQL.Schema == child.SQL.Schema) {
			return t
		}
	}
	return nil
}

func (c *compiler) cascade(child, parent *Table, fk *sink.ForeignKey) {
	action := ""
	switch {
	case changesRows(fk.OnDelete):
		action = "ON DELETE " + fk.OnDelete
	case changesRows(fk.OnUpdate) && writes(parent, fk.RefColumns):
		action = "ON UPDATE " + fk.OnUpdate
	default:
		return
	}
	if child.Spec.Cascade == "forget" || parent.Spec.Cascade == "forget" {
		if !slices.Contains(parent.Children, child) {
			parent.Children = append(parent.Children, child)
		}
		return
	}
	c.complain("", fmt.Sprintf("the foreign key %s changes rows of %s (%s) when those of tables.%s change, and Lull would not see it", fk.Name, child.SQL, action, parent.Name),
		"drop the action, or write cascade: forget, so that entries of "+child.Name+" leave memory then")
}

func changesRows(action string) bool {
	return action == "cascade" || action == "set null" || action == "set default"
}

// writes reports whether one of the columns is a cell of t.
func writes(t *Table, columns []string) bool {
	return slices.ContainsFunc(t.Cells, func(col Column) bool { return slices.Contains(columns, col.Column.Name) })
}

// visit numbers t behind its parents. A circle of references is broken where it
// closes.
func visit(t *Table, visited map[*Table]bool, order *int) {
	if visited[t] {
		return
	}
	visited[t] = true
	for _, p := range t.Parents {
		visit(p, visited, order)
	}
	t.Order = *order
	*order++
}
