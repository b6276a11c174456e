package mapping

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/value"
)

func TestTablesOfTheGame(t *testing.T) {
	m := compile(t, gameSpecs(), game())
	for _, tt := range []struct {
		name       string
		kind       Kind
		key, row   []string
		cells, not []string
	}{
		{"players", Hash, []string{"id"}, []string{}, []string{"name", "score", "mood", "seen_at", "gone_at"}, []string{"created_at"}},
		{"scores", ZSet, []string{"board"}, []string{"player_id"}, []string{"points"}, nil},
		{"page_views", String, []string{"page"}, []string{}, []string{"views"}, nil},
		{"events", Stream, []string{"topic"}, []string{}, []string{"user", "data"}, nil},
		{"ticks", Stream, []string{"topic"}, []string{"ms", "seq"}, []string{"price"}, nil},
		{"tags", Set, []string{"item"}, []string{"tag"}, []string{}, nil},
		{"orders", Hash, []string{"customer", "no"}, []string{}, []string{"total"}, []string{"tax"}},
	} {
		tb := m.ByName(tt.name)
		if tb.Kind != tt.kind {
			t.Errorf("%s: a %s, want a %s", tt.name, tb.Kind, tt.kind)
		}
		got := [][]string{tb.Def.KeyColumns, tb.Def.RowColumns, tb.Def.Columns}
		if want := [][]string{tt.key, tt.row, tt.cells}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: columns %q, want %q", tt.name, got, want)
		}
		if not := sqlNames(tb.ReadOnly); len(tt.not) > 0 && !reflect.DeepEqual(not, tt.not) || tb.Reload != (len(tt.not) > 0) {
			t.Errorf("%s: read-only %q, reload %v; want %q", tt.name, not, tb.Reload, tt.not)
		}
		if m.Table(tb.ID) != tb || m.Dictionary()[tb.ID].Space != tb.ID {
			t.Errorf("%s: number %d is another table, or its space is", tt.name, tb.ID)
		}
	}
	players := m.ByName("players")
	if got := strings.Join(players.FieldNames(), " "); got != "name score mood" {
		t.Errorf("fields: %s", got)
	}
	if players.Cells[players.UpdatedAt].Name != "seen_at" || players.Cells[players.Expires].Name != "gone_at" {
		t.Error("updated_at and expires are other columns")
	}
}

func TestDictionaryBeginsWithTheGenericTables(t *testing.T) {
	d := compile(t, gameSpecs(), game()).Dictionary()
	for i, name := range genericNames {
		if d[i].Name != name || d[i].Space != 0 || !d[i].PerDB {
			t.Errorf("number %d is %+v, want %s in space 0", i, d[i], name)
		}
	}
	want := change.TableDef{Mapping: "lull_zsets", Name: "lull_zsets", PerDB: true, KeyColumns: []string{"key"}, RowColumns: []string{"member"}, Columns: []string{"score"}}
	if !reflect.DeepEqual(d[zsetsID], want) {
		t.Errorf("got %+v, want %+v", d[zsetsID], want)
	}
}

func TestTupleIsCanonicalOrRefused(t *testing.T) {
	m := compile(t, gameSpecs(), game())
	for _, tt := range []struct{ key, tuple, refused string }{
		{"player:42", "42", ""},
		{"player:042", "", `players.id: "042" must be written as "42": not the canonical form`},
		{"player:-0", "", `must be written as "0"`},
		{"player:abc", "", `players.id: "abc" is not an integer`},
		{"order:ann:7", "\x03ann\x017", ""},
		{"order:ann:+7", "", `must be written as "7"`},
		{"order::7", "no", ""},
		{"views:/a:b", "/a:b", ""},
		{"views:\xff", "", "not UTF-8"},
		{"tags:A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "", "must be written as"},
		{"tags:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", ""},
	} {
		tb := m.Match([]byte(tt.key))
		if tb == nil {
			if tt.tuple != "no" {
				t.Errorf("%s: no table", tt.key)
			}
			continue
		}
		tuple, err := tb.Tuple([]byte(tt.key))
		if tt.refused != "" {
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%s: got %q, %v; want an error with %s", tt.key, tuple, err, tt.refused)
			}
			if check := tb.CheckKey([]byte(tt.key)); check == nil || check.Error() != err.Error() {
				t.Errorf("%s: CheckKey says %v, Tuple %v", tt.key, check, err)
			}
			continue
		}
		if err != nil || tuple != tt.tuple {
			t.Errorf("%s: got %q, %v; want %q", tt.key, tuple, err, tt.tuple)
		}
		if known := tb.TupleOfKnown(tt.key); known != tuple {
			t.Errorf("%s: got %q for a known key, want %q", tt.key, known, tuple)
		}
		if err := tb.CheckKey([]byte(tt.key)); err != nil {
			t.Errorf("%s: CheckKey: %v", tt.key, err)
		}
		if back := string(tb.AppendKey(nil, tuple)); back != tt.key {
			t.Errorf("%s: back is %s", tt.key, back)
		}
	}
	if _, err := m.ByName("players").TupleString("player:007"); !errors.Is(err, ErrNotCanonical) {
		t.Errorf("got %v, want ErrNotCanonical", err)
	}
	key := "player:123456"
	players := m.ByName("players")
	if n := testing.AllocsPerRun(100, func() { players.TupleString(key) }); n != 0 {
		t.Errorf("TupleString allocates %v times", n)
	}
	key = "views:/some/page"
	if n := testing.AllocsPerRun(100, func() { m.ByName("page_views").TupleString(key) }); n != 0 {
		t.Errorf("TupleString of a text key allocates %v times", n)
	}
}

