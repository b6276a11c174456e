package compat

import (
	"strconv"
	"testing"
)

func TestZSetsAnswerAsRedis(t *testing.T) { runScript(t, "zsets") }

func TestRandomZSetsAnswerAsRedis(t *testing.T) {
	runRandom(t, generator{"zsets", nextZSet})
}

func makeZSet(g *gen, key string) []string {
	return append([]string{"ZADD", key}, g.scored(1+g.IntN(8))...)
}

// score returns a score: mostly a small integer, so that members share scores.
func (g *gen) score() string {
	if g.one(6) {
		return g.float()
	}
	return strconv.Itoa(g.IntN(9) - 3)
}

func (g *gen) scored(n int) (words []string) {
	for range n {
		words = append(words, g.score(), g.member())
	}
	return words
}

// scoreBound returns an end of a range of scores.
func (g *gen) scoreBound() string {
	return g.pick("", "", "", "(") + g.pick(g.score(), g.score(), "-inf", "+inf", "inf")
}

// lexBound returns an end of a range of members.
func (g *gen) lexBound() string {
	return g.pick("-", "+", "["+g.member(), "("+g.member(), "["+g.member(), "["+g.member(), g.member())
}

// nextZSet makes a command on sorted sets.
func nextZSet(g *gen) []string {
	key := g.key("zset")
	switch g.IntN(32) {
	case 0, 1, 2, 3:
		return append(append([]string{"ZADD", key}, addOptions(g)...), g.scored(1+g.IntN(4))...)
	case 4:
		words := []string{"ZADD", g.lexKey()}
		for range 1 + g.IntN(5) {
			words = append(words, "0", g.member())
		}
		return words
	case 5:
		return []string{"ZINCRBY", key, g.score(), g.member()}
	case 6:
		return append([]string{"ZREM", key}, g.some(1+g.IntN(4), g.member)...)
	case 7:
		return []string{"ZSCORE", key, g.member()}
	case 8:
		return append([]string{"ZMSCORE", key}, g.some(1+g.IntN(4), g.member)...)
	case 9:
		return []string{"ZCARD", key}
	case 10:
		return []string{"ZCOUNT", key, g.scoreBound(), g.scoreBound()}
	case 11:
		return []string{"ZLEXCOUNT", g.lexKey(), g.lexBound(), g.lexBound()}
	case 12, 13:
		return []string{g.pick("ZRANK", "ZREVRANK"), key, g.member()}
	case 14, 15, 16:
		return append([]string{"ZRANGE"}, rangeWords(g, key, true)...)
	case 17:
		return append([]string{"ZRANGESTORE", g.key("zset")}, rangeWords(g, key, false)...)
	case 18:
		return append([]string{"ZREVRANGE", key, g.small(), g.small()}, rangeOptions(g, true)...)
	case 19:
		return append([]string{g.pick("ZRANGEBYSCORE", "ZREVRANGEBYSCORE"), key, g.scoreBound(), g.scoreBound()}, rangeOptions(g, true)...)
	case 20:
		return append([]string{g.pick("ZRANGEBYLEX", "ZREVRANGEBYLEX"), g.lexKey(), g.lexBound(), g.lexBound()}, rangeOptions(g, true)...)
	case 21:
		return []string{"ZREMRANGEBYRANK", key, g.small(), g.small()}
	case 22:
		return []string{"ZREMRANGEBYSCORE", key, g.scoreBound(), g.scoreBound()}
	case 23:
		return []string{"ZREMRANGEBYLEX", g.lexKey(), g.lexBound(), g.lexBound()}
	case 24:
		return append([]string{g.pick("ZPOPMIN", "ZPOPMAX"), key}, g.some(g.IntN(2), g.small)...)
	case 25:
		return append(append([]string{"ZMPOP"}, numKeys(g)...), popOptions(g)...)
	case 26:
		return append([]string{"ZRANDMEMBER", key}, randomOptions(g)...)
	case 27:
		return []string{"ZSCAN", key, "0", "COUNT", g.pick("1", "10", "1000")}
	case 28:
		return append(append([]string{g.pick("ZUNION", "ZINTER", "ZDIFF")}, numKeys(g)...), combineOptions(g)...)
	case 29, 30:
		return append(append([]string{g.pick("ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"), key}, numKeys(g)...), combineOptions(g)...)
	}
	if g.one(4) {
		return []string{"DEL", key}
	}
	words := append([]string{"ZINTERCARD"}, numKeys(g)...)
	if g.one(3) {
		words = append(words, "LIMIT", g.small())
	}
	return words
}

// lexKey returns a key whose members all have one score, as ranges by bytes want it.
func (g *gen) lexKey() string { return "lex:" + strconv.Itoa(g.IntN(4)) }

func addOptions(g *gen) (words []string) {
	for g.one(3) {
		words = append(words, g.pick("NX", "XX", "GT", "LT", "CH", "INCR", "ch"))
	}
	return words
}

// rangeWords returns a key, the ends of a range, and the options that fit it.
func rangeWords(g *gen, key string, scores bool) []string {
	var words []string
	switch g.IntN(4) {
	case 0:
		words = []string{key, g.scoreBound(), g.scoreBound(), "BYSCORE"}
	case 1:
		words = []string{g.lexKey(), g.lexBound(), g.lexBound(), "BYLEX"}
	default:
		words = []string{key, g.small(), g.small()}
	}
	return append(words, rangeOptions(g, scores)...)
}

func rangeOptions(g *gen, scores bool) (words []string) {
	if g.one(3) {
		words = append(words, "REV")
	}
	if g.one(3) {
		words = append(words, "LIMIT", g.small(), g.small())
	}
	if scores && g.one(2) || g.one(20) {
		words = append(words, "WITHSCORES")
	}
	if g.one(20) {
		words = append(words, g.pick("byscore", "foo", "LIMIT"))
	}
	return words
}

// numKeys returns a count and, mostly, as many keys.
func numKeys(g *gen) []string {
	n := 1 + g.IntN(3)
	keys := g.some(n, func() string { return g.key("zset") })
	if g.one(15) {
		return append([]string{g.small()}, keys...)
	}
	return append([]string{strconv.Itoa(n)}, keys...)
}

func popOptions(g *gen) []string {
	words := []string{g.pick("MIN", "MAX", "min", "MIN", "x")}
	if g.one(2) {
		words = append(words, "COUNT", g.small())
	}
	return words
}

func randomOptions(g *gen) []string {
	switch g.IntN(3) {
	case 0:
		return nil
	case 1:
		return []string{strconv.Itoa(g.IntN(20) - 10)}
	}
	return []string{strconv.Itoa(g.IntN(20) - 10), g.pick("WITHSCORES", "WITHSCORES", "foo")}
}

func combineOptions(g *gen) (words []string) {
	if g.one(4) {
		words = append(words, "WEIGHTS")
		words = append(words, g.some(1+g.IntN(3), g.score)...)
	}
	if g.one(4) {
		words = append(words, "AGGREGATE", g.pick("SUM", "MIN", "max", "foo"))
	}
	if g.one(3) {
		words = append(words, "WITHSCORES")
	}
	return words
}
