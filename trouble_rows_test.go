package lull_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink"
)

// makeAccounts makes a table in which rows can be wrong in several ways.
func (p *place) makeAccounts(t *testing.T) {
	t.Helper()
	p.exec(t,
		`CREATE TABLE teams (id BIGINT PRIMARY KEY, title TEXT(20))`,
		`INSERT INTO teams VALUES (1, 'one')`,
		`CREATE TABLE accounts (id BIGINT PRIMARY KEY, email TEXT(40) UNIQUE, balance BIGINT CHECK (balance >= 0),
			team BIGINT, secret TEXT(20) DEFAULT 'kept', FOREIGN KEY (team) REFERENCES teams (id))`)
}

func accountSpecs() []lull.TableSpec {
	return []lull.TableSpec{
		{Name: "teams", Key: "team:{id}", Type: "hash"},
		{Name: "accounts", Key: "account:{id}", Type: "hash", Columns: []string{"email", "balance", "team"}},
	}
}

type account struct {
	Email   *string
	Balance int64
	Team    *int64
}

type team struct{ Title string }

// openAccounts opens an engine that flushes only when it is asked to.
func openAccounts(t *testing.T, p *place, dir string, change func(*lull.Options)) (*lull.DB, *lull.Table[int, account], *lull.Table[int, team]) {
	t.Helper()
	db := openOver(t, p.sink(t), dir, func(o *lull.Options) {
		o.Tables, o.Ack = accountSpecs(), lull.AckMemory
		o.Flush = lull.FlushOptions{Lull: time.Hour, MaxDelay: time.Hour, MaxRows: 1 << 30}
		if change != nil {
			change(o)
		}
	})
	accounts, err := lull.NewTable[int, account](db, "accounts")
	if err != nil {
		t.Fatal(err)
	}
	teams, err := lull.NewTable[int, team](db, "teams")
	if err != nil {
		t.Fatal(err)
	}
	return db, accounts, teams
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func email(format string, args ...any) *string {
	s := fmt.Sprintf(format, args...)
	return &s
}

// letters are those of a database, spelled "table key: state".
func letters(db *lull.DB) (all []string) {
	for _, l := range lull.Flusher(db).Letters() {
		all = append(all, fmt.Sprintf("%s %s: %s", l.Table, l.Key[0], l.State))
	}
	return all
}

func refused(id int) string { return fmt.Sprintf("accounts %d: refused", id) }

func wantLetters(t *testing.T, db *lull.DB, want ...string) {
	t.Helper()
	if got := letters(db); strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("letters: got %q, wanted %q", got, want)
	}
}

func wantAccount(t *testing.T, accounts *lull.Table[int, account], id int, balance int64) {
	t.Helper()
	got, ok, err := accounts.Get(t.Context(), id)
	if err != nil || !ok || got.Balance != balance {
		t.Errorf("account %d: got %+v, %v, %v, wanted a balance of %d", id, got, ok, err, balance)
	}
}

