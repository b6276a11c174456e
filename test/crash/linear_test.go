package crash

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/internal/testdb"
)

var histories = flag.Int("histories", 4, "how many histories with kills inside are checked for linearizability, on each database")

const (
	linearClients = 5
	linearKills   = 2
	linearOps     = 30 // of a client, between two starts
)

// TestLinearizable: clients use few keys at the same time, and Lull is killed and
// started again in between; half of its lives have next to no memory for clean keys, and
// in half of the histories the database goes away and comes back. Some commands come in MULTI and EXEC, over generic
// and mapped keys, and some keys expire. There has to be an order of all that explains each
// answer, in which what was sent stands between its sending and its answer.
// One that was not answered stands before the kill, or nowhere: what did not happen
// by then must not happen later.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		in := newInstance(t, release)
		var proxy *testdb.Proxy
		if d.server != nil {
			proxy = testdb.StartProxy(t, d.server.Addr())
			d.url = proxy.Through(d.url)
		}
		tried := newReport(t)
		rng := rand.New(rand.NewPCG(*seed, 2<<32))
		for n := range *histories {
			h := &history{number: n, rep: tried, begun: time.Now()}
			if n%2 == 0 {
				h.proxy = proxy
			}
			for life := range linearKills + 1 {
				memory := []string{"1GiB", "1MiB"}[(n+life)%2]
				in.configure(fmt.Sprintf("database: %q\nack: %s\nmax_memory: %s\nwrite_timeout: 2s\nflush: {max_delay: 15ms, lull: 2ms}\n%s",
					d.url, acks[(n+life)%len(acks)], memory, mappings))
				in.start()
				if memory == "1MiB" {
					h.fill(t, in)
				}
				h.live(t, in, rng.Uint64(), life < linearKills, time.Duration(5+rng.IntN(60))*time.Millisecond)
			}
			in.end(0)
			h.check(t)
		}
	})
}

// history is what clients asked and were told, on keys of its own.
type history struct {
	number int
	rep    *report
	proxy  *testdb.Proxy // to take the database away meanwhile; nil: it stays
	begun  time.Time

	mu  sync.Mutex
	ops []porcupine.Operation
}

// call is what a client asks.
type call struct {
	verb, arg string
	ms        int // the time to live, where the verb has one
	slot      int // which key of the history
	key       string
}

// answer is what it was told.
type answer struct {
	text  string
	known bool // else the command was done, and what it answered is not known
	maybe bool // not even whether it was done
}

// fill takes more memory than there is, so that what is clean is evicted.
func (h *history) fill(t *testing.T, in *instance) {
	rdb := in.client()
	defer rdb.Close()
	for i := range 6 {
		if err := rdb.Set(t.Context(), fmt.Sprint("fill:", i), strings.Repeat("x", 250<<10), 0).Err(); err != nil && !h.refusal(err) {
			t.Errorf("filling the memory: %v", err)
		}
	}
}

// refusal reports whether an error says that nothing was done, for a reason.
func (h *history) refusal(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "LOADING ") || strings.HasPrefix(text, "BUSY ") ||
		strings.HasPrefix(text, "NODB ") && (h.proxy != nil || strings.Contains(text, "the lane is not taken yet"))
}

func (h *history) now() int64 { return int64(time.Since(h.begun)) }

// live is one life of the server: clients write and read until it is killed, or
// until they are through.
func (h *history) live(t *testing.T, in *instance, seed uint64, kill bool, after time.Duration) {
	var running sync.WaitGroup

	unanswered := make([]*porcupine.Operation, linearClients)
	for id := range linearClients {
		running.Go(func() { unanswered[id] = h.client(t, in, id, rand.New(rand.NewPCG(seed, uint64(id)))) })
	}
	if h.proxy != nil {
		time.Sleep(after / 2)
		h.rep.outages.Add(1)
		h.proxy.Refuse()
		time.Sleep(after / 2)
		h.proxy.Resume()
	}
	if kill {
		time.Sleep(after)
		in.kill()
		h.rep.kills.Add(1)
	}
	killed := h.now()
	running.Wait()
	for _, op := range unanswered {
		if op == nil {
			continue
		}
		if !kill {
			t.Errorf("a connection broke, and nobody was killed: %v", op.Input)
		}
		op.Return = max(killed, op.Call+1)
		h.ops = append(h.ops, *op)
	}
}

