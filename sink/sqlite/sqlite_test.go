package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sinktest"
	"github.com/lullcache/lull/sink/sqlsink"
)

func TestSuite(t *testing.T) { sinktest.Run(t, suite()) }

func BenchmarkWrite(b *testing.B) { sinktest.Benchmark(b, suite()) }

func suite() *sinktest.Dialect {
	return &sinktest.Dialect{
		New: func(t testing.TB) sinktest.Database {
			path := filepath.Join(t.TempDir(), "a b%20?#.db")
			db, err := sql.Open("sqlite", dsn(path, sqlsink.Options{LockWait: 5e9}, false))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			return sinktest.Database{DB: db, Open: func(o sqlsink.Options) (sink.Sink, error) {
				return opened(Open(t.Context(), "sqlite:"+path, o))
			}}
		},
		Quote:    quote,
		Deferred: true,
		RefuseTrigger: []string{
			`CREATE TRIGGER r0 BEFORE INSERT ON t0 WHEN new.v = 'refuse' BEGIN SELECT RAISE(ABORT, 'no'); END`,
			`CREATE TRIGGER r1 AFTER INSERT ON t1 WHEN new.v = 'refuse' BEGIN INSERT INTO t1 VALUES (99, 'half'); SELECT RAISE(FAIL, 'no'); END`,
			`CREATE TRIGGER r2 AFTER INSERT ON t2 WHEN new.v = 'refuse' BEGIN SELECT RAISE(ROLLBACK, 'no'); END`,
		},
		Types: map[sink.Family]sink.Type{
			sink.Integer:     {Family: sink.Integer, SQL: "INTEGER", Bits: 64},
			sink.Text:        {Family: sink.Text, SQL: "TEXT"},
			sink.Binary:      {Family: sink.Binary, SQL: "BLOB"},
			sink.FloatNum:    {Family: sink.FloatNum, SQL: "REAL", Bits: 64},
			sink.Decimal:     {Family: sink.Decimal, SQL: "DECIMAL(18,2)", Precision: 18, Scale: 2},
			sink.Bool:        {Family: sink.Bool, SQL: "BOOLEAN"},
			sink.Date:        {Family: sink.Date, SQL: "DATE"},
			sink.Time:        {Family: sink.Time, SQL: "TIME"},
			sink.Timestamp:   {Family: sink.Timestamp, SQL: "DATETIME"},
			sink.TimestampTZ: {Family: sink.TimestampTZ, SQL: "TIMESTAMP"},
			sink.UUID:        {Family: sink.UUID, SQL: "TEXT"},
			sink.JSON:        {Family: sink.JSON, SQL: "TEXT"},
		},
	}
}

// opened keeps a nil sink a nil interface.
func opened(s *Sink, err error) (sink.Sink, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
