package crash

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// content is what one key holds: a string, or nothing.
type content struct {
	exists bool
	text   string
	// A key that is to expire may be gone from soonest on, and is gone from latest on:
	// when its time was set is known no better. 0: it does not expire.
	soonest, latest int64
}

// linearSlots is how many keys a history has.
const linearSlots = 3

// keys are what all of them hold.
type keys [linearSlots]content

// ask is what a client sends as one: a command, or several in MULTI and EXEC. from and
// to are when it was sent and when it was over.
type ask struct {
	calls    []call
	from, to int64
}

// linearModel are a few keys of Redis. What may not have been done, and a key that may
// have expired, have two successors.
var linearModel = porcupine.NondeterministicModel{
	Init: func() []any { return []any{keys{}} },
	Step: func(state, input, output any) []any {
		before, told := state.(keys), output.(answer)
		var after []any
		if told.maybe {
			after = append(after, before)
		}
		for _, o := range input.(ask).outcomes(before) {
			if told.maybe || !told.known || told.text == o.text {
				after = append(after, o.keys)
			}
		}
		return after
	},
	DescribeOperation: func(input, output any) string {
		a, told := input.(ask), output.(answer)
		if !told.known {
			return fmt.Sprintf("%v: no answer", a.calls)
		}
		return fmt.Sprintf("%v: %s", a.calls, told.text)
	},
}

// outcome is what the keys may hold after an ask, and what it answers then.
type outcome struct {
	keys keys
	text string
}

func (a ask) outcomes(before keys) []outcome {
	all := []outcome{{keys: before}}
	for i, c := range a.calls {
		var next []outcome
		for _, o := range all {
			for _, now := range o.keys[c.slot].at(a.from, a.to) {
				to := o
				var text string
				to.keys[c.slot], text = now.apply(c, a.from, a.to)
				if to.text = o.text + text; i > 0 {
					to.text = o.text + "|" + text
				}
				next = append(next, to)
			}
		}
		all = next
	}
	return all
}

// at are what the key may hold at some time between.
func (r content) at(from, to int64) []content {
	switch {
	case r.latest == 0 || to < r.soonest:
		return []content{r}
	case from >= r.latest:
		return []content{{}}
	}
	return []content{r, {}}
}

// slack is how far apart the clocks may be that Lull and the test read, and what is lost
// where one counts in milliseconds.
const slack = int64(3 * time.Millisecond)

// expiring is the same with a time to live.
func (r content) expiring(c call, from, to int64) content {
	ttl := int64(c.ms) * int64(time.Millisecond)
	r.soonest, r.latest = max(1, from+ttl-slack), to+ttl+slack
	return r
}

// apply is what a command does, and answers.
func (r content) apply(c call, from, to int64) (after content, text string) {
	switch c.verb {
	case "SET":
		return content{exists: true, text: c.arg}, "OK"
	case "SET PX":
		return content{exists: true, text: c.arg}.expiring(c, from, to), "OK"
	case "APPEND":
		r.exists, r.text = true, r.text+c.arg
		return r, strconv.Itoa(len(r.text))
	case "INCR":
		n := int64(0)
		if r.exists {
			var err error
			if n, err = strconv.ParseInt(r.text, 10, 64); err != nil || n == 1<<63-1 {
				return r, "not an integer"
			}
		}
		r.exists, r.text = true, strconv.FormatInt(n+1, 10)
		return r, r.text
	case "LULL FORGET":
		return r, "" // what memory holds is no part of what a key is
	}
	return r.ifThere(c, from, to)
}

// ifThere are the commands that do nothing to a key that does not exist.
func (r content) ifThere(c call, from, to int64) (after content, text string) {
	switch {
	case !r.exists && c.verb == "GET":
		return r, "nil"
	case !r.exists:
		return r, "0"
	case c.verb == "DEL":
		return content{}, "1"
	case c.verb == "PEXPIRE":
		return r.expiring(c, from, to), "1"
	case c.verb == "PERSIST":
		if r.latest == 0 {
			return r, "0"
		}
		r.soonest, r.latest = 0, 0
		return r, "1"
	}
	return r, r.text
}

