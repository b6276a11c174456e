package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// claimed opens a sink as the given role, and makes tables as the owner.
func claimed(t *testing.T, ddl ...string) *Sink {
	t.Helper()
	url := testdb.Postgres(t)
	s, err := Open(t.Context(), url, sqlsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.CreateOwn(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, statement := range ddl {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if _, err := s.Claim(t.Context(), sink.Claim{ID: sink.LaneID{Name: "lull", Lane: "main"}, LogID: "log", Start: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

func found(t *testing.T, s *Sink, name string) *sink.Table {
	t.Helper()
	c, err := s.Catalog(t.Context(), []string{name})
	if err != nil || len(c.Tables) != 1 {
		t.Fatalf("catalog: %v, %v", c, err)
	}
	return c.Tables[0]
}

// put writes rows of texts as the batch after from; the first value is the key.
func put(t *testing.T, s *Sink, from uint64, table *sink.Table, mode sink.Mode, rows ...[]string) (sink.Result, error) {
	t.Helper()
	g := sink.Group{Mode: mode}
	for i := 1; i < len(rows[0]); i++ {
		g.Columns = append(g.Columns, i)
	}
	for _, texts := range rows {
		var vals []value.Value
		for _, text := range texts {
			vals = append(vals, value.OfString(text))
		}
		g.Rows = append(g.Rows, sink.Row{Vals: vals})
	}
	return s.Write(t.Context(), &sink.Batch{From: sink.Mark{Position: from}, To: sink.Mark{Position: from + 1},
		Tables: []sink.TableOps{{Table: table, Key: []int{0}, Put: []sink.Group{g}}}})
}

func read(t *testing.T, s *Sink, table *sink.Table, keys ...string) []string {
	t.Helper()
	q := sink.Query{Table: table, Columns: []int{0, 1}, By: []int{0}}
	for _, k := range keys {
		q.Keys = append(q.Keys, []value.Value{value.OfString(k)})
	}
	var got []string
	if err := s.Read(t.Context(), []sink.Query{q}, func(_ int, vals []value.Value) error {
		got = append(got, vals[0].String()+" "+vals[1].String())
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

func TestTypesThatACastWouldCut(t *testing.T) {
	s := claimed(t, `CREATE DOMAIN short AS varchar(3)`, `CREATE TYPE "mood (x)" AS ENUM ('so', 'lala')`,
		`CREATE TABLE a (id character(5) PRIMARY KEY, v varchar(3))`,
		`CREATE TABLE b (id short PRIMARY KEY, v short)`,
		`CREATE TABLE c (id "mood (x)" PRIMARY KEY, v real)`,
		`CREATE TABLE d (id timestamp(3) PRIMARY KEY, v numeric(6,2))`)
	from := uint64(0)
	for _, c := range []struct {
		table string
		rows  [][]string
		keys  []string
		want  []string
		bad   int
	}{
		{"a", [][]string{{"ab", "abc"}, {"cd", "abcd"}}, []string{"ab", "cd"}, []string{"ab    abc"}, 1},
		{"b", [][]string{{"abc", "abc"}, {"abcd", "a"}, {"x", "abcd"}}, []string{"abc", "abcd", "x"}, []string{"abc abc"}, 2},
		{"c", [][]string{{"so", "0.1"}, {"none", "1"}, {"lala", "nan"}}, []string{"so", "lala"}, []string{"lala nan", "so 0.10000000000000001"}, 1},
		{"d", [][]string{{"2026-01-31 23:59:59.123", "12.50"}, {"2026-02-30 00:00:00", "1"}, {"2026-01-31 00:00:00", "99999"}},
			[]string{"2026-01-31 23:59:59.123"}, []string{"2026-01-31 23:59:59.123 12.50"}, 2},
	} {
		t.Run(c.table, func(t *testing.T) {
			table := found(t, s, c.table)
			for _, mode := range []sink.Mode{sink.Upsert, sink.Update, sink.Insert} {
				r, err := put(t, s, from, table, mode, c.rows...)
				if err != nil {
					t.Fatal(err)
				}
				from++
				if len(r.Letters) != c.bad {
					t.Fatalf("want %d refused, got %+v", c.bad, r.Letters)
				}
				if got := read(t, s, table, c.keys...); !slices.Equal(got, c.want) {
					t.Fatalf("got %q, want %q", got, c.want)
				}
			}
		})
	}
}

func TestAKeyThatDoesNotSuitTheColumnIsInvalid(t *testing.T) {
	s := claimed(t, `CREATE TABLE t (id bigint PRIMARY KEY, v text)`)
	q := sink.Query{Table: found(t, s, "t"), Columns: []int{0}, By: []int{0}, Keys: [][]value.Value{{value.OfString("x")}}}
	err := s.Read(t.Context(), []sink.Query{q}, func(int, []value.Value) error { return nil })
	if sink.ClassOf(err) != sink.Invalid {
		t.Fatalf("want class invalid, got %v", err)
	}
}

func TestPoliciesRefuseRowsAndRightsParkTables(t *testing.T) {
	s := claimed(t, `CREATE TABLE t (id bigint PRIMARY KEY, v text)`,
		`ALTER TABLE t ENABLE ROW LEVEL SECURITY`, `CREATE POLICY p ON t USING (true) WITH CHECK (v <> 'no')`,
		`DROP ROLE IF EXISTS lull_poor`, `CREATE ROLE lull_poor`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO lull_poor`,
		`CREATE TABLE forbidden (id bigint PRIMARY KEY, v text)`)
	table, forbidden := found(t, s, "t"), found(t, s, "forbidden")
	if _, err := s.Write(t.Context(), &sink.Batch{}); err != nil {
		t.Fatal(err)
	}
	session, err := dialect{s}.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	apply := func(table *sink.Table, kind sink.LetterOp, n int, text string) sqlsink.Kind {
		if _, err := session.Exec(t.Context(), "SET ROLE lull_poor"); err != nil {
			t.Fatal(err)
		}
		if err := session.Begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer session.Rollback(t.Context())
		var rows []*sink.Row
		for i := range n {
			rows = append(rows, &sink.Row{Vals: []value.Value{value.OfInt(int64(i)), value.OfString(text)}})
		}
		done, err := session.Apply(t.Context(), &sqlsink.Op{Table: table, Kind: kind, By: []int{0}, Columns: []int{1}}, rows, nil)
		if err == nil && done.Rows == n {
			return 99
		}
		return judge(err).Kind
	}
	if got := apply(table, sink.LetterPut, 1, "no"); got != sqlsink.Refused {
		t.Errorf("policy: want refused, got %v", got)
	}
	if got := apply(table, sink.LetterAppend, copyRowsMin, "yes"); got != 99 {
		t.Errorf("append to a table with policies: got %v", got)
	}
	for _, kind := range []sink.LetterOp{sink.LetterPut, sink.LetterAppend, sink.LetterDelete} {
		if got := apply(forbidden, kind, copyRowsMin, "x"); got != sqlsink.Schema {
			t.Errorf("%s without the right: want schema, got %v", kind, got)
		}
	}
}

func TestTextViewsShowWhatIsText(t *testing.T) {
	s := claimed(t)
	texts := []string{"plain", "Ä€\U0001F600\U0010FFFF\uFFFD\uD7FF\uE000", "", "tab\t"}
	other := []string{"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80", "a\x00", "\xc3", "\xf0\x8f\x80\x80"}
	var rows [][]string
	for _, v := range append(slices.Clone(texts), other...) {
		rows = append(rows, []string{"lull", "0", v, v})
	}
	table := s.OwnTable("lull_strings")
	g := sink.Group{Columns: []int{3}}
	for _, r := range rows {
		g.Rows = append(g.Rows, sink.Row{Vals: []value.Value{value.OfString("lull"), value.OfInt(0), value.OfString(r[2]), value.OfString(r[2])}})
	}
	if _, err := s.Write(t.Context(), &sink.Batch{To: sink.Mark{Position: 1},
		Tables: []sink.TableOps{{Table: table, Key: []int{0, 1, 2}, Put: []sink.Group{g}}}}); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	session, err := dialect{s}.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Query(t.Context(), "SELECT key, value FROM lull_strings_text", nil, func(vals []value.Value) error {
		shown[vals[0].String()] = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if !shown[text] {
			t.Errorf("%q is not shown as text", text)
		}
	}
	if len(shown) != len(rows) {
		t.Errorf("want %d rows, got %d", len(rows), len(shown))
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for _, url := range []string{"postgres://u:secret@h:port/db", "postgres://u:secret@h/db?sslmode=maybe"} {
		if s, err := Open(t.Context(), url, sqlsink.Options{}); err == nil {
			s.Close()
			t.Errorf("%q: want an error", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", url, err)
		}
	}
}
