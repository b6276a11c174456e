package lull_test

import (
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/lullcache/lull"
)

const playerRowsTable = `CREATE TABLE players (
	id INTEGER NOT NULL PRIMARY KEY,
	name TEXT NOT NULL,
	score INTEGER NOT NULL DEFAULT 0,
	level SMALLINT,
	balance DECIMAL(6,2),
	note TEXT,
	loud TEXT GENERATED ALWAYS AS (upper(name)) STORED)`

func openPlayerRows(t *testing.T, statements ...string) (*lull.DB, *sql.DB) {
	t.Helper()
	dir := t.TempDir()
	raw := inSQL(t, dir, append([]string{playerRowsTable}, statements...)...)
	db := openSQLite(t, dir, func(o *lull.Options) {
		o.Tables = []lull.TableSpec{{Name: "players", Key: "player:{id}", Type: "hash", Columns: []string{"name", "score", "level", "balance", "loud"}}}
	})
	t.Cleanup(func() { closeDB(t, db) })
	return db, raw
}

func hset(t *testing.T, db *lull.DB, key string, pairs ...string) (added int, err error) {
	t.Helper()
	err = try(t, db, func(tx *lull.Tx) (err error) {
		added, err = tx.HSet([]byte(key), words(pairs...))
		return err
	}, key)
	return added, err
}

func hdel(t *testing.T, db *lull.DB, key string, fields ...string) (removed int, err error) {
	t.Helper()
	err = try(t, db, func(tx *lull.Tx) (err error) {
		removed, err = tx.HDel([]byte(key), words(fields...))
		return err
	}, key)
	return removed, err
}

// words makes arguments of texts.
func words(texts ...string) [][]byte {
	args := make([][]byte, len(texts))
	for i, s := range texts {
		args[i] = []byte(s)
	}
	return args
}

// hshow returns a hash as text, its fields sorted.
func hshow(t *testing.T, db *lull.DB, key string) string {
	t.Helper()
	var pairs []string
	do(t, db, key, func(tx *lull.Tx) error {
		pairs = pairs[:0]
		all, err := tx.HGetAll([]byte(key))
		all.Each(func(field, val []byte) bool {
			pairs = append(pairs, fmt.Sprintf("%s=%s", field, val))
			return true
		})
		return err
	})
	slices.Sort(pairs)
	return strings.Join(pairs, " ")
}

func wantRefusal(t *testing.T, what string, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("%s: got %v, wanted an error with %q", what, err, part)
	}
}

func wantText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, wanted %q", what, got, want)
	}
}

func TestAMappedHashIsItsRow(t *testing.T) {
	db, raw := openPlayerRows(t)
	_, err := hset(t, db, "player:1", "score", "5")
	wantRefusal(t, "a row without a name", err, "players: a new row needs name")
	if n, err := hset(t, db, "player:1", "name", "Ann", "score", "5", "name", "Anna"); n != 2 || err != nil {
		t.Errorf("a new row: got %d, %v, wanted 2 fields", n, err)
	}
	if n, err := hset(t, db, "player:2", "name", "Bob"); n != 1 || err != nil {
		t.Errorf("a new row with a default: got %d, %v, wanted 1 field", n, err)
	}
	wantText(t, "the default", hshow(t, db, "player:2"), "name=Bob score=0")
	if n, err := hset(t, db, "player:1", "score", "007", "level", "3"); n != 1 || err != nil {
		t.Errorf("one new field of two: got %d, %v", n, err)
	}
	flushed(t, db)
	if _, err := raw.ExecContext(t.Context(), "UPDATE players SET note = 'mine'"); err != nil {
		t.Fatal(err)
	}
	if _, err := hset(t, db, "player:1", "score", "8"); err != nil {
		t.Fatal(err)
	}
	flushed(t, db)
	wantText(t, "rows", strings.Join(rowsOf(t, raw, "SELECT id, name, score, level, note FROM players ORDER BY id"), ", "),
		"1 Anna 8 3 mine, 2 Bob 0  mine")
}

