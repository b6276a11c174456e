package initgen

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lullcache/lull/internal/config"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
)

func col(name string, f sink.Family, more ...func(*sink.Column)) sink.Column {
	c := sink.Column{Name: name, Insertable: true, CaseSensitive: true, Type: sink.Type{Family: f, SQL: "its type", Scale: 2, Precision: 6}}
	for _, m := range more {
		m(&c)
	}
	return c
}

func null(c *sink.Column)      { c.Nullable = true }
func made(c *sink.Column)      { c.Made = true }
func generated(c *sink.Column) { c.Made, c.Insertable = true, false }
func nocase(c *sink.Column)    { c.CaseSensitive = false }
func zero(c *sink.Column)      { s := "0"; c.Default = &s }

func table(name, pk string, columns ...sink.Column) *sink.Table {
	t := &sink.Table{Name: name, Columns: columns}
	if pk != "" {
		t.PrimaryKey = strings.Split(pk, " ")
	}
	return t
}

// rich has every shape, and every reason not to be mapped.
func rich() *sink.Catalog {
	items := table("items", "id", col("id", sink.Integer, made), col("cart", sink.Integer), col("price", sink.Decimal, zero))
	items.ForeignKeys = []sink.ForeignKey{{Name: "fk", Columns: []string{"cart"}, RefTable: "carts", RefColumns: []string{"id"}, OnDelete: "cascade", OnUpdate: "no action"}}
	emails := table("emails", "", col("address", sink.Text), col("seen", sink.Integer, null))
	emails.Unique = [][]string{{"nick"}, {"address"}}
	return &sink.Catalog{Tables: []*sink.Table{
		table("players", "id", col("id", sink.Integer, made), col("name", sink.Text), col("created_at", sink.TimestampTZ, made), col("updated_at", sink.TimestampTZ, made), col("expires_at", sink.Timestamp, null)),
		table("player", "id", col("id", sink.UUID), col("name", sink.Text)),
		table("scores", "board player_id", col("board", sink.Text), col("player_id", sink.Integer), col("points", sink.FloatNum)),
		table("page_views", "page", col("page", sink.Text), col("views", sink.Integer, zero)),
		table("memberships", "team player_id", col("team", sink.Text), col("player_id", sink.Integer)),
		table("events", "", col("topic", sink.Text), col("data", sink.JSON, null)),
		table("audit", "id", col("id", sink.Integer, generated), col("what", sink.Text)),
		table("places", "id", col("id", sink.Integer), col("at", sink.Unsupported, null), col("name", sink.Text, null)),
		table("shapes", "id", col("id", sink.Integer), col("outline", sink.Unsupported)),
		table("folk", "name", col("name", sink.Text, nocase), col("age", sink.Integer)),
		table("temperatures", "station at", col("station", sink.Text), col("at", sink.Timestamp), col("celsius", sink.FloatNum)),
		table("only", "id", col("id", sink.Integer)),
		table("carts", "id", col("id", sink.Integer), col("owner", sink.Text, null)),
		items, emails,
		table("odd: {name}\n#x", "key", col("key", sink.Text), col("yes", sink.Text, null)),
		table("null", "id", col("id", sink.Integer), col("off", sink.Text, null), col("x, y", sink.Text, null), col("p", sink.Unsupported, null)),
		table("strange", "a*b", col("a*b", sink.Text), col("v", sink.Text)), table("spaced", "a:b", col("a:b", sink.Text), col("v", sink.Text)),
		{Schema: "app", Name: "players", PrimaryKey: []string{"id"}, Columns: []sink.Column{col("id", sink.Integer), col("name", sink.Text)}},
		{Name: "report", View: true, Columns: []sink.Column{col("id", sink.Integer)}},
		table("lull_keys", "key", col("key", sink.Text)),
	}}
}

func env(name string) (string, bool) { return "secret", name == passwordVariable }

func parse(t *testing.T, text []byte, cat *sink.Catalog) *config.Config {
	t.Helper()
	c, problems := config.Parse("lull.yaml", text, env)
	if len(problems) == 0 {
		_, problems = mapping.Compile(c.Tables, cat, nil)
	}
	if len(problems) > 0 {
		t.Fatalf("%v\n%s", problems, text)
	}
	return c
}

