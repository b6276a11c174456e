package mysql

import (
	"context"
	"database/sql"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
)

// catalogSchema has every type that the catalog knows, every kind of default, and
// every kind of key.
const catalogSchema = `
CREATE TABLE every_type (
	i8 tinyint, i8u tinyint unsigned, b bool, b1u tinyint(1) unsigned, i16 smallint, i16u smallint unsigned, i24 mediumint, i24u mediumint unsigned,
	i32 int NOT NULL, i32u int unsigned, i64 bigint, i64u bigint unsigned,
	f32 float, f64 double, f64u double unsigned, rounding float(7,2), d decimal(9,2), d0 decimal(5), du decimal(5,1) unsigned,
	c char(3), cbin char(3) COLLATE utf8mb4_bin, v varchar(20), vbin varchar(20) COLLATE utf8mb4_bin, vnopad varchar(20) COLLATE utf8mb4_nopad_bin,
	v3 varchar(20) CHARACTER SET utf8mb3, latin varchar(20) CHARACTER SET latin1, ascii varchar(20) CHARACTER SET ascii,
	tt tinytext, t text, mt mediumtext, lt longtext,
	bin binary(4), vbinary varbinary(20), tb tinyblob, bl blob, mb mediumblob, lb longblob,
	day date, at time, at3 time(3), dt datetime, dt6 datetime(6), ts timestamp NULL, ts3 timestamp(3) NULL,
	u uuid, j json, e enum('sad', 'it''s ok', 'happy, very', 'back\\slash'), flags set('a', 'b'), bits bit(3), y year, place point, ip inet6
);
CREATE TABLE defaults (
	id bigint AUTO_INCREMENT PRIMARY KEY, twice int AS (n * 2) STORED, thrice int AS (n * 3) VIRTUAL, n int DEFAULT 7, negative int DEFAULT -7,
	d decimal(9,2) DEFAULT 1.5, yes bool DEFAULT true, quoted varchar(20) DEFAULT 'it''s', slash varchar(20) DEFAULT 'a\\b\n', empty text DEFAULT '', nothing text DEFAULT NULL,
	day date DEFAULT '2026-01-31', at time DEFAULT '23:59', dt datetime(3) DEFAULT '2026-01-31 10:00:00.5', ts timestamp DEFAULT '2026-01-31 10:00:00',
	e enum('a', 'b') DEFAULT 'b', bin binary(4) DEFAULT 'ab', j json DEFAULT '{"a": 1}', word varchar(20) DEFAULT 'current_timestamp()',
	made timestamp DEFAULT current_timestamp, changed timestamp DEFAULT '2026-01-31 10:00:00' ON UPDATE current_timestamp, random varchar(36) DEFAULT uuid(), total int DEFAULT (1 + length('x'))
);
CREATE TABLE parents (a int, b varchar(20), UNIQUE ba (b, a), note text, low int UNIQUE, PRIMARY KEY (a), UNIQUE prefix (note(10)), KEY plain (low));
CREATE TABLE children (
	id bigint PRIMARY KEY, pa int, pb varchar(20), pc int, region varchar(20), no int,
	CONSTRAINT to_a FOREIGN KEY (pa) REFERENCES parents (a) ON DELETE CASCADE ON UPDATE SET NULL,
	CONSTRAINT to_ba FOREIGN KEY (pb, pc) REFERENCES parents (b, a)
);
CREATE VIEW adults AS SELECT id, pa FROM children;
CREATE TABLE watched (id int);
CREATE TRIGGER watch BEFORE UPDATE ON watched FOR EACH ROW SET NEW.id = 1;
CREATE TABLE unwatched (id int);
CREATE TRIGGER unwatch BEFORE DELETE ON unwatched FOR EACH ROW SET @gone = OLD.id;
CREATE SEQUENCE numbers;
CREATE TABLE ` + "`Odd.name` (`Sel ``ect` int PRIMARY KEY)"

