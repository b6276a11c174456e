package matrix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lullcache/lull/internal/resp"
)

// chooser picks the numbers of rows.
type chooser func() int64

// skewed is zipf 1.1 over n, the frequent ones spread over all; uniform is as it says.
func skewed(n int, seed uint64) chooser {
	rng := rand.New(rand.NewPCG(seed, 1))
	z := rand.NewZipf(rng, 1.1, 1, uint64(n-1))
	return func() int64 { return int64(z.Uint64()) * 7_368_787 % int64(n) }
}

func uniform(n int, seed uint64) chooser {
	rng := rand.New(rand.NewPCG(seed, 1))
	return func() int64 { return rng.Int64N(int64(n)) }
}

// outcome is what a load of writers came to.
type outcome struct {
	rate      float64 // writes a second
	writes    int64
	latencies []float32 // ms, of each pipeline, sorted
}

// at is the latency in ms that a share of the pipelines did not exceed.
func (o *outcome) at(share float64) float64 {
	if len(o.latencies) == 0 {
		return 0
	}
	return float64(o.latencies[min(int(share*float64(len(o.latencies))), len(o.latencies)-1)])
}

// writer does some writes and returns how many were answered. It belongs to one
// goroutine.
type writer interface {
	write() (int, error)
	close() error
}

// loadWith lets all writers write for d. With a rate, in pipelines a second of all
// together, each begins when it is due, and its latency counts from then: a server
// that stops is not asked less. 0 is as fast as answers come.
func loadWith(b *run, writers []writer, d time.Duration, rate float64) *outcome {
	b.Helper()
	defer func() {
		for _, w := range writers {
			b.must(w.close())
		}
	}()
	var writes atomic.Int64
	all, errs := make([][]float32, len(writers)), make([]error, len(writers))
	var group sync.WaitGroup
	began := time.Now()
	end := began.Add(d)
	for i, w := range writers {
		group.Go(func() {
			gap := time.Duration(0)
			if rate > 0 {
				gap = time.Duration(float64(len(writers)) / rate * float64(time.Second))
			}
			due := began.Add(gap * time.Duration(i) / time.Duration(len(writers)))
			for errs[i] == nil {
				if gap > 0 {
					time.Sleep(time.Until(due))
				} else {
					due = time.Now()
				}
				if !due.Before(end) {
					return
				}
				n, err := w.write()
				errs[i] = err
				writes.Add(int64(n))
				all[i] = append(all[i], float32(time.Since(due).Seconds()*1000))
				due = due.Add(gap)
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	b.must(errors.Join(errs...))
	o := &outcome{writes: writes.Load(), rate: float64(writes.Load()) / took.Seconds(), latencies: slices.Concat(all...)}
	slices.Sort(o.latencies)
	return o
}

// redisWriter sends pipelines of commands, each of which is answered with as many
// lines as it says.
type redisWriter struct {
	lines   int
	conn    net.Conn
	in      *bufio.Reader
	out     resp.Writer
	size    int
	command func(out *resp.Writer)
}

func newRedisWriter(b *run, addr string, pipeline int, command func(out *resp.Writer)) *redisWriter {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	b.must(err)
	return &redisWriter{lines: 1, conn: conn, in: bufio.NewReaderSize(conn, 16<<10), size: pipeline, command: command}
}

func (w *redisWriter) write() (int, error) {
	if err := w.conn.SetDeadline(time.Now().Add(loadTimeMax)); err != nil {
		return 0, err
	}
	w.out.Reset(16 << 10)
	for range w.size {
		w.command(&w.out)
	}
	if _, err := w.conn.Write(w.out.Bytes()); err != nil {
		return 0, err
	}
	return w.size, readLines(w.in, w.size*w.lines)
}

func (w *redisWriter) close() error { return w.conn.Close() }

// sqlWriter runs one prepared statement after the other, each its own transaction.
type sqlWriter struct {
	conn      *pgx.Conn
	statement string
	next      chooser
}

func newSQLWriter(b *run, url, statement string, next chooser) *sqlWriter {
	b.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	b.must(err)
	_, err = conn.Prepare(context.Background(), "w", statement)
	b.must(err)
	return &sqlWriter{conn, "w", next}
}

func (w *sqlWriter) write() (int, error) {
	tag, err := w.conn.Exec(context.Background(), w.statement, w.next())
	if err == nil && tag.RowsAffected() != 1 {
		err = fmt.Errorf("%d rows were changed, wanted 1", tag.RowsAffected())
	}
	return 1, err
}

func (w *sqlWriter) close() error { return w.conn.Close(context.Background()) }

// lagProbe writes a row through Lull every 20 ms and looks for it in SQL every 50 ms.
// The lag is the age of the oldest answered one that SQL does not have.
type lagProbe struct {
	quit  chan struct{}
	group sync.WaitGroup
	mu    sync.Mutex
	sent  []int64 // µs
	seen  []float64
	errs  error
}

// probeTable and probeSpec are what the probe needs.
const (
	probeTable = "CREATE TABLE bench_probe (id bigint PRIMARY KEY, seen bigint NOT NULL)"
	probeSpec  = "  bench_probe: {key: \"probe:{id}\", type: hash}\n"
)

func startProbe(b *run, l *lull, url string) *lagProbe {
	b.Helper()
	p := &lagProbe{quit: make(chan struct{})}
	conn, err := pgx.Connect(context.Background(), url)
	b.must(err)
	b.Cleanup(func() { conn.Close(context.Background()) })
	p.every(20*time.Millisecond, func() error {
		now := time.Now().UnixMicro()
		if err := l.control.Do(context.Background(), "HSET", "probe:1", "seen", now).Err(); err != nil {
			return err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.sent = append(p.sent, now)
		return nil
	})
	p.every(50*time.Millisecond, func() error {
		var seen int64
		err := conn.QueryRow(context.Background(), "SELECT seen FROM bench_probe WHERE id = 1").Scan(&seen)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		p.look(time.Now().UnixMicro(), seen)
		return nil
	})
	return p
}

func (p *lagProbe) look(now, seen int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.sent) > 0 && p.sent[0] <= seen {
		p.sent = p.sent[1:]
	}
	lag := 0.0
	if len(p.sent) > 0 {
		lag = float64(now-p.sent[0]) / 1e6
	}
	p.seen = append(p.seen, lag)
}

func (p *lagProbe) every(d time.Duration, work func() error) {
	p.group.Go(func() {
		for {
			select {
			case <-p.quit:
				return
			case <-time.After(d):
			}
			if err := work(); err != nil {
				p.mu.Lock()
				p.errs = errors.Join(p.errs, err)
				p.mu.Unlock()
				return
			}
		}
	})
}

// stop returns the median and the greatest lag in seconds.
func (p *lagProbe) stop(b *run) (median, most float64) {
	b.Helper()
	close(p.quit)
	p.group.Wait()
	b.must(p.errs)
	if len(p.seen) == 0 {
		return 0, 0
	}
	return values(p.seen).median(), slices.Max(p.seen)
}
