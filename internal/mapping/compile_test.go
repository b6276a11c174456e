package mapping

import (
	"strings"
	"testing"

	"github.com/lullcache/lull/sink"
)

var complaints = []struct {
	name string
	spec Spec
	want string
}{
	{"no such table", Spec{Name: "playerz", Key: "p:{id}", Type: "hash"}, "tables.playerz: the database has no table playerz; did you mean players?"},
	{"no such table named", Spec{Name: "x", Table: "players2", Key: "p:{id}", Type: "hash"}, "tables.x.table: the database has no table players2; did you mean players?"},
	{"no such type", Spec{Name: "players", Key: "p:{id}", Type: "hsh"}, `tables.players.type: there is no type "hsh"; did you mean hash?`},
	{"no type", Spec{Name: "players", Key: "p:{id}"}, "tables.players.type: is missing; write one of"},
	{"a list", Spec{Name: "players", Key: "p:{id}", Type: "list"}, "lists cannot be mapped"},
	{"no such key column", Spec{Name: "players", Key: "p:{ID}", Type: "hash"}, "tables.players.key: players has no column ID; did you mean id?"},
	{"a bad pattern", Spec{Name: "players", Key: "p:{id", Type: "hash"}, "tables.players.key: a { without its }; write a pattern such as \"players:{id}\""},
	{"a pattern without column", Spec{Name: "players", Key: "p", Type: "hash"}, "nothing in the pattern says which"},
	{"a key that is not unique", Spec{Name: "players", Key: "p:{name}", Type: "hash"}, "players has no primary or unique key on exactly (name); add one, as in CREATE UNIQUE INDEX players_key ON players (name)"},
	{"no key at all", Spec{Name: "loose", Key: "l:{id}", Type: "hash"}, "no primary or unique key"},
	{"a case-insensitive key", Spec{Name: "folk", Key: "f:{name}", Type: "hash"}, "are the same, so two keys would be one row"},
	{"a key the database makes", Spec{Name: "ledger", Key: "l:{id}", Type: "hash"}, "is made by the database, which takes no value for it"},
	{"a time as key", Spec{Name: "temps", Key: "t:{at}", Type: "hash"}, "{at} takes no colon, but every timestamp has one; put it last, as {at*}"},
	{"a float as key", Spec{Name: "ratios", Key: "r:{ratio}", Type: "hash"}, "whose values cannot name a row"},
	{"a decimal of any scale as key", Spec{Name: "sums", Key: "r:{sum}", Type: "hash"}, "1.5 and 1.50 would be two keys and one row"},
	{"a hash of nothing", Spec{Name: "bare", Key: "b:{id}", Type: "hash"}, "write type: set"},
	{"a type that cannot be written", Spec{Name: "places", Key: "p:{id}", Type: "hash"}, "column at has the type point, which Lull cannot write; list the columns"},
	{"a needed type that cannot be written", Spec{Name: "hidden", Key: "p:{id}", Type: "hash"}, "and a new row needs it"},
	{"a named type that cannot be written", Spec{Name: "places", Key: "p:{id}", Type: "hash", Columns: []string{"at"}}, "tables.places.columns: column at has the type point"},
	{"no value", Spec{Name: "page_views", Key: "v:{page}", Type: "string"}, "tables.page_views.value: is missing; name one of the columns views"},
	{"a value the database makes", Spec{Name: "orders", Key: "o:{customer}:{no}", Type: "string", Value: "tax"}, "column tax is made by the database"},
	{"a value that is the key", Spec{Name: "page_views", Key: "v:{page}", Type: "string", Value: "page"}, "another part in this mapping"},
	{"a counter with other columns", Spec{Name: "strict", Key: "s:{id}", Type: "string", Value: "n"}, "a new row of strict needs owner"},
	{"no member", Spec{Name: "scores", Key: "s:{board}", Type: "zset", Score: "points"}, "tables.scores.member: is missing"},
	{"no score", Spec{Name: "scores", Key: "s:{board}", Type: "zset", Member: "player_id"}, "tables.scores.score: is missing; name one of the columns points, note"},
	{"a score of text", Spec{Name: "scores", Key: "s:{board}", Type: "zset", Member: "player_id", Score: "note"}, "a score needs an integer"},
	{"a member in the key", Spec{Name: "scores", Key: "s:{board}", Type: "zset", Member: "board", Score: "points"}, "part of the key already"},
	{"a setting of another type", Spec{Name: "players", Key: "p:{id}", Type: "hash", Score: "score"}, "tables.players.score: a hash has no such setting; it is for zset"},
	{"a renamed column that is not there", Spec{Name: "players", Key: "p:{id}", Type: "hash", Fields: map[string]string{"n": "nmae"}}, "did you mean name?"},
	{"two columns with one field", Spec{Name: "players", Key: "p:{id}", Type: "hash", Fields: map[string]string{"score": "name"}}, "field score is column name and column score"},
	{"two fields for one column", Spec{Name: "players", Key: "p:{id}", Type: "hash", Fields: map[string]string{"a": "name", "b": "name"}}, "column name is field a and field b"},
	{"expiry without a column", Spec{Name: "players", Key: "p:{id}", Type: "hash", OnExpire: "delete"}, "name a timestamp column with `expires:`"},
	{"expiry in a text", Spec{Name: "players", Key: "p:{id}", Type: "hash", OnExpire: "delete", Expires: "name"}, "tables.players.expires: column name has the type character varying(20); use a timestamp column"},
	{"expiry that cannot be NULL", Spec{Name: "players", Key: "p:{id}", Type: "hash", OnExpire: "delete", Expires: "created_at"}, "drop its NOT NULL"},
	{"an unused expiry column", Spec{Name: "players", Key: "p:{id}", Type: "hash", Expires: "gone_at"}, "write on_expire: delete"},
	{"expiry of a collection", Spec{Name: "scores", Key: "s:{board}", Type: "zset", Member: "player_id", Score: "points", OnExpire: "delete"}, "write on_expire: evict"},
	{"a strange expiry", Spec{Name: "players", Key: "p:{id}", Type: "hash", OnExpire: "drop"}, `there is no "drop"; write delete or evict`},
	{"updated_at of text", Spec{Name: "players", Key: "p:{id}", Type: "hash", UpdatedAt: "name"}, "use a timestamp column, or a bigint"},
	{"trimming rows without ids", Spec{Name: "events", Key: "e:{topic}", Type: "stream", OnTrim: "delete"}, "name the id columns with `id:`"},
	{"one bigint as id", Spec{Name: "ticks", Key: "e:{topic}", Type: "stream", ID: []string{"ms"}}, "name one text column, or two bigint columns"},
	{"an id without the key", Spec{Name: "log", Key: "e:{topic}", Type: "stream", ID: []string{"entry"}}, "two streams may have the same id"},
	{"a short id", Spec{Name: "shortid", Key: "e:{topic}", Type: "stream", ID: []string{"entry"}}, "holds 20 characters, and an id may have 41"},
	{"Lull's own table", Spec{Name: "lull_keys", Key: "k:{key}", Type: "hash"}, "one of Lull's own tables"},
	{"a view", Spec{Name: "seen", Key: "k:{id}", Type: "hash"}, "seen is a view; map the table behind it"},
	{"no name", Spec{Table: "players", Key: "p:{id}", Type: "hash"}, "the mapping has no name"},
	{"a negative tail", Spec{Name: "events", Key: "e:{topic}", Type: "stream", Tail: -1}, "is negative"},
}

