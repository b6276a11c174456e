package compat

import (
	"strconv"
	"strings"
	"testing"
)

func TestKeysAnswerAsRedis(t *testing.T) { runScript(t, "keys") }

func TestRandomKeysAnswerAsRedis(t *testing.T) {
	runRandom(t, generator{"keys", nextKey})
}

// nextKey makes a command on keys of any type.
func nextKey(g *gen) []string {
	key, other := g.anyKey(), g.anyKey()
	switch g.IntN(24) {
	case 0, 1, 2, 3, 4:
		return makeKey(g, key)
	case 5:
		return []string{g.pick("DEL", "UNLINK", "EXISTS", "TOUCH"), key, other}
	case 6:
		return []string{"TYPE", key}
	case 7, 8, 9:
		words := []string{g.pick("EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"), key, g.seconds()}
		if words[0] == "EXPIREAT" || words[0] == "PEXPIREAT" {
			words[2] = g.instant()
			if words[0] == "PEXPIREAT" {
				words[2] += "000"
			}
		}
		return append(words, expireConditions(g)...)
	case 10:
		return []string{g.pick("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"), key}
	case 11:
		return []string{"PERSIST", key}
	case 12, 13:
		return []string{g.pick("RENAME", "RENAMENX"), key, other}
	case 14, 15:
		return append([]string{"COPY", key, other}, copyOptions(g)...)
	case 16:
		return []string{"MOVE", key, g.pick("0", "1", "1", "16", "-1", "a")}
	case 17:
		return []string{"KEYS", g.pick("*", "s*", "*:0", "?et:[0-3]", "nothing", "[hs]*", "*\\:1", "string:0", "")}
	case 18:
		return append([]string{"SCAN", g.pick("0", "0", "0", "a")}, scanOptions(g)...)
	case 19:
		return []string{"RANDOMKEY"}
	case 20:
		return []string{"DBSIZE"}
	case 21:
		return []string{"SELECT", g.pick("0", "0", "1", "16", "a")}
	case 22:
		return []string{"OBJECT", g.pick("REFCOUNT", "IDLETIME", "ENCODING", "FREQ", "foo"), key}
	}
	return append([]string{g.pick("FLUSHDB", "TTL", "TYPE"), key}[:1+g.IntN(2)], g.some(g.IntN(2), func() string { return g.pick("ASYNC", "SYNC", "x") })...)
}

// anyKey returns one of a few keys for each type; a key's name does not say its
// type for sure, since RENAME and COPY carry values about.
func (g *gen) anyKey() string {
	if g.mixed {
		return g.mixedKey(g.pick(families...))
	}
	return g.pick("string", "hash", "set", "zset", "list", "stream") + ":" + strconv.Itoa(g.IntN(3))
}

// keyMakers make a command that gives a key a value of a type, by the key's family.
var keyMakers = map[string]func(g *gen, key string) []string{
	"string": func(g *gen, key string) []string { return []string{"SET", key, g.value()} },
	"hash":   func(g *gen, key string) []string { return []string{"HSET", key, g.member(), g.value()} },
	"set":    func(g *gen, key string) []string { return []string{"SADD", key, g.member(), g.member()} },
	"list": func(g *gen, key string) []string {
		return []string{g.pick("LPUSH", "RPUSH"), key, g.value(), g.value()}
	},
	"zset":   makeZSet,
	"stream": makeStream,
}

// makeKey makes a command that gives key a value of the type that its name says, or
// makes it a string.
func makeKey(g *gen, key string) []string {
	family, _, _ := strings.Cut(key, ":")
	if make := keyMakers[family]; make != nil {
		return make(g, key)
	}
	return keyMakers["string"](g, key)
}

func expireConditions(g *gen) (words []string) {
	for g.one(3) {
		words = append(words, g.pick("NX", "XX", "GT", "LT", "gt", "foo"))
	}
	return words
}

func copyOptions(g *gen) (words []string) {
	for g.one(3) {
		words = append(words, g.pick("REPLACE", "replace", "DB", "x"))
		if words[len(words)-1] == "DB" {
			words = append(words, g.pick("0", "1", "16", "a"))
		}
	}
	return words
}

func scanOptions(g *gen) (words []string) {
	for g.one(2) {
		switch g.IntN(4) {
		case 0:
			words = append(words, "MATCH", g.pick("*", "s*", "*:1", "string:0"))
		case 1:
			words = append(words, "COUNT", g.pick("1", "2", "100", "0", "-1", "a"))
		case 2:
			words = append(words, "TYPE", g.pick("string", "hash", "zset", "nothing", "STRING"))
		case 3:
			words = append(words, g.pick("MATCH", "foo"))
		}
	}
	return words
}