// TestTroubleBadRowsAmongGoodOnes has three rows refused among thousands, for a check, a
// unique key and a foreign key. The others land in the same flush.
func TestTroubleBadRowsAmongGoodOnes(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p *place) {
		p.makeAccounts(t)
		p.exec(t, `INSERT INTO accounts (id, email, balance) VALUES (1000000, 'taken', 1)`)
		dir := t.TempDir()
		db, accounts, _ := openAccounts(t, p, dir, nil)
		ctx := t.Context()
		one, none := int64(1), int64(77)
		n := rounds(3000)
		check, unique, parent := n/8, n/2, n-100
		for i := range n {
			a := account{Email: email("a%d", i), Balance: int64(i), Team: &one}
			switch i {
			case check:
				a.Balance = -5
			case unique:
				a.Email = email("taken")
			case parent:
				a.Team = &none
			}
			must(t, accounts.Put(ctx, i, a))
		}
		syncDB(t, db)
		p.wantRows(t, `SELECT count(*), sum(balance) FROM accounts WHERE id < 1000000`, fmt.Sprintf("%d|%d", n-3, n*(n-1)/2-check-unique-parent))
		wantLetters(t, db, refused(check), refused(unique), refused(parent))
		for _, l := range lull.Flusher(db).Letters() {
			if l.Reason.Message == "" {
				t.Errorf("letter %d gives no reason", l.ID)
			}
		}
		shown := func(when string) {
			t.Helper()
			wantAccount(t, accounts, check, -5)
			wantAccount(t, accounts, unique, int64(unique))
			wantAccount(t, accounts, parent, int64(parent))
			if t.Failed() {
				t.Fatal(when)
			}
		}
		shown("in memory")
		lull.EvictAll(db)
		shown("loaded")
		closeDB(t, db)
		db, accounts, teams := openAccounts(t, p, dir, nil)
		shown("after a restart")
		wantLetters(t, db, refused(check), refused(unique), refused(parent))

		// A later change makes one row right: only what it changes is said.
		must(t, accounts.Update(ctx, check, func(a *account) error { a.Balance = 7; return nil }))
		must(t, teams.Put(ctx, 77, team{"late"}))
		syncDB(t, db)
		p.wantRows(t, fmt.Sprintf(`SELECT email, balance, team, secret FROM accounts WHERE id = %d`, check), fmt.Sprintf("a%d|7|1|kept", check))
		wantLetters(t, db, refused(unique), refused(parent))
		// Now the parent is there: trying again is enough.
		left, err := lull.Flusher(db).Retry(ctx)
		if err != nil || left != 1 {
			t.Errorf("retry: %d left, %v", left, err)
		}
		p.wantRows(t, fmt.Sprintf(`SELECT email, balance, team FROM accounts WHERE id = %d`, parent), fmt.Sprintf("a%[1]d|%[1]d|77", parent))
		wantLetters(t, db, refused(unique))
		must(t, lull.Flusher(db).Drop(ctx))
		if got, ok, err := accounts.Get(ctx, unique); ok || err != nil {
			t.Errorf("a dropped row: got %+v, %v", got, err)
		}
		closeDB(t, db)
		p.wantRows(t, `SELECT count(*) FROM lull_dead_letters`, "0")
		p.wantRows(t, `SELECT count(*) FROM accounts WHERE id < 1000000`, fmt.Sprint(n-1))
	})
}

// TestTroubleLettersCountInTheLimits has so many rows refused that no more may be written,
// until somebody deals with them.
func TestTroubleLettersCountInTheLimits(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite")
	p.makeAccounts(t)
	db, accounts, _ := openAccounts(t, p, t.TempDir(), func(o *lull.Options) {
		o.MaxDirtyRows, o.WriteTimeout = 100, 50*time.Millisecond
	})
	ctx := t.Context()
	for i := range 100 {
		must(t, accounts.Put(ctx, i, account{Balance: -1}))
	}
	syncDB(t, db)
	wantErr(t, accounts.Put(ctx, 100, account{Balance: 1}), lull.ErrBusy, "max_dirty_rows (100)", "100 letters")
	must(t, lull.Flusher(db).Drop(ctx))
	must(t, accounts.Put(ctx, 100, account{Balance: 1}))
	closeDB(t, db)
	p.wantRows(t, `SELECT id, balance FROM accounts`, "100|1")
}

// TestTroubleUnmappedColumns looks at a column that no mapping has: it keeps its value
// over updates, and over a delete and a new row in one unit; but a row that is deleted
// and made again by separate units is a new row.
func TestTroubleUnmappedColumns(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p *place) {
		p.exec(t, `CREATE TABLE stocks (id BIGINT PRIMARY KEY, n BIGINT, secret TEXT(20) DEFAULT 'kept')`)
		for i := range 5 {
			p.exec(t, fmt.Sprintf(`INSERT INTO stocks VALUES (%d, %[1]d, 'mine')`, i))
		}
		db := openOver(t, p.sink(t), t.TempDir(), func(o *lull.Options) {
			o.Tables = []lull.TableSpec{{Name: "stocks", Key: "stock:{id}", Type: "string", Value: "n"}}
			o.Flush.Lull, o.Flush.MaxDelay = time.Hour, time.Hour
		})
		set(t, db, "stock:0", "9")
		do(t, db, "stock:1", func(tx *lull.Tx) error { // one unit
			if _, err := tx.Del([]byte("stock:1")); err != nil {
				return err
			}
			_, err := tx.Set([]byte("stock:1"), []byte("9"), lull.SetOptions{})
			return err
		})
		del(t, db, "stock:2")
		set(t, db, "stock:2", "9")
		del(t, db, "stock:3")
		syncDB(t, db)
		set(t, db, "stock:3", "9")
		do(t, db, "stock:4", func(tx *lull.Tx) error {
			_, err := tx.IncrBy([]byte("stock:4"), 5)
			return err
		})
		syncDB(t, db)
		p.wantRows(t, `SELECT id, n, secret FROM stocks ORDER BY id`, "0|9|mine", "1|9|mine", "2|9|kept", "3|9|kept", "4|9|mine")
		closeDB(t, db)
	})
}

