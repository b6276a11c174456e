package crash

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// verb is a command that changes one kind of key, and how the same is read back: from
// Lull, and from SQL where the key is in a generic table or in a mapped one.
type verb struct {
	name            string
	write           func(t *thing, v any) []any
	read            func(t *thing) []any
	generic, mapped string
}

var verbs = []verb{
	{"SET", func(t *thing, v any) []any { return []any{"SET", t.key, v} }, func(t *thing) []any { return []any{"GET", t.key} },
		"SELECT value FROM lull_strings WHERE ~key~ = ?", ""},
	{"INCR", func(t *thing, v any) []any {
		if v == int64(1) {
			return []any{"INCR", t.key}
		}
		return []any{"INCRBY", t.key, v}
	}, func(t *thing) []any { return []any{"GET", t.key} },
		"SELECT value FROM lull_strings WHERE ~key~ = ?", "SELECT views FROM page_views WHERE page = ?"},
	{"HSET", func(t *thing, v any) []any { return []any{"HSET", t.key, t.field, v} }, func(t *thing) []any { return []any{"HGET", t.key, t.field} },
		"SELECT value FROM lull_hashes WHERE ~key~ = ? AND field = ?", "SELECT name FROM players WHERE id = ?"},
	{"HINCRBY", func(t *thing, v any) []any { return []any{"HINCRBY", t.key, t.field, v} }, func(t *thing) []any { return []any{"HGET", t.key, t.field} },
		"SELECT value FROM lull_hashes WHERE ~key~ = ? AND field = ?", "SELECT score FROM players WHERE id = ?"},
	{"ZINCRBY", func(t *thing, v any) []any { return []any{"ZINCRBY", t.key, v, t.field} }, func(t *thing) []any { return []any{"ZSCORE", t.key, t.field} },
		"SELECT score FROM lull_zsets WHERE ~key~ = ? AND member = ?", "SELECT points FROM scores WHERE board = ? AND player_id = ?"},
	{"HSET picky", func(t *thing, v any) []any { return []any{"HSET", t.key, "n", v} }, func(t *thing) []any { return []any{"HGET", t.key, "n"} },
		"", "SELECT n FROM picky WHERE id = ?"},
	{"HINCRBY parkable", func(t *thing, v any) []any { return []any{"HINCRBY", t.key, "n", v} }, func(t *thing) []any { return []any{"HGET", t.key, "n"} },
		"", "SELECT n FROM parkable WHERE id = ?"},
	{"XADD", func(t *thing, v any) []any { return []any{"XADD", t.key, "*", "n", v} }, func(t *thing) []any { return []any{"XRANGE", t.key, "-", "+"} },
		"SELECT fields FROM lull_streams WHERE ~key~ = ? ORDER BY ms, seq", "SELECT n FROM events WHERE topic = ? ORDER BY ms, seq"},
	{"SADD", func(t *thing, v any) []any { return []any{"SADD", t.key, v} }, func(t *thing) []any { return []any{"SMEMBERS", t.key} },
		"SELECT member FROM lull_sets WHERE ~key~ = ?", "SELECT tag FROM tags WHERE owner = ?"},
	{"RPUSH", func(t *thing, v any) []any { return []any{"RPUSH", t.key, v} }, func(t *thing) []any { return []any{"LRANGE", t.key, 0, -1} },
		"SELECT value FROM lull_lists WHERE ~key~ = ? ORDER BY position", ""},
}

func verbOf(name string) *verb {
	for i := range verbs {
		if verbs[i].name == name {
			return &verbs[i]
		}
	}
	panic("no verb " + name)
}

// thing is a place that one client writes, with what is known of it: one of the three
// models is set.
type thing struct {
	*verb
	key, field string
	rowKey     []any // of the mapped row; nil: generic
	large      bool  // its values fill segments of the log
	refusals   bool  // some of its values are refused by the database
	loaded     bool  // it was read in this round, so that the database is not needed for it
	late       bool  // the last answer says that SQL does not have it
	counter    *counter
	register   *register
	bag        *bag
}

// newThings makes a place for each verb in generic and mapped tables. id tells apart
// those of one client and generation. With refusals the database refuses some values.
func newThings(id int, refusals bool) []*thing {
	s := strconv.Itoa(id)
	all := []*thing{
		{verb: verbOf("SET"), key: "set:" + s},
		{verb: verbOf("INCR"), key: "incr:" + s},
		{verb: verbOf("INCR"), key: "views:incr-" + s, rowKey: []any{"incr-" + s}},
		{verb: verbOf("HSET"), key: "hash:" + s, field: "name"},
		{verb: verbOf("HSET"), key: "player:" + s, field: "name", rowKey: []any{id}},
		{verb: verbOf("HINCRBY"), key: "hash:" + s, field: "score"},
		{verb: verbOf("HINCRBY"), key: "player:" + s, field: "score", rowKey: []any{id}},
		{verb: verbOf("ZINCRBY"), key: "zset", field: "m" + s},
		{verb: verbOf("ZINCRBY"), key: "leaderboard:eu", field: s, rowKey: []any{"eu", id}},
		{verb: verbOf("SET"), key: "big:" + s, large: true},
		{verb: verbOf("HSET picky"), key: "picky:" + s, rowKey: []any{id}, refusals: refusals},
		{verb: verbOf("HINCRBY parkable"), key: "parkable:" + s, rowKey: []any{id}},
		{verb: verbOf("XADD"), key: "stream:" + s},
		{verb: verbOf("XADD"), key: "events:t" + s, rowKey: []any{"t" + s}},
		{verb: verbOf("SADD"), key: "sadd:" + s},
		{verb: verbOf("SADD"), key: "tags:" + s, rowKey: []any{id}},
		{verb: verbOf("RPUSH"), key: "list:" + s},
	}
	for _, t := range all {
		what := t.name + " " + t.key + " " + t.field
		switch t.name {
		case "SET", "HSET":
			t.register = newRegister(what)
		case "HSET picky":
			t.register = newRegister(what)
			t.register.refused = refused
		case "INCR", "HINCRBY", "HINCRBY parkable", "ZINCRBY":
			t.counter = newCounter(what)
		default:
			t.bag = newBag(what, t.name != "SADD")
		}
	}
	return all
}