func openDatabase(t *testing.T) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	rest := strings.TrimPrefix(testdb.MariaDB(t), "mysql://")
	cfg.User, rest, _ = strings.Cut(rest, "@")
	cfg.Net = "tcp"
	cfg.Addr, cfg.DBName, _ = strings.Cut(rest, "/")
	cfg.MultiStatements = true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func readCatalog(t *testing.T, names ...string) *sink.Catalog {
	t.Helper()
	db := openDatabase(t)
	mustExec(t, db, catalogSchema)
	c, err := ReadCatalog(context.Background(), db, names)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustExec(t *testing.T, db *sql.DB, statements string) {
	t.Helper()
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
}

func find(t *testing.T, c *sink.Catalog, name string) *sink.Table {
	t.Helper()
	table := c.Find(name)
	if table == nil {
		t.Fatalf("table %s is not in the catalog", name)
	}
	return table
}

func integer(sql string, bits int, unsigned bool) sink.Type {
	return sink.Type{Family: sink.Integer, SQL: sql, Bits: bits, Unsigned: unsigned}
}

func chars(sql string, length int, fixed bool, maxRune rune) sink.Type {
	return sink.Type{Family: sink.Text, SQL: sql, Length: length, Fixed: fixed, NUL: true, MaxRune: maxRune}
}

func textOf(sql string, length int) sink.Type {
	return sink.Type{Family: sink.Text, SQL: sql, Length: length, LengthInBytes: true, NUL: true}
}

func binaryOf(sql string, length int) sink.Type {
	return sink.Type{Family: sink.Binary, SQL: sql, Length: length}
}

func unsupported(sql string) sink.Type { return sink.Type{SQL: sql} }

var typesWanted = map[string]sink.Type{
	"i8": integer("tinyint(4)", 8, false), "i8u": integer("tinyint(3) unsigned", 8, true),
	"b": {Family: sink.Bool, SQL: "tinyint(1)"}, "b1u": integer("tinyint(1) unsigned", 8, true),
	"i16": integer("smallint(6)", 16, false), "i16u": integer("smallint(5) unsigned", 16, true),
	"i24": integer("mediumint(9)", 24, false), "i24u": integer("mediumint(8) unsigned", 24, true),
	"i32": integer("int(11)", 32, false), "i32u": integer("int(10) unsigned", 32, true),
	"i64": integer("bigint(20)", 64, false), "i64u": integer("bigint(20) unsigned", 64, true),
	"f32":      {Family: sink.FloatNum, SQL: "float", Bits: 32},
	"f64":      {Family: sink.FloatNum, SQL: "double", Bits: 64},
	"f64u":     {Family: sink.FloatNum, SQL: "double unsigned", Bits: 64, Unsigned: true},
	"rounding": unsupported("float(7,2)"),
	"d":        {Family: sink.Decimal, SQL: "decimal(9,2)", Precision: 9, Scale: 2},
	"d0":       {Family: sink.Decimal, SQL: "decimal(5,0)", Precision: 5},
	"du":       {Family: sink.Decimal, SQL: "decimal(5,1) unsigned", Precision: 5, Scale: 1, Unsigned: true},
	"c":        chars("char(3)", 3, true, 0), "cbin": chars("char(3)", 3, true, 0),
	"v": chars("varchar(20)", 20, false, 0), "vbin": chars("varchar(20)", 20, false, 0), "vnopad": chars("varchar(20)", 20, false, 0),
	"v3": chars("varchar(20)", 20, false, 0xffff), "latin": {Family: sink.Text, SQL: "varchar(20)", Length: 20, NUL: true, MaxRune: 0xff, NoC1: true}, "ascii": chars("varchar(20)", 20, false, 0x7f),
	"tt": textOf("tinytext", 1<<8-1), "t": textOf("text", 1<<16-1), "mt": textOf("mediumtext", 1<<24-1), "lt": textOf("longtext", 1<<32-1),
	"bin":     {Family: sink.Binary, SQL: "binary(4)", Length: 4, Fixed: true},
	"vbinary": binaryOf("varbinary(20)", 20),
	"tb":      binaryOf("tinyblob", 1<<8-1), "bl": binaryOf("blob", 1<<16-1), "mb": binaryOf("mediumblob", 1<<24-1), "lb": binaryOf("longblob", 1<<32-1),
	"day":   {Family: sink.Date, SQL: "date", MinYear: 1, MaxYear: 9999},
	"at":    {Family: sink.Time, SQL: "time"},
	"at3":   {Family: sink.Time, SQL: "time(3)", Precision: 3},
	"dt":    {Family: sink.Timestamp, SQL: "datetime", MinYear: 1, MaxYear: 9999},
	"dt6":   {Family: sink.Timestamp, SQL: "datetime(6)", Precision: 6, MinYear: 1, MaxYear: 9999},
	"ts":    {Family: sink.TimestampTZ, SQL: "timestamp", MinYear: 1970, MaxYear: 2037},
	"ts3":   {Family: sink.TimestampTZ, SQL: "timestamp(3)", Precision: 3, MinYear: 1970, MaxYear: 2037},
	"u":     {Family: sink.UUID, SQL: "uuid", ByTime: true},
	"j":     {Family: sink.JSON, SQL: "json", Length: 1<<32 - 1, LengthInBytes: true, DepthMax: 31},
	"e":     {Family: sink.Enum, SQL: `enum('sad','it''s ok','happy, very','back\\slash')`, Labels: []string{"sad", "it's ok", "happy, very", `back\slash`}},
	"flags": unsupported("set('a','b')"), "bits": unsupported("bit(3)"), "y": unsupported("year(4)"),
	"place": unsupported("point"), "ip": unsupported("inet6"),
}

func TestCatalogKnowsEveryType(t *testing.T) {
	table := find(t, readCatalog(t, "every_type"), "every_type")
	if len(table.Columns) != len(typesWanted) {
		t.Errorf("got %d columns, want %d", len(table.Columns), len(typesWanted))
	}
	for _, c := range table.Columns {
		if want := typesWanted[c.Name]; !reflect.DeepEqual(c.Type, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.Name, c.Type, want)
		}
		if want := c.Name != "i32"; c.Nullable != want {
			t.Errorf("%s: nullable: got %v, want %v", c.Name, c.Nullable, want)
		}
		// utf8mb4_bin ignores trailing spaces of varchar; char(n) has none.
		if want := c.Name == "cbin" || c.Name == "vnopad"; c.CaseSensitive != want {
			t.Errorf("%s: case sensitive: got %v, want %v", c.Name, c.CaseSensitive, want)
		}
		if c.Default != nil || c.Made || !c.Insertable {
			t.Errorf("%s: has a default or is made: %+v", c.Name, c)
		}
	}
}

