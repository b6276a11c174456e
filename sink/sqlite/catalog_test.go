package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/lullcache/lull/sink"
)

// catalogSchema has every type that the catalog knows, every kind of default, and
// every kind of key.
const catalogSchema = "CREATE TABLE `Odd.name` (`Sel ``ect` int PRIMARY KEY);" + `
CREATE TABLE every_type (
	tiny TINYINT, small smallint, i INT NOT NULL, big BIGINT, i8 INT8, big_unsigned UNSIGNED BIG INT, sized INTEGER(10),
	r REAL, f FLOAT, dp DOUBLE PRECISION, b BOOLEAN, d DECIMAL(9, 2), d0 DECIMAL(5), wide NUMERIC(30,4), n NUMERIC,
	t TEXT, loose TEXT COLLATE NOCASE, trimmed TEXT COLLATE RTRIM, v VARCHAR(20), nv NATIVE CHARACTER (70), c CHAR(3), cl CLOB, bl BLOB, untyped,
	day DATE, at TIME, at3 TIME(3), dt DATETIME, ts TIMESTAMP, ts3 TIMESTAMP(3), tz TIMESTAMPTZ, tz2 TIMESTAMP  WITH TIME ZONE,
	u UUID, j JSON, s STRING, m MONEY
);
CREATE TABLE strict_types (i INT, t TEXT, b BLOB, r REAL, a ANY) STRICT;
CREATE TABLE defaults (
	id INTEGER PRIMARY KEY AUTOINCREMENT, twice INT AS (n * 2) STORED, thrice INT AS (n * 3), n INT DEFAULT 7, negative INT DEFAULT -7, text_number INT DEFAULT '8',
	d DECIMAL(9,2) DEFAULT 1.5, whole DECIMAL(9,2) DEFAULT 3, free NUMERIC DEFAULT 1.25, f REAL DEFAULT 1e300, yes BOOLEAN DEFAULT TRUE,
	quoted TEXT DEFAULT 'it''s', empty TEXT DEFAULT '', number TEXT DEFAULT 5, none TEXT DEFAULT NULL, parens TEXT DEFAULT ('x'),
	bin BLOB DEFAULT x'00ff', day DATE DEFAULT '2026-01-31', word TEXT DEFAULT 'CURRENT_TIMESTAMP',
	made TIMESTAMP DEFAULT CURRENT_TIMESTAMP, random TEXT DEFAULT (hex(randomblob(8))), later TEXT DEFAULT (datetime('now')), sum INT DEFAULT (1 + 2)
);
CREATE TABLE parents (a INTEGER, b TEXT, note TEXT COLLATE NOCASE, low INT, UNIQUE (b, a), PRIMARY KEY (a));
CREATE UNIQUE INDEX parents_note ON parents (note);
CREATE UNIQUE INDEX parents_part ON parents (low) WHERE low > 0;
CREATE UNIQUE INDEX parents_expression ON parents (lower(note));
CREATE UNIQUE INDEX parents_loose ON parents (b COLLATE NOCASE);
CREATE INDEX parents_plain ON parents (low);
CREATE TABLE pairs (y TEXT, x INT, note TEXT, PRIMARY KEY (x, y)) WITHOUT ROWID;
CREATE TABLE descending (id INTEGER PRIMARY KEY DESC);
CREATE TABLE children (
	id BIGINT PRIMARY KEY, -- REFERENCES nothing DEFERRABLE
	pa INT CONSTRAINT "to a" REFERENCES parents ON DELETE CASCADE ON UPDATE SET NULL, "REFERENCES" TEXT DEFAULT 'a, REFERENCES b',
	pb TEXT, pc INT NOT NULL REFERENCES parents(a) NOT DEFERRABLE INITIALLY IMMEDIATE CHECK (pc IN (1, 2)), x INT, y TEXT,
	CONSTRAINT to_ba FOREIGN KEY (pb, pc) REFERENCES parents (b, a) DEFERRABLE INITIALLY DEFERRED,
	FOREIGN KEY (x, y) REFERENCES pairs ON DELETE RESTRICT ON UPDATE SET DEFAULT DEFERRABLE
);
ALTER TABLE children ADD COLUMN added INT REFERENCES descending (id) DEFERRABLE INITIALLY DEFERRED;
CREATE VIEW adults AS SELECT id, pa FROM children;
CREATE TABLE watched (id INT);
CREATE TRIGGER "DELETE" /* INSERT */ BEFORE UPDATE OF id ON watched BEGIN SELECT 1; END;
CREATE TABLE unwatched (id INT);
CREATE TRIGGER IF NOT EXISTS unwatch AFTER DELETE ON unwatched BEGIN INSERT INTO watched VALUES (1); END;
`

