package postgres

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// TestReadOnlyDatabase stops all writes the way operators do. Lull does not write on,
// and once the setting is gone it needs no new start: the session that had it is given
// up.
func TestReadOnlyDatabase(t *testing.T) {
	url := testdb.Postgres(t)
	direct, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	name, _, _ := strings.Cut(url[strings.LastIndex(url, "/")+1:], "?")
	s, err := Open(t.Context(), url, sqlsink.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.CreateOwn(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := sink.LaneID{Name: "lull", Lane: "main"}
	if _, err := s.Claim(t.Context(), sink.Claim{ID: id, LogID: "log", Start: true}); err != nil {
		t.Fatal(err)
	}
	set := func(statement string) {
		t.Helper()
		if _, err := direct.Exec(`ALTER DATABASE ` + name + ` ` + statement); err != nil {
			t.Fatal(err)
		}
	}
	set(`SET default_transaction_read_only = on`)
	if _, err := direct.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	batch := &sink.Batch{To: sink.Mark{Position: 10}}
	for range 2 {
		if _, err := s.Write(t.Context(), batch); err == nil || sink.ClassOf(err) != sink.Retry {
			t.Fatalf("write into a read-only database: got %v, wanted an error of class retry", err)
		}
	}
	set(`RESET default_transaction_read_only`)
	if _, err := s.Write(t.Context(), batch); err != nil {
		t.Fatalf("write after the setting is gone: %v", err)
	}
}