// TestTroubleReferences has one flush make parents with children, move children, and
// delete both; and has rows trade the values of a unique column, of which an upsert
// must never hit the other row.
func TestTroubleReferences(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p *place) {
		p.makeAccounts(t)
		p.exec(t, `INSERT INTO teams VALUES (2, 'two')`)
		for i := range 6 {
			p.exec(t, fmt.Sprintf(`INSERT INTO accounts VALUES (%d, 'e%[1]d', %[1]d, %d, 'mine%[1]d')`, i, 1+min(1, i/2)))
		}
		db, accounts, teams := openAccounts(t, p, t.TempDir(), nil)
		ctx := t.Context()
		three := int64(3)
		must(t, teams.Put(ctx, 3, team{"three"}))
		for i := range 3 {
			must(t, accounts.Update(ctx, i, func(a *account) error { a.Team = &three; return nil }))
		}
		must(t, accounts.Put(ctx, 10, account{Email: email("new"), Team: &three}))
		for i := 3; i < 6; i++ {
			_, err := accounts.Delete(ctx, i)
			must(t, err)
		}
		_, err := teams.Delete(ctx, 2)
		must(t, err)
		// Rows 0 and 1 trade their addresses; a new row takes the one that row 2 gives up.
		must(t, accounts.Update(ctx, 0, func(a *account) error { a.Email = email("e1"); return nil }))
		must(t, accounts.Update(ctx, 1, func(a *account) error { a.Email = email("e0"); return nil }))
		must(t, accounts.Update(ctx, 2, func(a *account) error { a.Email = email("e2b"); return nil }))
		must(t, accounts.Put(ctx, 11, account{Email: email("e2")}))
		// This one wants an address that another row keeps.
		must(t, accounts.Put(ctx, 12, account{Email: email("new"), Balance: 5}))
		syncDB(t, db)
		p.wantRows(t, `SELECT id FROM teams ORDER BY id`, "1", "3")
		rows := p.rows(t, `SELECT id, email, balance, team, secret FROM accounts ORDER BY id`)
		t.Logf("letters %q", letters(db))
		want := []string{"2|e2b|2|3|mine2", "10|new|0|3|kept", "11|e2|0|NULL|kept"}
		if got := strings.Join(rows, ", "); !strings.HasSuffix(got, strings.Join(want, ", ")) {
			t.Errorf("rows: got %q, wanted at the end %q", rows, want)
		}
		p.wantRows(t, `SELECT id, balance, secret FROM accounts WHERE id < 2 ORDER BY id`, "0|0|mine0", "1|1|mine1")
		// A cycle cannot go in row by row: it may wait in letters, but is shown.
		for i, want := range []string{"e1", "e0"} {
			if a, ok, err := accounts.Get(ctx, i); err != nil || !ok || *a.Email != want {
				t.Errorf("account %d: got %+v, %v, %v", i, a, ok, err)
			}
		}
		found := false
		for _, l := range lull.Flusher(db).Letters() {
			found = found || l.Key[0].String() == "12" && l.State == sink.Refused
		}
		if !found {
			t.Errorf("the row with the other's address was not refused: letters %q", letters(db))
		}
		closeDB(t, db)
	})
}

