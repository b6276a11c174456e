package command

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/internal/testdb"
)

// newerThanRedis7 are commands that came after the Redis the table is held against.
var newerThanRedis7 = []string{"waitaof", "client|setinfo", "client|no-touch"}

// TestTableAgreesWithRedis compares what COMMAND INFO shows of every command with
// a real server.
func TestTableAgreesWithRedis(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: testdb.Redis(t)})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	reply, err := client.Do(ctx, "COMMAND").Slice()
	if err != nil {
		t.Fatal(err)
	}
	theirs := make(map[string]string)
	describeReply(theirs, reply)
	visit(All(), func(c *Command) {
		if c.Group == "lull" || slices.Contains(newerThanRedis7, c.FullName()) {
			return
		}
		if got, want := describe(c), theirs[c.FullName()]; got != want {
			t.Errorf("%s:\n got    %s\n wanted %s", c.FullName(), got, want)
		}
	})
}

func visit(commands []Command, f func(c *Command)) {
	for i := range commands {
		f(&commands[i])
		visit(commands[i].Subcommands, f)
	}
}

func describe(c *Command) string {
	first, last, step := c.Positions()
	var specs []string
	for _, k := range c.Keys {
		specs = append(specs, fmt.Sprint(sorted(k.Access.Names())))
	}
	return fmt.Sprint(c.Arity, sorted(c.Flags.Names()), first, last, step, sorted(c.ACLCategories()), specs)
}

// describeReply does for a COMMAND reply what describe does for the table.
func describeReply(into map[string]string, reply []any) {
	for _, e := range reply {
		entry := e.([]any)
		var specs []string
		for _, spec := range entry[8].([]any) {
			specs = append(specs, fmt.Sprint(sorted(texts(pairs(spec)["flags"].([]any)))))
		}
		into[entry[0].(string)] = fmt.Sprint(entry[1], sorted(texts(entry[2].([]any))), entry[3], entry[4], entry[5],
			sorted(texts(entry[6].([]any))), specs)
		describeReply(into, entry[9].([]any))
	}
}

func pairs(m any) map[string]any {
	out := make(map[string]any)
	switch m := m.(type) {
	case map[any]any:
		for k, v := range m {
			out[k.(string)] = v
		}
	case []any:
		for i := 0; i+1 < len(m); i += 2 {
			out[m[i].(string)] = m[i+1]
		}
	}
	return out
}

func texts(list []any) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.(string))
	}
	return out
}

func sorted(s []string) []string { slices.Sort(s); return s }

// TestKeysAreFoundAsRedisFindsThem asks COMMAND GETKEYS.
func TestKeysAreFoundAsRedisFindsThem(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: testdb.Redis(t)})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, line := range []string{
		"GET a", "MGET a b c", "MSET a 1 b 2", "DEL a b", "COPY a b", "RENAME a b", "LMOVE a b LEFT RIGHT", "SMOVE a b m",
		"ZUNIONSTORE d 2 a b WEIGHTS 1 2", "ZINTER 2 a b WITHSCORES", "SINTERCARD 1 a LIMIT 3", "LMPOP 2 a b LEFT",
		"ZMPOP 1 a MIN", "ZRANGESTORE d s 0 -1", "XREAD COUNT 2 STREAMS a b 0 0", "XREAD streams a $", "OBJECT ENCODING a",
		"SDIFFSTORE d a b", "WATCH a b", "XADD s * f v", "LCS a b LEN", "XINFO STREAM s", "ZDIFFSTORE d 1 a",
	} {
		words := strings.Fields(line)
		args := make([][]byte, len(words))
		request := []any{"COMMAND", "GETKEYS"}
		for i, w := range words {
			args[i] = []byte(w)
			request = append(request, w)
		}
		want, err := client.Do(ctx, request...).StringSlice()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		c := Find(args[0])
		if c.Subcommands != nil {
			c = c.Subcommand(args[1])
		}
		keys, ok := c.AppendKeys(nil, args)
		if got := fmt.Sprintf("%s", keys); !ok || got != fmt.Sprint(want) {
			t.Errorf("%s: got %s (%v), wanted %s", line, got, ok, want)
		}
	}
}

func TestWrongCountsGiveNoKeys(t *testing.T) {
	for _, line := range []string{"ZINTER 0 a", "ZINTER 3 a b", "ZINTER x a", "ZINTER -1 a", "ZINTER 99999999999 a", "XREAD COUNT 1",
		"XREAD STREAMS a", "XREAD STREAMS a b 0", "LMPOP 9 a LEFT"} {
		var args [][]byte
		for w := range strings.FieldsSeq(line) {
			args = append(args, []byte(w))
		}
		if keys, ok := Find(args[0]).AppendKeys(nil, args); ok {
			t.Errorf("%s: got keys %s", line, keys)
		}
	}
}

func TestNamesAreUniqueAndFoundInAnyCase(t *testing.T) {
	seen := make(map[string]bool)
	visit(All(), func(c *Command) {
		if seen[c.FullName()] {
			t.Errorf("%s stands in the table twice", c.FullName())
		}
		seen[c.FullName()] = true
		if c.Name != strings.ToLower(c.Name) || c.Summary == "" || c.Since == "" || c.Group == "" || len(c.Name) > nameMax {
			t.Errorf("%s: its entry is not complete", c.FullName())
		}
	})
	if c := Find([]byte("gEt")); c == nil || c.Name != "get" {
		t.Errorf("gEt: got %v", c)
	}
	if c := Find([]byte(strings.Repeat("x", 100))); c != nil {
		t.Errorf("a long name: got %v", c)
	}
}

func BenchmarkFindAndKeys(b *testing.B) {
	args := [][]byte{[]byte("MSET"), []byte("a"), []byte("1"), []byte("b"), []byte("2")}
	var keys [][]byte
	b.ReportAllocs()
	for range b.N {
		keys, _ = Find(args[0]).AppendKeys(keys[:0], args)
	}
}