func TestCompileComplains(t *testing.T) {
	nocase := col("name", text)
	nocase.CaseSensitive = false
	cat := game()
	cat.Tables = append(cat.Tables,
		table("folk", []string{"name"}, nocase, null(col("age", integer))),
		table("ledger", []string{"id"}, generated(col("id", bigint)), null(col("sum", money))),
		table("temps", []string{"at"}, col("at", stamp), null(col("celsius", double))),
		table("ratios", []string{"ratio"}, col("ratio", double), null(col("n", bigint))),
		table("sums", []string{"sum"}, col("sum", numeric), null(col("n", bigint))),
		table("bare", []string{"id"}, col("id", bigint)),
		table("strict", []string{"id"}, col("id", bigint), col("n", bigint), col("owner", text)),
		table("loose", nil, null(col("id", bigint)), null(col("n", bigint))),
		table("log", []string{"entry"}, col("topic", text), col("entry", text), null(col("what", text))),
		table("shortid", []string{"topic", "entry"}, col("topic", text), col("entry", varchar20)),
		table("lull_keys", []string{"key"}, col("key", text)),
		&sink.Table{Name: "seen", View: true, Columns: []sink.Column{col("id", bigint)}},
		table("hidden", []string{"id"}, col("id", bigint), col("at", point)),
	)
	for _, tt := range complaints {
		m, problems := Compile([]Spec{tt.spec}, cat, own)
		if m != nil || !strings.Contains(joined(problems), tt.want) {
			t.Errorf("%s: got %s\nwant %s", tt.name, joined(problems), tt.want)
		}
	}
}

func joined(problems []Problem) string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

