package crash

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Writers of keys that change their names, and of keys that expire.

// rename writes a key and gives it another name, in one unit: nothing is ever under the
// first name, and what was under the second is replaced.
func (c *client) rename() {
	c.n++
	i, v := c.rng.IntN(2), strconv.FormatInt(c.n, 10)
	from, to := c.moving[i], c.moved[i]
	to.register.sent(v)
	c.multi(op{
		args:       []any{"EXEC"},
		things:     []*thing{to},
		acked:      func(string) { to.register.acked(v) },
		kept:       func() { to.register.acked(v) },
		unanswered: func() { to.register.unanswered(v) },
	}, []any{"SET", from.key, v}, []any{"RENAME", from.key, to.key})
}

// fleeting is a key that expires.
type fleeting struct {
	key             string
	soonest, latest time.Time // between which it goes
}

const (
	fleetingTime  = 2 * time.Second       // the longest that one lives
	fleetingSlack = 20 * time.Millisecond // between two readings of the clock
)

// fleet writes a key that expires, and looks at the one before.
func (c *client) fleet() {
	c.lookAtFleeting()
	c.n++
	f := &fleeting{key: fmt.Sprintf("fleeting:%d:%d", c.number, c.n)}
	ttl := time.Millisecond + time.Duration(c.rng.Int64N(int64(fleetingTime)))
	f.soonest = time.Now().Add(ttl - fleetingSlack)
	acked := func() {
		f.latest = time.Now().Add(ttl + fleetingSlack)
		c.fleeting = f
	}
	c.send(op{
		args: []any{"SET", f.key, c.n, "PX", ttl.Milliseconds()}, acked: func(string) { acked() }, kept: acked, unanswered: func() {},
	})
}

// lookAtFleeting wants that the last key is there until its time has come, and no longer.
func (c *client) lookAtFleeting() {
	f := c.fleeting
	if f == nil || c.dead {
		return
	}
	from := time.Now()
	err := c.conn.Get(context.Background(), f.key).Err()
	to := time.Now()
	r := c.w.rep
	switch {
	case err == nil && from.After(f.latest):
		r.wrong(&r.Invented, "%s is there %v after it had to expire", f.key, from.Sub(f.latest))
	case err == redis.Nil && to.Before(f.soonest):
		r.wrong(&r.Lost, "%s is gone %v before it may expire", f.key, f.soonest.Sub(to))
	case err == nil || err == redis.Nil:
		r.checked.Add(1)
	case c.w.mayRefuse(err):
	case isReply(err):
		c.w.unexpected("GET %s: %v", f.key, err)
	default:
		c.dead = true
	}
}

// waitFleeting waits until SQL has no key any more whose time has come.
func (w *world) waitFleeting() {
	w.t.Helper()
	for end := time.Now().Add(endWait); ; time.Sleep(10 * time.Millisecond) {
		left, err := w.d.column(w.t.Context(), w.d.sql, "SELECT value FROM lull_strings WHERE ~key~ LIKE ?", []byte("fleeting:%"))
		if err == nil && len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("after %v SQL has %d keys that had to expire, %v", endWait, len(left), err)
		}
	}
}
