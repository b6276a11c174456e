package server

import (
	"context"
	"time"
)

// await flushes the answers before it, since their clients may be waiting for them,
// then blocks until sync returns or the time is over, and lets reply tell whether it
// was reached. A timeout of 0 is for ever.
func (c *call) await(timeout time.Duration, sync func(context.Context) error, reply func(reached bool)) error {
	if err := c.conn.flush(); err != nil {
		c.conn.quit = true
		return err
	}
	c.start = 0
	ctx := c.conn.srv.ctx
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	reply(sync(ctx) == nil)
	return nil
}
