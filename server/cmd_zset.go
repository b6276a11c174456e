package server

import (
	"math"
	"strconv"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/resp"
)

var zsetHandlers = handlers{
	"zadd":             unit(zadd),
	"zincrby":          unit(zincrby),
	"zrem":             unit(zrem),
	"zscore":           unit(zscore),
	"zmscore":          unit(zmscore),
	"zcard":            unit(zcard),
	"zrank":            unit(zrank),
	"zrevrank":         unit(zrank),
	"zpopmin":          unit(zpop),
	"zpopmax":          unit(zpop),
	"zmpop":            unit(zmpop),
	"zrandmember":      unit(zrandmember),
	"zscan":            unit(zscan),
	"zcount":           unit(zcount),
	"zlexcount":        unit(zcount),
	"zrange":           unit(zrange),
	"zrangestore":      unit(zrange),
	"zrevrange":        unit(zrange),
	"zrangebyscore":    unit(zrange),
	"zrevrangebyscore": unit(zrange),
	"zrangebylex":      unit(zrange),
	"zrevrangebylex":   unit(zrange),
	"zremrangebyrank":  unit(zremrange),
	"zremrangebyscore": unit(zremrange),
	"zremrangebylex":   unit(zremrange),
	"zunion":           unit(zcombine),
	"zinter":           unit(zcombine),
	"zdiff":            unit(zcombine),
	"zunionstore":      unit(zcombine),
	"zinterstore":      unit(zcombine),
	"zdiffstore":       unit(zcombine),
	"zintercard":       unit(zintercard),
}

var (
	errZAddPresence = newError("ERR", "XX and NX options at the same time are not compatible")
	errZAddOrder    = newError("ERR", "GT, LT, and/or NX options at the same time are not compatible")
	errZAddIncr     = newError("ERR", "INCR option supports a single increment-element pair")
	errNumKeys      = newError("ERR", "numkeys should be greater than 0")
	errPopCount     = newError("ERR", "count should be greater than 0")
	errRandomCount  = newError("ERR", "value is out of range, value must between -9223372036854775807 and 9223372036854775807")
)

// scoredHead begins an array of n members.
func (c *call) scoredHead(n int, withScores bool) {
	if withScores && c.out.Version() == 2 {
		n *= 2
	}
	c.out.Array(n)
}

// scored writes a member of such an array: with its score a pair, in RESP2 flat.
func (c *call) scored(member []byte, score float64, withScores bool) {
	if !withScores {
		c.out.Bulk(member)
		return
	}
	if c.out.Version() == 3 {
		c.out.Array(2)
	}
	c.out.Bulk(member)
	c.out.Double(score)
}

func (c *call) scoredList(members []lull.Scored, withScores bool) {
	c.scoredHead(len(members), withScores)
	for _, m := range members {
		c.scored(m.Member, m.Score, withScores)
	}
}

// scoreOrNull writes a score that may not be there.
func (c *call) scoreOrNull(score float64, ok bool) {
	if ok {
		c.out.Double(score)
	} else {
		c.out.Null()
	}
}

// zaddOption reads argument i as a condition of ZADD, if it is one.
func (c *call) zaddOption(i int, o *lull.ZAddOptions) bool {
	switch {
	case c.word(i, "NX"):
		o.IfAbsent = true
	case c.word(i, "XX"):
		o.IfPresent = true
	case c.word(i, "GT"):
		o.Greater = true
	case c.word(i, "LT"):
		o.Less = true
	default:
		return false
	}
	return true
}

func zadd(c *call, tx *lull.Tx) error {
	var o lull.ZAddOptions
	var countChanged, incr bool
	i := 2
options:
	for ; i < len(c.args); i++ {
		switch {
		case c.zaddOption(i, &o):
		case c.word(i, "CH"):
			countChanged = true
		case c.word(i, "INCR"):
			incr = true
		default:
			break options
		}
	}
	pairs := c.args[i:]
	switch {
	case len(pairs) == 0 || len(pairs)%2 != 0:
		return errSyntax
	case o.IfAbsent && o.IfPresent:
		return errZAddPresence
	case o.IfAbsent && (o.Greater || o.Less) || o.Greater && o.Less:
		return errZAddOrder
	case incr && len(pairs) > 2:
		return errZAddIncr
	}
	var room [8]lull.Scored
	members := room[:0]
	for j := 0; j < len(pairs); j += 2 {
		score, err := c.float(i + j)
		if err != nil {
			return err
		}
		members = append(members, lull.Scored{Member: pairs[j+1], Score: score})
	}
	if incr {
		score, ok, err := tx.ZIncrBy(c.args[1], members[0].Member, members[0].Score, o)
		c.scoreOrNull(score, ok)
		return err
	}
	added, changed, err := tx.ZAdd(c.args[1], o, members)
	if countChanged {
		added += changed
	}
	c.out.Int(int64(added))
	return err
}

func zincrby(c *call, tx *lull.Tx) error {
	by, err := c.float(2)
	if err != nil {
		if c.zaddOption(2, &lull.ZAddOptions{}) || c.word(2, "CH") || c.word(2, "INCR") {
			err = errSyntax // Redis has one function for ZADD and ZINCRBY
		}
		return err
	}
	score, ok, err := tx.ZIncrBy(c.args[1], c.args[3], by, lull.ZAddOptions{})
	c.scoreOrNull(score, ok)
	return err
}

