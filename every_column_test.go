package lull_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
	"github.com/lullcache/lull/sink"
)

// everyType has each type that the catalogs know and Lull writes, by dialect.
var everyType = map[string]string{
	"postgres": `CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy, very', 'it''s \ "x"');
CREATE DOMAIN email AS varchar(120);
CREATE DOMAIN work_email AS email CHECK (VALUE IS NOT NULL OR VALUE IS NULL);
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE every_type (id bigint PRIMARY KEY,
	i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, d numeric, d92 numeric(9,2), d5 numeric(5), wide numeric(60,30), small numeric(3,3), b boolean,
	t text, v varchar(20), vfree varchar, c char(3), loose text COLLATE loose, bin bytea,
	day date, at time, at3 time(3), ts timestamp, ts0 timestamp(0), tz timestamptz, tz3 timestamptz(3),
	u uuid, j json, jb jsonb, m mood, mail email, work work_email)`,
	"mariadb": `CREATE TABLE every_type (id bigint PRIMARY KEY,
	i8 tinyint, i8u tinyint unsigned, b bool, b1u tinyint(1) unsigned, i16 smallint, i16u smallint unsigned, i24 mediumint, i24u mediumint unsigned,
	i32 int, i32u int unsigned, i64 bigint, i64u bigint unsigned,
	f32 float, f64 double, f64u double unsigned, d decimal(9,2), d0 decimal(5), du decimal(5,1) unsigned, wide decimal(60,30), small decimal(3,3),
	c char(3), cbin char(3) COLLATE utf8mb4_bin, v varchar(20), vbin varchar(20) COLLATE utf8mb4_bin, vnopad varchar(20) COLLATE utf8mb4_nopad_bin,
	v3 varchar(20) CHARACTER SET utf8mb3, latin varchar(20) CHARACTER SET latin1, ascii varchar(20) CHARACTER SET ascii,
	tt tinytext, t text, mt mediumtext, lt longtext, bin binary(4), vbinary varbinary(20), tb tinyblob, bl blob, mb mediumblob, lb longblob,
	day date, at time, at3 time(3), at6 time(6), dt datetime, dt6 datetime(6), ts timestamp NULL, ts3 timestamp(3) NULL, ts6 timestamp(6) NULL,
	u uuid, j json, e enum('sad', 'it''s ok', 'happy, very', 'back\\slash'))`,
	"sqlite": `CREATE TABLE every_type (id bigint PRIMARY KEY,
	tiny TINYINT, small smallint, i INT, big BIGINT, i8 INT8, big_unsigned UNSIGNED BIG INT, sized INTEGER(10),
	r REAL, f FLOAT, dp DOUBLE PRECISION, b BOOLEAN, d DECIMAL(9, 2), d0 DECIMAL(5), wide NUMERIC(30,4), n NUMERIC,
	t TEXT, loose TEXT COLLATE NOCASE, trimmed TEXT COLLATE RTRIM, v VARCHAR(20), nv NATIVE CHARACTER (70), c CHAR(3), cl CLOB, bl BLOB, untyped,
	day DATE, at TIME, at3 TIME(3), dt DATETIME, ts TIMESTAMP, ts3 TIMESTAMP(3), tz TIMESTAMPTZ, tz2 TIMESTAMP  WITH TIME ZONE, u UUID, j JSON)`,
}

// foundInColumns are columns and values that Lull once took and the database refused or
// changed, and their neighbours.
var foundInColumns = map[string][][2]string{
	"mariadb": {
		{"u", "00000000-0000-8000-0100-000000000000"}, {"u", "00000000-0000-f000-8f00-000000000000"}, {"u", "00000000-0000-f000-9000-000000000000"},
		{"u", "00000000-0000-8000-0000-000000000000"}, {"u", "00000000-0000-7f00-0100-000000000000"},
		{"f32", "3.4028234663852886e+38"}, {"f32", "-3.4028235e+38"}, {"f32", "1e-45"}, {"latin", "\u0080"}, {"latin", "\u0081"}, {"latin", "\u009f"}, {"latin", "\u00a0ÿ"},
		{"ts", "1970-01-01T00:00:00Z"}, {"ts", "1970-01-01T00:00:00.9Z"}, {"ts3", "1970-01-01T00:00:00.0009Z"}, {"ts6", "1970-01-01T00:00:00.000001Z"},
		{"j", strings.Repeat("[", 31) + strings.Repeat("]", 31)}, {"j", strings.Repeat(`{"a":`, 31) + "1" + strings.Repeat("}", 31)},
		{"j", strings.Repeat("[", 32) + strings.Repeat("]", 32)}, {"j", `"\ud800"`}, {"j", `{"\udc00x":1}`}, {"j", `"\ud83d\ude00\u0000"`},
	},
	"sqlite": {{"j", "0.1e1"}, {"j", "12345678901234567890.5"}, {"j", "1.50"}, {"j", "-0.0"}, {"j", "1e17"}, {"j", "1e20"}, {"j", "1e400"}, {"j", "9223372036854775807"}},
}