func openDatabase(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // ATTACH is the connection's
	t.Cleanup(func() { db.Close() })
	if _, err := db.Exec(catalogSchema); err != nil {
		t.Fatal(err)
	}
	return db
}

func readCatalog(t *testing.T, names ...string) *sink.Catalog {
	t.Helper()
	c, err := ReadCatalog(context.Background(), openDatabase(t), names)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func find(t *testing.T, c *sink.Catalog, name string) *sink.Table {
	t.Helper()
	table := c.Find(name)
	if table == nil {
		t.Fatalf("table %s is not in the catalog", name)
	}
	return table
}

func integer(sql string) sink.Type { return sink.Type{Family: sink.Integer, SQL: sql, Bits: 64} }
func float(sql string) sink.Type   { return sink.Type{Family: sink.FloatNum, SQL: sql, Bits: 64} }

func text(sql string, length int) sink.Type {
	return sink.Type{Family: sink.Text, SQL: sql, Length: length, NUL: true}
}

func decimal(sql string, precision, scale int) sink.Type {
	return sink.Type{Family: sink.Decimal, SQL: sql, Precision: precision, Scale: scale}
}

func moment(family sink.Family, sql string, precision int) sink.Type {
	return sink.Type{Family: family, SQL: sql, Precision: precision, MinYear: 1, MaxYear: 9999}
}

var typesWanted = map[string]sink.Type{
	"tiny": integer("TINYINT"), "small": integer("smallint"), "i": integer("INT"), "big": integer("BIGINT"), "i8": integer("INT8"),
	"big_unsigned": integer("UNSIGNED BIG INT"), "sized": integer("INTEGER(10)"),
	"r": float("REAL"), "f": float("FLOAT"), "dp": float("DOUBLE PRECISION"), "b": {Family: sink.Bool, SQL: "BOOLEAN"},
	"d": decimal("DECIMAL(9, 2)", 9, 2), "d0": decimal("DECIMAL(5)", 5, 0), "wide": decimal("NUMERIC(30,4)", 15, 4), "n": decimal("NUMERIC", 15, -1),
	"t": text("TEXT", 0), "loose": text("TEXT", 0), "trimmed": text("TEXT", 0), "v": text("VARCHAR(20)", 20), "nv": text("NATIVE CHARACTER (70)", 70),
	"c": text("CHAR(3)", 3), "cl": text("CLOB", 0), "bl": {Family: sink.Binary, SQL: "BLOB"}, "untyped": {Family: sink.Binary},
	"day": moment(sink.Date, "DATE", 0), "at": {Family: sink.Time, SQL: "TIME", Precision: 6}, "at3": {Family: sink.Time, SQL: "TIME(3)", Precision: 3},
	"dt": moment(sink.Timestamp, "DATETIME", 6), "ts": moment(sink.Timestamp, "TIMESTAMP", 6), "ts3": moment(sink.Timestamp, "TIMESTAMP(3)", 3),
	"tz": moment(sink.TimestampTZ, "TIMESTAMPTZ", 6), "tz2": moment(sink.TimestampTZ, "TIMESTAMP  WITH TIME ZONE", 6),
	"u": {Family: sink.UUID, SQL: "UUID"}, "j": {Family: sink.JSON, SQL: "JSON", Numeric: true}, "s": {SQL: "STRING"}, "m": {SQL: "MONEY"},
}

func TestCatalogKnowsEveryType(t *testing.T) {
	c := readCatalog(t)
	table := find(t, c, "every_type")
	if len(table.Columns) != len(typesWanted) {
		t.Errorf("got %d columns, want %d", len(table.Columns), len(typesWanted))
	}
	for _, c := range table.Columns {
		if want := typesWanted[c.Name]; !reflect.DeepEqual(c.Type, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.Name, c.Type, want)
		}
		if want := c.Name != "i"; c.Nullable != want {
			t.Errorf("%s: nullable: got %v, want %v", c.Name, c.Nullable, want)
		}
		if want := c.Type.Family == sink.Text && c.Name != "loose" && c.Name != "trimmed"; c.CaseSensitive != want {
			t.Errorf("%s: case sensitive: got %v, want %v", c.Name, c.CaseSensitive, want)
		}
		if c.Default != nil || c.Made || !c.Insertable {
			t.Errorf("%s: has a default or is made: %+v", c.Name, c)
		}
	}
	var families []sink.Family
	for _, c := range find(t, c, "strict_types").Columns {
		families = append(families, c.Type.Family)
	}
	if want := []sink.Family{sink.Integer, sink.Text, sink.Binary, sink.FloatNum, sink.Unsupported}; !slices.Equal(families, want) {
		t.Errorf("families of a strict table: got %v, want %v", families, want)
	}
}

