package matrix

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lullcache/lull/internal/resp"
)

// measureEvents compares XADD, up to the moment at which SQL has everything, with
// COPY alone.
func measureEvents(b *run) {
	b.out.About = []string{
		"`XADD events:{topic} * user_id … action opened` from 50 clients at a pipeline of 64, mapped to a PostgreSQL table without a key that is only appended to, `ack: memory`, limits as by default. The rate is events over the whole time until SQL has them all.",
		"Raw: pgx's CopyFrom of the same rows from one connection, as many in a transaction as Lull's flushes had on average. The load, Lull and PostgreSQL share the machine; raw COPY has it alone.",
	}
	url := startPostgres(b).NewDatabase(b.T)
	columns := "(topic text NOT NULL, user_id bigint NOT NULL, action text NOT NULL)"
	execute(b, url, probeTable, "CREATE TABLE bench_events "+columns, "CREATE TABLE bench_copied "+columns)
	l := startLull(b, url, "ack: memory\ntables:\n"+probeSpec+"  bench_events: {key: \"events:{topic}\", type: stream, columns: [user_id, action]}\n")
	var rates, raws, lags, sizes values
	total := int64(0)
	for range b.rounds {
		before := l.info(b)
		began := time.Now()
		probe := startProbe(b, l, url)
		o := loadWith(b, eventWriters(b, l), b.scale.long*2/3, 0)
		lag, _ := probe.stop(b)
		l.settle(b)
		took := time.Since(began)
		total += o.writes
		batches := difference(before, l.info(b), "lull_flushed_batches")
		rates, lags = append(rates, float64(o.writes)/took.Seconds()), append(lags, lag)
		sizes = append(sizes, float64(o.writes)/max(batches, 1))
		raws = append(raws, copyEvents(b, url, int(sizes[len(sizes)-1]), b.scale.long/3))
		b.say("%s events/s, lag %.2f s, raw COPY %s/s at %s rows", count(rates[len(rates)-1]), lag, count(raws[len(raws)-1]), count(sizes[len(sizes)-1]))
	}
	checkCount(b, url, "bench_events", total)
	share := rates.over(raws)
	b.out.row(Row{"XADD into an append-only PostgreSQL table", fmt.Sprintf("raw COPY by pgx, %s rows at once: %s/s", count(sizes.median()), count(raws.median())), "≥ 200 k/s, ≥ 0.80 ×",
		fmt.Sprintf("%s/s, %s, lag %.2f s", rates.text(count), share.text(times), lags.median()), yesNo(rates.median() >= 200_000 && share.median() >= 0.8)})
}

func eventWriters(b *run, l *lull) (writers []writer) {
	for i := range clients {
		n := int64(i)
		w := newRedisWriter(b, l.addr, 64, func(out *resp.Writer) {
			n += clients
			words(out, "XADD", "events:t"+strconv.FormatInt(n%16, 10), "*", "user_id", strconv.FormatInt(n, 10), "action", "opened")
		})
		w.lines = 2 // an id is a bulk string: its length, and itself
		writers = append(writers, w)
	}
	return writers
}

// copyEvents copies for d, and returns the rows a second.
func copyEvents(b *run, url string, atOnce int, d time.Duration) float64 {
	b.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, url)
	b.must(err)
	defer conn.Close(ctx)
	began, n := time.Now(), 0
	for time.Since(began) < d {
		_, err := conn.CopyFrom(ctx, pgx.Identifier{"bench_copied"}, []string{"topic", "user_id", "action"}, pgx.CopyFromSlice(max(atOnce, 1), func(i int) ([]any, error) {
			return []any{"t" + strconv.Itoa(i%16), int64(n + i), "opened"}, nil
		}))
		b.must(err)
		n += max(atOnce, 1)
	}
	return float64(n) / time.Since(began).Seconds()
}

// checkCount compares the rows of a table with what was answered.
func checkCount(b *run, url, table string, want int64) {
	b.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	b.must(err)
	defer conn.Close(context.Background())
	var have int64
	b.must(conn.QueryRow(context.Background(), "SELECT count(*) FROM "+table).Scan(&have))
	if have != want {
		b.Fatalf("%s: SQL has %d rows, and %d were answered", table, have, want)
	}
}

// difference is how much a number of INFO has grown.
func difference(before, after map[string]string, name string) float64 {
	a, _ := strconv.ParseFloat(before[name], 64)
	z, _ := strconv.ParseFloat(after[name], 64)
	return z - a
}