func TestAMappedHashRefusesWhatItsColumnsDo(t *testing.T) {
	db, _ := openPlayerRows(t)
	if _, err := hset(t, db, "player:1", "name", "Ann"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, field, val, want string }{
		{"a text in an integer", "score", "many", "players.score"},
		{"an unknown field", "nmae", "x", "no field \"nmae\"; fields are name, score, level, balance"},
		{"a field that the database makes", "loud", "X", "read-only"},
		{"too many digits", "balance", "12345.00", "players.balance"},
	} {
		_, err := hset(t, db, "player:1", "name", "Eve", tt.field, tt.val)
		wantRefusal(t, tt.name, err, tt.want)
	}
	_, err := hset(t, db, "player:01", "name", "Eve")
	wantRefusal(t, "a key in another spelling", err, "must be written as")
	wantText(t, "the row", hshow(t, db, "player:1"), "name=Ann score=0")
	do(t, db, "player:1", func(tx *lull.Tx) error {
		val, ok, err := tx.HGet([]byte("player:1"), []byte("nmae"))
		if ok {
			t.Errorf("an unknown field: got %q, wanted none", val)
		}
		return err
	})
}

func TestAFieldThatIsDeletedBecomesNull(t *testing.T) {
	db, raw := openPlayerRows(t)
	if _, err := hset(t, db, "player:1", "name", "Ann", "level", "3", "balance", "1"); err != nil {
		t.Fatal(err)
	}
	if n, err := hdel(t, db, "player:1", "level", "level", "balance"); n != 2 || err != nil {
		t.Errorf("HDEL: got %d, %v, wanted 2", n, err)
	}
	if n, err := hdel(t, db, "player:1", "level"); n != 0 || err != nil {
		t.Errorf("HDEL of NULL: got %d, %v, wanted 0", n, err)
	}
	if n, err := hdel(t, db, "player:9", "level"); n != 0 || err != nil {
		t.Errorf("HDEL without a row: got %d, %v, wanted 0", n, err)
	}
	_, err := hdel(t, db, "player:1", "name")
	wantRefusal(t, "HDEL of NOT NULL", err, "players.name: may not be NULL")
	_, err = hdel(t, db, "player:1", "nothing")
	wantRefusal(t, "HDEL of an unknown field", err, "no field")
	flushed(t, db)
	wantText(t, "rows", strings.Join(rowsOf(t, raw, "SELECT id, name, score, level IS NULL, balance IS NULL FROM players"), ", "), "1 Ann 0 1 1")
}

func TestIncrementsOfMappedFieldsKeepToTheColumn(t *testing.T) {
	db, raw := openPlayerRows(t, "INSERT INTO players (id, name, score, balance) VALUES (1, 'Ann', 5, 10.5)")
	incr := func(field string, n int64) (sum int64, err error) {
		err = try(t, db, func(tx *lull.Tx) (err error) {
			sum, err = tx.HIncrBy([]byte("player:1"), []byte(field), n)
			return err
		}, "player:1")
		return sum, err
	}
	incrFloat := func(field, by string) (sum string, err error) {
		err = try(t, db, func(tx *lull.Tx) (err error) {
			sum, err = tx.HIncrByFloat([]byte("player:1"), []byte(field), []byte(by))
			return err
		}, "player:1")
		return sum, err
	}
	if n, err := incr("score", 10); n != 15 || err != nil {
		t.Errorf("HINCRBY: got %d, %v", n, err)
	}
	if n, err := incr("level", 3); n != 3 || err != nil {
		t.Errorf("HINCRBY of NULL: got %d, %v", n, err)
	}
	_, err := incr("level", math.MaxInt64)
	wantRefusal(t, "HINCRBY beyond 64 bits", err, lull.ErrOverflow.Error())
	_, err = incr("name", 1)
	wantRefusal(t, "HINCRBY of a text", err, lull.ErrFieldNotInteger.Error())
	if s, err := incrFloat("balance", "0.25"); s != "10.75" || err != nil {
		t.Errorf("HINCRBYFLOAT: got %q, %v", s, err)
	}
	if s, err := incrFloat("balance", "0.25"); s != "11.00" || err != nil {
		t.Errorf("HINCRBYFLOAT shows the column's text: got %q, %v, wanted 11.00", s, err)
	}
	_, err = incrFloat("balance", "9999")
	wantRefusal(t, "HINCRBYFLOAT beyond the column", err, "players.balance")
	_, err = incrFloat("balance", "0.001")
	wantRefusal(t, "HINCRBYFLOAT below the column's scale", err, "players.balance")
	flushed(t, db)
	wantText(t, "rows", strings.Join(rowsOf(t, raw, "SELECT score, level, balance FROM players"), ", "), "15 3 11")
}

