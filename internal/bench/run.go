package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// run is one measurement under way.
type run struct {
	o        *Options
	db       *database
	target   target
	name     string
	tallies  []*tally
	sessions newest
	before   map[*table]int64
	rows     uint64 // before
	cpu      time.Duration
}

func newRun(o *Options, db *database, t target, name string) *run {
	r := &run{o: o, db: db, target: t, name: name, sessions: make(newest, o.Keys)}
	for range o.Clients {
		r.tallies = append(r.tallies, new(tally))
	}
	return r
}

// settleMax bounds the wait for SQL after the last write.
const settleMax = 10 * time.Minute

// measure connects the clients, lets them write for the duration, waits until SQL has
// everything, and compares.
func (r *run) measure(ctx context.Context) (_ *Result, err error) {
	clients, err := r.connect(ctx)
	defer func() {
		for _, c := range clients {
			err = errors.Join(err, c.close())
		}
	}()
	if err != nil {
		return nil, err
	}
	if r.before, err = r.db.sums(ctx); err != nil {
		return nil, err
	}
	if r.rows, r.cpu, err = r.target.usage(); err != nil {
		return nil, err
	}
	res := &Result{Target: r.name, Options: *r.o}
	s, err := r.newSampler(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	s.start(began)
	err = r.write(ctx, clients, began.Add(r.o.Duration))
	res.Took = time.Since(began)
	err = errors.Join(err, s.stop(res))
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(r.o.Progress, "waiting until SQL has everything")
	if err := r.settle(ctx, res); err != nil {
		return res, err
	}
	return res, r.compare(ctx, res)
}

func (r *run) connect(ctx context.Context) (all []client, err error) {
	for range r.o.Clients {
		c, err := r.target.connect(ctx)
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
	return all, nil
}

// write runs all clients until the time is up, or ctx ends.
func (r *run) write(ctx context.Context, clients []client, end time.Time) error {
	errs := make([]error, len(clients))
	var group sync.WaitGroup
	for i, c := range clients {
		group.Go(func() { errs[i] = r.writeOne(ctx, c, r.tallies[i], newGenerator(r.o, i), end) })
	}
	group.Wait()
	return errors.Join(append(errs, ctx.Err())...)
}

// writeOne is one client: it sends a batch, waits for its answers, and sends the
// next. The latency of a batch is that of each of its writes.
func (r *run) writeOne(ctx context.Context, c client, t *tally, g *generator, end time.Time) error {
	size := r.o.Pipeline
	if r.name == "direct" {
		size = 1 // a statement is answered before the next one is sent
	}
	batch, refused := make([]write, size), make([]error, size)
	for ctx.Err() == nil {
		sent := time.Now()
		if !sent.Before(end) {
			return nil
		}
		for i := range batch {
			batch[i], refused[i] = g.next(sent.UnixMicro()), nil
		}
		sent = time.Now()
		if err := c.do(context.WithoutCancel(ctx), batch, refused); err != nil {
			return err
		}
		t.latency.add(time.Since(sent), uint64(len(batch)))
		t.count(batch, refused, r.sessions)
	}
	return nil
}

// settle waits for SQL and takes the counts of the whole run.
func (r *run) settle(ctx context.Context, res *Result) error {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, settleMax)
	defer cancel()
	if err := r.target.settle(bounded); err != nil {
		return fmt.Errorf("wait until SQL has everything: %w", err)
	}
	res.Settled = time.Since(began)
	rows, cpu, err := r.target.usage()
	if err != nil {
		return err
	}
	res.Rows, res.CPU = rows-r.rows, cpu-r.cpu
	return nil
}

// compare adds up what the clients were answered and holds it against SQL.
func (r *run) compare(ctx context.Context, res *Result) error {
	want := totals{sessions: r.sessions}
	for _, t := range r.tallies {
		res.Writes += t.answered.Load()
		res.Refused += t.refused.Load()
		res.Unsure += t.unsure
		res.latency.merge(&t.latency)
		want.points, want.hits, want.events = want.points+t.points, want.hits+t.hits, want.events+t.events
		want.unsure, want.unsureSum = want.unsure+int64(t.unsure), want.unsureSum+t.unsureSum
		if t.firstRefusal != nil {
			res.FirstRefusal = t.firstRefusal
		}
	}
	want.slowest = res.latency.max
	if r.name == "direct" {
		res.Rows = res.Writes
	}
	var err error
	if res.Checks, err = r.db.check(ctx, r.o.Workload, &want, r.before); err != nil {
		return err
	}
	for _, c := range res.Checks {
		if !c.OK() {
			err = errors.Join(err, fmt.Errorf("%s: %d were answered, and SQL has %d", c.What, c.Want, c.Have))
		}
	}
	return err
}

func (r *run) answered() (n uint64) {
	for _, t := range r.tallies {
		n += t.answered.Load()
	}
	return n
}
