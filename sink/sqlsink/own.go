package sqlsink

import (
	"strings"
	"time"

	"github.com/lullcache/lull/sink"
)

// The names of Lull's own tables besides those for data.
const (
	laneTable   = "lull_lanes"
	letterTable = "lull_dead_letters"
)

// OwnNames are Lull's own tables.
var OwnNames = []string{
	laneTable, letterTable, "lull_keys", "lull_strings", "lull_hashes", "lull_zsets", "lull_sets", "lull_lists", "lull_streams",
}

// OwnTypes are the types of the columns of Lull's own tables.
type OwnTypes struct {
	Name, Small, Big, Text, LongText, Key, StringKey, Bytes, Float, Stamp sink.Type
}

// Own describes Lull's own tables in one database.
type Own struct {
	tables map[string]*sink.Table
	ddl    []string
	stamp  string
}

// NewOwn describes Lull's own tables. In ddl a table's name in braces stands for
// its qualified name, as table returns it; statements are separated by lines that
// hold ";" alone. stamp is the layout of a timestamp parameter.
func NewOwn(types OwnTypes, ddl, stamp string, table func(name string) string) *Own {
	o := &Own{tables: make(map[string]*sink.Table), stamp: stamp}
	var names []string
	for _, name := range OwnNames {
		names = append(names, "{"+name+"}", table(name), "{"+name+"_text}", table(name+"_text"))
	}
	for _, statement := range strings.Split(strings.NewReplacer(names...).Replace(ddl), "\n;\n") {
		if statement = strings.TrimSpace(statement); statement != "" {
			o.ddl = append(o.ddl, statement)
		}
	}
	o.describe(types)
	return o
}

// DDL returns the statements that make the tables.
func (o *Own) DDL() []string { return append([]string(nil), o.ddl...) }

// Stamp returns t as a parameter, in UTC.
func (o *Own) Stamp(t time.Time) string { return t.UTC().Format(o.stamp) }

// Data returns the description of a table for data, nil if there is none of this
// name.
func (o *Own) Data(name string) *sink.Table {
	if name == letterTable {
		return nil
	}
	return o.tables[name]
}

// Is reports whether t is one of the tables that o describes.
func (o *Own) Is(t *sink.Table) bool { return o.tables[t.Name] == t }

// Placed is t, or its copy in the schema if it is one of o's and schema is not empty.
func (o *Own) Placed(t *sink.Table, schema string) *sink.Table {
	if schema == "" || !o.Is(t) {
		return t
	}
	placed := *t
	placed.Schema = schema
	return &placed
}

func (o *Own) describe(t OwnTypes) {
	name, db := column("name", t.Name), column("db", t.Small)
	key, expires := column("key", t.Key), nullable(column("expires_at", t.Stamp))
	parent := sink.ForeignKey{
		Columns: []string{"name", "db", "key"}, RefTable: "lull_keys", RefColumns: []string{"name", "db", "key"},
		OnDelete: "cascade", OnUpdate: "no action",
	}
	o.table("lull_keys", 3, name, db, key, column("type", t.Text), expires, nullable(column("meta", t.Text)))
	o.table("lull_strings", 3, name, db, column("key", t.StringKey), column("value", t.Bytes), expires)
	o.table("lull_hashes", 4, name, db, key, column("field", t.Key), column("value", t.Bytes))
	o.table("lull_zsets", 4, name, db, key, column("member", t.Key), column("score", t.Float))
	o.table("lull_sets", 4, name, db, key, column("member", t.Key))
	o.table("lull_lists", 4, name, db, key, column("position", t.Big), column("value", t.Bytes))
	o.table("lull_streams", 5, name, db, key, column("ms", t.Big), column("seq", t.Big), column("fields", t.LongText))
	for _, child := range []string{"lull_hashes", "lull_zsets", "lull_sets", "lull_lists", "lull_streams"} {
		o.tables[child].ForeignKeys = []sink.ForeignKey{parent}
	}
	o.table(letterTable, 2, name, column("id", t.Big), column("lane", t.Name), column("state", t.Text),
		column("position", t.Big), column("at", t.Stamp), column("code", t.Text), column("message", t.LongText),
		column("schema_name", t.Text), column("table_name", t.Text), column("op", t.Text),
		column("row_key", t.LongText), column("data", t.LongText))
}

func (o *Own) table(name string, keys int, columns ...sink.Column) {
	t := &sink.Table{Name: name, Columns: columns}
	for _, c := range columns[:keys] {
		t.PrimaryKey = append(t.PrimaryKey, c.Name)
	}
	o.tables[name] = t
}

func column(name string, t sink.Type) sink.Column {
	return sink.Column{Name: name, Type: t, Insertable: true, CaseSensitive: true}
}

func nullable(c sink.Column) sink.Column {
	c.Nullable = true
	return c
}