func TestMadeFieldsAreShownAfterTheFlush(t *testing.T) {
	db, _ := openPlayerRows(t)
	if _, err := hset(t, db, "player:1", "name", "Ann"); err != nil {
		t.Fatal(err)
	}
	flushed(t, db)
	db.NewSession().Forget([]byte("player:1"))
	wantText(t, "the row", hshow(t, db, "player:1"), "loud=ANN name=Ann score=0")
	_, err := hdel(t, db, "player:1", "loud")
	wantRefusal(t, "HDEL of a made field", err, "read-only")
}

func TestDeletingAndMakingARowInOneUnitIsAnUpdate(t *testing.T) {
	db, raw := openPlayerRows(t, "INSERT INTO players (id, name, score, level, note) VALUES (1, 'Ann', 5, 3, 'mine')")
	do(t, db, "player:1", func(tx *lull.Tx) error {
		if _, err := tx.Del([]byte("player:1")); err != nil {
			return err
		}
		_, err := tx.HSet([]byte("player:1"), words("name", "Anna"))
		return err
	})
	wantText(t, "the row", hshow(t, db, "player:1"), "name=Anna score=0")
	flushed(t, db)
	wantText(t, "rows", strings.Join(rowsOf(t, raw, "SELECT name, score, level IS NULL, note FROM players"), ", "), "Anna 0 1 mine")
}

func TestGenericFieldsHaveASizeThatCanBeIndexed(t *testing.T) {
	db := openSQLite(t, t.TempDir(), nil)
	defer closeDB(t, db)
	long := strings.Repeat("f", 2000)
	_, err := hset(t, db, "h", "a", "1", long, "2")
	wantRefusal(t, "a long field", err, "at most 2000")
	if n, err := hdel(t, db, "h", long); n != 0 || err != nil {
		t.Errorf("HDEL of a field too long to be there: got %d, %v", n, err)
	}
	wantText(t, "the hash", hshow(t, db, "h"), "")
	if _, err := hset(t, db, "h", long[1:], strings.Repeat("v", 100_000)); err != nil {
		t.Errorf("a field that just fits: %v", err)
	}
}

func TestSamplesAreDistinct(t *testing.T) {
	db := openSQLite(t, t.TempDir(), nil)
	defer closeDB(t, db)
	var pairs []string
	for i := range 1000 {
		pairs = append(pairs, fmt.Sprint("f", i), "v")
	}
	if _, err := hset(t, db, "h", pairs...); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 20, 500, 999, 1000, 5000} {
		do(t, db, "h", func(tx *lull.Tx) error {
			seen := make(map[string]bool)
			all, err := tx.HGetAll([]byte("h"))
			all.Sample(n, func(field, _ []byte) { seen[string(field)] = true })
			if len(seen) != min(n, 1000) {
				t.Errorf("a sample of %d: got %d different fields", n, len(seen))
			}
			return err
		})
	}
}