// TestTupleOfRowIsThatOfItsKey: AppendTupleOf and TupleOf say the same of what a sink returns.
func TestTupleOfRowIsThatOfItsKey(t *testing.T) {
	m := compile(t, gameSpecs(), game())
	for _, tt := range []struct {
		table string
		vals  []value.Value
		want  string
		ok    bool
	}{
		{"players", []value.Value{value.OfInt(-42)}, "-42", true},
		{"players", []value.Value{value.OfString("42")}, "42", true},
		{"players", []value.Value{{}}, "", false},
		{"page_views", []value.Value{value.OfString("/a:b")}, "/a:b", true},
		{"orders", []value.Value{value.OfString("ann"), value.OfInt(7)}, "\x03ann\x017", true},
		{"orders", []value.Value{value.OfString("ann"), {}}, "", false},
	} {
		tuple, ok := m.ByName(tt.table).TupleOf(tt.vals)
		appended, okToo := m.ByName(tt.table).AppendTupleOf([]byte("before"), tt.vals)
		if ok != tt.ok || okToo != ok || tuple != tt.want || string(appended) != "before"+tuple {
			t.Errorf("%s %v: %q %v, appended %q %v; want %q %v", tt.table, tt.vals, tuple, ok, appended, okToo, tt.want, tt.ok)
		}
	}
}

func TestKeyOfRow(t *testing.T) {
	m := compile(t, gameSpecs(), game())
	scores, orders := m.ByName("scores"), m.ByName("orders")
	if key, tuple, ok := scores.KeyOf([]value.Value{value.OfString("eu")}); !ok || key != "leaderboard:eu" || tuple != "eu" {
		t.Errorf("got %q %q %v", key, tuple, ok)
	}
	for _, v := range []value.Value{{}, value.OfString(""), value.OfString("a:b")} {
		if key, _, ok := scores.KeyOf([]value.Value{v}); ok {
			t.Errorf("%q: no key can name this row, but got %q", v, key)
		}
	}
	if key, _, ok := orders.KeyOf([]value.Value{value.OfString("ann"), value.OfInt(7)}); !ok || key != "order:ann:7" {
		t.Errorf("got %q %v", key, ok)
	}
	if row, ok := scores.RowOf([]value.Value{value.OfInt(9)}); !ok || row != "9" {
		t.Errorf("got %q %v", row, ok)
	}
	if _, err := scores.Member([]byte("09")); !errors.Is(err, ErrNotCanonical) {
		t.Errorf("got %v, want ErrNotCanonical", err)
	}
}

func TestFieldsDefaultsAndMissing(t *testing.T) {
	players := compile(t, gameSpecs(), game()).ByName("players")
	name, ok := players.Field([]byte("name"))
	if !ok || players.Cells[name].Column.Name != "name" {
		t.Fatal("no field name")
	}
	if err := players.UnknownField([]byte("nmae")); err.Error() != `players: no field "nmae"; fields are name, score, mood` {
		t.Error(err)
	}
	for _, f := range []string{"created_at", "seen_at"} {
		if err := players.UnknownField([]byte(f)); !strings.Contains(err.Error(), "read-only") {
			t.Error(err)
		}
	}
	if err := players.MissingOnCreate(func(int) bool { return false }); err == nil || !strings.Contains(err.Error(), "needs name,") {
		t.Errorf("got %v", err)
	}
	if err := players.MissingOnCreate(func(cell int) bool { return cell == name }); err != nil {
		t.Error(err)
	}
	d := players.Defaults()
	if len(d) != 1 || players.Cells[d[0].Col].Name != "score" || d[0].Val != value.OfInt(0) {
		t.Errorf("defaults %v", d)
	}
	if err := players.Cells[name].Null(); err == nil || err.Error() != "players.name: may not be NULL" {
		t.Errorf("got %v", err)
	}
}

