package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	order   [2]*thing
	skipped int64 // how often the first was refused and the second not
	// twins are two keys that are only written together, alike.
	twins [2]*thing
	// moving are never seen: what is written there is given the name of moved at once.
	moving, moved [2]*thing
	fleeting      *fleeting // the last key that expires, if it was answered

	// tail are the unanswered commands of the round before that put an item into a bag,
	// in the order of sending.
	tail []sentItem

	rdb  *redis.Client
	conn *redis.Conn
	dead bool // the connection of this round
}

const (
	pipelineMax = 16
	pauseMax    = 1500 * time.Microsecond
)

func newClient(w *world, number int) *client {
	c := &client{w: w, number: number, rng: rand.New(rand.NewPCG(w.seed, uint64(number)))}
	c.order = newPair("order", number)
	c.twins, c.moving, c.moved = newPair("twin", number), newPair("moving", number), newPair("moved", number)
	for _, t := range c.order {
		t.counter = newCounter(t.key)
	}
	for _, t := range slices.Concat(c.twins[:], c.moving[:], c.moved[:]) {
		t.register = newRegister(t.key)
	}
	c.things = newThings(number, w.refusals)
	return c
}

// newPair are two keys of one client, the first in a mapped table.
func newPair(name string, number int) [2]*thing {
	page := fmt.Sprintf("%s-%d", name, number)
	return [2]*thing{
		{verb: verbOf("INCR"), key: "views:" + page, rowKey: []any{page}},
		{verb: verbOf("INCR"), key: page},
	}
}

// renew begins a generation: keys do not grow for ever. Those of before are removed.
func (c *client) renew(generation int) {
	c.connect()
	defer c.disconnect()
	cmds, _ := c.conn.Pipelined(context.Background(), func(pipe redis.Pipeliner) error {
		for _, t := range c.things {
			pipe.Do(context.Background(), t.remove()...)
		}
		return nil
	})
	for i, t := range c.things {
		if err := cmds[i].Err(); err != nil {
			c.w.unexpected("%v: %v", t.remove(), err)
		}
		t.drop()
	}
	c.old, c.tail = append(c.old, c.things...), nil
	c.things = newThings(generation*1000+c.number, c.w.refusals)
}

func (c *client) connect() {
	c.rdb = c.w.in.client()
	c.conn, c.dead = c.rdb.Conn(), false
}

func (c *client) disconnect() {
	c.conn.Close()
	c.rdb.Close()
}

// all are the things of all generations.
func (c *client) all() []*thing { return append(append([]*thing{}, c.old...), c.current()...) }

// current are those that are written now.
func (c *client) current() []*thing {
	return slices.Concat(c.things, c.order[:], c.twins[:], c.moving[:], c.moved[:])
}

// inSQL are those whose last answer did not say that SQL is still without it.
func (c *client) inSQL() []*thing {
	return slices.DeleteFunc(c.current(), func(t *thing) bool { return t.late })
}

// round writes until the connection breaks or ctx ends.
func (c *client) round(ctx context.Context) {
	c.connect()
	defer c.disconnect()
	c.look(c.current(), "after the restart")
	c.lookAtTail()
	if a, b := c.twins[0].register.possible, c.twins[1].register.possible; len(a) == 1 && len(b) == 1 && a[0] != b[0] && !c.dead {
		c.w.rep.wrong(&c.w.rep.Torn, "%s = %s and %s after the restart, which were written alike", c.twins[1].key, a[0], b[0])
	}
	for !c.dead && ctx.Err() == nil {
		switch c.rng.IntN(14) {
		case 0, 1:
			c.send(c.next())
		case 2:
			c.inOrder()
		case 3, 4:
			c.transfer()
		case 5:
			c.send(c.shared())
		case 6:
			c.writeTwins()
		case 7:
			c.writeFamily()
		case 8:
			c.rename()
		case 9:
			c.fleet()
		default:
			ops := make([]op, 2+c.rng.IntN(pipelineMax-1))
			for i := range ops {
				ops[i] = c.next()
			}
			c.send(ops...)
		}
		time.Sleep(time.Duration(c.rng.Int64N(int64(pauseMax))))
	}
	c.settle()
}

// settle ends a round. What is in memory needs no database, so that only a full log has
// Lull refuse a command on a key that was read in this round.
func (c *client) settle() {
	busy := c.w.mayBeBusy()
	for _, t := range c.current() {
		t.settle(!t.loaded || busy)
	}
	c.tail = slices.DeleteFunc(c.tail, func(i sentItem) bool { return !i.thing.loaded || busy })
}

// sentItem is an item that was sent to a bag.
type sentItem struct {
	thing *thing
	item  string
}

// lookAtTail wants of the last commands that none is in without those before it on the
// same connection, whatever their keys are.
func (c *client) lookAtTail() {
	if c.dead {
		return // nothing was sent since: the next look tells
	}
	var missing *sentItem
	for i := range c.tail {
		s := &c.tail[i]
		switch in := s.thing.bag.sent[s.item]; {
		case !s.thing.loaded:
		case !in && missing == nil:
			missing = s
		case in && missing != nil:
			c.w.rep.wrong(&c.w.rep.Torn, "%s has %s after the restart, %s has no %s, which the same connection sent before", s.thing.key, s.item, missing.thing.key, missing.item)
		}
	}
	c.tail = nil
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
		t.loaded = err == nil || errors.Is(err, redis.Nil)
		switch {
		case t.loaded:
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
		o.late(false)
		if o.args[0] != "DEL" { // of what is not there
			c.w.covered.Store(true)
		}
	case !isReply(err):
		c.dead = true
		r.unanswered.Add(1)
		o.unanswered()
		if len(o.things) == 1 && o.things[0].bag != nil {
			c.tail = append(c.tail, sentItem{o.things[0], textOf(o.args[len(o.args)-1])})
		}
	case strings.HasPrefix(err.Error(), "TIMEOUT "), strings.HasPrefix(err.Error(), "REFUSED ") && o.mayBeRefused:
		r.acked.Add(1)
		r.kept.Add(1)
		o.kept()
		o.late(true)
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
