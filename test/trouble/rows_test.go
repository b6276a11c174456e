package trouble

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
)

// badRow is one way in which a row can be refused, made after the engine has looked at
// the table, so that its own checks let the row through.
type badRow struct {
	name string
	// begin changes the tables by kind of database; "" is all kinds. A kind without an
	// entry cannot refuse rows so.
	begin map[string][]string
	// fields make a row bad; end makes it right again.
	fields []string
	end    map[string][]string
}

func badRowKinds() []badRow {
	drop := func(name string) map[string][]string {
		return map[string][]string{"": {`ALTER TABLE things DROP CONSTRAINT ` + name}}
	}
	both := func(statements ...string) map[string][]string {
		return map[string][]string{"postgres": statements, "mariadb": statements}
	}
	anew := func(owner string) []string {
		return []string{`ALTER TABLE things RENAME TO former`, `CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT(40), n BIGINT, owner BIGINT ` + owner + `, late BIGINT)`,
			`INSERT INTO things SELECT * FROM former`, `DROP TABLE former`}
	}
	return []badRow{
		{"check", both(`ALTER TABLE things ADD CONSTRAINT few CHECK (n < 1000000)`), []string{"n", "2000000"}, drop("few")},
		{"length", map[string][]string{"postgres": {`ALTER TABLE things ALTER name TYPE VARCHAR(10)`}, "mariadb": {`ALTER TABLE things MODIFY name TEXT(10)`}},
			[]string{"name", "longer than ten"}, map[string][]string{"postgres": {`ALTER TABLE things ALTER name TYPE VARCHAR(40)`}, "mariadb": {`ALTER TABLE things MODIFY name TEXT(40)`}}},
		{"range", map[string][]string{"postgres": {`ALTER TABLE things ALTER n TYPE INT`}, "mariadb": {`ALTER TABLE things MODIFY n INT`}},
			[]string{"n", "5000000000"}, map[string][]string{"postgres": {`ALTER TABLE things ALTER n TYPE BIGINT`}, "mariadb": {`ALTER TABLE things MODIFY n BIGINT`}}},
		{"foreign key", map[string][]string{"": {`ALTER TABLE things ADD CONSTRAINT known FOREIGN KEY (owner) REFERENCES owners (id)`}, "sqlite": anew(`REFERENCES owners (id)`)},
			[]string{"owner", "77"}, map[string][]string{"": {`INSERT INTO owners VALUES (77)`}}},
		{"deferred foreign key", map[string][]string{"postgres": {`ALTER TABLE things ADD CONSTRAINT known FOREIGN KEY (owner) REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED`},
			"sqlite": anew(`REFERENCES owners (id) DEFERRABLE INITIALLY DEFERRED`)},
			[]string{"owner", "77"}, map[string][]string{"": {`INSERT INTO owners VALUES (77)`}}},
		{"deferred unique", map[string][]string{"postgres": {`ALTER TABLE things ADD CONSTRAINT one_name UNIQUE (name) DEFERRABLE INITIALLY DEFERRED`,
			`INSERT INTO things (id, name) VALUES (-1, 'taken')`}}, []string{"name", "taken"}, map[string][]string{"": {`DELETE FROM things WHERE id = -1`}}},
		{"deferred trigger", map[string][]string{
			"postgres": {`CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n = 999666 THEN RAISE 'no such number'; END IF; RETURN NEW; END $$`,
				`CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()`}},
			[]string{"n", "999666"}, map[string][]string{"postgres": {`DROP TRIGGER late ON things`}}},
		{"not null", map[string][]string{"postgres": {`ALTER TABLE things ALTER name SET NOT NULL`}, "mariadb": {`ALTER TABLE things MODIFY name TEXT(40) NOT NULL`}},
			[]string{"name", "gone"}, map[string][]string{"postgres": {`ALTER TABLE things ALTER name DROP NOT NULL`}, "mariadb": {`ALTER TABLE things MODIFY name TEXT(40)`}}},
		{"trigger", map[string][]string{
			"postgres": {`CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.n = 999666 THEN RAISE 'no such number'; END IF; RETURN NEW; END $$`,
				`CREATE TRIGGER no BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION no()`},
			"mariadb": {`CREATE TRIGGER no BEFORE INSERT ON things FOR EACH ROW BEGIN IF NEW.n = 999666 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such number'; END IF; END`},
			"sqlite":  {`CREATE TRIGGER no BEFORE INSERT ON things WHEN NEW.n = 999666 BEGIN SELECT RAISE(ABORT, 'no such number'); END`}},
			[]string{"n", "999666"}, map[string][]string{"postgres": {`DROP TRIGGER no ON things`}, "mariadb": {`DROP TRIGGER no`}, "sqlite": {`DROP TRIGGER no`}}},
		{"trigger that ends the transaction", map[string][]string{
			"sqlite": {`CREATE TRIGGER no BEFORE INSERT ON things WHEN NEW.n = 999666 BEGIN SELECT RAISE(ROLLBACK, 'no such number'); END`}},
			[]string{"n", "999666"}, map[string][]string{"sqlite": {`DROP TRIGGER no`}}},
		{"unique", map[string][]string{"": {`CREATE UNIQUE INDEX one_name ON things (name)`, `INSERT INTO things (id, name) VALUES (-1, 'taken')`}}, []string{"name", "taken"},
			map[string][]string{"": {`DELETE FROM things WHERE id = -1`}}},
		{"encoding", map[string][]string{
			"postgres": {`ALTER TABLE things ADD CONSTRAINT latin CHECK (convert_to(name, 'LATIN1') IS NOT NULL)`},
			"mariadb":  {`ALTER TABLE things MODIFY name VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_nopad_bin`}},
			[]string{"name", "日本"}, map[string][]string{"postgres": {`ALTER TABLE things DROP CONSTRAINT latin`}, "mariadb": {`ALTER TABLE things MODIFY name TEXT(40)`}}},
	}
}