func TestStreamRows(t *testing.T) {
	m := compile(t, gameSpecs(), game())
	for _, name := range []string{"ticks", "events"} {
		tb := m.ByName(name)
		row, err := tb.StreamRow(1700000000000, 12)
		ms, seq, ok := tb.ParseStreamRow(row)
		if err != nil || !ok || ms != 1700000000000 || seq != 12 {
			t.Errorf("%s: %q, %v: %d-%d %v", name, row, err, ms, seq, ok)
		}
	}
	if _, err := m.ByName("ticks").StreamRow(1<<63, 0); err == nil {
		t.Error("a bigint takes 2^63")
	}
	if !m.ByName("ticks").Ordered() || m.ByName("events").Ordered() {
		t.Error("only ids in two bigint columns sort in SQL")
	}
}

func TestResolve(t *testing.T) {
	m := compile(t, gameSpecs(), game())
	cat := game()
	orders := m.ByName("orders")
	tg, err := Resolve(orders.Def, cat.Find("orders"), false)
	if err != nil || !tg.Unique || !reflect.DeepEqual(tg.Key, []int{0, 1}) || !reflect.DeepEqual(tg.ClearBy, []int{0, 1}) || !reflect.DeepEqual(tg.Cells, []int{2}) {
		t.Fatalf("%+v, %v", tg, err)
	}
	tuple, _ := orders.TupleString("order:ann:7")
	got := tg.KeyVals(nil, "lull", 0, tuple, "")
	if want := []value.Value{value.OfString("ann"), value.OfInt(7)}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	zsets := m.Generic(ZSet)
	tg, err = Resolve(zsets.Def, zsets.SQL, true)
	if err != nil || !tg.Unique {
		t.Fatalf("%+v, %v", tg, err)
	}
	got = tg.KeyVals(nil, "lull", 3, "k", "m")
	if want := []value.Value{value.OfString("lull"), value.OfInt(3), value.OfString("k"), value.OfString("m")}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := tg.ClearVals(nil, "lull", 3, "k"); len(got) != 3 || len(tg.ClearBy) != 3 {
		t.Errorf("clear by %v: %v", tg.ClearBy, got)
	}
	events := m.ByName("events")
	tg, err = Resolve(events.Def, cat.Find("events"), false)
	if err != nil || tg.Unique || len(tg.KeyVals(nil, "", 0, "signup", "12-0")) != 1 {
		t.Errorf("a stream without ids: %+v, %v", tg, err)
	}
	old := orders.Def
	old.Columns = []string{"gone", "total"}
	if tg, err = Resolve(old, cat.Find("orders"), false); err != nil || !reflect.DeepEqual(tg.Cells, []int{-1, 2}) {
		t.Errorf("a column that is gone: %+v, %v", tg, err)
	}
	old.KeyColumns = []string{"gone", "no"}
	if _, err = Resolve(old, cat.Find("orders"), false); err == nil || err.Error() != "table orders: column gone does not exist" {
		t.Errorf("got %v", err)
	}
	if _, err = Resolve(old, nil, false); err == nil || err.Error() != "table orders: does not exist" {
		t.Errorf("got %v", err)
	}
}

func TestNearestPattern(t *testing.T) {
	m := compile(t, gameSpecs(), game())
	for key, want := range map[string]string{"players:42": "player:{id}", "view:/home": "views:{page*}", "leader:eu": "leaderboard:{board}", "order:7": "order:{customer}:{no}"} {
		if got := m.Nearest([]byte(key)); got != want {
			t.Errorf("%s: got %s, want %s", key, got, want)
		}
	}
}

func TestGenericSizes(t *testing.T) {
	if err := CheckGenericSize(make([]byte, 1000), make([]byte, 1000)); err != nil {
		t.Error(err)
	}
	if err := CheckGenericSize(make([]byte, 1001), make([]byte, 1000)); err == nil {
		t.Error("2,001 bytes are taken")
	}
	if err := CheckGenericSize(make([]byte, 2001), nil); err == nil || !strings.HasPrefix(err.Error(), "key of 2001 bytes;") {
		t.Error(err)
	}
}
