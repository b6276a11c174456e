package mapping

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
)

// Defaults of a table's settings.
const (
	maxAgeDefault = time.Minute // hashes and strings; collections are kept at any age
	tailDefault   = 10_000
)

var kindNames = []string{"string", "hash", "zset", "set", "stream"}

// A compiler turns specs into tables, one after the other, and gathers what is
// wrong with them.
type compiler struct {
	catalog  *sink.Catalog
	done     []*Table // all that have a pattern, also those with problems
	used     map[*sink.Table]string
	names    map[string]bool
	problems []Problem

	spec *Spec // the one at work
	bad  bool  // it has problems
}

// complain adds a problem with a setting of the spec at work; setting "" is the
// whole entry.
func (c *compiler) complain(setting, what, remedy string) {
	where := "tables." + c.spec.Name
	if setting != "" {
		where += "." + setting
	}
	c.problems = append(c.problems, Problem{File: c.spec.File, Line: c.spec.line(setting), Where: where, What: what, Remedy: remedy})
	c.bad = true
}

// table compiles one spec. It returns nil if that has problems.
func (c *compiler) table(spec *Spec) *Table {
	c.spec, c.bad = spec, false
	t := &Table{
		Name: spec.Name, Spec: *spec,
		Value: None, Score: None, UpdatedAt: None, Expires: None,
	}
	c.name()
	kindKnown := c.kind(t)
	c.pattern(t)
	c.settings(t, kindKnown)
	t.SQL = c.live()
	if t.SQL == nil || t.pattern == nil || !kindKnown {
		return nil
	}
	t.Def = change.TableDef{Mapping: t.Name, Schema: t.SQL.Schema, Name: t.SQL.Name}
	before := len(c.problems)
	c.keyColumns(t)
	c.rowColumns(t)
	keyed := len(c.problems) == before
	c.cells(t)
	named := len(c.problems) == before
	if keyed { // else it would complain of the same again
		c.unique(t)
	}
	if !named {
		return nil
	}
	c.unfilled(t)
	c.defaults(t)
	t.define()
	if c.bad {
		return nil
	}
	return t
}

// name checks the mapping's name, which Go programs may give twice; YAML cannot.
func (c *compiler) name() {
	if c.names == nil {
		c.names = map[string]bool{}
	}
	switch {
	case c.spec.Name == "":
		c.complain("", "the mapping has no name", "")
	case c.names[c.spec.Name]:
		c.complain("", "there is another mapping of that name", "rename one of them")
	}
	c.names[c.spec.Name] = true
}

func (c *compiler) kind(t *Table) bool {
	switch c.spec.Type {
	case "string":
		t.Kind = String
	case "hash":
		t.Kind = Hash
	case "zset":
		t.Kind = ZSet
	case "set":
		t.Kind = Set
	case "stream":
		t.Kind = Stream
	case "list":
		c.complain("type", "lists cannot be mapped", "use a stream, or keep the list as an unmapped key")
		return false
	case "":
		c.complain("type", "is missing", "write one of "+strings.Join(kindNames, ", "))
		return false
	default:
		c.complain("type", fmt.Sprintf("there is no type %q", c.spec.Type), suggest(c.spec.Type, kindNames))
		return false
	}
	return true
}

// pattern parses the key pattern and compares it with those before it.
func (c *compiler) pattern(t *Table) {
	p, err := parsePattern(c.spec.Key)
	if err != nil {
		c.complain("key", err.Error(), `write a pattern such as "`+c.spec.Name+`:{id}"`)
		return
	}
	t.pattern = p
	for _, other := range c.done {
		if p.overlaps(other.pattern) {
			c.complain("key", fmt.Sprintf("%q and %q of tables.%s can match the same key", p.text, other.pattern.text, other.Name), "begin one of them with other words")
		}
	}
	c.done = append(c.done, t)
}