// TestEveryColumnTypeThereAndBack writes values of all kinds into columns of every type of
// each database. What Lull takes, the database takes, and gives back as Lull showed it; what
// Lull refuses, it refuses with the column's name, and nothing changes.
func TestEveryColumnTypeThereAndBack(t *testing.T) {
	seed := seedOf(t)
	everywhere(t, func(t *testing.T, p *place) {
		c := openColumns(t, p, seed)
		for i, f := range foundInColumns[p.kind] {
			c.set(t, i%rowsOfEveryType, &c.table.Columns[c.table.Column(f[0])], f[1])
		}
		syncDB(t, c.db)
		c.compareLetters(t)
		c.compareSQL(t)
		for range rounds(6) {
			c.write(t)
			syncDB(t, c.db)
			c.compareLetters(t)
			c.compareSQL(t)
			lull.EvictAll(c.db)
			c.compareShown(t)
		}
		closeDB(t, c.db)
	})
}

// rowsOfEveryType is how many rows the test writes, each time all of them.
const rowsOfEveryType = 24

// columnsOnTrial are the columns of a place, and what they have to hold: by row, by field.
type columnsOnTrial struct {
	*place
	db    *lull.DB
	table *sink.Table
	line  *proof.Line
	make  values
	shown [rowsOfEveryType]map[string]string
}

func openColumns(t *testing.T, p *place, seed uint64) *columnsOnTrial {
	t.Helper()
	for _, s := range strings.Split(everyType[p.kind], ";\n") {
		_, err := p.direct.ExecContext(t.Context(), s)
		must(t, err)
	}
	s := p.sink(t)
	catalog, err := s.Catalog(t.Context(), []string{"every_type"})
	must(t, err)
	c := &columnsOnTrial{place: p, table: catalog.Find("every_type"), line: proof.NewLine(t, seed), make: values{rand.New(rand.NewPCG(seed, 1))}}
	for i := range c.shown {
		c.shown[i] = map[string]string{}
	}
	c.db = openOver(t, s, t.TempDir(), func(o *lull.Options) {
		o.Tables, o.Ack = []lull.TableSpec{{Name: "every_type", Key: "row:{id}", Type: "hash"}}, lull.AckMemory
		o.Flush = lull.FlushOptions{Lull: time.Hour, MaxDelay: time.Hour, MaxRows: 1 << 30}
	})
	return c
}

func (c *columnsOnTrial) write(t *testing.T) {
	for id := range c.shown {
		for i := range c.table.Columns[1:] {
			column := &c.table.Columns[1+i]
			if c.make.IntN(20) == 0 {
				c.clear(t, id, column.Name)
				continue
			}
			c.set(t, id, column, c.make.of(&column.Type))
		}
	}
}

func (c *columnsOnTrial) clear(t *testing.T, id int, field string) {
	key := []byte(fmt.Sprint("row:", id))
	must(t, unit(t.Context(), c.db, string(key), true, func(tx *lull.Tx) error {
		_, err := tx.HDel(key, [][]byte{[]byte(field)})
		return err
	}))
	delete(c.shown[id], field)
	c.line.Tried(1, "NULLs")
}

func (c *columnsOnTrial) set(t *testing.T, id int, column *sink.Column, text string) {
	key, field, got := []byte(fmt.Sprint("row:", id)), []byte(column.Name), ""
	err := unit(t.Context(), c.db, string(key), true, func(tx *lull.Tx) error {
		if _, err := tx.HSet(key, [][]byte{field, []byte(text)}); err != nil {
			return err
		}
		val, _, err := tx.HGet(key, field)
		got = string(val)
		return err
	})
	c.line.Tried(1, "values")
	if err == nil {
		c.shown[id][column.Name] = got
		return
	}
	c.line.Tried(1, "of them refused")
	if !strings.Contains(err.Error(), "every_type."+column.Name+": ") {
		t.Errorf("%s: %s: %s refused without the column's name: %v", column.Name, column.Type.SQL, short(text), err)
	}
}

// compareLetters: what Lull took, the database has to take.
func (c *columnsOnTrial) compareLetters(t *testing.T) {
	for _, l := range c.db.Letters() {
		c.line.Lost.Add(1)
		t.Errorf("taken, and refused by the database: row %s: %s", l.Key, l.Reason.Message)
	}
	if t.Failed() {
		t.FailNow()
	}
}