// of returns the statements for a kind of database.
func of(by map[string][]string, kind string) ([]string, bool) {
	if s, ok := by[kind]; ok {
		return s, true
	}
	s, ok := by[""]
	return s, ok
}

// rowsAtOnce is how many rows one flush has.
const rowsAtOnce = 1000

// extraStatementsMax is how many statements one bad row among rowsAtOnce may cost.
const extraStatementsMax = 25

// TestBadRows has one row in a thousand refused, in every way there is. The others land
// in the same flush, for few statements more; the refused one is shown, outlives a
// restart, keeps its order with what is written later, and goes in by a retry.
func TestBadRows(t *testing.T) {
	everywhere(t, false, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		p.exec(t, `CREATE TABLE owners (id BIGINT PRIMARY KEY)`, `INSERT INTO owners VALUES (1)`)
		for i, b := range badRowKinds() {
			if begin, ok := of(b.begin, p.kind); ok {
				p.exec(t, `DROP TABLE IF EXISTS things`, `DELETE FROM owners WHERE id = 77`,
					`CREATE TABLE things (id BIGINT PRIMARY KEY, name TEXT(40), n BIGINT, owner BIGINT, late BIGINT)`)
				end, _ := of(b.end, p.kind)
				badRowOf(t, p, line, fmt.Sprint("lull", i), b, begin, end)
			}
			if t.Failed() {
				t.Fatalf("with a row refused by: %s", b.name)
			}
		}
	})
}

func badRowOf(t *testing.T, p *place, line *proof.Line, name string, b badRow, begin, end []string) {
	dir := t.TempDir()
	change := func(o *lull.Options) {
		o.Name = name
		o.Tables = []lull.TableSpec{{Name: "things", Key: "thing:{id}", Type: "hash"}}
	}
	db := p.open(t, dir, change)
	put := func(from int, fields ...string) uint64 {
		before := db.Stats().Flush.Statements
		byHundreds(t, db, "thing", from, func(tx *lull.Tx, key string, i int) error {
			row := []string{"name", fmt.Sprint("n", from+i), "n", fmt.Sprint(i), "owner", "1"}
			if i == rowsAtOnce/3 {
				row = append(row, fields...)
			}
			return hset(tx, key, row...)
		})
		settle(t, db)
		return db.Stats().Flush.Statements - before
	}
	usual := put(0)
	p.exec(t, begin...)
	bad := fmt.Sprintf("thing:%d", rowsAtOnce+rowsAtOnce/3)
	extra := int(put(rowsAtOnce, b.fields...)) - int(usual)
	if b.name == "not null" {
		must(t, unit(t.Context(), db, true, func(tx *lull.Tx) error { _, err := tx.HDel([]byte(bad), bytesOf([]string{"name"})); return err }, bad))
		settle(t, db)
		extra = 0
	} else if got := p.number(t, `SELECT count(*) FROM things WHERE id >= 0`); got != 2*rowsAtOnce-1 {
		line.Lost.Add(2*rowsAtOnce - 1 - got)
		t.Errorf("%d rows are in, wanted %d", got, 2*rowsAtOnce-1)
	}
	line.Tried(1, "bad rows")
	line.Tried(rowsAtOnce-1, "good rows beside them")
	t.Logf("%s: %d statements more than %d", b.name, extra, usual)
	if extra > extraStatementsMax {
		t.Errorf("%d statements more for one bad row, wanted %d at most", extra, extraStatementsMax)
	}
	want := func(db *lull.DB, when string, n int) []lull.Letter {
		letters := db.Letters()
		if len(letters) != n || n > 0 && (letters[0].Key != bad || letters[0].Reason.Message == "") {
			line.Lost.Add(1)
			t.Errorf("%s: letters %+v, wanted %d of %s", when, letters, n, bad)
		}
		return letters
	}
	want(db, "after the flush", 1)
	closeDB(t, db)
	db = p.open(t, dir, change)
	want(db, "after a restart", 1)
	// A later change of the row does not overtake what waits.
	must(t, unit(t.Context(), db, true, func(tx *lull.Tx) error { return hset(tx, bad, "late", "9") }, bad))
	settle(t, db)
	want(db, "after a later change", 1)
	p.exec(t, end...)
	if left, err := db.RetryLetters(t.Context()); err != nil || left != 0 {
		line.Lost.Add(1)
		t.Errorf("retry: %d left, %v", left, err)
	}
	want(db, "after the retry", 0)
	wantField := fmt.Sprintf("%s|9", b.fields[1])
	if b.name == "not null" {
		wantField = "NULL|9"
	}
	p.wantRows(t, fmt.Sprintf(`SELECT %s, late FROM things WHERE id = %s`, b.fields[0], strings.TrimPrefix(bad, "thing:")), wantField)
	closeDB(t, db)
}