// TestLinearModelTellsWrongFromRight: a checker that accepts all would prove nothing.
func TestLinearModelTellsWrongFromRight(t *testing.T) {
	op := func(from, to int64, told answer, commands ...string) porcupine.Operation {
		a := ask{from: from * int64(time.Second), to: to * int64(time.Second)}
		for _, command := range commands {
			words := append(strings.Split(command, ","), "")
			c := call{verb: words[0], arg: words[1], ms: 10_000}
			if words[1] == "other" {
				c = call{verb: words[0], arg: words[2], slot: 1}
			}
			a.calls = append(a.calls, c)
		}
		return porcupine.Operation{Input: a, Call: a.from, Return: a.to, Output: told}
	}
	says := func(text string) answer { return answer{text: text, known: true} }
	maybe := answer{maybe: true}
	type history = []porcupine.Operation
	for what, tt := range map[string]struct {
		ops  history
		want porcupine.CheckResult
	}{
		"an answered write is read":            {history{op(0, 1, says("OK"), "SET,a"), op(2, 3, says("a"), "GET")}, porcupine.Ok},
		"an answered write is lost":            {history{op(0, 1, says("OK"), "SET,a"), op(2, 3, says("nil"), "GET")}, porcupine.Illegal},
		"of two at a time either may be last":  {history{op(0, 5, says("OK"), "SET,a"), op(1, 4, says("OK"), "SET,b"), op(6, 7, says("a"), "GET")}, porcupine.Ok},
		"what was read is gone again":          {history{op(0, 3, maybe, "SET,a"), op(1, 2, says("a"), "GET"), op(4, 5, says("nil"), "GET")}, porcupine.Illegal},
		"an unanswered write may be there":     {history{op(0, 3, maybe, "SET,a"), op(4, 5, says("a"), "GET")}, porcupine.Ok},
		"and may not":                          {history{op(0, 3, maybe, "SET,a"), op(4, 5, says("nil"), "GET")}, porcupine.Ok},
		"but not come after the kill":          {history{op(0, 3, maybe, "SET,a"), op(4, 5, says("nil"), "GET"), op(6, 7, says("a"), "GET")}, porcupine.Illegal},
		"a number counted twice":               {history{op(0, 3, maybe, "INCR"), op(4, 5, says("2"), "GET")}, porcupine.Illegal},
		"a key expires":                        {history{op(0, 1, says("OK"), "SET PX,a"), op(12, 13, says("nil"), "GET")}, porcupine.Ok},
		"but not too early":                    {history{op(0, 1, says("OK"), "SET PX,a"), op(2, 3, says("nil"), "GET")}, porcupine.Illegal},
		"nor too late":                         {history{op(0, 1, says("OK"), "SET PX,a"), op(12, 13, says("a"), "GET")}, porcupine.Illegal},
		"nor does it come back":                {history{op(0, 5, says("OK"), "SET PX,a"), op(11, 12, says("nil"), "GET"), op(13, 14, says("a"), "GET")}, porcupine.Illegal},
		"a time to live is forgotten":          {history{op(0, 1, says("OK"), "SET,a"), op(2, 3, says("1"), "PEXPIRE"), op(20, 21, says("a"), "GET")}, porcupine.Illegal},
		"a time to live is taken away":         {history{op(0, 1, says("OK"), "SET PX,a"), op(2, 3, says("1"), "PERSIST"), op(20, 21, says("a"), "GET")}, porcupine.Ok},
		"a MULTI is whole":                     {history{op(0, 3, maybe, "SET,a", "SET,other,b"), op(4, 5, says("a|b"), "GET", "GET,other")}, porcupine.Ok},
		"half a MULTI":                         {history{op(0, 3, maybe, "SET,a", "SET,other,b"), op(4, 5, says("a|nil"), "GET", "GET,other")}, porcupine.Illegal},
		"what a MULTI read was so at one time": {history{op(0, 1, says("OK|OK"), "SET,a", "SET,other,a"), op(2, 3, says("OK|OK"), "SET,b", "SET,other,b"), op(2, 3, says("a|b"), "GET", "GET,other")}, porcupine.Illegal},
	} {
		if got := porcupine.CheckOperationsTimeout(linearModel.ToModel(), tt.ops, endWait); got != tt.want {
			t.Errorf("%s: got %v, wanted %v", what, got, tt.want)
		}
	}
}
