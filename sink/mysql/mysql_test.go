package mysql

import (
	"net/url"
	"testing"

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
			url := testdb.MariaDB(t)
			s, err := Open(t.Context(), url, sqlsink.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			open := func(url string) func(o sqlsink.Options) (sink.Sink, error) {
				return func(o sqlsink.Options) (sink.Sink, error) { return opened(Open(t.Context(), url, o)) }
			}
			return sinktest.Database{Open: open(url), DB: s.read, Network: network(t, url, open)}
		},
		Quote:      quote,
		MakeSchema: "CREATE DATABASE IF NOT EXISTS `else where`",
		Estimates:  "ANALYZE TABLE",
		RefuseTrigger: []string{
			`CREATE TRIGGER r BEFORE INSERT ON t0 FOR EACH ROW BEGIN IF new.v = 'refuse' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF; END`,
		},
		Types: map[sink.Family]sink.Type{
			sink.Integer:     {Family: sink.Integer, SQL: "bigint", Bits: 64},
			sink.Text:        {Family: sink.Text, SQL: "varchar(200) COLLATE utf8mb4_nopad_bin", Length: 200},
			sink.Binary:      {Family: sink.Binary, SQL: "blob"},
			sink.FloatNum:    {Family: sink.FloatNum, SQL: "double", Bits: 64},
			sink.Decimal:     {Family: sink.Decimal, SQL: "decimal(18,2)", Precision: 18, Scale: 2},
			sink.Bool:        {Family: sink.Bool, SQL: "tinyint(1)"},
			sink.Date:        {Family: sink.Date, SQL: "date"},
			sink.Time:        {Family: sink.Time, SQL: "time(6)", Precision: 6},
			sink.Timestamp:   {Family: sink.Timestamp, SQL: "datetime(6)", Precision: 6},
			sink.TimestampTZ: {Family: sink.TimestampTZ, SQL: "timestamp(6)", Precision: 6},
			sink.UUID:        {Family: sink.UUID, SQL: "uuid"},
			sink.JSON:        {Family: sink.JSON, SQL: "json"},
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