// limit has the engine come as a user of few rights, which can be taken away.
func (p *place) limit(t *testing.T) {
	t.Helper()
	switch p.kind {
	case "sqlite":
		return
	case "postgres":
		p.exec(t, `DROP ROLE IF EXISTS limited`, `CREATE ROLE limited LOGIN`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO limited`, `GRANT ALL ON SCHEMA public TO limited`)
		t.Cleanup(func() {
			_, _ = p.direct.Exec(`DROP OWNED BY limited CASCADE`)
			_, _ = p.direct.Exec(`DROP ROLE limited`)
		})
	case "mariadb":
		must(t, p.sink(t).CreateOwn(t.Context()))
		p.exec(t, `CREATE OR REPLACE USER limited`, `GRANT CREATE, CREATE VIEW, SHOW VIEW ON `+p.url[strings.LastIndex(p.url, "/")+1:]+`.* TO limited`)
		for _, table := range p.rows(t, `SELECT table_name FROM information_schema.tables WHERE table_schema = database()`) {
			p.exec(t, `GRANT ALL ON `+table+` TO limited`)
		}
		t.Cleanup(func() { _, _ = p.direct.Exec(`DROP USER limited`) })
	}
	user, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(p.url, "postgres://"), "mysql://"), "@")
	p.through = func(url string) string { return strings.Replace(url, user+"@", "limited@", 1) }
}

// TestTroubleSchemaDrift takes columns, tables and rights away while the engine writes.
// Only the table concerned waits, and goes on by itself.
func TestTroubleSchemaDrift(t *testing.T) {
	t.Parallel()
	drifts := []struct {
		name       string
		away, back []string
		kinds      string
	}{
		{"column dropped", []string{`ALTER TABLE players DROP COLUMN hits`}, []string{`ALTER TABLE players ADD COLUMN hits BIGINT`}, "postgres mariadb sqlite"},
		{"column renamed", []string{`ALTER TABLE players RENAME COLUMN hits TO blows`}, []string{`ALTER TABLE players RENAME COLUMN blows TO hits`}, "postgres mariadb sqlite"},
		{"table renamed", []string{`ALTER TABLE players RENAME TO gone`}, []string{`ALTER TABLE gone RENAME TO players`}, "postgres mariadb sqlite"},
		{"table dropped", []string{`CREATE TABLE saved AS SELECT * FROM players`, `DROP TABLE players`},
			[]string{`CREATE TABLE players (id BIGINT PRIMARY KEY, name TEXT(40), hits BIGINT, note TEXT(40))`, `INSERT INTO players (id, name, hits, note) SELECT id, name, hits, note FROM saved`,
				`ALTER TABLE players ADD COLUMN more BIGINT`}, "postgres mariadb sqlite"},
		// What a column of another type held is gone, as far as it is not written again. SQLite stores anything in any column.
		{"column retyped", []string{`ALTER TABLE players DROP COLUMN hits, ADD COLUMN hits DATE`}, []string{`ALTER TABLE players DROP COLUMN hits, ADD COLUMN hits BIGINT`}, "postgres mariadb"},
		{"permission revoked", []string{`REVOKE ALL ON players FROM limited`}, nil, "postgres mariadb"},
	}
	everywhere(t, func(t *testing.T, p *place) {
		p.makeWorld(t)
		p.limit(t)
		dir := t.TempDir()
		fast := func(o *lull.Options) { lull.LookEvery(o, 100*time.Millisecond) }
		db := openWorld(t, p.sink(t), dir, fast)
		tr := startTraffic(t, db, 2, isNoDB)
		for _, d := range drifts {
			if !strings.Contains(d.kinds, p.kind) {
				continue
			}
			eventually(t, d.name+": rows are there", func() bool { return len(p.rows(t, `SELECT * FROM players`)) == 2 })
			p.exec(t, d.away...)
			eventually(t, d.name+": the table is parked", func() bool { return lull.Flusher(db).Stats().ParkedTables == 1 })
			before := p.rows(t, `SELECT sum(views) FROM views`)[0]
			eventually(t, d.name+": others go on", func() bool { return p.rows(t, `SELECT sum(views) FROM views`)[0] != before })
			p.exec(t, d.back...)
			if p.kind != "sqlite" {
				p.exec(t, `GRANT ALL ON players TO limited`)
			}
			eventually(t, d.name+": the table is back", func() bool { return lull.Flusher(db).Stats().ParkedTables == 0 })
		}
		tr.end(t)
		syncDB(t, db)
		tr.wantInSQL(t, p)
		wantLetters(t, db)
		closeDB(t, db)
	})
}

// TestTroubleAnswersThatWaitForTheDatabase has writers that wait for SQL: they are told
// that a row was refused, also in a flush of many parts; and while the database does not
// answer, that the outcome is pending.
func TestTroubleAnswersThatWaitForTheDatabase(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, p *place) {
		p.makeAccounts(t)
		db, accounts, _ := openAccounts(t, p, t.TempDir(), func(o *lull.Options) {
			o.Ack, o.Flush.MaxTransactionRows, o.WriteTimeout = lull.AckDatabase, 2, hangMax
		})
		errs := make(chan error, 20)
		for i := range 20 {
			go func() {
				err := accounts.Put(t.Context(), i, account{Balance: int64(i%5 - 1)})
				if errors.Is(err, lull.ErrRefused) != (i%5 == 0) {
					errs <- fmt.Errorf("account %d: got %w", i, err)
					return
				}
				errs <- nil
			}()
		}
		for range 20 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		p.wantRows(t, `SELECT count(*) FROM accounts`, "16")
		closeDB(t, db)
	})
}

func TestTroublePendingAnswers(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "sqlite")
	p.makeAccounts(t)
	db, accounts, _ := openAccounts(t, p, t.TempDir(), func(o *lull.Options) {
		o.Ack, o.WriteTimeout = lull.AckDatabase, 100*time.Millisecond
	})
	other, err := p.direct.Conn(t.Context())
	must(t, err)
	_, err = other.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	must(t, err)
	wantErr(t, accounts.Put(t.Context(), 1, account{Balance: 1}), lull.ErrTimeout, "kept")
	wantAccount(t, accounts, 1, 1)
	_, err = other.ExecContext(t.Context(), `ROLLBACK`)
	must(t, err)
	must(t, other.Close())
	syncDB(t, db)
	p.wantRows(t, `SELECT id, balance FROM accounts`, "1|1")
	closeDB(t, db)
}

// TestTroubleAnswersOfAParkedTable has a writer wait for SQL while its table is away:
// the answer says that the write is set aside, and it is kept. It counts once when the
// table is back, also after a restart.
func TestTroubleAnswersOfAParkedTable(t *testing.T) {
	t.Parallel()
	type counter struct{ N int64 }
	everywhere(t, func(t *testing.T, p *place) {
		p.makeAccounts(t)
		p.exec(t, `CREATE TABLE counters (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)`)
		dir := t.TempDir()
		openCounters := func() (*lull.DB, func(n int64, want error)) {
			db := openOver(t, p.sink(t), dir, func(o *lull.Options) {
				o.Tables = append(accountSpecs(), lull.TableSpec{Name: "counters", Key: "counter:{id}", Type: "hash"})
				o.Ack, o.WriteTimeout = lull.AckDatabase, hangMax
				lull.LookEvery(o, 100*time.Millisecond)
			})
			counters, err := lull.NewTable[int, counter](db, "counters")
			must(t, err)
			return db, func(n int64, want error) {
				t.Helper()
				err := counters.Update(t.Context(), 1, func(c *counter) error { c.N++; return nil })
				if !errors.Is(err, want) {
					t.Errorf("counting to %d: got %v, wanted %v", n, err, want)
				}
				if c, _, err := counters.Get(t.Context(), 1); err != nil || c.N != n {
					t.Errorf("after counting to %d it is %d, %v", n, c.N, err)
				}
			}
		}
		db, count := openCounters()
		count(1, nil)
		p.exec(t, `ALTER TABLE counters RENAME TO gone`)
		count(2, lull.ErrRefused)
		count(3, lull.ErrRefused)
		p.wantRows(t, `SELECT n FROM gone`, "1")
		p.exec(t, `ALTER TABLE gone RENAME TO counters`)
		eventually(t, "what was set aside is in SQL", func() bool { return len(letters(db)) == 0 })
		p.wantRows(t, `SELECT n FROM counters`, "3")
		count(4, nil)
		p.exec(t, `ALTER TABLE counters RENAME TO gone`)
		count(5, lull.ErrRefused)
		closeDB(t, db)
		p.wantRows(t, `SELECT n FROM gone`, "4")
		p.exec(t, `ALTER TABLE gone RENAME TO counters`)
		db, count = openCounters()
		eventually(t, "what was set aside is in SQL after a start", func() bool { return len(letters(db)) == 0 })
		p.wantRows(t, `SELECT n FROM counters`, "5")
		count(6, nil)
		p.wantRows(t, `SELECT n FROM counters`, "6")
		closeDB(t, db)
	})
}
