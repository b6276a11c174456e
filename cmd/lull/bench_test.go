package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/lullcache/lull/internal/bench"
	"github.com/lullcache/lull/internal/testdb"
)

// answered is the table's line that no run may be without.
var answered = regexp.MustCompile(`writes answered +[1-9]`)

func TestBenchChecksItsTotalsAndLeavesNothing(t *testing.T) {
	for _, workload := range bench.Workloads {
		t.Run(workload+" over sqlite", func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			runBenchIn(t, dir, "--database", "sqlite:bench.db", "--workload", workload)
			db := openFile(t, filepath.Join(dir, "bench.db"))
			empty(t, db, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'bench%' OR name LIKE 'lull%'")
		})
		t.Run(workload+" over postgres", func(t *testing.T) {
			t.Parallel()
			url := testdb.Postgres(t)
			args := []string{"--database", url, "--workload", workload, "--pipeline", "4"}
			if workload == "mixed" { // all workloads in one
				args = append(args, "--against", "direct,redis+worker")
			}
			runBenchIn(t, t.TempDir(), args...)
			db, err := sql.Open("pgx", url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			empty(t, db, "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'bench%' OR tablename LIKE 'lull%'")
		})
	}
	t.Run("mixed over mariadb", func(t *testing.T) {
		t.Parallel()
		runBenchIn(t, t.TempDir(), "--database", testdb.MariaDB(t), "--against", "direct,redis+worker")
	})
}

// TestBenchGoesToALullThatRuns: its tables stay, also for a second run, which counts
// only what is its own.
func TestBenchGoesToALullThatRuns(t *testing.T) {
	dir := t.TempDir()
	out, code := lullIn(t, dir, "bench", "--database", "sqlite:bench.db", "--prepare")
	if code != exitOK {
		t.Fatalf("prepare: %d %s", code, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "lull.yaml"), []byte("database: sqlite:bench.db\n"+out), 0o644); err != nil {
		t.Fatal(err)
	}
	r := serveIn(t, dir, "--config", "lull.yaml")
	addr := listening.FindStringSubmatch(r.greeting)[1]
	for range 2 {
		runBenchIn(t, dir, "--database", "sqlite:bench.db", "--addr", addr)
	}
}

// runBenchIn runs a short benchmark, which fails when SQL does not have what was
// answered.
func runBenchIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	args = append([]string{"bench", "--duration", "1s", "--clients", "4", "--keys", "500"}, args...)
	out, code := lullIn(t, dir, args...)
	if code != exitOK || !answered.MatchString(out) {
		t.Fatalf("%v: exit code %d\n%s", args, code, out)
	}
}

func empty(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n != 0 {
		t.Errorf("%s: %d, wanted none", query, n)
	}
}