func TestCatalogTellsConstantDefaultsFromMadeOnes(t *testing.T) {
	constants := map[string]string{
		"n": "7", "negative": "-7", "d": "1.50", "yes": "1", "quoted": "it's", "slash": "a\\b\n", "empty": "", "day": "2026-01-31", "at": "23:59:00",
		"dt": "2026-01-31 10:00:00.5", "ts": "2026-01-31T10:00:00Z", "e": "b", "bin": "ab\x00\x00", "j": `{"a": 1}`, "word": "current_timestamp()",
	}
	made := []string{"id", "twice", "thrice", "made", "changed", "random", "total"}
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
	parents := find(t, c, "parents")
	if want := []string{"a"}; !slices.Equal(parents.PrimaryKey, want) {
		t.Errorf("primary key: got %v, want %v", parents.PrimaryKey, want)
	}
	if want := [][]string{{"b", "a"}, {"low"}}; !reflect.DeepEqual(parents.Unique, want) {
		t.Errorf("unique keys: got %v, want %v", parents.Unique, want)
	}
	if got := find(t, c, "Odd.name").PrimaryKey; !slices.Equal(got, []string{"Sel `ect"}) {
		t.Errorf("primary key of a table with odd names: got %v, want [Sel `ect]", got)
	}
	want := []sink.ForeignKey{
		{Name: "to_a", Columns: []string{"pa"}, RefTable: "parents", RefColumns: []string{"a"}, OnDelete: "cascade", OnUpdate: "set null"},
		{Name: "to_ba", Columns: []string{"pb", "pc"}, RefTable: "parents", RefColumns: []string{"b", "a"}, OnDelete: "restrict", OnUpdate: "restrict"},
	}
	if got := find(t, c, "children").ForeignKeys; !reflect.DeepEqual(got, want) {
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
		if table.Name == "numbers" {
			t.Error("a sequence is in the catalog")
		}
	}
}

func TestCatalogFindsTablesByName(t *testing.T) {
	ctx := context.Background()
	here, there := openDatabase(t), openDatabase(t)
	var other string
	if err := there.QueryRow("SELECT DATABASE()").Scan(&other); err != nil {
		t.Fatal(err)
	}
	mustExec(t, there, "CREATE TABLE regions (id int PRIMARY KEY)")
	mustExec(t, here, "CREATE TABLE places (id int, CONSTRAINT elsewhere FOREIGN KEY (id) REFERENCES "+other+".regions (id)); CREATE TABLE Places (id int)")
	c, err := ReadCatalog(ctx, here, []string{"places", other + ".regions", "absent"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, table := range c.Tables {
		got = append(got, table.String())
	}
	if want := []string{"places", other + ".regions"}; !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if got := c.Tables[0].ForeignKeys; len(got) != 1 || got[0].RefSchema != other {
		t.Errorf("foreign key into another database: got %+v, want one to %s", got, other)
	}
}
