package postgres

import (
	"database/sql"
	"net/url"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx", for looking
	"github.com/lullcache/lull/internal/testdb"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sinktest"
	"github.com/lullcache/lull/sink/sqlsink"
)

func TestSuite(t *testing.T) { sinktest.Run(t, suite()) }

func BenchmarkWrite(b *testing.B) { sinktest.Benchmark(b, suite()) }

func suite() *sinktest.Dialect {
	return &sinktest.Dialect{
		New: func(t testing.TB) sinktest.Database {
			url := testdb.Postgres(t)
			db, err := sql.Open("pgx", url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			open := func(url string) func(o sqlsink.Options) (sink.Sink, error) {
				return func(o sqlsink.Options) (sink.Sink, error) { return opened(Open(t.Context(), url, o)) }
			}
			return sinktest.Database{Open: open(url), DB: db, Network: network(t, url, open)}
		},
		Quote:      quote,
		MakeSchema: `CREATE SCHEMA "else where"`,
		Deferred:   true,
		Estimates:  "ANALYZE",
		RefuseTrigger: []string{
			`CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.v = 'refuse' THEN RAISE 'no'; END IF; RETURN new; END $$;
			CREATE TRIGGER r BEFORE INSERT ON t0 FOR EACH ROW EXECUTE FUNCTION no()`,
			`CREATE CONSTRAINT TRIGGER r AFTER INSERT ON t1 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION no()`,
		},
		Types: map[sink.Family]sink.Type{
			sink.Integer:     {Family: sink.Integer, SQL: "bigint", Bits: 64},
			sink.Text:        {Family: sink.Text, SQL: "character varying(200)", Length: 200},
			sink.Binary:      {Family: sink.Binary, SQL: "bytea"},
			sink.FloatNum:    {Family: sink.FloatNum, SQL: "double precision", Bits: 64},
			sink.Decimal:     {Family: sink.Decimal, SQL: "numeric(18,2)", Precision: 18, Scale: 2},
			sink.Bool:        {Family: sink.Bool, SQL: "boolean"},
			sink.Date:        {Family: sink.Date, SQL: "date"},
			sink.Time:        {Family: sink.Time, SQL: "time without time zone"},
			sink.Timestamp:   {Family: sink.Timestamp, SQL: "timestamp without time zone"},
			sink.TimestampTZ: {Family: sink.TimestampTZ, SQL: "timestamp with time zone"},
			sink.UUID:        {Family: sink.UUID, SQL: "uuid"},
			sink.JSON:        {Family: sink.JSON, SQL: "jsonb"},
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

// network puts a proxy before the server.
func network(t testing.TB, rawURL string, open func(url string) func(o sqlsink.Options) (sink.Sink, error)) *sinktest.Network {
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	p := testdb.StartProxy(t, u.Host)
	direction := func(toServer bool) testdb.Direction {
		if toServer {
			return testdb.ToServer
		}
		return testdb.ToClient
	}
	return &sinktest.Network{
		Open:     open(p.Through(rawURL)),
		CutAfter: func(toServer bool, n int64) { p.CutAfter(direction(toServer), n) },
		Passed:   func(toServer bool) int64 { return p.Passed(direction(toServer)) },
		Refuse:   p.Refuse,
		Resume:   p.Resume,
	}
}
