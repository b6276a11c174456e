// Package mapping is the one bridge between Redis keys and SQL rows. Compile turns
// the `tables:` of a configuration and the live catalog into a Mapping: which
// table a key belongs to, which column a field is, and what a value looks like in
// the one canonical form that clients see, the log holds and SQL gets.
//
// A Mapping is immutable, so any number of goroutines may use it at once.
package mapping

import (
	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
)

// Kind is the Redis type that a table holds. List is generic only.
type Kind uint8

// The kinds.
const (
	String Kind = iota
	Hash
	ZSet
	Set
	List
	Stream
)

// String returns the type as the TYPE command names it.
func (k Kind) String() string {
	return [...]string{"string", "hash", "zset", "set", "list", "stream"}[k]
}

// Mapping is all tables, those for unmapped keys included.
type Mapping struct {
	tables []*Table // by number: generic ones first
	byName map[string]*Table
	index  index
}

// Compile checks specs against the live catalog and returns the mapping, or all
// complaints. own describes Lull's own tables; see sink.Schema.OwnTable. It may be
// nil where only the complaints count: the generic tables have no columns then.
func Compile(specs []Spec, cat *sink.Catalog, own func(string) *sink.Table) (*Mapping, []Problem) {
	m := &Mapping{byName: make(map[string]*Table, len(specs))}
	for id, name := range genericNames {
		live := &sink.Table{Name: name}
		if own != nil {
			live = own(name)
		}
		m.tables = append(m.tables, genericTable(uint16(id), name, live))
	}
	c := compiler{catalog: cat}
	for i := range specs {
		if t := c.table(&specs[i]); t != nil {
			t.ID = uint16(len(m.tables))
			t.Def.Space = t.ID
			m.tables = append(m.tables, t)
			m.byName[t.Name] = t
		}
	}
	c.relations(m.Tables())
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	m.index = newIndex(m.Tables())
	return m, nil
}

// Match returns the table whose pattern matches key, or nil. It allocates
// nothing.
func (m *Mapping) Match(key []byte) *Table { return m.index.find(view(key)) }

// MatchString is Match for a string.
func (m *Mapping) MatchString(key string) *Table { return m.index.find(key) }

// Tables returns the mapped tables, in the configuration's order. The caller must
// not change the slice.
func (m *Mapping) Tables() []*Table { return m.tables[len(genericNames):] }

// Table returns the table with the dictionary number id, or nil.
func (m *Mapping) Table(id uint16) *Table {
	if int(id) >= len(m.tables) {
		return nil
	}
	return m.tables[id]
}

// Mapped returns the mapped table with the dictionary number id, or nil if that is a generic
// one.
func (m *Mapping) Mapped(id uint16) *Table {
	if int(id) < len(genericNames) {
		return nil
	}
	return m.tables[id]
}

// ByName returns the mapped table of that name in the configuration, or nil.
func (m *Mapping) ByName(name string) *Table { return m.byName[name] }

// Generic returns the table that holds unmapped keys of kind k: the rows of the
// strings, or the children of collections.
func (m *Mapping) Generic(k Kind) *Table { return m.tables[genericOf[k]] }

// KeysTable returns lull_keys: the header rows of unmapped collections.
func (m *Mapping) KeysTable() *Table { return m.tables[keysID] }

// Dictionary returns the numbered tables for the head of a log segment. Numbers 0
// to 6 are the generic tables.
func (m *Mapping) Dictionary() change.Dictionary {
	d := make(change.Dictionary, len(m.tables))
	for i, t := range m.tables {
		d[i] = t.Def
	}
	return d
}

// Nearest returns the pattern that key most nearly matches, "" if there are no
// mapped tables. It is for messages and slow.
func (m *Mapping) Nearest(key []byte) string {
	best, bestAway := "", 0
	for _, t := range m.Tables() {
		away := t.pattern.distance(string(key))
		if best == "" || away < bestAway {
			best, bestAway = t.Spec.Key, away
		}
	}
	return best
}
