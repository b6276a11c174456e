package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Sample is what one second was like.
type Sample struct {
	At           time.Duration // since the start, at the sample's end
	Writes, Rows float64       // a second
	CPU          float64       // of the server process, in CPUs
	LagMax       time.Duration
}

const (
	sampleEvery = time.Second
	probeEvery  = 20 * time.Millisecond
	lookEvery   = 100 * time.Millisecond
)

// sampler looks at a run from beside it: each second at the counters, and, by a row
// of its own that it writes through the target all the time, at how far SQL is behind.
type sampler struct {
	run     *run
	probe   client
	cancel  context.CancelFunc
	group   sync.WaitGroup
	mu      sync.Mutex
	samples []Sample
	pending []int64 // answered probes that SQL did not have at the last look, in µs
	lagMax  time.Duration
	lag     histogram
	err     error
}

func (r *run) newSampler(ctx context.Context) (*sampler, error) {
	probe, err := r.target.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	return &sampler{run: r, probe: probe}, nil
}

func (s *sampler) start(began time.Time) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.group.Go(func() { s.every(ctx, sampleEvery, s.counters(began)) })
	if s.run.name == "direct" {
		return // an answer comes after the commit: nothing is behind
	}
	s.group.Go(func() { s.every(ctx, probeEvery, s.writeProbe) })
	s.group.Go(func() { s.every(ctx, lookEvery, s.look) })
}

// stop ends sampling and hands over what was seen.
func (s *sampler) stop(res *Result) error {
	s.cancel()
	s.group.Wait()
	res.Samples, res.lag = s.samples, s.lag
	return errors.Join(s.err, s.probe.close())
}

// every calls work until ctx ends or work fails.
func (s *sampler) every(ctx context.Context, d time.Duration, work func() error) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := work(); err != nil {
			s.mu.Lock()
			s.err = errors.Join(s.err, fmt.Errorf("sampler: %w", err))
			s.mu.Unlock()
			return
		}
	}
}

// counters returns the work of each second.
func (s *sampler) counters(began time.Time) func() error {
	last, writes, rows, cpu := began, uint64(0), s.run.rows, s.run.cpu
	return func() error {
		nowRows, nowCPU, err := s.run.target.usage()
		if err != nil {
			return err
		}
		now, nowWrites := time.Now(), s.run.answered()
		if s.run.name == "direct" {
			nowRows = nowWrites
		}
		d := now.Sub(last).Seconds()
		sample := Sample{At: now.Sub(began), Writes: float64(nowWrites-writes) / d, Rows: float64(nowRows-rows) / d, CPU: (nowCPU - cpu).Seconds() / d}
		last, writes, rows, cpu = now, nowWrites, nowRows, nowCPU
		s.mu.Lock()
		sample.LagMax, s.lagMax = s.lagMax, 0
		s.samples = append(s.samples, sample)
		s.mu.Unlock()
		fmt.Fprintf(s.run.o.Progress, "%4.0f s  %9s writes/s  %9s rows/s  lag %6s  %.2f CPUs\n",
			sample.At.Seconds(), grouped(sample.Writes), grouped(sample.Rows), short(sample.LagMax), sample.CPU)
		return nil
	}
}

// writeProbe writes the probe's row with the time.
func (s *sampler) writeProbe() error {
	at := time.Now().UnixMicro()
	refused := make([]error, 1)
	if err := s.probe.do(context.Background(), []write{{table: probes, id: 1, n: at}}, refused); err != nil {
		return err
	}
	if refused[0] != nil {
		return nil // as for any client near a limit; the next one comes soon
	}
	s.mu.Lock()
	s.pending = append(s.pending, at)
	s.mu.Unlock()
	return nil
}

// look reads the probe's row from SQL. The lag is the age of the oldest answered
// probe that SQL does not have.
func (s *sampler) look() error {
	var seen int64
	err := s.run.db.QueryRowContext(context.Background(), "SELECT seen FROM bench_probe WHERE id = 1").Scan(&seen)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	now := time.Now().UnixMicro()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) > 0 && s.pending[0] <= seen {
		s.pending = s.pending[1:]
	}
	lag := time.Duration(0)
	if len(s.pending) > 0 {
		lag = time.Duration(now-s.pending[0]) * time.Microsecond
	}
	s.lag.add(lag, 1)
	s.lagMax = max(s.lagMax, lag)
	return nil
}
