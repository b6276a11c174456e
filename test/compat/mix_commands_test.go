package compat

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lullcache/lull/internal/command"
)

// notMixed are the commands of the table that the mix leaves out, and why.
var notMixed = map[string]string{
	"quit":            "ends the connection; package server tests it",
	"client|setinfo":  "came with Redis 7.2",
	"client|no-touch": "came with Redis 7.2",
	"waitaof":         "came with Redis 7.2",
	"config|set":      "would change the two servers; package server tests it",
}

// mixed are all commands of the mix: those of the table that have no subcommands, and
// parents that stand for themselves.
func mixed() (all []*command.Command) {
	var visit func(commands []command.Command)
	visit = func(commands []command.Command) {
		for i := range commands {
			c := &commands[i]
			if _, left := notMixed[c.FullName()]; !left && c.Group != "lull" {
				all = append(all, c)
			}
			visit(c.Subcommands)
		}
	}
	visit(command.All())
	return all
}

// special makes commands that arity and key positions do not describe well enough, or
// that would do harm with words at random. The rest come from the table alone.
var special = map[string]func(g *gen) []string{
	"hello": nextHello,
	"wait": func(g *gen) []string {
		return []string{"WAIT", g.pick("0", "0", "-1", "a"), g.pick("0", "10", "-1", "a")}
	},
	"client|kill": func(g *gen) []string { return []string{"CLIENT", "KILL", g.pick("1.2.3.4:5", "", "x", "ID")} },
	"scan": func(g *gen) []string {
		return append([]string{"SCAN", g.pick("0", "0", "0", "a")}, scanOptions(g)...)
	},
	"keys": func(g *gen) []string {
		return []string{"KEYS", g.pick("*", "*", "", "s*", "*:[0-3]", "h[^a]sh:?", "\\*", "?", "[", "[a", "*[", "\\", "h[a-c]?\\", "**", "z*t:*1", "[z-a]*")}
	},
	"srandmember": func(g *gen) []string {
		return append([]string{"SRANDMEMBER", g.key("set")}, sampleOptions(g, "")...)
	},
	"hrandfield": func(g *gen) []string {
		return append([]string{"HRANDFIELD", g.key("hash")}, sampleOptions(g, "WITHVALUES")...)
	},
	"zrandmember": func(g *gen) []string {
		return append([]string{"ZRANDMEMBER", g.key("zset")}, sampleOptions(g, "WITHSCORES")...)
	},
	"sscan": func(g *gen) []string { return g.page("SSCAN", "set") },
	"hscan": func(g *gen) []string { return g.page("HSCAN", "hash") },
	"zscan": func(g *gen) []string { return g.page("ZSCAN", "zset") },
	"xadd":  func(g *gen) []string { return nextXAdd(g, g.key("stream")) },
	"xtrim": func(g *gen) []string { return append([]string{"XTRIM", g.key("stream")}, g.trimming()...) },
	"xread": nextXRead,
	"select": func(g *gen) []string {
		return []string{"SELECT", g.pick("0", "0", "0", "1", "15", "16", "-1", "a", "", "01", "9223372036854775808")}
	},
	"flushall":   nextFlush,
	"flushdb":    nextFlush,
	"config|get": func(g *gen) []string { return []string{"CONFIG", "GET", g.pick("no-such-setting", "x", "")} },
}

func nextHello(g *gen) []string {
	words := []string{"HELLO", g.pick("2", "3", "3", "1", "4", "a", "")}
	for g.one(3) {
		words = append(words, g.pick("AUTH", "SETNAME", "setname", "x", "name", ""))
	}
	return words
}

func nextFlush(g *gen) []string {
	return []string{g.pick("FLUSHALL", "FLUSHDB"), g.pick("x", "", "ASYNC x", "NX")}
}

func (g *gen) page(name, family string) []string {
	return append([]string{name, g.key(family), g.pick("0", "0", "0", "a")}, pageOptions(g)...)
}

