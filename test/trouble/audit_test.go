package trouble

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
)

// A ledger is tables in which triggers write down every row that is inserted, updated
// or deleted, and what the writer of them knows: after n rounds the database was told
// of certain rows once each, whatever was cut meanwhile.

// makeLedger makes the tables of the ledger: a counter that is updated, events that are
// appended, and notes that are inserted and deleted.
func (p *place) makeLedger(t *testing.T) {
	t.Helper()
	p.exec(t,
		`CREATE TABLE counters (name TEXT(40) PRIMARY KEY, n BIGINT NOT NULL)`,
		`CREATE TABLE events (topic TEXT(40) NOT NULL, n BIGINT NOT NULL)`,
		`CREATE TABLE notes (id BIGINT PRIMARY KEY, body TEXT(40))`,
		`CREATE TABLE audit (id NUMBERED, what TEXT(60) NOT NULL)`)
	for _, r := range []struct{ table, op, what string }{
		{"counters", "INSERT", "'counter ', NEW.n"}, {"counters", "UPDATE", "'counter ', NEW.n"}, {"counters", "DELETE", "'counter gone ', OLD.n"},
		{"events", "INSERT", "'event ', NEW.n"}, {"events", "UPDATE", "'event changed ', NEW.n"}, {"events", "DELETE", "'event gone ', OLD.n"},
		{"notes", "INSERT", "'note ', NEW.id"}, {"notes", "UPDATE", "'note changed ', NEW.id"}, {"notes", "DELETE", "'note gone ', OLD.id"},
	} {
		name := r.table + r.op
		if p.kind == "postgres" {
			p.exec(t, `CREATE FUNCTION `+name+`() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit (what) VALUES (concat(`+r.what+`)); RETURN NULL; END $$`,
				`CREATE TRIGGER `+name+` AFTER `+r.op+` ON `+r.table+` FOR EACH ROW EXECUTE FUNCTION `+name+`()`)
			continue
		}
		p.exec(t, `CREATE TRIGGER `+name+` AFTER `+r.op+` ON `+r.table+` FOR EACH ROW BEGIN INSERT INTO audit (what) VALUES (concat(`+r.what+`)); END`)
	}
}

func ledgerSpecs(o *lull.Options) {
	o.Tables = []lull.TableSpec{
		{Name: "counters", Key: "counter:{name*}", Type: "string", Value: "n"},
		{Name: "events", Key: "events:{topic}", Type: "stream"},
		{Name: "notes", Key: "note:{id}", Type: "hash"},
	}
}

// ledgerRound is one unit: the counter becomes the returned n, event n and note n are
// new, and note n-1 goes.
func ledgerRound(ctx context.Context, db *lull.DB, after int64) (n int64, err error) {
	last, next := fmt.Sprintf("note:%d", after), fmt.Sprintf("note:%d", after+1)
	err = unit(ctx, db, true, func(tx *lull.Tx) (err error) {
		if n, err = tx.IncrBy([]byte("counter:c"), 1); err != nil {
			return err
		}
		if n != after+1 {
			return fmt.Errorf("the counter became %d, wanted %d", n, after+1)
		}
		if _, err = tx.Del([]byte(last)); err != nil {
			return err
		}
		if err = hset(tx, next, "body", "of "+next); err != nil {
			return err
		}
		return xadd(tx, "events:e", "n", strconv.FormatInt(n, 10))
	}, "counter:c", last, next, "events:e")
	return n, err
}

// checkLedger compares the audit with n rounds of which SQL was told one by one: each
// row was changed once, and never twice.
func (p *place) checkLedger(t *testing.T, n int64, line *proof.Line) {
	t.Helper()
	want := map[string]bool{}
	for i := int64(1); i <= n; i++ {
		for _, what := range []string{"counter", "event", "note"} {
			want[fmt.Sprint(what, " ", i)] = true
		}
		if i > 1 {
			want[fmt.Sprint("note gone ", i-1)] = true
		}
	}
	line.Tried(len(want), "rows")
	for _, what := range p.rows(t, `SELECT what FROM audit ORDER BY id`) {
		seen, known := want[what]
		switch {
		case !known:
			line.Invented.Add(1)
			t.Errorf("audit: %q, which nobody wrote", what)
		case !seen:
			line.Doubled.Add(1)
			t.Errorf("audit: %q was applied twice", what)
		}
		want[what] = false
	}
	for what, missing := range want {
		if missing {
			line.Lost.Add(1)
			t.Errorf("audit: %q is missing", what)
		}
	}
	p.wantRows(t, `SELECT n FROM counters`, fmt.Sprint(n))
	p.wantRows(t, `SELECT count(*), count(DISTINCT n), sum(n) FROM events`, fmt.Sprintf("%d|%d|%d", n, n, n*(n+1)/2))
	p.wantRows(t, `SELECT id, body FROM notes`, fmt.Sprintf("%d|of note:%d", n, n))
}