func TestCatalogTellsConstantDefaultsFromMadeOnes(t *testing.T) {
	constants := map[string]string{
		"n": "7", "negative": "-7", "text_number": "8", "d": "1.50", "whole": "3.00", "free": "1.25", "f": "1e+300", "yes": "1", "quoted": "it's", "empty": "",
		"number": "5", "parens": "x", "bin": "\x00\xff", "day": "2026-01-31", "word": "CURRENT_TIMESTAMP",
	}
	made := []string{"id", "twice", "thrice", "made", "random", "later", "sum"}
	for _, c := range find(t, readCatalog(t), "defaults").Columns {
		want, constant := constants[c.Name]
		switch {
		case constant && (c.Default == nil || *c.Default != want):
			got := "none"
			if c.Default != nil {
				got = *c.Default
			}
			t.Errorf("%s: default: got %q, want %q", c.Name, got, want)
		case !constant && c.Default != nil:
			t.Errorf("%s: default: got %q, want none", c.Name, *c.Default)
		}
		if want := slices.Contains(made, c.Name); c.Made != want {
			t.Errorf("%s: made: got %v, want %v", c.Name, c.Made, want)
		}
		if want := c.Name != "twice" && c.Name != "thrice"; c.Insertable != want {
			t.Errorf("%s: insertable: got %v, want %v", c.Name, c.Insertable, want)
		}
	}
}

func TestCatalogKnowsKeys(t *testing.T) {
	c := readCatalog(t)
	for name, want := range map[string][]string{
		"parents": {"a"}, "pairs": {"x", "y"}, "descending": {"id"}, "children": {"id"}, "Odd.name": {"Sel `ect"}, "watched": nil,
	} {
		if got := find(t, c, name).PrimaryKey; !slices.Equal(got, want) {
			t.Errorf("%s: primary key: got %q, want %q", name, got, want)
		}
	}
	if got, want := find(t, c, "parents").Unique, [][]string{{"note"}, {"b", "a"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("unique keys: got %v, want %v", got, want)
	}
	// Only the rowid is made, and in a table with a rowid a primary key may be NULL.
	for name, want := range map[string][2]bool{"parents": {true, false}, "pairs": {false, false}, "descending": {false, true}, "children": {false, true}} {
		table := find(t, c, name)
		id := table.Columns[table.Column(table.PrimaryKey[0])]
		if id.Made != want[0] || id.Nullable != want[1] || !id.Insertable {
			t.Errorf("%s.%s: made and nullable: got %v and %v, want %v", name, id.Name, id.Made, id.Nullable, want)
		}
	}
}

func TestCatalogKnowsForeignKeys(t *testing.T) {
	none := "no action"
	want := []sink.ForeignKey{
		{Name: "to a", Columns: []string{"pa"}, RefTable: "parents", RefColumns: []string{"a"}, OnDelete: "cascade", OnUpdate: "set null"},
		{Name: "foreign key 2", Columns: []string{"pc"}, RefTable: "parents", RefColumns: []string{"a"}, OnDelete: none, OnUpdate: none},
		// SQLite writes a column that is added later before the table's constraints.
		{Name: "foreign key 3", Columns: []string{"added"}, RefTable: "descending", RefColumns: []string{"id"},
			OnDelete: none, OnUpdate: none, Deferrable: true, Deferred: true},
		{Name: "to_ba", Columns: []string{"pb", "pc"}, RefTable: "parents", RefColumns: []string{"b", "a"},
			OnDelete: none, OnUpdate: none, Deferrable: true, Deferred: true},
		{Name: "foreign key 5", Columns: []string{"x", "y"}, RefTable: "pairs", RefColumns: []string{"x", "y"},
			OnDelete: "restrict", OnUpdate: "set default", Deferrable: true},
	}
	got := find(t, readCatalog(t), "children").ForeignKeys
	if !reflect.DeepEqual(got, want) {
		t.Errorf("foreign keys:\ngot  %+v\nwant %+v", got, want)
	}
}

func TestCatalogKnowsTriggersAndViews(t *testing.T) {
	for _, table := range readCatalog(t).Tables {
		if want := table.Name == "watched"; table.Triggers != want {
			t.Errorf("%s: triggers: got %v, want %v", table, table.Triggers, want)
		}
		if want := table.Name == "adults"; table.View != want {
			t.Errorf("%s: view: got %v, want %v", table, table.View, want)
		}
	}
}

func TestCatalogFindsTablesByName(t *testing.T) {
	db := openDatabase(t)
	for _, statement := range []string{
		"ATTACH '" + filepath.Join(t.TempDir(), "other.db") + "' AS other",
		"CREATE TABLE other.regions (id INTEGER PRIMARY KEY)", "CREATE TABLE other.watched (id INT)",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ReadCatalog(context.Background(), db, []string{"main.parents", "watched", "Odd.name", "other.regions", "absent"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range c.Tables {
		got = append(got, table.String())
	}
	if want := []string{"Odd.name", "parents", "watched", "other.regions"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