var (
	allMixed = mixed()
	// ofFamily make commands that fit: in a mix of words at random alone few would do anything.
	ofFamily = []func(g *gen) []string{nextString, nextHash, nextList, nextSet, nextZSet, nextStream, nextKey}
)

// nextOfMix makes a command of any family: three of twenty give a key a value, nine are made
// to fit, and eight come from the table.
func nextOfMix(g *gen) []string {
	var words []string
	switch n := g.IntN(20); {
	case n < 3:
		words = makeKey(g, g.mixedKey(g.pick(families...)))
	case n < 12:
		words = ofFamily[g.IntN(len(ofFamily))](g)
	default:
		c := allMixed[g.IntN(len(allMixed))]
		switch make := special[c.FullName()]; {
		case make != nil:
			words = make(g)
		case strings.HasPrefix(c.FullName(), "command|getkeys"):
			words = append(strings.Split(strings.ToUpper(c.FullName()), "|"), nextOfMix(g)...)
		default:
			words = g.fromTable(c)
		}
	}
	if g.one(100) && len(words) > 1 { // one too few, or one too many
		words = append(words[:len(words)-1], g.some(2*g.IntN(2), g.anyWord)...)
	}
	return g.harmless(words)
}

// harmless changes what would end in different states, or none: an expiry that comes while
// the mix runs, and counts that repeat an answer for ever.
func (g *gen) harmless(words []string) []string {
	name := strings.ToUpper(words[0])
	byMember := func(w string) bool { return strings.HasSuffix(strings.ToUpper(w), "BYLEX") }
	if name == "ZLEXCOUNT" || name[0] == 'Z' && strings.Contains(name, "RANGE") && slices.ContainsFunc(words, byMember) {
		at := 1
		if name == "ZRANGESTORE" {
			at = 2
		}
		if len(words) > at { // what is in a range of members is not defined where scores differ
			words[at] = g.lexKey()
		}
	}
	for i, word := range words {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "EXPIRE", "PEXPIRE", "SETEX", "PSETEX":
			if i == 2 && n > 0 && n < 1e9 {
				words[i] = strconv.Itoa(1e9 + g.nextExpiry()*200_000)
			}
		case "SET", "GETEX":
			before := strings.ToUpper(words[i-1])
			if (before == "EX" || before == "PX") && n > 0 && n < 1e9 {
				words[i] = strconv.Itoa(1e9 + g.nextExpiry()*200_000)
			}
		case "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER":
			if n < -1000 && i == 2 {
				words[i] = "-9"
			}
		}
	}
	return words
}

// fullName returns the table's name of a command, as it will be counted.
func fullName(words []string) string {
	c := command.Find([]byte(words[0]))
	if c == nil {
		return ""
	}
	if len(words) > 1 {
		if sub := c.Subcommand([]byte(words[1])); sub != nil {
			return sub.FullName()
		}
	}
	return c.FullName()
}

// TestTheMixHasEveryCommand: a command that is new in the table is in the mix, or on
// the list of what is not.
func TestTheMixHasEveryCommand(t *testing.T) {
	g := newGen(1, 1)
	g.mixed = true
	made := make(map[string]int)
	for range 100_000 {
		made[fullName(nextOfMix(g))]++
	}
	for name := range made {
		if why, left := notMixed[name]; left {
			t.Errorf("%s is in the mix, although it %s", name, why)
		}
	}
	for _, c := range allMixed {
		if made[c.FullName()] == 0 {
			t.Errorf("%s is never made", c.FullName())
		}
	}
	for name := range notMixed {
		parent, sub, _ := strings.Cut(name, "|")
		if c := command.Find([]byte(parent)); c == nil || sub != "" && c.Subcommand([]byte(sub)) == nil {
			t.Errorf("%s is on the list of what is not mixed, and not in the table", name)
		}
	}
}
