package compat

import (
	"strconv"
	"strings"

	"github.com/lullcache/lull/internal/command"
)

// families are the types of keys; most keys are named after theirs.
var families = []string{"string", "hash", "set", "zset", "list", "stream"}

// oddKeys are keys as hardly anyone names them.
var oddKeys = []string{"", " ", "\x00", "\xff\xfe\r\n", "{a}b", "*", "h[a-c]?\\", strings.Repeat("k", 300), "käse:日本"}

// mixedKey returns one of a family's keys; now and then another's, or an odd one.
func (g *gen) mixedKey(family string) string {
	switch n := g.IntN(40); {
	case n == 0:
		return g.pick(oddKeys...)
	case n < 6:
		family = g.pick(families...)
	}
	return family + ":" + strconv.Itoa(g.IntN(6))
}

// allKeys are all that mixedKey may return.
func allKeys() []string {
	keys := append([]string(nil), oddKeys...)
	for _, family := range append([]string{"lex", "big", "many"}, families...) {
		for i := range 6 {
			keys = append(keys, family+":"+strconv.Itoa(i))
		}
	}
	return keys
}

// options are the words that commands know. "~" and "*" are not among them, since what they do
// hangs on Redis' nodes and on the clock, nor is BLOCK.
var options = strings.Fields(`NX XX GT LT CH INCR GET KEEPTTL EX PX EXAT PXAT PERSIST LIMIT COUNT MATCH TYPE WITHSCORES WITHVALUES
	BYSCORE BYLEX REV WEIGHTS AGGREGATE SUM MIN MAX LEFT RIGHT BEFORE AFTER RANK MAXLEN MINID = NOMKSTREAM STREAMS DB REPLACE
	IDX LEN MINMATCHLEN WITHMATCHLEN ENTRIESADDED MAXDELETEDID FULL ASYNC SYNC`)

// anyWord returns an argument without a look at the command that it is for.
func (g *gen) anyWord() string {
	switch g.IntN(16) {
	case 0, 1:
		return g.integer()
	case 2, 3:
		return g.small()
	case 4:
		return g.float()
	case 5, 6, 7:
		return g.pick(options...)
	case 8:
		return strings.ToLower(g.pick(options...))
	case 9:
		return g.streamID()
	case 10:
		return g.pick(g.scoreBound(), g.lexBound(), g.streamBound())
	case 11:
		return g.value()
	case 12:
		return g.oddWord()
	case 13:
		return g.mixedKey(g.pick(families...))
	}
	return g.member()
}

// oddWord returns what was not meant to be an argument.
func (g *gen) oddWord() string {
	return g.pick("", " ", "\x00", "\r\n", "\xff", "-", "+", "(", "[", "0x7fffffffffffffff", "1e19", "-1e19", "18446744073709551615",
		"18446744073709551616", "-9223372036854775809", "9223372036854775807.0", "1.7976931348623157e308", "4.9e-324", "-0.0", "+0",
		"00", "--1", "1,5", "infinity", "-Infinity", "+nan", "1e", "e1", "0x", "١", "1\x00", "NaN", "1e-400",
		strings.Repeat("9", 40), "0."+strings.Repeat("3", 50), strings.Repeat("w", 900), strings.Repeat("0", 30)+"7")
}

// fromTable makes a command of the table by what is said there: its arity and where its
// keys stand. One time in fifteen the number of arguments is wrong.
func (g *gen) fromTable(c *command.Command) []string {
	words := strings.Split(strings.ToUpper(c.FullName()), "|")
	names := len(words)
	n := c.Arity
	if n < 0 {
		n = -n + g.IntN(5)
	}
	if g.one(15) {
		n = max(names, n+g.IntN(5)-2)
	}
	for len(words) < n {
		words = append(words, g.anyWord())
	}
	for i := range c.Keys {
		g.putKeys(&c.Keys[i], familyOf(c.Group), words)
	}
	if g.one(8) {
		words[0] = strings.ToLower(words[0])
	}
	return words
}

func (g *gen) putKeys(k *command.Keys, family string, words []string) {
	first, last, step := k.First, k.Last, k.Step
	switch k.Kind {
	case command.Counted:
		if first >= len(words) {
			return
		}
		count := min(1+g.IntN(3), max(len(words)-1-first, 1))
		if words[first] = strconv.Itoa(count); g.one(10) {
			words[first] = g.anyWord()
		}
		first, last = first+1, first+count
	case command.Keyword:
		return
	default:
		if last < 0 {
			last += len(words)
		}
	}
	for i := first; i <= last && i < len(words); i += step {
		words[i] = g.mixedKey(family)
	}
}

// familyOf returns the family of a group of the table.
func familyOf(group string) string {
	switch group {
	case "sorted-set":
		return "zset"
	case "string", "hash", "set", "list", "stream":
		return group
	}
	return "string"
}
