package compat

import "testing"

func TestHashesAnswerAsRedis(t *testing.T) { runScript(t, "hashes") }

func TestRandomHashesAnswerAsRedis(t *testing.T) {
	runRandom(t, generator{"hashes", nextHash})
}

// nextHash makes a command on hashes.
func nextHash(g *gen) []string {
	key := g.key("hash")
	switch g.IntN(24) {
	case 0, 1, 2, 3:
		return append([]string{g.pick("HSET", "HSET", "HSET", "HMSET"), key}, hashPairs(g)...)
	case 4:
		return []string{"HSETNX", key, g.member(), g.value()}
	case 5, 6:
		return append([]string{"HDEL", key}, g.some(1+g.IntN(4), g.member)...)
	case 7:
		return []string{"HGET", key, g.member()}
	case 8:
		return append([]string{"HMGET", key}, g.some(1+g.IntN(4), g.member)...)
	case 9:
		return []string{g.pick("HGETALL", "HKEYS", "HVALS"), key}
	case 10:
		return []string{g.pick("HEXISTS", "HSTRLEN"), key, g.member()}
	case 11:
		return []string{"HLEN", key}
	case 12, 13:
		return []string{"HINCRBY", key, g.member(), g.integer()}
	case 14, 15:
		return []string{"HINCRBYFLOAT", key, g.member(), g.float()}
	case 16, 17:
		return append([]string{"HRANDFIELD", key}, sampleOptions(g, "WITHVALUES")...)
	case 18, 19:
		return append([]string{"HSCAN", key, g.pick("0", "0", "0", "a")}, pageOptions(g)...)
	case 20:
		return manyFields(g, key)
	case 21:
		return []string{"DEL", key, g.key("hash")}
	case 22:
		return []string{g.pick("RENAME", "COPY"), key, g.key("hash")}
	}
	return []string{"EXPIRE", key, g.seconds()}
}

// hashPairs are fields and values, sometimes one too few.
func hashPairs(g *gen) (words []string) {
	for range 1 + g.IntN(4) {
		words = append(words, g.member(), g.value())
	}
	if g.one(12) {
		words = words[1:]
	}
	return words
}

// manyFields makes a hash that outgrows the form for small ones.
func manyFields(g *gen, key string) []string {
	words := []string{"HSET", key}
	for i := range 1 + g.IntN(150) {
		words = append(words, "f"+string(rune('a'+i%26))+string(rune('a'+i/26)), g.value())
	}
	return words
}

// sampleOptions are the arguments of commands that choose elements at random. Counts
// of what may repeat stay small.
func sampleOptions(g *gen, with string) (words []string) {
	if g.one(3) {
		return nil
	}
	words = append(words, g.pick("0", "1", "2", "5", "100", "-1", "-7", "9223372036854775807", "-9223372036854775808", "a", ""))
	for with != "" && g.one(2) {
		words = append(words, g.pick(with, with, with, "FOO"))
	}
	return words
}

// pageOptions are the options of SSCAN and its like.
func pageOptions(g *gen) (words []string) {
	for g.one(2) {
		switch g.IntN(3) {
		case 0:
			words = append(words, "MATCH", g.pick("*", "m*", "m?", "[0-9]*", "m1", ""))
		case 1:
			words = append(words, "COUNT", g.pick("1", "2", "1000", "0", "-1", "a", "9223372036854775807"))
		case 2:
			words = append(words, g.pick("MATCH", "foo", "NOVALUES"))
		}
	}
	return words
}
