package crash

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What SQL shows is always a state that the cache had. These are the writers that make
// states of which that can be told, and the reader that looks at committed ones.

// inOrder raises the second counter of the pair after the first: when that was
// answered, or behind it in one pipeline, in which the first may be refused alone.
func (c *client) inOrder() {
	var done, refused [2]bool
	raise := func(i int) op {
		n := c.order[i].counter
		refused[i] = true // unless something else comes of it
		return op{
			args:       []any{"INCR", c.order[i].key},
			things:     []*thing{c.order[i]},
			acked:      func(reply string) { done[i], refused[i] = true, false; n.acked(c.w.rep, 1, reply) },
			kept:       func() { done[i], refused[i] = true, false; n.kept(1) },
			unanswered: func() { refused[i] = false; n.unanswered(1) },
		}
	}
	first, second := raise(0), raise(1)
	if !c.w.away.Load() && c.rng.IntN(2) == 0 {
		c.send(first, second)
		if refused[0] && !refused[1] {
			c.skipped++
		}
		return
	}
	c.send(first)
	if done[0] && !c.dead {
		c.send(second)
	}
}

// ahead is a pair whose second counter SQL showed further than the first, which is right if
// the first was refused so often when the second was not.
type ahead struct {
	client   int
	by       int64
	position int64
	what     string
}

// judge looks at the pairs that were seen ahead, when no client is under way.
func (w *world) judge() {
	w.aheadMu.Lock()
	defer w.aheadMu.Unlock()
	for _, a := range w.aheads {
		if c := w.clients[a.client]; a.by > c.skipped {
			w.rep.wrong(&w.rep.Torn, "at position %d SQL holds %s; the first was refused alone %d times", a.position, a.what, c.skipped)
		}
	}
	w.aheads = nil
}

// writeTwins writes both of the pair alike.
func (c *client) writeTwins() {
	c.n++
	v := strconv.FormatInt(c.n, 10)
	both := func(do func(g *register)) {
		for _, t := range c.twins {
			do(t.register)
		}
	}
	both(func(g *register) { g.sent(v) })
	acked := func() { both(func(g *register) { g.acked(v) }) }
	c.send(op{
		things:     c.twins[:],
		args:       []any{"MSET", c.twins[0].key, v, c.twins[1].key, v},
		acked:      func(string) { acked() },
		kept:       acked,
		unanswered: func() { both(func(g *register) { g.unanswered(v) }) },
	})
}

const (
	families = 2 // of a client
	siblings = 3
)

// writeFamily writes a child and what its parent says of the newest child, in one
// MULTI; now and then the whole family goes.
func (c *client) writeFamily() {
	c.n++
	id := c.number*families + c.rng.IntN(families)
	parent := fmt.Sprintf("parent:%d", id)
	nothing := func() {}
	o := op{acked: func(string) {}, kept: nothing, unanswered: nothing}
	if c.rng.IntN(8) == 0 {
		o.args = []any{"DEL", parent}
		for no := range siblings {
			o.args = append(o.args, fmt.Sprintf("child:%d:%d", id, no))
		}
		c.send(o)
		return
	}
	no := c.rng.IntN(siblings)
	o.args = []any{"EXEC"}
	c.multi(o, []any{"HSET", fmt.Sprintf("child:%d:%d", id, no), "n", c.n}, []any{"HSET", parent, "child", no, "n", c.n})
}

// transfer moves an amount in a MULTI, between accounts in a mapped table and members
// of a generic sorted set.
func (c *client) transfer() {
	amount := 1 + c.rng.Int64N(100)
	add := func(n int64) []any {
		if i := c.rng.IntN(accounts); c.rng.IntN(2) == 0 {
			return []any{"HINCRBY", fmt.Sprintf("acct:%d", i), "balance", n}
		} else {
			return []any{"ZINCRBY", "bank", n, fmt.Sprintf("m%d", i)}
		}
	}
	nothing := func() {}
	c.multi(op{args: []any{"EXEC"}, acked: func(string) {}, kept: nothing, unanswered: nothing}, add(-amount), add(amount))
}

// multi sends commands as one unit.
func (c *client) multi(o op, commands ...[]any) {
	pipe := c.conn.TxPipeline()
	for _, args := range commands {
		pipe.Do(context.Background(), args...)
	}
	cmds, err := pipe.Exec(context.Background())
	if err == nil {
		err = cmds[0].Err()
	}
	c.outcome(&o, nil, err)
}

// watch polls committed states of the database until the test ends.
func (w *world) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			w.pace.begin(time.Now())
			err := w.snapshot(ctx) // the database may be away
			w.pace.end(time.Now(), err)
			time.Sleep(snapshotPause)
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
}

// snapshotPause is about how long a flush takes: more looks would see the same.
const snapshotPause = 8 * time.Millisecond

