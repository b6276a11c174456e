package lull_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink/sqlsink"
)

// hostileNames would end a quotation, a statement or a format, if a dialect let them.
var hostileNames = []string{
	`a"; DROP TABLE victim; --`, "b`; DROP TABLE victim; --", `c'; DROP TABLE victim; --`, `d\"; DROP TABLE victim; #`, "e\\`; DROP TABLE victim; -- ",
	`f]; DROP TABLE victim --`, `g $1 ? :x @y %s {z}`, "h\nDROP TABLE victim", `i/* */ -- x`, `select`, "j\"\"``''k", `né ☃`, ` l`, `m);`,
}

// quoted is a name as the database takes it, written here once more: the sinks' own
// quoting is on trial.
func (p *place) quoted(name string) string {
	q := `"`
	if p.kind == "mariadb" {
		q = "`"
	}
	return q + strings.ReplaceAll(name, q, q+q) + q
}

// trimmed: MariaDB takes no names that end in a space.
func trimmed(name string) string { return strings.TrimRight(name, " ") }

// TestHostileNames maps tables and columns with such names, writes through them, loads
// from them, deletes, and finds every row in its place and the victim whole.
func TestHostileNames(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		p.exec(t, `CREATE TABLE victim (id BIGINT PRIMARY KEY)`, `INSERT INTO victim VALUES (42)`)
		var specs []lull.TableSpec
		for i, name := range hostileNames {
			name = trimmed(name)
			q := p.quoted
			p.exec(t,
				fmt.Sprintf(`CREATE TABLE %s (id BIGINT PRIMARY KEY, %s TEXT(50), %s TEXT(50))`, q("h"+name), q("x"+name), q(name)),
				fmt.Sprintf(`CREATE TABLE %s (k BIGINT, %s TEXT(50), %s DOUBLE PRECISION, PRIMARY KEY (k, %s))`, q("z"+name), q("m"+name), q("s"+name), q("m"+name)))
			specs = append(specs,
				lull.TableSpec{Name: fmt.Sprint("h", i), Table: "h" + name, Key: fmt.Sprintf("h%d:{id}", i), Type: "hash", Fields: map[string]string{"f": "x" + name, "g": name}},
				lull.TableSpec{Name: fmt.Sprint("z", i), Table: "z" + name, Key: fmt.Sprintf("z%d:{k}", i), Type: "zset", Member: "m" + name, Score: "s" + name})
		}
		db := openOver(t, p.sink(t), t.TempDir(), func(o *lull.Options) {
			o.Tables, o.Ack, o.Name = specs, lull.AckMemory, `n'"; DROP TABLE victim; --`
			o.Flush = lull.FlushOptions{Lull: time.Hour, MaxDelay: time.Hour}
		})
		before := p.tables(t)
		p.writeHostile(t, db)
		if got := p.tables(t); !slices.Equal(got, before) {
			t.Errorf("tables: got %q, before there were %q", got, before)
		}
		p.wantRows(t, `SELECT id FROM victim`, "42")
		closeDB(t, db)
	})
}

func (p *place) writeHostile(t *testing.T, db *lull.DB) {
	ctx := t.Context()
	value := []byte(`'"; DROP TABLE victim; -- \' $1 ? %s`)
	for i := range hostileNames {
		must(t, unit(ctx, db, fmt.Sprintf("h%d:1", i), true, func(tx *lull.Tx) error {
			_, err := tx.HSet(fmt.Appendf(nil, "h%d:1", i), [][]byte{[]byte("f"), value, []byte("g"), []byte("v")})
			return err
		}))
		must(t, unit(ctx, db, fmt.Sprintf("z%d:1", i), true, func(tx *lull.Tx) error {
			_, _, err := tx.ZAdd(fmt.Appendf(nil, "z%d:1", i), lull.ZAddOptions{}, []lull.Scored{{Member: value, Score: 1}, {Member: []byte("b"), Score: 2}})
			return err
		}))
	}
	syncDB(t, db)
	lull.EvictAll(db)
	for i, name := range hostileNames {
		name = trimmed(name)
		p.wantRows(t, fmt.Sprintf(`SELECT %s, %s FROM %s`, p.quoted("x"+name), p.quoted(name), p.quoted("h"+name)), string(value)+"|v")
		p.wantRows(t, fmt.Sprintf(`SELECT %s FROM %s ORDER BY %s`, p.quoted("m"+name), p.quoted("z"+name), p.quoted("s"+name)), string(value), "b")
		must(t, unit(ctx, db, fmt.Sprintf("h%d:1", i), true, func(tx *lull.Tx) error {
			got, _, err := tx.HGet(fmt.Appendf(nil, "h%d:1", i), []byte("f"))
			if err != nil {
				return err
			}
			if string(got) != string(value) {
				t.Errorf("%q: loaded %q", name, got)
			}
			_, err = tx.HSet(fmt.Appendf(nil, "h%d:1", i), [][]byte{[]byte("g"), []byte("w")})
			return err
		}))
		must(t, unit(ctx, db, fmt.Sprintf("z%d:1", i), true, func(tx *lull.Tx) error {
			got, _, err := tx.ZScore(fmt.Appendf(nil, "z%d:1", i), value)
			if err != nil {
				return err
			}
			if got != 1 {
				t.Errorf("%q: loaded %v", name, got)
			}
			_, err = tx.Del(fmt.Appendf(nil, "z%d:1", i))
			return err
		}))
	}
	syncDB(t, db)
	for _, name := range hostileNames {
		name = trimmed(name)
		p.wantRows(t, fmt.Sprintf(`SELECT %s, %s FROM %s`, p.quoted("x"+name), p.quoted(name), p.quoted("h"+name)), string(value)+"|w")
		p.wantRows(t, fmt.Sprintf(`SELECT count(*) FROM %s`, p.quoted("z"+name)), "0")
	}
}

// tables are the names of all tables and views.
func (p *place) tables(t *testing.T) []string {
	t.Helper()
	query := map[string]string{
		"postgres": `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
		"mariadb":  `SELECT table_name FROM information_schema.tables WHERE table_schema = database() ORDER BY 1`,
		"sqlite":   `SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY 1`,
	}[p.kind]
	return p.rows(t, query)
}

// TestNamesThatAreNotThere: a configuration of such names for tables and columns that
// do not exist is complained about, and does nothing.
func TestNamesThatAreNotThere(t *testing.T) {
	everywhere(t, func(t *testing.T, p *place) {
		p.exec(t, `CREATE TABLE victim (id BIGINT PRIMARY KEY, a BIGINT)`, `INSERT INTO victim VALUES (42, 1)`)
		s, err := p.open(t.Context(), sqlsink.Options{ConnectTimeout: hangMax})
		must(t, err)
		defer s.Close()
		for _, name := range hostileNames {
			for _, spec := range []lull.TableSpec{
				{Name: "t", Table: name, Key: "k:{id}", Type: "hash"},
				{Name: "t", Table: "victim", Key: "k:{id}", Type: "hash", Columns: []string{name}},
			} {
				db, err := lull.Open(t.Context(), lull.Options{DataDir: t.TempDir(), Sink: s, Tables: []lull.TableSpec{spec}})
				if err == nil {
					t.Errorf("%+v: no complaint", spec)
					closeDB(t, db)
				}
			}
		}
		p.wantRows(t, `SELECT id, a FROM victim`, "42|1")
	})
}
