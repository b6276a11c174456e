package compat

import (
	"strconv"
	"testing"
)

func TestStringsAnswerAsRedis(t *testing.T) { runScript(t, "strings") }

func TestRandomStringsAnswerAsRedis(t *testing.T) {
	runRandom(t, generator{"strings", nextString})
}

// nextString makes a command on strings.
func nextString(g *gen) []string {
	key := g.key("string")
	switch g.IntN(26) {
	case 0, 1, 2:
		return append([]string{"SET", key, g.value()}, setOptions(g)...)
	case 3:
		return []string{"GET", key}
	case 4:
		return []string{g.pick("INCR", "DECR"), key}
	case 5:
		return []string{g.pick("INCRBY", "DECRBY"), key, g.integer()}
	case 6, 7:
		return []string{"INCRBYFLOAT", key, g.float()}
	case 8:
		return []string{"APPEND", key, g.value()}
	case 9:
		return []string{"SETRANGE", key, g.small(), g.value()}
	case 10, 11:
		return []string{g.pick("GETRANGE", "SUBSTR"), key, g.small(), g.small()}
	case 12:
		return []string{"STRLEN", key}
	case 13:
		return append([]string{"MGET"}, g.some(1+g.IntN(4), func() string { return g.key("string") })...)
	case 14:
		return append([]string{g.pick("MSET", "MSETNX"), key, g.value()}, g.some(g.IntN(5), func() string { return g.key("string") })...)
	case 15:
		return []string{g.pick("SETEX", "PSETEX"), key, g.seconds(), g.value()}
	case 16:
		return []string{"SETNX", key, g.value()}
	case 17:
		return []string{"GETSET", key, g.value()}
	case 18:
		return []string{"GETDEL", key}
	case 19:
		return append([]string{"GETEX", key}, expiryOptions(g)...)
	case 20, 21:
		return append([]string{"LCS", key, g.key("string")}, lcsOptions(g)...)
	case 22:
		return []string{"DEL", key, g.key("string")}
	case 23:
		return []string{g.pick("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"), key}
	case 24:
		return []string{g.pick("EXPIRE", "PEXPIRE"), key, g.seconds()}
	}
	return []string{"EXISTS", key}
}

// seconds returns a time to live: far ahead, so that nothing expires while it is
// compared, or one that is refused.
func (g *gen) seconds() string {
	if g.one(4) {
		return g.wrongTime()
	}
	if g.mixed {
		return strconv.Itoa(1e9 + g.nextExpiry()*200_000)
	}
	return strconv.Itoa(100_000 + g.IntN(1_000_000))
}

// instant returns a Unix time in seconds, beyond all that seconds makes.
func (g *gen) instant() string { return strconv.Itoa(1e11 + g.nextExpiry()*1000) }

// nextExpiry numbers expiries, so that which of two is later never hangs on when a command
// ran.
func (g *gen) nextExpiry() int {
	g.expires++
	return g.expires % 100_000
}

// wrongTime returns numbers that are refused as times, or lie in the past.
func (g *gen) wrongTime() string {
	return g.pick("0", "-1", "a", "", "9223372036854775807", "-9223372036854775808", "1.5", "-100")
}

func setOptions(g *gen) (words []string) {
	for g.one(3) {
		words = append(words, g.pick("NX", "XX", "GET", "KEEPTTL", "nx", "get"))
	}
	if g.one(4) {
		words = append(words, expiryOptions(g)...)
	}
	if g.one(20) {
		words = append(words, g.pick("XX", "FOO", "EX", "PERSIST"))
	}
	return words
}

func expiryOptions(g *gen) []string {
	switch g.IntN(6) {
	case 0:
		return []string{"EX", g.seconds()}
	case 1:
		return []string{"PX", g.seconds()}
	case 2:
		return []string{"EXAT", g.instant()}
	case 3:
		return []string{"PXAT", g.instant() + "000"}
	case 4:
		return []string{g.pick("PERSIST", "persist", "EX", "KEEPTTL")}
	}
	return nil
}

func lcsOptions(g *gen) (words []string) {
	for g.one(2) {
		switch g.IntN(5) {
		case 0:
			words = append(words, "LEN")
		case 1, 2:
			words = append(words, "IDX")
		case 3:
			words = append(words, "WITHMATCHLEN")
		case 4:
			words = append(words, "MINMATCHLEN", g.small())
		}
	}
	return words
}
