package compat

import (
	"fmt"
	"strconv"
	"testing"
)

func TestStreamsAnswerAsRedis(t *testing.T) { runScript(t, "streams") }

func TestRandomStreamsAnswerAsRedis(t *testing.T) {
	runRandom(t, generator{"streams", nextStream})
}

func makeStream(g *gen, key string) []string {
	return append([]string{"XADD", key, g.newStreamID()}, g.fields()...)
}

func (g *gen) fields() (words []string) {
	for range 1 + g.IntN(3) {
		words = append(words, g.member(), g.value())
	}
	return words
}

// newStreamID returns an id for XADD. It never depends on the clock.
func (g *gen) newStreamID() string {
	if g.one(15) {
		return g.pick("0-0", "0-*", "0", "5-5-5", "a-1", "-", "1-", "", "-1")
	}
	ms := strconv.Itoa(g.IntN(60))
	return ms + g.pick("-*", "-*", "-"+strconv.Itoa(g.IntN(10)), "")
}

// streamID returns an id that may well be there.
func (g *gen) streamID() string {
	return strconv.Itoa(g.IntN(60)) + g.pick("", "-0", "-1", "-"+strconv.Itoa(g.IntN(8)))
}

func (g *gen) streamBound() string {
	if g.one(25) {
		return g.pick("a", "(", "(-", "18446744073709551615-18446744073709551615", "(18446744073709551615-18446744073709551615", "(0-0")
	}
	return g.pick("-", "+", g.streamID(), g.streamID(), "("+g.streamID())
}

// nextStream makes a command on streams.
func nextStream(g *gen) []string {
	key := g.key("stream")
	switch g.IntN(16) {
	case 0, 1, 2, 3, 4:
		return nextXAdd(g, key)
	case 5:
		return []string{"XLEN", key}
	case 6, 7:
		return append([]string{g.pick("XRANGE", "XREVRANGE"), key, g.streamBound(), g.streamBound()}, g.counting()...)
	case 8, 9:
		return nextXRead(g)
	case 10, 11:
		return append([]string{"XDEL", key}, g.some(1+g.IntN(4), g.streamID)...)
	case 12:
		return append([]string{"XTRIM", key}, g.trimming()...)
	case 13:
		words := []string{"XSETID", key, g.streamID()}
		if g.one(3) {
			words = append(words, "ENTRIESADDED", g.small())
		}
		if g.one(3) {
			words = append(words, "MAXDELETEDID", g.streamID())
		}
		return words
	case 14:
		return append([]string{"XINFO", "STREAM", key}, g.some(g.IntN(2), func() string { return g.pick("FULL", "FULL", "foo") })...)
	}
	return []string{g.pick("DEL", "TYPE"), key}
}

func nextXAdd(g *gen, key string) []string {
	words := append([]string{"XADD", key}, g.trimming()...)
	if g.one(6) {
		words = append(words, "NOMKSTREAM")
	}
	words = append(append(words, g.newStreamID()), g.fields()...)
	if g.one(30) {
		words = words[:len(words)-1]
	}
	return words
}

func nextXRead(g *gen) []string {
	words := append([]string{"XREAD"}, g.counting()...)
	n := 1 + g.IntN(3)
	words = append(append(words, "STREAMS"), g.some(n, func() string { return g.key("stream") })...)
	return append(words, g.some(n, func() string { return g.pick("0", "$", g.streamID(), g.streamID(), "0-0", ">", "a", "0") })...)
}

// trimming returns options that trim exactly: what "~" leaves depends on how Redis
// packs its nodes.
func (g *gen) trimming() []string {
	switch g.IntN(8) {
	case 0, 1:
		return []string{g.pick("MAXLEN", "maxlen"), strconv.Itoa(g.IntN(12))}
	case 2:
		return []string{"MAXLEN", "=", g.small()}
	case 3, 4:
		return []string{"MINID", g.streamID()}
	case 5:
		if g.one(4) {
			return []string{"MAXLEN", g.pick("~", "="), "1000", "LIMIT", g.small()}
		}
	}
	return nil
}

func (g *gen) counting() []string {
	if g.one(2) {
		return nil
	}
	return []string{g.pick("COUNT", "count", "COUNT", "COUNT", "foo"), g.small()}
}

// TestTrimmingByWholeNodesAnswersAsRedis: with entries of one size the nodes are the
// same.
func TestTrimmingByWholeNodesAnswersAsRedis(t *testing.T) {
	p := startPair(t, 3)
	p.reset()
	for i := 1; i <= 1050; i++ {
		if !p.send([]string{"XADD", "stream:0", fmt.Sprintf("%d-1", i), "field", "value"}) {
			return
		}
	}
	for _, words := range [][]string{{"MAXLEN", "~", "1000"}, {"MAXLEN", "~", "940"}, {"MINID", "~", "350"}, {"MAXLEN", "~", "0", "LIMIT", "250"}, {"MAXLEN", "~", "0"}} {
		p.send(append([]string{"XTRIM", "stream:0"}, words...))
		p.send([]string{"XLEN", "stream:0"})
		p.send([]string{"XRANGE", "stream:0", "-", "+", "COUNT", "1"})
	}
}
