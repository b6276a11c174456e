package mysql

import (
	"strings"
	"testing"

	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

func claimed(t *testing.T) *Sink {
	t.Helper()
	s, err := Open(t.Context(), testdb.MariaDB(t), sqlsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.CreateOwn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Claim(t.Context(), sink.Claim{ID: sink.LaneID{Name: "lull", Lane: "main"}, LogID: "log", Start: true}); err != nil {
		t.Fatal(err)
	}
	return s
}

func made(t *testing.T, s *Sink, ddl, name string) *sink.Table {
	t.Helper()
	if _, err := s.read.ExecContext(t.Context(), ddl); err != nil {
		t.Fatal(err)
	}
	c, err := s.Catalog(t.Context(), []string{name})
	if err != nil || len(c.Tables) != 1 {
		t.Fatalf("catalog: %v, %v", c, err)
	}
	return c.Tables[0]
}

func writeOne(t *testing.T, s *Sink, from uint64, table *sink.Table, columns []int, vals ...value.Value) (sink.Result, error) {
	t.Helper()
	return s.Write(t.Context(), &sink.Batch{From: sink.Mark{Position: from}, To: sink.Mark{Position: from + 1}, Tables: []sink.TableOps{{
		Table: table, Key: []int{0}, Put: []sink.Group{{Columns: columns, Rows: []sink.Row{{Vals: vals}}}}}}})
}

func TestARowMayNeedMoreThanAPacketWhenEscaped(t *testing.T) {
	s := claimed(t)
	table := made(t, s, "CREATE TABLE t (id int PRIMARY KEY, v longblob)", "t")
	big := strings.Repeat("'\\", 5<<20) // 10 MiB, and 20 MiB as a literal
	r, err := writeOne(t, s, 0, table, []int{1}, value.OfInt(1), value.OfString(big))
	if err != nil || len(r.Letters) > 0 {
		t.Fatalf("got %d letters, %v", len(r.Letters), err)
	}
	var n int
	if err := s.read.QueryRow("SELECT length(v) FROM t").Scan(&n); err != nil || n != len(big) {
		t.Fatalf("got %d bytes, %v", n, err)
	}
}

func TestAValueBeyondThePacketStopsWithAReason(t *testing.T) {
	s := claimed(t)
	table := made(t, s, "CREATE TABLE t (id int PRIMARY KEY, v longblob)", "t")
	_, err := writeOne(t, s, 0, table, []int{1}, value.OfInt(1), value.OfString(strings.Repeat("x", 17<<20)))
	if sink.ClassOf(err) != sink.OwnTables || !strings.Contains(err.Error(), "max_allowed_packet") {
		t.Fatalf("want own tables and max_allowed_packet, got %v", err)
	}
	if _, err := writeOne(t, s, 0, table, []int{1}, value.OfInt(1), value.OfString("y")); err != nil {
		t.Fatal(err)
	}
}

func TestAnIDOfZeroIsZero(t *testing.T) {
	s := claimed(t)
	table := made(t, s, "CREATE TABLE t (id int AUTO_INCREMENT PRIMARY KEY, v float, b bit(1))", "t")
	if _, err := writeOne(t, s, 0, table, []int{1, 2}, value.OfInt(0), value.OfFloat(0.1), value.OfInt(1)); err != nil {
		t.Fatal(err)
	}
	err := s.Read(t.Context(), []sink.Query{{Table: table, Columns: []int{0, 1, 2}}}, func(_ int, vals []value.Value) error {
		if vals[0] != value.OfInt(0) || vals[1] != value.OfFloat(0.1) || vals[2] != value.OfInt(1) {
			t.Errorf("got %v", vals)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADecimalKeyIsComparedExactly(t *testing.T) {
	s := claimed(t)
	table := made(t, s, "CREATE TABLE t (id decimal(30,2) PRIMARY KEY, v int NOT NULL)", "t")
	near := []string{"9007199254740993.01", "9007199254740993.02", "9007199254740993.03"}
	for i, id := range near {
		if _, err := writeOne(t, s, uint64(i), table, []int{1}, value.OfString(id), value.OfInt(int64(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i, id := range near {
		var got []value.Value
		err := s.Read(t.Context(), []sink.Query{{Table: table, Columns: []int{1}, By: []int{0}, Keys: [][]value.Value{{value.OfString(id)}}}},
			func(_ int, vals []value.Value) error { got = append(got, vals[0]); return nil })
		if err != nil || len(got) != 1 || got[0] != value.OfInt(int64(i)) {
			t.Errorf("%s: got %v, %v", id, got, err)
		}
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	for _, url := range []string{"", "mysql://", "mysql://localhost", "postgres://localhost/db", "mysql://u:secret@h:99999999/\x00", "mysql://h/db?tls=unknown-config"} {
		if s, err := Open(t.Context(), url, sqlsink.Options{}); err == nil {
			s.Close()
			t.Errorf("%q: want an error", url)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error tells the password: %v", url, err)
		}
	}
	if _, err := Open(t.Context(), "mysql://h/db", sqlsink.Options{Name: strings.Repeat("ä", 40), ReadConns: -1}); err == nil {
		t.Error("options: want an error")
	}
}
