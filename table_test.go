package lull_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"

	_ "modernc.org/sqlite" // the test looks at its own rows
)

// sqlFile opens the test's database by the plain driver, to make tables and look at
// rows as any other program would.
func sqlFile(t *testing.T, dir, ddl string) *sql.DB {
	t.Helper()
	direct, err := sql.Open("sqlite", filepath.Join(dir, "test.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = direct.Close() })
	if _, err := direct.Exec(ddl); err != nil {
		t.Fatal(err)
	}
	return direct
}

type player struct {
	Name     string
	Score    int64
	Ratio    *float64
	LastSeen time.Time
	Avatar   []byte
	Level    int `lull:"lvl"`
	Rank     int // made by the database
}

const playersDDL = `CREATE TABLE players (
	id TEXT PRIMARY KEY, name VARCHAR(20) NOT NULL, score BIGINT NOT NULL DEFAULT 0, ratio DOUBLE,
	last_seen DATETIME, avatar BLOB, lvl INT NOT NULL DEFAULT 1, note TEXT DEFAULT 'untouched',
	rank INT GENERATED ALWAYS AS (score / 10) STORED)`

func openPlayers(t *testing.T, dir string) (*lull.DB, *lull.Table[string, player]) {
	t.Helper()
	db := openSQLite(t, dir, func(o *lull.Options) {
		o.Tables = []lull.TableSpec{{Name: "players", Key: "player:{id}", Type: "hash",
			Columns: []string{"name", "score", "ratio", "last_seen", "avatar", "lvl", "rank"}}}
	})
	players, err := lull.NewTable[string, player](db, "players")
	if err != nil {
		t.Fatal(err)
	}
	return db, players
}

func TestTypedTableKeepsStructsInRows(t *testing.T) {
	dir := t.TempDir()
	direct := sqlFile(t, dir, playersDDL)
	db, players := openPlayers(t, dir)
	ctx := t.Context()
	half := 0.5
	seen := time.Date(2026, 1, 31, 23, 59, 59, 123456000, time.UTC)
	want := player{Name: "Ann", Score: 120, Ratio: &half, LastSeen: seen, Avatar: []byte{0, 1, 2}, Level: 3}
	if err := players.Put(ctx, "42", want); err != nil {
		t.Fatal(err)
	}
	err := players.Update(ctx, "42", func(p *player) error {
		p.Score, p.Ratio = p.Score+5, nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	var name, note string
	var score, rank int
	var ratio sql.NullFloat64
	row := direct.QueryRow(`SELECT name, score, ratio, note, rank FROM players WHERE id = '42'`)
	if err := row.Scan(&name, &score, &ratio, &note, &rank); err != nil {
		t.Fatal(err)
	}
	if name != "Ann" || score != 125 || ratio.Valid || note != "untouched" || rank != 12 {
		t.Errorf("row: got %q, %d, %v, %q, %d", name, score, ratio, note, rank)
	}
	got, ok, err := players.Get(ctx, "42")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got.Score != 125 || got.Ratio != nil || !got.LastSeen.Equal(seen) || got.Level != 3 || got.Rank != 12 || string(got.Avatar) != "\x00\x01\x02" {
		t.Errorf("struct: got %+v", got)
	}
	if existed, err := players.Delete(ctx, "42"); err != nil || !existed {
		t.Errorf("delete: %v, %v", existed, err)
	}
	closeDB(t, db)
	var n int
	if err := direct.QueryRow(`SELECT count(*) FROM players`).Scan(&n); err != nil || n != 0 {
		t.Errorf("rows after the delete: %d, %v", n, err)
	}
}

func TestTypedTableRefusesWhatTheColumnsDo(t *testing.T) {
	dir := t.TempDir()
	sqlFile(t, dir, playersDDL)
	db, players := openPlayers(t, dir)
	defer closeDB(t, db)
	err := players.Put(t.Context(), "1", player{Name: strings.Repeat("x", 21)})
	if err == nil || !strings.Contains(err.Error(), "players.name") {
		t.Errorf("a name of 21 characters: %v", err)
	}
	stop := errors.New("stop")
	err = players.Update(t.Context(), "1", func(p *player) error { p.Name = "Bob"; return stop })
	if !errors.Is(err, stop) {
		t.Errorf("update: got %v, wanted the function's error", err)
	}
	if _, ok, err := players.Get(t.Context(), "1"); ok || err != nil {
		t.Errorf("after two refusals: %v, %v", ok, err)
	}
	type wrong struct{ Nmae string }
	if _, err := lull.NewTable[string, wrong](db, "players"); err == nil || !strings.Contains(err.Error(), "nmae") {
		t.Errorf("a struct with an unknown field: %v", err)
	}
}

func TestCompositeKeys(t *testing.T) {
	dir := t.TempDir()
	direct := sqlFile(t, dir, `CREATE TABLE orders (customer TEXT, no BIGINT, total DECIMAL(10,2), PRIMARY KEY (customer, no))`)
	db := openSQLite(t, dir, func(o *lull.Options) {
		o.Tables = []lull.TableSpec{{Name: "orders", Key: "order:{customer}:{no}", Type: "hash"}}
	})
	type key struct {
		Customer string
		No       int
	}
	type order struct{ Total string }
	orders, err := lull.NewTable[key, order](db, "orders")
	if err != nil {
		t.Fatal(err)
	}
	for no := range 3 {
		if err := orders.Put(t.Context(), key{"acme", no}, order{"12.5"}); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok, err := orders.Get(t.Context(), key{"acme", 1}); err != nil || !ok || got.Total != "12.50" {
		t.Errorf("got %+v, %v, %v: wanted the canonical 12.50", got, ok, err)
	}
	if err := db.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := direct.QueryRow(`SELECT count(*) FROM orders WHERE customer = 'acme'`).Scan(&n); err != nil || n != 3 {
		t.Errorf("rows: %d, %v", n, err)
	}
}
