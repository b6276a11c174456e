package server

import (
	"context"
	"slices"

	"github.com/lullcache/lull"
)

// settle waits, once for each ack level, until the units of the batch are as safe
// as their answers say. Positions only rise, so the last ticket covers the others:
// the units share one group commit, or one flush. The answer of a unit that did
// not get there becomes the error.
func (c *conn) settle() {
	if len(c.spans) == 0 {
		return
	}
	if !c.onlyDisk() || !c.db.OnDisk(c.latest()) {
		c.leave()
	}
	var last [lull.AckDatabase + 1]lull.Ticket
	for _, s := range c.spans {
		if s.ticket.Position > last[s.ticket.Ack].Position {
			last[s.ticket.Ack] = s.ticket
		}
	}
	c.view.active.Store(c.srv.stats.now.Load())
	var failed []failure
	for level, ticket := range last {
		if ticket.Position == 0 {
			continue
		}
		err := c.sess.Wait(c.srv.ctx, ticket)
		if err != nil || lull.Ack(level) == lull.AckDatabase {
			failed = append(failed, c.failures(ticket, err)...)
		}
	}
	if len(failed) > 0 {
		c.replace(failed)
	}
	clear(c.spans)
	c.spans = c.spans[:0]
}

// sentAtOnce is from how many commands on a batch is answered before the other connections
// of its worker have their turn.
const sentAtOnce = 8

// holds reports whether a worker sends the answers later: after its other connections have
// had their turn, and once for all who wait for the disk. Clients who are answered
// together ask together: so fewer are woken, and those fewer times.
func (c *conn) holds() bool {
	if len(c.spans) == 0 {
		return len(c.batch) < sentAtOnce
	}
	return c.onlyDisk()
}

// onlyDisk reports whether no answer waits for more than the disk.
func (c *conn) onlyDisk() bool {
	return !slices.ContainsFunc(c.spans, func(s span) bool { return s.ticket.Ack != lull.AckDisk })
}

// latest is the ticket that the others come before.
func (c *conn) latest() (last lull.Ticket) {
	for _, s := range c.spans {
		if s.ticket.Position > last.Position {
			last = s.ticket
		}
	}
	return last
}

// failure is an answer that has to become an error.
type failure struct {
	span span
	err  error
}

// failures asks for each unit of a level what became of it. The time to wait is over:
// last, whose wait ended with lastErr, was the latest.
func (c *conn) failures(last lull.Ticket, lastErr error) []failure {
	ctx, cancel := context.WithCancel(c.srv.ctx)
	cancel()
	var failed []failure
	for _, s := range c.spans {
		if s.ticket.Ack != last.Ack {
			continue
		}
		err := lastErr
		if s.ticket.Position < last.Position {
			if err = c.sess.Wait(ctx, s.ticket); err != nil && ctx.Err() == err {
				err = lastErr
			}
		}
		if err != nil {
			failed = append(failed, failure{s, err})
		}
	}
	return failed
}

// replace writes the batch's answers again, with errors in the place of those that
// failed.
func (c *conn) replace(failed []failure) {
	slices.SortFunc(failed, func(a, b failure) int { return a.span.start - b.span.start })
	old := slices.Clone(c.out.Bytes())
	c.out.Truncate(0)
	from := 0
	for _, f := range failed {
		c.out.Append(old[from:f.span.start])
		c.call.start = c.out.Len()
		c.call.fail(f.err)
		from = f.span.end
	}
	c.out.Append(old[from:])
}
