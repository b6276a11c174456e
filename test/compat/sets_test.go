package compat

import "testing"

func TestSetsAnswerAsRedis(t *testing.T) { runScript(t, "sets") }

func TestRandomSetsAnswerAsRedis(t *testing.T) {
	runRandom(t, generator{"sets", nextSet})
}

// nextSet makes a command on sets. What SPOP takes is random, so it only takes all or
// nothing here.
func nextSet(g *gen) []string {
	key := g.key("set")
	keys := func() []string { return g.some(1+g.IntN(3), func() string { return g.key("set") }) }
	switch g.IntN(22) {
	case 0, 1, 2, 3, 4:
		return append([]string{"SADD", key}, g.some(1+g.IntN(5), setMember(g))...)
	case 5, 6:
		return append([]string{"SREM", key}, g.some(1+g.IntN(5), setMember(g))...)
	case 7:
		return []string{"SMOVE", key, g.key("set"), setMember(g)()}
	case 8:
		return []string{"SISMEMBER", key, setMember(g)()}
	case 9:
		return append([]string{"SMISMEMBER", key}, g.some(1+g.IntN(4), setMember(g))...)
	case 10:
		return []string{g.pick("SCARD", "SMEMBERS"), key}
	case 11:
		return append([]string{"SPOP", key}, g.pick("0", "1000", "-1", "a", "9223372036854775807", "9223372036854775808"))
	case 12:
		return append([]string{"SRANDMEMBER", key}, sampleOptions(g, "")...)
	case 13, 14:
		return append([]string{"SSCAN", key, g.pick("0", "0", "0", "a")}, pageOptions(g)...)
	case 15, 16:
		return append([]string{g.pick("SUNION", "SINTER", "SDIFF")}, keys()...)
	case 17, 18:
		return append([]string{g.pick("SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"), key}, keys()...)
	case 19:
		words := append([]string{"SINTERCARD", g.pick("1", "2", "3", "0", "-1", "a", "9")}, keys()...)
		for g.one(2) {
			words = append(words, g.pick("LIMIT", "LIMIT", "foo"), g.pick("0", "1", "2", "-1", "a"))
		}
		return words
	case 20:
		return []string{g.pick("RENAME", "COPY", "DEL"), key, g.key("set")}
	}
	return []string{"EXPIRE", key, g.seconds()}
}

// setMember returns members: some sets hold integers alone, some many.
func setMember(g *gen) func() string {
	if g.one(3) {
		return g.integer
	}
	if g.one(10) {
		return g.value
	}
	return g.member
}
