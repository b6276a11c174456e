package initgen

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
)

// spec returns the mapping that a table's shape asks for: a set if it is nothing but
// keys, else a hash. It may turn out not to be possible.
func (g *generator) spec(t *sink.Table) mapping.Spec {
	s := mapping.Spec{Name: t.Name, Type: "hash"}
	if t.Schema != "" {
		s.Table = t.String()
	}
	if g.names[s.Name] {
		s.Name = t.Schema + "_" + t.Name
	}
	s.Name = unused(g.names, s.Name)
	if s.Name != t.Name {
		s.Table = t.String()
	}
	word := singular(t.Name)
	if g.words[word] {
		word = t.Name
	}
	word = unused(g.words, strings.NewReplacer(":", "_", "{", "{{", "}", "}}").Replace(word))

	key := identity(t)
	rest := slices.DeleteFunc(slices.Clone(t.Columns), func(c sink.Column) bool { return slices.Contains(key, c.Name) })
	if len(rest) == 0 && len(key) > 0 {
		s.Type, s.Member = "set", key[len(key)-1]
		key = key[:len(key)-1]
	} else {
		s.UpdatedAt = updatedAt(rest)
		s.Columns = writable(rest)
	}
	s.Key = pattern(t, word, key)
	for _, fk := range t.ForeignKeys {
		if fk.OnDelete != "no action" && fk.OnDelete != "restrict" || fk.OnUpdate != "no action" && fk.OnUpdate != "restrict" {
			s.Cascade = "forget"
		}
	}
	return s
}

// unused returns name, numbered if it is taken, and takes it.
func unused(taken map[string]bool, name string) string {
	out := name
	for n := 2; taken[out]; n++ {
		out = name + "_" + strconv.Itoa(n)
	}
	taken[out] = true
	return out
}

// singular makes a table's name the word for one row, as English mostly does.
func singular(name string) string {
	switch {
	case strings.HasSuffix(name, "ies") && len(name) > 4:
		return strings.TrimSuffix(name, "ies") + "y"
	case strings.HasSuffix(name, "sses"), strings.HasSuffix(name, "xes"):
		return strings.TrimSuffix(name, "es")
	case strings.HasSuffix(name, "ss"), strings.HasSuffix(name, "us"), strings.HasSuffix(name, "is"), len(name) < 4:
		return name
	}
	return strings.TrimSuffix(name, "s")
}

// identity returns the columns that tell a table's rows apart: the primary key, or
// the first unique key without NULLs.
func identity(t *sink.Table) []string {
	if len(t.PrimaryKey) > 0 {
		return t.PrimaryKey
	}
	for _, u := range t.Unique {
		nullable := func(name string) bool { i := t.Column(name); return i < 0 || t.Columns[i].Nullable }
		if !slices.ContainsFunc(u, nullable) {
			return u
		}
	}
	return nil
}

// pattern returns word:{column}:{column}. A time, whose text has colons, takes the
// rest of the key.
func pattern(t *sink.Table, word string, key []string) string {
	p := word
	for i, name := range key {
		star := ""
		if c := t.Column(name); i == len(key)-1 && c >= 0 && (isTime(&t.Columns[c]) || t.Columns[c].Type.Family == sink.Time) {
			star = "*"
		}
		p += ":{" + name + star + "}"
	}
	return p
}

func isTime(c *sink.Column) bool {
	return c.Type.Family == sink.Timestamp || c.Type.Family == sink.TimestampTZ
}

func updatedAt(columns []sink.Column) string {
	for i := range columns {
		switch c := &columns[i]; strings.ToLower(c.Name) {
		case "updated_at", "modified_at", "last_modified", "updated":
			if isTime(c) && c.Insertable {
				return c.Name
			}
		}
	}
	return ""
}

// writable returns the columns to list where some have types that Lull cannot write;
// nil where all may be mapped.
func writable(columns []sink.Column) []string {
	var names []string
	for _, c := range columns {
		if c.Type.Family != sink.Unsupported {
			names = append(names, c.Name)
		}
	}
	if len(names) == len(columns) {
		return nil
	}
	return names
}

// madeFields returns the fields of a hash that the database makes.
func madeFields(t *sink.Table, s mapping.Spec) []string {
	key := identity(t)
	var names []string
	for _, c := range t.Columns {
		if c.Made && c.Name != s.UpdatedAt && !slices.Contains(key, c.Name) && c.Type.Family != sink.Unsupported {
			names = append(names, c.Name)
		}
	}
	return names
}

// sortedSet proposes a table with a number in each row as a sorted set, whose member
// is the last key column.
func (g *generator) sortedSet(t *sink.Table, s mapping.Spec) mapping.Spec {
	key := identity(t)
	if s.Type != "hash" || len(key) < 2 && len(t.Columns) > 2 {
		return mapping.Spec{}
	}
	z := mapping.Spec{Name: s.Name, Table: s.Table, Type: "zset", Member: key[len(key)-1]}
	word, _, _ := strings.Cut(s.Key, ":")
	z.Key = pattern(t, word, key[:len(key)-1])
	z.Score = number(t, key, sink.FloatNum, sink.Integer, sink.Decimal)
	if z.Score == "" {
		return mapping.Spec{}
	}
	return z
}

// counter proposes a table with one integer in each row as counters.
func (g *generator) counter(t *sink.Table, s mapping.Spec) mapping.Spec {
	value := number(t, identity(t), sink.Integer)
	if s.Type != "hash" || value == "" || len(t.Columns) != len(identity(t))+1 {
		return mapping.Spec{}
	}
	return mapping.Spec{Name: s.Name, Table: s.Table, Type: "string", Key: s.Key, Value: value}
}

// stream proposes a table whose rows the database numbers, or that has no key, as a
// stream.
func (g *generator) stream(t *sink.Table, s mapping.Spec) mapping.Spec {
	for _, name := range t.PrimaryKey {
		if i := t.Column(name); i < 0 || !t.Columns[i].Made {
			return mapping.Spec{}
		}
	}
	if len(t.Unique) > 0 {
		return mapping.Spec{}
	}
	word, _, _ := strings.Cut(s.Key, ":")
	return mapping.Spec{Name: s.Name, Table: s.Table, Type: "stream", Key: word}
}

// number returns the first column of one of the families, in their order, that is not
// a key column and that Lull can write.
func number(t *sink.Table, key []string, families ...sink.Family) string {
	for _, f := range families {
		for _, c := range t.Columns {
			if c.Type.Family == f && !c.Made && !slices.Contains(key, c.Name) {
				return c.Name
			}
		}
	}
	return ""
}