func TestGeneratedConfigurationCompiles(t *testing.T) {
	text := Generate(rich(), "postgres://app:hunter2@localhost/game?sslmode=disable")
	if bytes.Contains(text, []byte("hunter2")) {
		t.Error("the password is in the file")
	}
	c := parse(t, text, rich())
	if c.Database != "postgres://app:secret@localhost/game?sslmode=disable" {
		t.Errorf("database %s", c.Database)
	}
	var got []string
	for _, s := range c.Tables {
		got = append(got, fmt.Sprintf("%s %s %s %s", s.Name, s.Table, s.Key, s.Type))
	}
	want := []string{
		"players  player:{id} hash", "player player player:{id} hash", "scores  score:{board}:{player_id} hash", "page_views  page_view:{page} hash", "memberships  membership:{team} set",
		"places  place:{id} hash", "temperatures  temperature:{station}:{at*} hash", "only  only set", "carts  cart:{id} hash", "items  item:{id} hash", "emails  email:{address} hash",
		"odd: {name}\n#x  odd_ {{name}}\n#x:{key} hash", "null  null:{id} hash", "spaced  spaced:{a:b} hash", "app_players app.players players:{id} hash",
	}
	want[1] = "player  player_2:{id} hash"
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, line := range []string{
		"    updated_at: updated_at          # takes the time of each write\n",
		"    # made by the database, so read-only: created_at\n",
		"    # so that EXPIRE works: {expires: expires_at, on_expire: delete}\n",
		`    # or as a sorted set: {key: "score:{board}", type: zset, member: player_id, score: points}` + "\n",
		`    # or as a counter: {key: "page_view:{page}", type: string, value: views}` + "\n",
		"    cascade: forget          #",
		"    columns: [name]          # the others have types that Lull cannot write\n",
		"#   audit: column id is made by the database, which takes no value for it\n",
		`#   for appending only, audit: {key: "audit", type: stream}` + "\n",
		`#   for appending only, events: {key: "event", type: stream}` + "\n",
		"#   shapes: column outline has the type its type, which Lull cannot write, and a new row needs it\n",
		"#   events: has no primary key, and no unique key without NULLs\n",
		"#   folk: column name has a collation for which",
		"#   report: ", "#   strange: ",
	} {
		if !bytes.Contains(text, []byte(line)) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	if bytes.Contains(text, []byte("lull_keys")) {
		t.Error("Lull's own table is mapped")
	}
}

var proposal = regexp.MustCompile(`(?m)# +(?:or |for ).*?: (\{.*\})$`)

func TestProposalsCompile(t *testing.T) {
	for _, tb := range rich().Tables {
		cat := &sink.Catalog{Tables: []*sink.Table{tb}}
		for _, m := range proposal.FindAllStringSubmatch(string(Generate(cat, "sqlite:x.db")), -1) {
			c := parse(t, []byte("tables:\n  "+quote(tb.Name)+": "+m[1]), cat)
			if len(c.Tables) != 1 {
				t.Errorf("%s: %s", tb, m[1])
			}
		}
	}
}

func TestEmptyCatalog(t *testing.T) {
	text := Generate(&sink.Catalog{}, "sqlite:game.db")
	c := parse(t, text, &sink.Catalog{})
	if c.Database != "sqlite:game.db" || c.Unmapped != "generic" {
		t.Errorf("%+v", c)
	}
}

func TestPasswords(t *testing.T) {
	for in, want := range map[string]string{
		"sqlite:game.db":                     "sqlite:game.db",
		"mysql://app@localhost/game":         "mysql://app@localhost/game",
		"mysql://app:p%40ss@localhost/game":  "mysql://app:${LULL_DATABASE_PASSWORD}@localhost/game",
		"postgres://app:${PW}@localhost/a":   "postgres://app:${PW}@localhost/a",
		"postgres://a:@localhost:5432/b?c=d": "postgres://a:${LULL_DATABASE_PASSWORD}@localhost:5432/b?c=d",
	} {
		if got, _ := withoutPassword(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
