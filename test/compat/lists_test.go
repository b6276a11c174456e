package compat

import "testing"

func TestListsAnswerAsRedis(t *testing.T) { runScript(t, "lists") }

func TestRandomListsAnswerAsRedis(t *testing.T) {
	runRandom(t, generator{"lists", nextList})
}

// nextList makes a command on lists.
func nextList(g *gen) []string {
	key := g.key("list")
	end := func() string { return g.pick("LEFT", "RIGHT", "left", "right", "MIDDLE") }
	switch g.IntN(26) {
	case 0, 1, 2, 3, 4:
		return append([]string{g.pick("LPUSH", "RPUSH"), key}, g.some(1+g.IntN(6), g.value)...)
	case 5:
		return append([]string{g.pick("LPUSHX", "RPUSHX"), key}, g.some(1+g.IntN(3), g.value)...)
	case 6, 7:
		return append([]string{g.pick("LPOP", "RPOP"), key}, g.some(g.IntN(3), g.small)...)
	case 8, 9:
		words := append([]string{"LMPOP", g.pick("1", "2", "2", "0", "a", "9")}, key, g.key("list"), end())
		for g.one(3) {
			words = append(words, g.pick("COUNT", "COUNT", "foo"), g.small())
		}
		return words
	case 10, 11:
		return []string{"LMOVE", key, g.key("list"), end(), end()}
	case 12:
		return []string{"RPOPLPUSH", key, g.key("list")}
	case 13, 14, 15:
		return []string{"LINSERT", key, g.pick("BEFORE", "AFTER", "after", "NEAR"), g.value(), g.value()}
	case 16, 17:
		return []string{"LSET", key, g.small(), g.value()}
	case 18, 19:
		return []string{"LREM", key, g.small(), g.value()}
	case 20:
		return []string{"LTRIM", key, g.small(), g.pick(g.small(), "-1", "-2")}
	case 21:
		return []string{"LLEN", key}
	case 22:
		return []string{"LINDEX", key, g.small()}
	case 23:
		return []string{"LRANGE", key, g.small(), g.pick(g.small(), "-1")}
	case 24:
		words := []string{"LPOS", key, g.value()}
		for g.one(2) {
			words = append(words, g.pick("RANK", "COUNT", "MAXLEN", "foo"), g.small())
		}
		return words
	}
	return []string{g.pick("RENAME", "COPY", "DEL"), key, g.key("list")}
}