// state is what one snapshot of SQL holds of what can be told.
type state struct {
	position          int64
	total             int64
	families, orphans int64    // that are not as they should be
	pairs             [2]pairs // order, twins
}

// pairs are the two values of each pair, by its name.
type pairs map[string]*[2]string

// snapshot looks at one committed state. Its errors are those of reading: the database
// may be away.
func (w *world) snapshot(ctx context.Context) error {
	tx, err := w.d.sql.BeginTx(ctx, &sql.TxOptions{Isolation: w.d.snapshot, ReadOnly: w.d.server != nil})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	s, whole, err := w.d.read(ctx, tx)
	if err != nil || !whole {
		return err
	}
	w.rep.snapshots.Add(1)
	if w.position.Swap(s.position) != s.position {
		w.rep.states.Add(1)
	}
	w.aheadMu.Lock()
	w.aheads = append(w.aheads, s.ahead()...)
	w.aheadMu.Unlock()
	for _, what := range s.torn() {
		w.rep.wrong(&w.rep.Torn, "at position %d SQL holds %s", s.position, what)
	}
	return nil
}

// read reads the state. whole is false between the parts of a large cut: then P2 does
// not hold.
func (d *database) read(ctx context.Context, tx queryer) (s state, whole bool, err error) {
	numbers, err := d.records(ctx, tx, `SELECT
		(SELECT coalesce(max(position), 0) FROM lull_lanes),
		(SELECT count(*) FROM lull_lanes WHERE catching_up),
		(SELECT coalesce(sum(balance), 0) FROM accounts) + (SELECT coalesce(sum(score), 0) FROM lull_zsets WHERE ~key~ = ?),
		(SELECT count(*) FROM parents p WHERE NOT EXISTS (SELECT 1 FROM children c WHERE c.parent = p.id AND c.no = p.child AND c.n = p.n)),
		(SELECT count(*) FROM children c WHERE NOT EXISTS (SELECT 1 FROM parents p WHERE p.id = c.parent AND p.n >= c.n))`, []byte("bank"))
	if err != nil {
		return s, false, err
	}
	var n [5]int64
	for i, v := range numbers[0] {
		f, err := strconv.ParseFloat(textOf(v), 64)
		if err != nil {
			return s, false, fmt.Errorf("number %d of a snapshot: %w", i, err)
		}
		n[i] = int64(f)
	}
	s = state{position: n[0], total: n[2], families: n[3], orphans: n[4]}
	if n[1] > 0 {
		return s, false, nil
	}
	keys := make([]any, 0, 2*clientsMax)
	for i := range clientsMax {
		keys = append(keys, []byte(fmt.Sprint("order-", i)), []byte(fmt.Sprint("twin-", i)))
	}
	for i, query := range []string{
		"SELECT page, views FROM page_views WHERE page LIKE 'order-%' OR page LIKE 'twin-%'",
		"SELECT ~key~, value FROM lull_strings WHERE ~key~ IN (?" + strings.Repeat(", ?", len(keys)-1) + ")",
	} {
		args := keys
		if i == 0 {
			args = nil
		}
		records, err := d.records(ctx, tx, query, args...)
		if err != nil {
			return s, false, err
		}
		s.put(i, records)
	}
	return s, true, nil
}

// put notes the first values of the pairs, or the second.
func (s *state) put(which int, records [][]any) {
	for _, r := range records {
		name := textOf(r[0])
		kind := 0
		if strings.HasPrefix(name, "twin-") {
			kind = 1
		}
		if s.pairs[kind] == nil {
			s.pairs[kind] = pairs{}
		}
		p := s.pairs[kind][name]
		if p == nil {
			p = &[2]string{}
			s.pairs[kind][name] = p
		}
		p[which] = textOf(r[1])
	}
}

// ahead tells of which pairs the second counter is further than the first.
func (s *state) ahead() (all []ahead) {
	for name, p := range s.pairs[0] {
		first, _ := strconv.ParseInt(p[0], 10, 64)
		second, _ := strconv.ParseInt(p[1], 10, 64)
		if number, _ := strconv.Atoi(strings.TrimPrefix(name, "order-")); first < second {
			all = append(all, ahead{number, second - first, s.position, fmt.Sprintf("%s = %d and %d, which was raised later", name, first, second)})
		}
	}
	return all
}

// torn tells what of it no state of the cache can be.
func (s *state) torn() (all []string) {
	note := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if s.total != accountsTotal {
		note("%d in all accounts together, want %d", s.total, accountsTotal)
	}
	if s.families > 0 || s.orphans > 0 {
		note("%d parents without the child they name, %d children without their parent or newer than it", s.families, s.orphans)
	}
	for name, p := range s.pairs[1] {
		if p[0] != p[1] {
			note("%s = %s and %s, which were written alike", name, p[0], p[1])
		}
	}
	return all
}