// next makes the thing's next command. n is a number that the client has never used.
func (t *thing) next(r *report, rng *rand.Rand, n int64) op {
	switch {
	case t.counter != nil:
		d := 1 + rng.Int64N(3)
		return op{
			mayBeRefused: t.name == "HINCRBY parkable",
			things:       []*thing{t},
			args:         t.write(t, d),
			acked:        func(reply string) { t.counter.acked(r, d, reply) },
			kept:         func() { t.counter.kept(d) },
			unanswered:   func() { t.counter.unanswered(d) },
		}
	case t.register != nil:
		v := t.value(rng, n)
		t.register.sent(v)
		return op{
			mayBeRefused: t.register.refused != nil,
			things:       []*thing{t},
			args:         t.write(t, v),
			acked:        func(string) { t.register.acked(v) },
			kept:         func() { t.register.acked(v) },
			unanswered:   func() { t.register.unanswered(v) },
		}
	}
	v := strconv.FormatInt(n, 10)
	return op{
		things:     []*thing{t},
		args:       t.write(t, n),
		acked:      func(string) { t.bag.sent[v] = true },
		kept:       func() { t.bag.sent[v] = true },
		unanswered: func() { t.bag.sent[v] = false },
	}
}

// value makes a register's next value.
func (t *thing) value(rng *rand.Rand, n int64) string {
	switch {
	case t.register.refused != nil:
		if t.refusals && rng.IntN(8) == 0 {
			return fmt.Sprintf("%d07", n)
		}
		return fmt.Sprintf("%d00", n)
	case t.large:
		return fmt.Sprintf("%d-", n) + strings.Repeat("x", rng.IntN(16<<10))
	case t.rowKey == nil:
		return fmt.Sprintf("%d-", n) + strings.Repeat("x", rng.IntN(1000))
	}
	return fmt.Sprintf("%d-", n)
}

// refused is what the CHECK of the table "picky" says.
func refused(v string) bool { return strings.HasSuffix(v, "07") }

// remove makes the command after which the thing is no more.
func (t *thing) remove() []any {
	if t.name == "ZINCRBY" {
		return []any{"ZREM", t.key, t.field}
	}
	return []any{"DEL", t.key}
}

// saw compares what was read through Lull with the model, which then knows.
func (t *thing) saw(r *report, items []string, where string) {
	switch {
	case t.counter != nil:
		if n, ok := t.number(r, items, where); ok {
			t.counter.saw(r, n, where)
		}
	case t.register != nil:
		t.register.saw(r, first(items), where)
	default:
		t.bag.saw(r, items, where)
	}
}

// compare compares what SQL holds with the model. What is only in the log is not there
// yet, so the model learns nothing.
func (t *thing) compare(r *report, items []string, where string) {
	switch {
	case t.counter != nil:
		if n, ok := t.number(r, items, where); ok {
			t.counter.compare(r, n, where)
		}
	case t.register != nil:
		t.register.compare(r, first(items), where)
	default:
		t.bag.compare(r, items, where)
	}
}

// number is a counter's value; none is 0.
func (t *thing) number(r *report, items []string, where string) (int64, bool) {
	text := first(items)
	if text == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.wrong(&r.Invented, "%s: %s it is %q", t.counter.what, where, text)
	}
	return n, err == nil
}

func first(items []string) string {
	if len(items) == 0 {
		return ""
	}
	return items[0]
}

// settle ends a round.
func (t *thing) settle(refusals bool) {
	if t.counter != nil {
		t.counter.settle(refusals)
	}
}

// query is the SQL that reads the thing, and its arguments; keys in generic tables
// are bytes.
func (t *thing) query() (string, []any) {
	if t.rowKey != nil {
		return t.mapped, t.rowKey
	}
	args := []any{[]byte(t.key)}
	if strings.Count(t.generic, "?") == 2 {
		args = append(args, []byte(t.field))
	}
	return t.generic, args
}

// items are what a reply holds: of a stream the values of the one field.
func (t *thing) items(reply any) []string {
	switch v := reply.(type) {
	case nil:
		return nil
	case []any:
		var all []string
		for _, item := range v {
			if entry, ok := item.([]any); ok {
				item = entry[1].([]any)[1]
			}
			all = append(all, textOf(item))
		}
		return all
	}
	return []string{textOf(reply)}
}

// column is a value of a row as the reply would show it.
func (t *thing) column(v any) (string, error) {
	s := textOf(v)
	if t.name != "XADD" || t.rowKey != nil {
		return s, nil
	}
	var parts []string
	if err := json.Unmarshal([]byte(s), &parts); err != nil || len(parts) != 2 {
		return "", fmt.Errorf("fields %q: want a name and a value: %w", s, err)
	}
	return parts[1], nil
}

func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