// byHundreds does something to rowsAtOnce keys, the rows from one on, in units of a
// hundred.
func byHundreds(t *testing.T, db *lull.DB, prefix string, from int, do func(tx *lull.Tx, key string, i int) error) {
	t.Helper()
	for at := 0; at < rowsAtOnce; at += 100 {
		keys := make([]string, 100)
		for i := range keys {
			keys[i] = fmt.Sprintf("%s:%d", prefix, from+at+i)
		}
		must(t, unit(t.Context(), db, true, func(tx *lull.Tx) error {
			for i, key := range keys {
				if err := do(tx, key, at+i); err != nil {
					return err
				}
			}
			return nil
		}, keys...))
	}
}

// TestAllRowsRefused has a table refuse everything: the other table goes on, nothing is
// lost, and once the table takes rows again all go in.
func TestAllRowsRefused(t *testing.T) {
	everywhere(t, false, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		p.exec(t, `CREATE TABLE things (id BIGINT PRIMARY KEY, n BIGINT)`, `CREATE TABLE others (id BIGINT PRIMARY KEY, n BIGINT)`)
		specs := func(o *lull.Options) {
			o.Tables = []lull.TableSpec{{Name: "things", Key: "thing:{id}", Type: "hash"}, {Name: "others", Key: "other:{id}", Type: "hash"}}
		}
		db := p.open(t, t.TempDir(), specs)
		trigger := map[string][2]string{
			"postgres": {`CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$; CREATE TRIGGER never BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION never()`, `DROP TRIGGER never ON things`},
			"mariadb":  {`CREATE TRIGGER never BEFORE INSERT ON things FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'never'`, `DROP TRIGGER never`},
			"sqlite":   {`CREATE TRIGGER never BEFORE INSERT ON things BEGIN SELECT RAISE(ABORT, 'never'); END`, `DROP TRIGGER never`},
		}[p.kind]
		p.exec(t, trigger[0])
		for _, prefix := range []string{"thing", "other"} {
			byHundreds(t, db, prefix, 0, func(tx *lull.Tx, key string, i int) error { return hset(tx, key, "n", fmt.Sprint(i)) })
		}
		settle(t, db)
		line.Tried(rowsAtOnce, "bad rows")
		p.wantRows(t, `SELECT count(*), sum(n) FROM others`, fmt.Sprintf("%d|%d", rowsAtOnce, rowsAtOnce*(rowsAtOnce-1)/2))
		if got := len(db.Letters()); got != rowsAtOnce {
			line.Lost.Add(int64(rowsAtOnce - got))
		}
		p.exec(t, trigger[1])
		if left, err := db.RetryLetters(t.Context()); err != nil || left != 0 {
			t.Errorf("retry: %d left, %v", left, err)
		}
		if got := p.number(t, `SELECT count(*) FROM things`); got != rowsAtOnce {
			line.Lost.Add(rowsAtOnce - got)
		}
		closeDB(t, db)
	})
}

// TestSwappedUniqueValues has two rows trade a unique value in one flush. Where the
// column may be NULL they are exchanged in it; where not, both wait as letters and
// their keys show what was written.
func TestSwappedUniqueValues(t *testing.T) {
	everywhere(t, false, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		p.exec(t, `CREATE TABLE free (id BIGINT PRIMARY KEY, name TEXT(40) UNIQUE)`, `CREATE TABLE strict (id BIGINT PRIMARY KEY, name TEXT(40) NOT NULL UNIQUE)`)
		db := p.open(t, t.TempDir(), func(o *lull.Options) {
			o.Tables = []lull.TableSpec{{Name: "free", Key: "free:{id}", Type: "hash"}, {Name: "strict", Key: "strict:{id}", Type: "hash"}}
		})
		write := func(one, two string) {
			for _, table := range []string{"free", "strict"} {
				must(t, unit(context.Background(), db, true, func(tx *lull.Tx) error {
					if err := hset(tx, table+":1", "name", one); err != nil {
						return err
					}
					return hset(tx, table+":2", "name", two)
				}, table+":1", table+":2"))
			}
			settle(t, db)
		}
		write("a", "b")
		write("b", "a")
		line.Tried(2, "swaps")
		p.wantRows(t, `SELECT id, name FROM free ORDER BY id`, "1|b", "2|a")
		if got := p.rows(t, `SELECT id, name FROM strict ORDER BY id`); strings.Join(got, ",") != "1|b,2|a" {
			if len(db.Letters()) != 2 {
				line.Lost.Add(1)
				t.Errorf("NOT NULL: SQL has %q, letters %+v", got, db.Letters())
			}
			must(t, db.DropLetters(t.Context()))
		}
		closeDB(t, db)
	})
}
