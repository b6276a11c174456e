package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// client writes to things of its own, to counters that all share, and moves amounts
// between accounts. It lives as long as the test and connects anew for each round.
type client struct {
	w      *world
	number int
	rng    *rand.Rand
	n      int64 // last number used
	things []*thing
	old    []*thing // of earlier generations
	// order are two counters, of which the second is only raised after the first
	// was answered.
	order [2]*thing

	conn *redis.Conn
	dead bool // the connection of this round
}

const (
	pipelineMax = 16
	pauseMax    = 1500 * time.Microsecond
)

func newClient(w *world, number int) *client {
	c := &client{w: w, number: number, rng: rand.New(rand.NewPCG(w.seed, uint64(number)))}
	for i, name := range []string{"views:order-", "order:"} {
		t := &thing{verb: verbOf("INCR"), key: fmt.Sprint(name, number)}
		if i == 0 {
			t.rowKey = []any{fmt.Sprint("order-", number)}
		}
		t.counter = newCounter(t.key)
		c.order[i] = t
	}
	c.renew(0)
	return c
}

// renew begins a generation: keys do not grow for ever.
func (c *client) renew(generation int) {
	c.old = append(c.old, c.things...)
	c.things = newThings(generation*1000 + c.number)
}

// all are the things of all generations.
func (c *client) all() []*thing {
	return append(append(append([]*thing{}, c.old...), c.things...), c.order[:]...)
}

// round writes until the connection breaks or ctx ends.
func (c *client) round(ctx context.Context) {
	rdb := c.w.in.client()
	defer rdb.Close()
	c.conn, c.dead = rdb.Conn(), false
	defer c.conn.Close()
	c.look(append(append([]*thing{}, c.things...), c.order[:]...), "after the restart")
	for !c.dead && ctx.Err() == nil {
		switch c.rng.IntN(10) {
		case 0, 1:
			c.send(c.next())
		case 2:
			c.inOrder()
		case 3, 4:
			c.transfer()
		case 5:
			c.send(c.shared())
		default:
			ops := make([]op, 2+c.rng.IntN(pipelineMax-1))
			for i := range ops {
				ops[i] = c.next()
			}
			c.send(ops...)
		}
		time.Sleep(time.Duration(c.rng.Int64N(int64(pauseMax))))
	}
	for _, t := range append(c.things, c.order[:]...) {
		t.settle()
	}
}

func (c *client) next() op {
	c.n++
	return c.things[c.rng.IntN(len(c.things))].next(c.w.rep, c.rng, c.n)
}

// look reads things through Lull and compares them with what is known.
func (c *client) look(things []*thing, where string) {
	pipe := c.conn.Pipeline()
	cmds := make([]*redis.Cmd, len(things))
	for i, t := range things {
		cmds[i] = pipe.Do(context.Background(), t.read(t)...)
	}
	_, _ = pipe.Exec(context.Background()) // each command has its own error
	for i, t := range things {
		reply, err := cmds[i].Result()
		switch {
		case err == nil || errors.Is(err, redis.Nil):
			t.saw(c.w.rep, t.items(reply), where+", in Lull,")
		case c.w.mayRefuse(err):
		case isReply(err):
			c.w.unexpected("%v: %v", t.read(t), err)
		default:
			c.dead = true
			return
		}
	}
}

// send sends commands together and tells the models what became of them.
func (c *client) send(ops ...op) {
	pipe := c.conn.Pipeline()
	cmds := make([]*redis.Cmd, len(ops))
	for i := range ops {
		cmds[i] = pipe.Do(context.Background(), ops[i].args...)
	}
	_, _ = pipe.Exec(context.Background()) // each command has its own error
	for i := range ops {
		c.outcome(&ops[i], cmds[i].Val(), cmds[i].Err())
	}
}

func (c *client) outcome(o *op, reply any, err error) {
	r := c.w.rep
	r.sent.Add(1)
	switch {
	case err == nil:
		r.acked.Add(1)
		o.acked(textOf(reply))
	case !isReply(err):
		c.dead = true
		r.unanswered.Add(1)
		o.unanswered()
	case strings.HasPrefix(err.Error(), "TIMEOUT "):
		r.acked.Add(1)
		o.kept()
	case c.w.mayRefuse(err):
		r.refused.Add(1)
	default:
		c.w.unexpected("%.80v: %v", o.args, err)
	}
}

// isReply reports whether the server has said this.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

// inOrder raises the second counter of the pair only when the first was answered.
func (c *client) inOrder() {
	done := false
	raise := func(n *counter, key string) op {
		return op{
			args:       []any{"INCR", key},
			acked:      func(reply string) { done = true; n.acked(c.w.rep, 1, reply) },
			kept:       func() { done = true; n.kept(1) },
			unanswered: func() { n.unanswered(1) },
		}
	}
	c.send(raise(c.order[0].counter, c.order[0].key))
	if done && !c.dead {
		c.send(raise(c.order[1].counter, c.order[1].key))
	}
}

// shared counts one up that all clients count up.
func (c *client) shared() op {
	s := c.w.shared[c.rng.IntN(len(c.w.shared))]
	return op{
		args:       []any{"INCR", s.key},
		acked:      func(string) { s.acked.Add(1); s.sent.Add(1) },
		kept:       func() { s.acked.Add(1); s.sent.Add(1) },
		unanswered: func() { s.sent.Add(1) },
	}
}

// sharedCounter is one that all clients raise by one.
type sharedCounter struct {
	key         string
	thing       *thing
	acked, sent atomic.Int64
}

func newShared() []*sharedCounter {
	return []*sharedCounter{
		{key: "shared", thing: &thing{verb: verbOf("INCR"), key: "shared"}},
		{key: "views:shared", thing: &thing{verb: verbOf("INCR"), key: "views:shared", rowKey: []any{"shared"}}},
	}
}

// transfer moves an amount in a MULTI, between accounts in a mapped table and members
// of a generic sorted set.
func (c *client) transfer() {
	amount := 1 + c.rng.Int64N(100)
	add := func(pipe redis.Pipeliner, n int64) {
		if i := c.rng.IntN(accounts); c.rng.IntN(2) == 0 {
			pipe.Do(context.Background(), "HINCRBY", fmt.Sprintf("acct:%d", i), "balance", n)
		} else {
			pipe.Do(context.Background(), "ZINCRBY", "bank", n, fmt.Sprintf("m%d", i))
		}
	}
	pipe := c.conn.TxPipeline()
	add(pipe, -amount)
	add(pipe, amount)
	cmds, err := pipe.Exec(context.Background())
	if err == nil {
		err = cmds[0].Err()
	}
	nothing := func() {}
	o := op{args: []any{"EXEC"}, acked: func(string) {}, kept: nothing, unanswered: nothing}
	c.outcome(&o, nil, err)
}