// live finds the SQL table.
func (c *compiler) live() *sink.Table {
	name := c.spec.sqlName()
	t := c.catalog.Find(name)
	setting := "table"
	if c.spec.Table == "" {
		setting = ""
	}
	switch {
	case t == nil:
		var names []string
		for _, other := range c.catalog.Tables {
			names = append(names, other.Name, other.String())
		}
		c.complain(setting, fmt.Sprintf("the database has no table %s", name), suggest(name, names))
		return nil
	case t.View:
		c.complain(setting, fmt.Sprintf("%s is a view", t), "map the table behind it")
		return nil
	case slices.Contains(genericNames[:], t.Name) || t.Name == "lull_lanes" || t.Name == "lull_dead_letters":
		c.complain(setting, fmt.Sprintf("%s is one of Lull's own tables", t), "keys without a mapping go there by themselves; see `unmapped`")
		return nil
	}
	if c.used == nil {
		c.used = map[*sink.Table]string{}
	}
	if other, ok := c.used[t]; ok {
		c.complain(setting, fmt.Sprintf("%s is written by tables.%s already", t, other), "map a table once")
		return nil
	}
	c.used[t] = c.spec.Name
	return t
}

// suggest returns the remedy for a name that is not one of names.
func suggest(name string, names []string) string {
	if near := Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(names)
	names = slices.Compact(names)
	const shownMax = 20
	if len(names) > shownMax {
		return "there are " + strings.Join(names[:shownMax], ", ") + ", …"
	}
	return "there are " + strings.Join(names, ", ")
}

// settings checks those settings that need no catalog.
func (c *compiler) settings(t *Table, kindKnown bool) {
	s := c.spec
	if kindKnown {
		for _, f := range []struct {
			name  string
			given bool
			kinds []Kind
		}{
			{"value", s.Value != "", []Kind{String}},
			{"member", s.Member != "", []Kind{ZSet, Set}},
			{"score", s.Score != "", []Kind{ZSet}},
			{"fields", len(s.Fields) > 0, []Kind{Hash, Stream}},
			{"columns", len(s.Columns) > 0, []Kind{Hash, Stream}},
			{"id", len(s.ID) > 0, []Kind{Stream}},
			{"tail", s.Tail != 0, []Kind{Stream}},
			{"on_trim", s.OnTrim != "", []Kind{Stream}},
			{"expires", s.Expires != "", []Kind{Hash, String}},
		} {
			if f.given && !slices.Contains(f.kinds, t.Kind) {
				c.complain(f.name, fmt.Sprintf("a %s has no such setting", t.Kind), "it is for "+kindList(f.kinds))
			}
		}
	}
	c.oneOf("on_trim", s.OnTrim, "keep", "delete")
	c.oneOf("on_expire", s.OnExpire, "delete", "evict")
	c.oneOf("cascade", s.Cascade, "forget")
	c.oneOf("ack", s.Ack, "memory", "disk", "database")
	c.combinations(t)
	t.MaxAge = s.MaxAge
	if !s.MaxAgeSet && (t.Kind == Hash || t.Kind == String) {
		t.MaxAge = maxAgeDefault
	}
	if t.Kind == Stream && s.Tail == 0 {
		t.Spec.Tail = tailDefault
	}
}

func (c *compiler) combinations(t *Table) {
	s := c.spec
	if s.OnTrim == "delete" && len(s.ID) == 0 {
		c.complain("on_trim", "delete needs to know the rows", "name the id columns with `id:`")
	}
	switch {
	case s.OnExpire == "delete" && t.Kind != Hash && t.Kind != String:
		c.complain("on_expire", "delete is for tables with a row for each key (hash, string)", "write on_expire: evict")
	case s.OnExpire == "delete" && s.Expires == "":
		c.complain("on_expire", "delete needs a column that keeps the time", "name a timestamp column with `expires:`")
	case s.Expires != "" && s.OnExpire != "delete":
		c.complain("expires", "is only used to delete rows that expire", "write on_expire: delete")
	}
	for _, n := range []struct {
		name  string
		value int64
	}{{"tail", int64(s.Tail)}, {"max_load_rows", int64(s.MaxLoadRows)}, {"max_age", int64(s.MaxAge)}} {
		if n.value < 0 {
			c.complain(n.name, "is negative", "")
		}
	}
}

func (c *compiler) oneOf(setting, got string, allowed ...string) {
	if got != "" && !slices.Contains(allowed, got) {
		c.complain(setting, fmt.Sprintf("there is no %q", got), "write "+strings.Join(allowed, " or "))
	}
}

func kindList(kinds []Kind) string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.String()
	}
	return strings.Join(names, " and ")
}
