package postgres

import (
	"database/sql"
	"math"
	"slices"
	"testing"

	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// tableOver opens a new database, in which setup makes the table t, and a sink over it.
func tableOver(t *testing.T, setup string, o sqlsink.Options) (*sql.DB, *Sink, *sink.Table) {
	t.Helper()
	url := testdb.Postgres(t)
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), setup); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	catalog, err := s.Catalog(t.Context(), []string{"t"})
	if err != nil {
		t.Fatal(err)
	}
	return db, s, catalog.Tables[0]
}

// TestPreparedReadsOutliveAChangedColumn has a column change its type after reads of it
// were prepared on a connection, so that the server refuses them there.
func TestPreparedReadsOutliveAChangedColumn(t *testing.T) {
	db, s, table := tableOver(t, `CREATE TABLE t (id BIGINT PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 7), (2, 8)`, sqlsink.Options{ReadConns: 1})
	exec := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	query := sink.Query{Table: table, Columns: []int{1}, By: []int{0}, Keys: [][]value.Value{{value.OfInt(2)}}}
	read := func(queries ...sink.Query) (found []string) {
		t.Helper()
		err := s.Read(t.Context(), queries, func(_ int, vals []value.Value) error {
			found = append(found, vals[0].String())
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, typ := range []string{"INTEGER", "BIGINT", "TEXT", "NUMERIC", "DOUBLE PRECISION", "VARCHAR(9)"} {
		exec(`ALTER TABLE t ALTER v TYPE ` + typ)
		if got := read(query); len(got) != 1 || got[0] != "8" {
			t.Errorf("%s: got %q, wanted 8", typ, got)
		}
		exec(`ALTER TABLE t ALTER v TYPE SMALLINT USING v::smallint`)
		if got := read(query, query); len(got) != 2 || got[0] != "8" || got[1] != "8" {
			t.Errorf("%s, two queries in a transaction: got %q, wanted 8 twice", typ, got)
		}
	}
}

// TestAStatementMadeAheadIsForItsRowsAlone announces rows and then writes others, as
// happens when some of them turn out to have to wait.
func TestAStatementMadeAheadIsForItsRowsAlone(t *testing.T) {
	db, s, table := tableOver(t, `CREATE TABLE t (id BIGINT PRIMARY KEY, v INTEGER)`, sqlsink.Options{})
	session, err := dialect{s}.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	rows := make([]*sink.Row, 6)
	for i := range rows {
		rows[i] = &sink.Row{Vals: []value.Value{value.OfInt(int64(i)), value.OfInt(int64(i))}}
	}
	op := &sqlsink.Op{Table: table, Kind: sink.LetterPut, By: []int{0}, Columns: []int{1}}
	if err := session.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	announced, written := []*sink.Row{rows[2], rows[3]}, []*sink.Row{rows[2], rows[4]}
	if _, err := session.Apply(t.Context(), op, rows[:2], announced); err != nil {
		t.Fatal(err)
	}
	if _, err := session.Apply(t.Context(), op, written, nil); err != nil {
		t.Fatal(err)
	}
	if err := session.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ids string
	if err := db.QueryRowContext(t.Context(), `SELECT string_agg(id::text, ' ' ORDER BY id) FROM t`).Scan(&ids); err != nil || ids != "0 1 2 4" {
		t.Errorf("got rows %q (%v), wanted 0 1 2 4", ids, err)
	}
}

// TestNumbersAreReadAsTheyAre in binary form, of each width, and as text of a column that has another type
// than the catalog said.
func TestNumbersAreReadAsTheyAre(t *testing.T) {
	_, s, table := tableOver(t, `CREATE DOMAIN few AS smallint CHECK (value < 100);
		CREATE TABLE t (id BIGINT PRIMARY KEY, small SMALLINT, middle INTEGER, large BIGINT, few few, f8 DOUBLE PRECISION, f4 REAL);
		INSERT INTO t VALUES (1, -32768, -2147483648, -9223372036854775808, -7, '-0', 0.1), (2, 32767, 2147483647, 9223372036854775807, 99, 'Infinity', 1e30),
			(3, NULL, NULL, NULL, NULL, NULL, NULL), (4, 0, 0, 0, 0, 1e300, -0.5)`, sqlsink.Options{ReadConns: 1})
	query := sink.Query{Table: table, Columns: []int{1, 2, 3, 4, 5, 6}, OrderBy: []int{0}}
	var got [][]value.Value
	err := s.Read(t.Context(), []sink.Query{query}, func(_ int, vals []value.Value) error {
		got = append(got, slices.Clone(vals))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	i, f := value.OfInt, value.OfFloat
	want := [][]value.Value{
		{i(math.MinInt16), i(math.MinInt32), i(math.MinInt64), i(-7), f(math.Copysign(0, -1)), f(0.1)},
		{i(math.MaxInt16), i(math.MaxInt32), i(math.MaxInt64), i(99), f(math.Inf(1)), f(1e30)},
		make([]value.Value, 6),
		{i(0), i(0), i(0), i(0), f(1e300), f(-0.5)},
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v, wanted %v", got, want)
	}
}
