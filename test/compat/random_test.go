package compat

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "seed of the random commands; 0: by the clock")
	stepsFlag = flag.Int("steps", 1000, "random commands for each family and protocol")
)

// generator makes the random commands of a family.
type generator struct {
	// name is the family's.
	name string
	// next makes a command.
	next func(g *gen) []string
}

// runRandom sends random commands in both protocols: alone, in pipelines, in MULTI;
// with keys dropped from Lull's memory and Lull restarted now and then. At the end all
// keys are compared, and once more after they were loaded from SQL.
func runRandom(t *testing.T, of generator) {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for proto := 2; proto <= 3; proto++ {
		t.Run(fmt.Sprintf("RESP%d", proto), func(t *testing.T) {
			r := randomRun{pair: startPair(t, proto), g: newGen(seed, uint64(proto)), of: of}
			if !r.run(*stepsFlag) {
				t.Logf("again with: go test ./test/compat -run %s -seed %d -steps %d", t.Name(), seed, *stepsFlag)
				r.report(40)
			}
		})
	}
}

type randomRun struct {
	*pair
	g  *gen
	of generator
}

func (r *randomRun) run(steps int) bool {
	for done := 0; done < steps; {
		batch := r.batch()
		done += len(batch)
		if !r.send(batch...) {
			return false
		}
		switch n := r.g.IntN(200); {
		case n == 0:
			r.restart()
		case n < 6:
			r.forget()
		}
	}
	if !r.sameState() {
		return false
	}
	r.forget()
	return r.sameState()
}

// batch is a few commands to be sent together.
func (r *randomRun) batch() [][]string {
	n := 1
	if r.g.one(4) {
		n += r.g.IntN(12)
	}
	var batch [][]string
	for range n {
		args := r.of.next(r.g)
		if shapeOf(args).scan > 0 || args[0] == "SELECT" { // alone: a MULTI stays in one database
			if len(batch) == 0 {
				return [][]string{args}
			}
			continue
		}
		batch = append(batch, args)
	}
	if r.g.one(12) {
		batch = append(append([][]string{{"MULTI"}}, batch...), []string{"EXEC"})
	}
	return batch
}

// sameState compares all keys.
func (r *randomRun) sameState() bool {
	r.t.Helper()
	if !r.send([]string{"SELECT", "0"}) || !r.send([]string{"KEYS", "*"}) || !r.send([]string{"DBSIZE"}) {
		return false
	}
	keys := r.redis.do("KEYS", "*")
	slices.SortFunc(keys.items, func(a, b reply) int { return strings.Compare(a.text, b.text) })
	for _, key := range keys.items {
		for _, args := range dump(key.text, r.redis.do("TYPE", key.text).text) {
			if !r.send(args) {
				return false
			}
		}
	}
	return true
}

// dump lists the commands that show a whole key.
func dump(key, typ string) [][]string {
	all := [][]string{{"TYPE", key}, {"PEXPIRETIME", key}}
	switch typ {
	case "string":
		return append(all, []string{"GET", key})
	case "hash":
		return append(all, []string{"HGETALL", key})
	case "set":
		return append(all, []string{"SMEMBERS", key})
	case "zset":
		return append(all, []string{"ZRANGE", key, "0", "-1", "WITHSCORES"})
	case "list":
		return append(all, []string{"LRANGE", key, "0", "-1"})
	case "stream":
		return append(all, []string{"XRANGE", key, "-", "+"}, []string{"XINFO", "STREAM", key})
	}
	return all
}

// gen makes random words. Few different ones, so that commands meet.
type gen struct {
	*rand.Rand
	// mixed is set where all families share the keys and runs are long: keys are often of
	// another type, and no two expiries are alike or near.
	mixed   bool
	expires int
}

func newGen(seed, stream uint64) *gen { return &gen{Rand: rand.New(rand.NewPCG(seed, stream))} }

// one is true once in n times.
func (g *gen) one(n int) bool { return g.IntN(n) == 0 }

// pick returns one of words.
func (g *gen) pick(words ...string) string { return words[g.IntN(len(words))] }

// key returns one of eight keys of a family; now and then one of another type's.
func (g *gen) key(family string) string {
	if g.mixed {
		return g.mixedKey(family)
	}
	if g.one(25) {
		return g.pick("string:0", "hash:0", "set:0", "zset:0", "list:0", "stream:0")
	}
	return family + ":" + strconv.Itoa(g.IntN(8))
}

// member returns a field or member: mostly one of a dozen.
func (g *gen) member() string {
	if g.one(10) {
		return g.pick("", "0", "-1", "12345678901234567890", "\x00\xff\r\n", "käse", strings.Repeat("m", 70), "007", " ", "1e3")
	}
	return "m" + strconv.Itoa(g.IntN(12))
}

// value returns a value: short text, numbers, bytes, sometimes long.
func (g *gen) value() string {
	switch g.IntN(8) {
	case 0:
		return g.integer()
	case 1:
		return g.float()
	case 2:
		return g.pick("", " ", "\x00", "\r\n", "\xff\xfe", "日本", "nan", "0x10", "+5", "-0", "1 ", "01")
	case 3:
		return strings.Repeat(string(rune('a'+g.IntN(26))), g.IntN(300))
	}
	return g.pick("a", "b", "abc", "hello world", "ohmytext", "mynewtext", "10", "3.0", "5")
}

// integer returns a number as commands take it: small, huge, or none at all.
func (g *gen) integer() string {
	switch g.IntN(12) {
	case 0:
		return g.pick("9223372036854775807", "-9223372036854775808", "9223372036854775808", "4611686018427387904", "-9223372036854775807")
	case 1:
		return g.pick("", "a", "1.5", "+1", "01", " 1", "1 ", "-0", "1e2", "99999999999999999999")
	case 2:
		return strconv.Itoa(g.IntN(2000) - 1000)
	}
	return strconv.Itoa(g.IntN(21) - 10)
}

// small returns an index or count: mostly small, sometimes odd.
func (g *gen) small() string {
	if g.one(12) {
		return g.integer()
	}
	return strconv.Itoa(g.IntN(13) - 4)
}

// float returns a float as commands take it.
func (g *gen) float() string {
	switch g.IntN(8) {
	case 0:
		return g.pick("inf", "-inf", "+inf", "nan", "1e308", "-1e308", "1e-300", "0x1p3", "1_0", "", "abc", "1e400", "5e-324")
	case 1:
		return g.pick("0.1", "0.2", "3.0", "-0", "1e3", "2.5e-3", "1e17", "123456789.123456789", ".5", "5.", "+3")
	}
	return strconv.FormatFloat(float64(g.IntN(2001)-1000)/8, 'g', -1, 64)
}

// some returns n words from make.
func (g *gen) some(n int, make func() string) []string {
	words := []string{}
	for range n {
		words = append(words, make())
	}
	return words
}
