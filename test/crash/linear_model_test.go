package crash

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/anishathalye/porcupine"
)

// content is what one key holds: a string, or nothing.
type content struct {
	exists bool
	text   string
}

// linearModel is a key of Redis. A command that may not have been done has two
// successors.
var linearModel = porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, op := range history {
			key := op.Input.(call).key
			byKey[key] = append(byKey[key], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{content{}} },
	Step: func(state, input, output any) []any {
		before, told := state.(content), output.(answer)
		after, text, free := before.apply(input.(call))
		switch {
		case told.maybe:
			return []any{before, after}
		case told.known && told.text != text && !free:
			return nil
		}
		return []any{after}
	},
	DescribeOperation: func(input, output any) string {
		c, told := input.(call), output.(answer)
		if !told.known {
			return fmt.Sprintf("%v: no answer", c.command())
		}
		return fmt.Sprintf("%v: %s", c.command(), told.text)
	},
}

// apply is what a command does, and answers. free: any answer will do.
func (r content) apply(c call) (after content, text string, free bool) {
	switch c.verb {
	case "SET":
		return content{true, c.arg}, "OK", false
	case "APPEND":
		r = content{true, r.text + c.arg}
		return r, strconv.Itoa(len(r.text)), false
	case "DEL":
		if !r.exists {
			return r, "0", false
		}
		return content{}, "1", false
	case "INCR":
		n := int64(0)
		if r.exists {
			var err error
			if n, err = strconv.ParseInt(r.text, 10, 64); err != nil || n == 1<<63-1 {
				return r, "not an integer", false
			}
		}
		text = strconv.FormatInt(n+1, 10)
		return content{true, text}, text, false
	case "LULL FORGET":
		return r, "", true // what memory holds is no part of what a key is
	}
	if !r.exists {
		return r, "nil", false
	}
	return r, r.text, false
}

// TestLinearModelTellsWrongFromRight: a checker that accepts all would prove nothing.
func TestLinearModelTellsWrongFromRight(t *testing.T) {
	op := func(from, to int64, verb, arg string, told answer) porcupine.Operation {
		return porcupine.Operation{Input: call{verb, "k", arg}, Call: from, Return: to, Output: told}
	}
	says := func(text string) answer { return answer{text: text, known: true} }
	maybe := answer{maybe: true}
	for what, tt := range map[string]struct {
		ops  []porcupine.Operation
		want porcupine.CheckResult
	}{
		"an answered write is read": {
			[]porcupine.Operation{op(0, 1, "SET", "a", says("OK")), op(2, 3, "GET", "", says("a"))}, porcupine.Ok},
		"an answered write is lost": {
			[]porcupine.Operation{op(0, 1, "SET", "a", says("OK")), op(2, 3, "GET", "", says("nil"))}, porcupine.Illegal},
		"of two at a time either may be last": {
			[]porcupine.Operation{op(0, 5, "SET", "a", says("OK")), op(1, 4, "SET", "b", says("OK")), op(6, 7, "GET", "", says("a"))}, porcupine.Ok},
		"what was read is gone again": {
			[]porcupine.Operation{op(0, 3, "SET", "a", maybe), op(1, 2, "GET", "", says("a")), op(4, 5, "GET", "", says("nil"))}, porcupine.Illegal},
		"an unanswered write may be there": {
			[]porcupine.Operation{op(0, 3, "SET", "a", maybe), op(4, 5, "GET", "", says("a"))}, porcupine.Ok},
		"and may not": {
			[]porcupine.Operation{op(0, 3, "SET", "a", maybe), op(4, 5, "GET", "", says("nil"))}, porcupine.Ok},
		"but not come after the kill": {
			[]porcupine.Operation{op(0, 3, "SET", "a", maybe), op(4, 5, "GET", "", says("nil")), op(6, 7, "GET", "", says("a"))}, porcupine.Illegal},
		"a number counted twice": {
			[]porcupine.Operation{op(0, 3, "INCR", "", maybe), op(4, 5, "GET", "", says("2"))}, porcupine.Illegal},
	} {
		if got := porcupine.CheckOperationsTimeout(linearModel.ToModel(), tt.ops, endWait); got != tt.want {
			t.Errorf("%s: got %v, wanted %v", what, got, tt.want)
		}
	}
}
