package mapping

import (
	"testing"

	"github.com/lullcache/lull/sink"
)

// The types that tests use.
var (
	bigint    = sink.Type{Family: sink.Integer, SQL: "bigint", Bits: 64}
	integer   = sink.Type{Family: sink.Integer, SQL: "integer", Bits: 32}
	text      = sink.Type{Family: sink.Text, SQL: "text"}
	varchar20 = sink.Type{Family: sink.Text, SQL: "character varying(20)", Length: 20}
	double    = sink.Type{Family: sink.FloatNum, SQL: "double precision", Bits: 64, Infinite: true}
	real32    = sink.Type{Family: sink.FloatNum, SQL: "real", Bits: 32, Infinite: true}
	boolean   = sink.Type{Family: sink.Bool, SQL: "boolean"}
	money     = sink.Type{Family: sink.Decimal, SQL: "numeric(10,2)", Precision: 10, Scale: 2}
	numeric   = sink.Type{Family: sink.Decimal, SQL: "numeric", Scale: -1}
	jsonb     = sink.Type{Family: sink.JSON, SQL: "jsonb", Parsed: true}
	uuid      = sink.Type{Family: sink.UUID, SQL: "uuid"}
	stamp     = sink.Type{Family: sink.Timestamp, SQL: "timestamp", Precision: 6, MinYear: 1, MaxYear: 9999}
	stampTZ   = sink.Type{Family: sink.TimestampTZ, SQL: "timestamptz", Precision: 6, MinYear: 1, MaxYear: 9999, Infinite: true}
	date      = sink.Type{Family: sink.Date, SQL: "date", MinYear: 1, MaxYear: 9999}
	clock     = sink.Type{Family: sink.Time, SQL: "time", Precision: 6}
	point     = sink.Type{SQL: "point"}
	mood      = sink.Type{Family: sink.Enum, SQL: "mood", Labels: []string{"sad", "ok", "Happy"}}
	bytea     = sink.Type{Family: sink.Binary, SQL: "bytea"}
)

// col is a column that may not be NULL.
func col(name string, t sink.Type) sink.Column {
	return sink.Column{Name: name, Type: t, Insertable: true, CaseSensitive: true}
}

func null(c sink.Column) sink.Column { c.Nullable = true; return c }

func withDefault(c sink.Column, text string) sink.Column { c.Default = &text; return c }

func made(c sink.Column) sink.Column { c.Made = true; return c }

func generated(c sink.Column) sink.Column { c.Made, c.Insertable = true, false; return c }

func table(name string, pk []string, columns ...sink.Column) *sink.Table {
	return &sink.Table{Name: name, PrimaryKey: pk, Columns: columns}
}

// game is a catalog with a table of every shape.
func game() *sink.Catalog {
	return &sink.Catalog{Tables: []*sink.Table{
		table("players", []string{"id"}, made(col("id", bigint)), col("name", varchar20), withDefault(col("score", integer), "0"),
			null(col("mood", mood)), made(col("created_at", stampTZ)), null(col("seen_at", stampTZ)), null(col("gone_at", stampTZ))),
		table("scores", []string{"board", "player_id"}, col("board", text), col("player_id", bigint), col("points", double), null(col("note", text))),
		table("page_views", []string{"page"}, col("page", text), withDefault(col("views", bigint), "0")),
		table("events", nil, col("topic", text), null(col("user", text)), null(col("data", jsonb)), made(col("at", stampTZ))),
		table("ticks", []string{"topic", "ms", "seq"}, col("topic", text), col("ms", bigint), col("seq", bigint), null(col("price", money))),
		table("tags", []string{"item", "tag"}, col("item", uuid), col("tag", varchar20)),
		table("orders", []string{"customer", "no"}, col("customer", text), col("no", integer), null(col("total", money)), generated(null(col("tax", money)))),
		table("places", []string{"id"}, col("id", bigint), null(col("at", point)), null(col("name", text))),
	}}
}

func own(name string) *sink.Table {
	base := []sink.Column{col("name", text), col("db", integer), col("key", bytea)}
	pk := []string{"name", "db", "key"}
	switch name {
	case "lull_keys":
		return table(name, pk, append(base, col("type", text), null(col("expires_at", stampTZ)), null(col("meta", bytea)))...)
	case "lull_strings":
		return table(name, pk, append(base, col("value", bytea), null(col("expires_at", stampTZ)))...)
	case "lull_hashes":
		return table(name, append(pk, "field"), append(base, col("field", bytea), col("value", bytea))...)
	case "lull_zsets":
		return table(name, append(pk, "member"), append(base, col("member", bytea), col("score", double))...)
	case "lull_sets":
		return table(name, append(pk, "member"), append(base, col("member", bytea))...)
	case "lull_lists":
		return table(name, append(pk, "position"), append(base, col("position", bigint), col("value", bytea))...)
	}
	return table(name, append(pk, "ms", "seq"), append(base, col("ms", bigint), col("seq", bigint), col("value", bytea))...)
}

func gameSpecs() []Spec {
	return []Spec{
		{Name: "players", Key: "player:{id}", Type: "hash", UpdatedAt: "seen_at", Expires: "gone_at", OnExpire: "delete", Line: 3},
		{Name: "scores", Key: "leaderboard:{board}", Type: "zset", Member: "player_id", Score: "points"},
		{Name: "page_views", Key: "views:{page*}", Type: "string", Value: "views"},
		{Name: "events", Key: "events:{topic}", Type: "stream"},
		{Name: "ticks", Key: "ticks:{topic}", Type: "stream", ID: []string{"ms", "seq"}, OnTrim: "delete"},
		{Name: "tags", Key: "tags:{item}", Type: "set", Member: "tag"},
		{Name: "orders", Key: "order:{customer}:{no}", Type: "hash"},
	}
}

func compile(t testing.TB, specs []Spec, cat *sink.Catalog) *Mapping {
	t.Helper()
	m, problems := Compile(specs, cat, own)
	for _, p := range problems {
		t.Error(p)
	}
	if len(problems) > 0 {
		t.FailNow()
	}
	return m
}