func (c *columnsOnTrial) compareShown(t *testing.T) {
	for id := range c.shown {
		key, got := []byte(fmt.Sprint("row:", id)), map[string]string{}
		must(t, unit(t.Context(), c.db, string(key), false, func(tx *lull.Tx) error {
			fields, err := tx.HGetAll(key)
			clear(got)
			fields.Each(func(field, val []byte) bool { got[string(field)] = string(val); return true })
			return err
		}))
		c.compare(t, "loaded", id, got, func(_ *sink.Column, text string) string { return text })
	}
}

// compareSQL asks the database itself what it has.
func (c *columnsOnTrial) compareSQL(t *testing.T) {
	columns := []string{"id"}
	for i := range c.table.Columns[1:] {
		columns = append(columns, c.inHex(&c.table.Columns[1+i]))
	}
	rows := c.rows(t, "SELECT "+strings.Join(columns, ", ")+" FROM every_type")
	c.line.Tried(len(rows), "rows read from SQL")
	for _, row := range rows {
		cells := strings.Split(row, "|")
		id, err := strconv.Atoi(cells[0])
		must(t, err)
		got := map[string]string{}
		for i, cell := range cells[1:] {
			if cell == "NULL" {
				continue
			}
			text, err := hex.DecodeString(cell)
			must(t, err)
			got[c.table.Columns[1+i].Name] = string(text)
		}
		c.compare(t, "in SQL", id, got, c.plain)
	}
}

// compare finds what differs from what was shown, both spelled by same.
func (c *columnsOnTrial) compare(t *testing.T, where string, id int, got map[string]string, same func(*sink.Column, string) string) {
	for i := range c.table.Columns[1:] {
		column := &c.table.Columns[1+i]
		g, there := got[column.Name]
		w, wanted := c.shown[id][column.Name]
		if there == wanted && (g == w || same(column, g) == same(column, w)) {
			continue
		}
		c.line.Lost.Add(1)
		t.Errorf("%s: %s: row %d: %s it is %s (%v), shown was %s (%v)", column.Name, column.Type.SQL, id, where, short(g), there, short(w), wanted)
	}
}

// inHex is a column's text, as the database spells it, in hexadecimal.
func (c *columnsOnTrial) inHex(column *sink.Column) string {
	name, family := c.quoted(column.Name), column.Type.Family
	switch {
	case c.kind == "postgres" && family == sink.Binary:
		return "encode(" + name + ", 'hex')"
	case c.kind == "postgres" && family == sink.Bool:
		name += "::int"
	case c.kind == "postgres" && family == sink.TimestampTZ:
		name = "(" + name + " AT TIME ZONE 'UTC')"
	case c.kind == "sqlite" && family == sink.Binary:
		return "CASE WHEN " + name + " IS NOT NULL THEN HEX(" + name + ") END"
	case family == sink.Binary:
		return "HEX(" + name + ")"
	case c.kind == "mariadb" && family == sink.FloatNum:
		name = "CAST(" + name + " AS DOUBLE)"
	}
	switch c.kind {
	case "postgres":
		return "encode(convert_to(" + name + "::text, 'UTF8'), 'hex')"
	case "mariadb":
		return "HEX(CAST(" + name + " AS CHAR CHARACTER SET utf8mb4))"
	}
	return "CASE WHEN " + name + " IS NOT NULL THEN HEX(CAST(" + name + " AS TEXT)) END"
}

// plain brings a text to a spelling that Lull and the database share.
func (c *columnsOnTrial) plain(column *sink.Column, text string) string {
	switch column.Type.Family {
	case sink.FloatNum:
		f, err := strconv.ParseFloat(text, 64)
		if column.Type.Bits == 32 {
			f = float64(float32(f))
		}
		return fmt.Sprint(f, err)
	case sink.Decimal, sink.JSON:
		if f, err := strconv.ParseFloat(text, 64); err == nil && c.kind == "sqlite" {
			return fmt.Sprintf("%.15g", f)
		}
	case sink.Time, sink.Timestamp, sink.TimestampTZ:
		text = strings.TrimSuffix(strings.Replace(text, "T", " ", 1), "Z")
		if strings.Contains(text, ".") {
			text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
		}
	case sink.Text:
		if column.Type.Fixed {
			text = strings.TrimRight(text, " ")
		}
	}
	return text
}

func short(text string) string {
	if len(text) <= 120 {
		return strconv.Quote(text)
	}
	return fmt.Sprintf("%q… (%d bytes)", text[:100], len(text))
}
