package server

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/lullcache/lull"
)

var (
	errScoreRange   = newError("ERR", "min or max is not a float")
	errLexRange     = newError("ERR", "min or max not valid string range item")
	errRankLimit    = newError("ERR", "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
	errLexScores    = newError("ERR", "syntax error, WITHSCORES not supported in combination with BYLEX")
	errWeight       = newError("ERR", "weight value is not a float")
	errLimitSign    = newError("ERR", "LIMIT can't be negative")
	errNumKeysInput = "at least 1 input key is needed for '%s' command"
)

// scoreBound reads argument i as an end of a range of scores.
func (c *call) scoreBound(i int) (score float64, exclusive, ok bool) {
	text := c.args[i]
	if len(text) > 0 && text[0] == '(' {
		text, exclusive = text[1:], true
	}
	score, ok = parseBound(text)
	return score, exclusive, ok
}

// parseBound is parseFloat as C's strtod has it: it ends at a zero byte, nothing is 0, and
// what is too large infinite.
func parseBound(text []byte) (float64, bool) {
	text, _, _ = bytes.Cut(text, []byte{0})
	if len(text) == 0 {
		return 0, true
	}
	f, err := strtod(bytes.TrimLeft(text, " \t\n\v\f\r"))
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

func (c *call) scoreRange(low, high int) (r lull.ScoreRange, err error) {
	var lowOK, highOK bool
	r.Min, r.MinEx, lowOK = c.scoreBound(low)
	r.Max, r.MaxEx, highOK = c.scoreBound(high)
	if !lowOK || !highOK {
		return r, errScoreRange
	}
	return r, nil
}

// lexBound reads argument i as an end of a range of members.
func (c *call) lexBound(i int) (b lull.LexBound, ok bool) {
	text := c.args[i]
	if len(text) == 0 {
		return b, false
	}
	switch text[0] {
	case '-':
		b.Inf = -1
		return b, len(text) == 1
	case '+':
		b.Inf = 1
		return b, len(text) == 1
	case '(', '[':
		b.Member, b.Ex = text[1:], text[0] == '('
		return b, true
	}
	return b, false
}

func (c *call) lexRange(low, high int) (r lull.LexRange, err error) {
	var lowOK, highOK bool
	r.Min, lowOK = c.lexBound(low)
	r.Max, highOK = c.lexBound(high)
	if !lowOK || !highOK {
		return r, errLexRange
	}
	return r, nil
}

// rangeAt reads the arguments i and i+1 as the ends of a range of r's kind.
func (c *call) rangeAt(r *lull.ZRange, i int) (err error) {
	low, high := i, i+1
	if r.Reverse && r.By != lull.ByRank {
		low, high = high, low
	}
	switch r.By {
	case lull.ByScore:
		r.Score, err = c.scoreRange(low, high)
	case lull.ByLex:
		r.Lex, err = c.lexRange(low, high)
	default:
		var start, stop int64
		if start, err = c.integer(low); err == nil {
			stop, err = c.integer(high)
		}
		r.Start, r.Stop = int(start), int(stop)
	}
	return err
}

// zcount answers ZCOUNT and ZLEXCOUNT.
func zcount(c *call, tx *lull.Tx) error {
	r := lull.ZRange{By: lull.ByScore}
	if c.cmd.Name == "zlexcount" {
		r.By = lull.ByLex
	}
	if err := c.rangeAt(&r, 2); err != nil {
		return err
	}
	v, err := tx.ZRange(c.args[1], r)
	c.out.Int(int64(v.Len()))
	return err
}

func zremrange(c *call, tx *lull.Tx) error {
	r := lull.ZRange{}
	switch c.cmd.Name {
	case "zremrangebyscore":
		r.By = lull.ByScore
	case "zremrangebylex":
		r.By = lull.ByLex
	}
	if err := c.rangeAt(&r, 2); err != nil {
		return err
	}
	n, err := tx.ZRemRange(c.args[1], r)
	c.out.Int(int64(n))
	return err
}

// zrangeArgs is what the forms of ZRANGE say.
type zrangeArgs struct {
	lull.ZRange
	key        int // argument
	withScores bool
}

// zrange answers ZRANGE, ZRANGESTORE and the older forms, whose names fix the kind of
// range or the direction.
func zrange(c *call, tx *lull.Tx) error {
	store := c.cmd.Name == "zrangestore"
	a := zrangeArgs{key: 1}
	if store {
		a.key = 2
	}
	if err := c.zrangeOptions(&a, store); err != nil {
		return err
	}
	if err := c.rangeAt(&a.ZRange, a.key+1); err != nil {
		return err
	}
	if store {
		n, err := tx.ZRangeStore(c.args[1], c.args[2], a.ZRange)
		c.out.Int(int64(n))
		return err
	}
	v, err := tx.ZRange(c.args[a.key], a.ZRange)
	if err != nil {
		return err
	}
	c.scoredHead(v.Len(), a.withScores)
	v.Each(func(member []byte, score float64) { c.scored(member, score, a.withScores) })
	return nil
}

func (c *call) zrangeOptions(a *zrangeArgs, store bool) error {
	anyDirection, anyKind := c.cmd.Name == "zrange" || store, c.cmd.Name == "zrange" || store
	a.Reverse = strings.HasPrefix(c.cmd.Name, "zrevrange")
	switch {
	case strings.HasSuffix(c.cmd.Name, "byscore"):
		a.By = lull.ByScore
	case strings.HasSuffix(c.cmd.Name, "bylex"):
		a.By = lull.ByLex
	}
	offset, count := int64(0), int64(-1)
	for i := a.key + 3; i < len(c.args); i++ {
		var err error
		switch {
		case !store && c.word(i, "WITHSCORES"):
			a.withScores = true
		case c.word(i, "LIMIT") && i+2 < len(c.args):
			if offset, err = c.integer(i + 1); err == nil {
				count, err = c.integer(i + 2)
			}
			i += 2
		case anyDirection && c.word(i, "REV"):
			a.Reverse, anyDirection = true, false
		case anyKind && c.word(i, "BYLEX"):
			a.By, anyKind = lull.ByLex, false
		case anyKind && c.word(i, "BYSCORE"):
			a.By, anyKind = lull.ByScore, false
		default:
			err = errSyntax
		}
		if err != nil {
			return err
		}
	}
	switch {
	case count != -1 && a.By == lull.ByRank:
		return errRankLimit
	case a.withScores && a.By == lull.ByLex:
		return errLexScores
	}
	if a.By != lull.ByRank {
		a.Limited, a.Offset, a.Count = true, int(offset), int(count)
	}
	return nil
}

// zcombine answers ZUNION, ZINTER, ZDIFF and the forms that store.
func zcombine(c *call, tx *lull.Tx) error {
	name, store := strings.CutSuffix(c.cmd.Name, "store")
	at := 1
	if store {
		at = 2
	}
	q := lull.ZCombination{}
	switch name {
	case "zinter":
		q.Op = lull.ZInter
	case "zdiff":
		q.Op = lull.ZDiff
	}
	n, err := c.inputKeys(at)
	if err != nil {
		return err
	}
	q.Keys = c.args[at+1 : at+1+n]
	withScores, err := c.combineOptions(&q, at+1+n, store)
	if err != nil {
		return c.afterSources(tx, q.Keys, err)
	}
	if store {
		n, err := tx.ZCombineStore(c.args[1], q)
		c.out.Int(int64(n))
		return err
	}
	found, err := tx.ZCombine(q)
	c.scoredList(found, withScores)
	return err
}

// afterSources returns err, unless a key that is combined is neither set nor sorted set: as in
// Redis that comes first.
func (c *call) afterSources(tx *lull.Tx, keys [][]byte, err error) error {
	if _, wrong := tx.ZInterCard(keys, 1); wrong != nil {
		return wrong
	}
	return err
}

// inputKeys reads argument i as the count of keys that follow.
func (c *call) inputKeys(i int) (int, error) {
	n, err := c.integer(i)
	switch {
	case err != nil:
		return 0, err
	case n < 1:
		return 0, errorf(errNumKeysInput, c.cmd.FullName())
	case n > int64(len(c.args)-i-1):
		return 0, errSyntax
	}
	return int(n), nil
}

func (c *call) combineOptions(q *lull.ZCombination, from int, store bool) (withScores bool, err error) {
	for i := from; i < len(c.args); i++ {
		left := len(c.args) - i
		switch {
		case q.Op != lull.ZDiff && left > len(q.Keys) && c.word(i, "WEIGHTS"):
			q.Weights = make([]float64, len(q.Keys))
			for k := range q.Weights {
				i++
				if q.Weights[k], err = c.float(i); err != nil {
					return false, errWeight
				}
			}
		case q.Op != lull.ZDiff && left >= 2 && c.word(i, "AGGREGATE"):
			i++
			switch {
			case c.word(i, "SUM"):
				q.Aggregate = lull.ZSum
			case c.word(i, "MIN"):
				q.Aggregate = lull.ZMin
			case c.word(i, "MAX"):
				q.Aggregate = lull.ZMax
			default:
				return false, errSyntax
			}
		case !store && c.word(i, "WITHSCORES"):
			withScores = true
		default:
			return false, errSyntax
		}
	}
	return withScores, nil
}

func zintercard(c *call, tx *lull.Tx) error {
	n, err := c.inputKeys(1)
	if err != nil {
		return err
	}
	limit := int64(0)
	for i := 2 + n; i < len(c.args); i += 2 {
		if i+1 == len(c.args) || !c.word(i, "LIMIT") {
			return c.afterSources(tx, c.args[2:2+n], errSyntax)
		}
		if limit, err = c.count(i + 1); err != nil {
			return c.afterSources(tx, c.args[2:2+n], errLimitSign)
		}
	}
	count, err := tx.ZInterCard(c.args[2:2+n], clampInt(limit))
	c.out.Int(int64(count))
	return err
}