// client sends one ask after the other. It returns the one that got no answer.
func (h *history) client(t *testing.T, in *instance, id int, rng *rand.Rand) *porcupine.Operation {
	rdb := in.client()
	defer rdb.Close()
	conn := rdb.Conn()
	defer conn.Close()
	for range linearOps {
		a := h.pick(rng)
		op := porcupine.Operation{ClientId: id, Input: a, Call: h.now()}
		text, err := a.send(conn)
		op.Return = h.now()
		h.rep.sent.Add(1)
		switch {
		case err == nil:
			op.Output = answer{text: text, known: a.calls[0].verb != "LULL FORGET"}
		case !isReply(err):
			h.rep.unanswered.Add(1)
			op.Output = answer{maybe: true}
			return &op
		case strings.HasPrefix(err.Error(), "TIMEOUT "):
			op.Output = answer{}
		case h.refusal(err):
			h.rep.refused.Add(1)
			continue
		default:
			t.Errorf("%v: %v", a.calls, err)
			continue
		}
		h.rep.acked.Add(1)
		h.mu.Lock()
		h.ops = append(h.ops, op)
		h.mu.Unlock()
	}
	return nil
}

// send sends a command alone, several in MULTI and EXEC, and returns what they answer.
func (a ask) send(conn *redis.Conn) (string, error) {
	ctx := context.Background()
	if len(a.calls) == 1 {
		reply, err := conn.Do(ctx, a.calls[0].command()...).Result()
		return answerText(reply, err)
	}
	if err := conn.Do(ctx, "MULTI").Err(); err != nil {
		return "", err
	}
	for _, c := range a.calls {
		if err := conn.Do(ctx, c.command()...).Err(); err != nil {
			if isReply(err) {
				err = errors.Join(err, conn.Do(ctx, "DISCARD").Err())
			}
			return "", err
		}
	}
	replies, err := conn.Do(ctx, "EXEC").Slice()
	if err != nil {
		return "", err
	}
	texts := make([]string, len(replies))
	for i, reply := range replies {
		failed, _ := reply.(error)
		if texts[i], err = answerText(reply, failed); err != nil {
			return "", err
		}
	}
	return strings.Join(texts, "|"), nil
}

// answerText is a reply as the model has it.
func answerText(reply any, err error) (string, error) {
	switch {
	case err == redis.Nil || err == nil && reply == nil:
		return "nil", nil
	case err != nil && strings.HasPrefix(err.Error(), "ERR value is not an integer"):
		return "not an integer", nil
	}
	return fmt.Sprint(reply), err
}

// pick chooses what to send: a command, or a few in a MULTI.
func (h *history) pick(rng *rand.Rand) ask {
	if rng.IntN(5) > 0 {
		return ask{calls: []call{h.pickCall(rng)}}
	}
	var a ask
	for len(a.calls) < 2+rng.IntN(2) {
		if c := h.pickCall(rng); c.verb != "LULL FORGET" {
			a.calls = append(a.calls, c)
		}
	}
	return a
}

// pickCall chooses a command. Keys are few, so that clients meet: two generic strings,
// and a row of a mapped table, which holds numbers only and does not expire.
func (h *history) pickCall(rng *rand.Rand) call {
	verbs := []string{"GET", "GET", "GET", "SET", "SET", "INCR", "INCR", "DEL", "APPEND", "LULL FORGET", "SET PX", "PEXPIRE", "PERSIST"}
	c := call{slot: rng.IntN(linearSlots), arg: fmt.Sprint(rng.Uint32()), ms: 1 + rng.IntN(60)}
	c.key = fmt.Sprintf("linear-%d-%d", h.number, c.slot)
	switch {
	case c.slot == linearSlots-1:
		c.key = fmt.Sprintf("views:linear-%d", h.number)
		verbs = []string{"GET", "GET", "SET", "INCR", "INCR", "DEL", "LULL FORGET"}
	case rng.IntN(3) == 0:
		c.arg = "x" + c.arg
	}
	c.verb = verbs[rng.IntN(len(verbs))]
	return c
}

func (c call) command() []any {
	switch c.verb {
	case "SET", "APPEND":
		return []any{c.verb, c.key, c.arg}
	case "SET PX":
		return []any{"SET", c.key, c.arg, "PX", c.ms}
	case "PEXPIRE":
		return []any{c.verb, c.key, c.ms}
	case "LULL FORGET":
		return []any{"LULL", "FORGET", c.key}
	}
	return []any{c.verb, c.key}
}

func (c call) String() string { return fmt.Sprint(c.command()...) }

// check looks for the order.
func (h *history) check(t *testing.T) {
	h.rep.histories.Add(1)
	model := linearModel.ToModel()
	for i := range h.ops {
		op := &h.ops[i]
		op.Input = ask{calls: op.Input.(ask).calls, from: op.Call, to: op.Return}
	}
	result, info := porcupine.CheckOperationsVerbose(model, h.ops, endWait)
	if result == porcupine.Ok {
		return
	}
	if *logs != "" {
		file := filepath.Join(*logs, fmt.Sprintf("%s-%d.html", strings.ReplaceAll(t.Name(), "/", "-"), h.number))
		if err := porcupine.VisualizePath(model, info, file); err != nil {
			t.Errorf("drawing the history: %v", err)
		}
	}
	t.Errorf("history %d of %d commands is not linearizable: %v; the seed is %d, -logs=folder draws it", h.number, len(h.ops), result, *seed)
	t.FailNow()
}