func TestCompileAcceptsOddShapes(t *testing.T) {
	triggers := table("filled", []string{"id"}, col("id", bigint), col("n", bigint), col("owner", text))
	triggers.Triggers = true
	unique := table("named", []string{"id"}, made(col("id", bigint)), col("name", text), null(col("n", bigint)))
	unique.Unique = [][]string{{"name"}}
	cat := &sink.Catalog{Tables: []*sink.Table{
		triggers, unique,
		table("top", []string{"player"}, col("player", bigint), col("points", money)),
		table("journal", nil, null(col("what", text))),
		table("temps", []string{"at"}, col("at", stamp), null(col("celsius", double))),
		table("stamped", []string{"id"}, col("id", bigint), null(col("v", text)), withDefault(col("odd", clock), "noonish"), made(col("updated_at", stampTZ))),
		{Schema: "app", Name: "users", PrimaryKey: []string{"id"}, Columns: []sink.Column{col("id", uuid), null(col("name", text))}},
	}}
	m := compile(t, []Spec{
		{Name: "filled", Key: "f:{id}", Type: "string", Value: "n"},
		{Name: "named", Key: "n:{name}", Type: "hash"},
		{Name: "top", Key: "top", Type: "zset", Member: "player", Score: "points"},
		{Name: "journal", Key: "journal", Type: "stream"},
		{Name: "temps", Key: "t:{at*}", Type: "hash", Fields: map[string]string{"c": "celsius"}},
		{Name: "stamped", Key: "s:{id}", Type: "hash", UpdatedAt: "updated_at"},
		{Name: "users", Table: "app.users", Key: "u:{id}", Type: "hash"},
	}, cat)
	if !m.ByName("filled").Reload {
		t.Error("a table with triggers is not read back")
	}
	top := m.Match([]byte("top"))
	if tuple, err := top.Tuple([]byte("top")); top != m.ByName("top") || tuple != "" || err != nil {
		t.Errorf("a pattern without columns: %v, %q, %v", top, tuple, err)
	}
	if key := m.ByName("temps"); string(key.AppendKey(nil, "2026-01-31 12:00:00")) != "t:2026-01-31 12:00:00" || m.Match([]byte("t:2026-01-31 12:00:00")) != key {
		t.Error("a time is no key")
	}
	if _, ok := m.ByName("temps").Field([]byte("c")); !ok {
		t.Error("no field by its new name")
	}
	if named := m.ByName("named"); len(named.ReadOnly) != 1 || named.ReadOnly[0].Name != "id" {
		t.Errorf("read-only are %v, want id", named.ReadOnly)
	}
	if stamped := m.ByName("stamped"); !stamped.Reload || len(stamped.Defaults()) > 0 || stamped.UpdatedAt == None {
		t.Errorf("a default that is no time: %+v", stamped)
	}
	if d := m.ByName("users").Def; d.Schema != "app" || d.Name != "users" {
		t.Errorf("%+v", d)
	}
}

func TestCompileFindsAllProblems(t *testing.T) {
	specs := []Spec{
		{Name: "players", Key: "p:{id}", Type: "hash", Ack: "never", Line: 3, FieldLines: map[string]int{"ack": 5}},
		{Name: "again", Table: "players", Key: "again:{id}", Type: "hash"},
		{Name: "again", Table: "tags", Key: "t:{item}", Type: "set", Member: "tag"},
		{Name: "scores", Key: "p:{board}", Type: "zset", Member: "plyer_id", Score: "pts"},
	}
	_, problems := Compile(specs, game(), own)
	got := joined(problems)
	for _, want := range []string{
		`line 5: tables.players.ack: there is no "never"`,
		"tables.again: there is another mapping of that name",
		"tables.again.table: players is written by tables.players already",
		`tables.scores.key: "p:{board}" and "p:{id}" of tables.players can match the same key`,
		"did you mean player_id?", "tables.scores.score: scores has no column pts",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

func TestForeignKeys(t *testing.T) {
	child := table("items", []string{"id"}, col("id", bigint), null(col("cart", bigint)), null(col("boss", bigint)))
	child.ForeignKeys = []sink.ForeignKey{
		{Name: "items_cart", Columns: []string{"cart"}, RefTable: "carts", RefColumns: []string{"id"}, OnDelete: "cascade", OnUpdate: "no action"},
		{Name: "items_boss", Columns: []string{"boss"}, RefTable: "items", RefColumns: []string{"id"}, OnDelete: "restrict", OnUpdate: "no action"},
	}
	cat := &sink.Catalog{Tables: []*sink.Table{child, table("carts", []string{"id"}, col("id", bigint), null(col("n", bigint)))}}
	specs := []Spec{{Name: "items", Key: "item:{id}", Type: "hash"}, {Name: "carts", Key: "cart:{id}", Type: "hash"}}
	_, problems := Compile(specs, cat, own)
	if want := "tables.items: the foreign key items_cart changes rows of items (ON DELETE cascade) when those of tables.carts change"; !strings.Contains(joined(problems), want) || len(problems) != 1 {
		t.Errorf("got %s\nwant %s", joined(problems), want)
	}
	specs[0].Cascade = "forget"
	m := compile(t, specs, cat)
	items, carts := m.ByName("items"), m.ByName("carts")
	if len(items.Parents) != 1 || items.Parents[0] != carts || items.Order <= carts.Order || len(carts.Children) != 1 || carts.Children[0] != items {
		t.Errorf("items %d behind %v, carts %d before %v", items.Order, items.Parents, carts.Order, carts.Children)
	}
	if carts.Order <= m.KeysTable().Order {
		t.Errorf("carts %d, lull_keys %d", carts.Order, m.KeysTable().Order)
	}
}
