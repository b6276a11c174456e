package mysql

import (
	"database/sql"
	"testing"

	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// TestAStatementMadeAheadIsForItsRowsAlone announces rows and then writes others, as
// happens when some of them turn out to have to wait.
func TestAStatementMadeAheadIsForItsRowsAlone(t *testing.T) {
	url := testdb.MariaDB(t)
	s, err := Open(t.Context(), url, sqlsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.read.ExecContext(t.Context(), `CREATE TABLE t (id BIGINT PRIMARY KEY, v INTEGER)`); err != nil {
		t.Fatal(err)
	}
	catalog, err := s.Catalog(t.Context(), []string{"t"})
	if err != nil {
		t.Fatal(err)
	}
	session, err := dialect{s}.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	rows := make([]*sink.Row, 6)
	for i := range rows {
		rows[i] = &sink.Row{Vals: []value.Value{value.OfInt(int64(i)), value.OfInt(int64(i))}}
	}
	op := &sqlsink.Op{Table: catalog.Tables[0], Kind: sink.LetterPut, By: []int{0}, Columns: []int{1}}
	if err := session.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	announced, written := []*sink.Row{rows[2], rows[3]}, []*sink.Row{rows[2], rows[4]}
	if _, err := session.Apply(t.Context(), op, rows[:2], announced); err != nil {
		t.Fatal(err)
	}
	if op.Prepared == (*ahead)(nil) {
		t.Error("nothing was made ahead")
	}
	if _, err := session.Apply(t.Context(), op, written, nil); err != nil {
		t.Fatal(err)
	}
	if err := session.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ids sql.NullString
	if err := s.read.QueryRowContext(t.Context(), `SELECT group_concat(id ORDER BY id) FROM t`).Scan(&ids); err != nil || ids.String != "0,1,2,4" {
		t.Errorf("got rows %q (%v), wanted 0,1,2,4", ids.String, err)
	}
}