func zrem(c *call, tx *lull.Tx) error {
	n, err := tx.ZRem(c.args[1], c.args[2:])
	c.out.Int(int64(n))
	return err
}

func zscore(c *call, tx *lull.Tx) error {
	score, ok, err := tx.ZScore(c.args[1], c.args[2])
	c.scoreOrNull(score, ok)
	return err
}

func zmscore(c *call, tx *lull.Tx) error {
	c.out.Array(len(c.args) - 2)
	return tx.ZMScore(c.args[1], c.args[2:], c.scoreOrNull)
}

func zcard(c *call, tx *lull.Tx) error {
	n, err := tx.ZCard(c.args[1])
	c.out.Int(int64(n))
	return err
}

func zrank(c *call, tx *lull.Tx) error {
	rank, ok, err := tx.ZRank(c.args[1], c.args[2], c.cmd.Name == "zrevrank")
	if ok {
		c.out.Int(int64(rank))
	} else {
		c.out.Null()
	}
	return err
}

func zpop(c *call, tx *lull.Tx) error {
	count, nested := int64(1), false
	if len(c.args) > 3 {
		return errSyntax
	}
	if len(c.args) == 3 {
		var err error
		if count, err = c.count(2); err != nil {
			return err
		}
		nested = c.out.Version() == 3
	}
	popped, err := tx.ZPop(c.args[1], c.cmd.Name == "zpopmax", clampInt(count))
	if nested {
		c.scoredList(popped, true)
		return err
	}
	c.out.Array(2 * len(popped))
	for _, m := range popped {
		c.out.Bulk(m.Member)
		c.out.Double(m.Score)
	}
	return err
}

func zmpop(c *call, tx *lull.Tx) error {
	n, ok := parseInteger(c.args[1])
	if !ok || n <= 0 {
		return errNumKeys
	}
	if n > int64(len(c.args)-3) {
		return errSyntax
	}
	at := 2 + int(n)
	highest := c.word(at, "MAX")
	if !highest && !c.word(at, "MIN") {
		return errSyntax
	}
	count := int64(1)
	for i, given := at+1, false; i < len(c.args); i += 2 {
		if given || i+1 == len(c.args) || !c.word(i, "COUNT") {
			return errSyntax
		}
		if count, ok = parseInteger(c.args[i+1]); !ok || count <= 0 {
			return errPopCount
		}
		given = true
	}
	first, popped, err := tx.ZMPop(c.args[2:at], highest, clampInt(count))
	if err != nil {
		return err
	}
	if first < 0 {
		c.out.NullArray()
		return nil
	}
	c.out.Array(2)
	c.out.Bulk(c.args[2+first])
	c.out.Array(len(popped))
	for _, m := range popped {
		c.out.Array(2)
		c.out.Bulk(m.Member)
		c.out.Double(m.Score)
	}
	return nil
}

// clampInt is n as an int, the greatest if it is none.
func clampInt(n int64) int { return int(min(n, math.MaxInt)) }

func zrandmember(c *call, tx *lull.Tx) error {
	if len(c.args) == 2 {
		found := false
		err := tx.ZRandMember(c.args[1], 1, func(n int) {
			if found = n > 0; !found {
				c.out.Null()
			}
		}, func(member []byte, _ float64) { c.out.Bulk(member) })
		return err
	}
	count, err := c.integer(2)
	if err != nil {
		return err
	}
	if count == math.MinInt64 {
		return errRandomCount
	}
	withScores := len(c.args) == 4 && c.word(3, "WITHSCORES")
	if len(c.args) > 3 && !withScores {
		return errSyntax
	}
	if withScores && (count < -math.MaxInt64/2 || count > math.MaxInt64/2) {
		return errOutOfRange
	}
	return tx.ZRandMember(c.args[1], int(count),
		func(n int) { c.scoredHead(n, withScores) },
		func(member []byte, score float64) { c.scored(member, score, withScores) })
}

func zscan(c *call, tx *lull.Tx) error {
	size, err := tx.ZCard(c.args[1])
	small := err == nil && c.smallZSet(tx, size)
	return c.scanItems(size, err, func(cursor uint64, o scanOptions, items *resp.Writer) (next uint64, n int, err error) {
		next, err = tx.ZScan(c.args[1], cursor, o.count, func(member []byte, score float64) {
			if o.matches(member) {
				n += 2
				items.Bulk(member)
				items.Bulk(appendScanScore(nil, score, small))
			}
		})
		return next, n, err
	})
}

// What Redis holds as a listpack by default, where it keeps whole scores as integers.
const (
	listpackItems  = 128
	listpackMember = 64
)

// smallZSet reports whether Redis would hold the set at args[1] as a listpack, if it was never larger.
func (c *call) smallZSet(tx *lull.Tx, size int) bool {
	small := size <= listpackItems
	for cursor, more := uint64(0), small; more; more = small && cursor != 0 {
		cursor, _ = tx.ZScan(c.args[1], cursor, size, func(member []byte, _ float64) {
			small = small && len(member) <= listpackMember
		})
	}
	return small
}

// appendScanScore appends a score as ZSCAN shows it: in small sets whole numbers are
// integers, however large.
func appendScanScore(dst []byte, score float64, small bool) []byte {
	if small && score == math.Trunc(score) && math.Abs(score) < math.MaxInt64/2 {
		return strconv.AppendInt(dst, int64(score), 10)
	}
	return resp.AppendDouble(dst, score)
}
