package server

import (
	"math"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/resp"
)

var hashHandlers = handlers{
	"hset":         unit(hset),
	"hmset":        unit(hset),
	"hsetnx":       unit(hsetnx),
	"hdel":         unit(hdel),
	"hincrby":      unit(hincrby),
	"hincrbyfloat": unit(hincrbyfloat),
	"hget":         unit(hget),
	"hmget":        unit(hmget),
	"hgetall":      unit(hgetall),
	"hkeys":        unit(hkeys),
	"hvals":        unit(hvals),
	"hlen":         unit(hlen),
	"hexists":      unit(hexists),
	"hstrlen":      unit(hstrlen),
	"hrandfield":   unit(hrandfield),
	"hscan":        unit(hscan),
}

var errAnswerTooLong = newError("ERR", "the answer would be longer than the reply buffer limit")

// hset answers HSET, and HMSET, which differs in its answer.
func hset(c *call, tx *lull.Tx) error {
	if len(c.args)%2 != 0 {
		return wrongArity(c.cmd)
	}
	added, err := tx.HSet(c.args[1], c.args[2:])
	if c.cmd.Name == "hmset" {
		c.out.Simple("OK")
	} else {
		c.out.Int(int64(added))
	}
	return err
}

func hsetnx(c *call, tx *lull.Tx) error {
	set, err := tx.HSetNX(c.args[1], c.args[2], c.args[3])
	c.outcome(set)
	return err
}

func hdel(c *call, tx *lull.Tx) error {
	n, err := tx.HDel(c.args[1], c.args[2:])
	c.out.Int(int64(n))
	return err
}

func hincrby(c *call, tx *lull.Tx) error {
	by, err := c.integer(3)
	if err != nil {
		return err
	}
	sum, err := tx.HIncrBy(c.args[1], c.args[2], by)
	c.out.Int(sum)
	return err
}

func hincrbyfloat(c *call, tx *lull.Tx) error {
	sum, err := tx.HIncrByFloat(c.args[1], c.args[2], c.args[3])
	c.out.BulkString(sum)
	return err
}

func hget(c *call, tx *lull.Tx) error {
	val, ok, err := tx.HGet(c.args[1], c.args[2])
	c.bulkOrNull(val, ok)
	return err
}

func hmget(c *call, tx *lull.Tx) error {
	all, err := tx.HGetAll(c.args[1])
	c.out.Array(len(c.args) - 2)
	for _, field := range c.args[2:] {
		c.bulkOrNull(all.Get(field))
	}
	return err
}

func hgetall(c *call, tx *lull.Tx) error {
	all, err := tx.HGetAll(c.args[1])
	c.out.Map(all.Len())
	all.Each(func(field, val []byte) bool {
		c.out.Bulk(field)
		c.out.Bulk(val)
		return true
	})
	return err
}

func hkeys(c *call, tx *lull.Tx) error {
	all, err := tx.HGetAll(c.args[1])
	c.out.Array(all.Len())
	all.Each(func(field, _ []byte) bool {
		c.out.Bulk(field)
		return true
	})
	return err
}

func hvals(c *call, tx *lull.Tx) error {
	all, err := tx.HGetAll(c.args[1])
	c.out.Array(all.Len())
	all.Each(func(_, val []byte) bool {
		c.out.Bulk(val)
		return true
	})
	return err
}

func hlen(c *call, tx *lull.Tx) error {
	all, err := tx.HGetAll(c.args[1])
	c.out.Int(int64(all.Len()))
	return err
}

func hexists(c *call, tx *lull.Tx) error {
	_, ok, err := tx.HGet(c.args[1], c.args[2])
	c.outcome(ok)
	return err
}

func hstrlen(c *call, tx *lull.Tx) error {
	val, _, err := tx.HGet(c.args[1], c.args[2])
	c.out.Int(int64(len(val)))
	return err
}

func hrandfield(c *call, tx *lull.Tx) error {
	if len(c.args) == 2 {
		all, err := tx.HGetAll(c.args[1])
		field, _, ok := all.Random()
		c.bulkOrNull(field, ok)
		return err
	}
	count, err := c.symmetric(2)
	if err != nil {
		return err
	}
	withValues := len(c.args) == 4 && c.word(3, "WITHVALUES")
	if len(c.args) > 3 && !withValues {
		return errSyntax
	}
	if withValues && (count < -math.MaxInt64/2 || count > math.MaxInt64/2) {
		return errOutOfRange
	}
	all, err := tx.HGetAll(c.args[1])
	if err != nil || all.Len() == 0 {
		c.out.Array(0)
		return err
	}
	return c.randomFields(all, count, withValues)
}

// randomFields writes count different fields, or -count fields that may repeat.
func (c *call) randomFields(all lull.Fields, count int64, withValues bool) error {
	give := func(field, val []byte) {
		if withValues && c.out.Version() == 3 {
			c.out.Array(2)
		}
		c.out.Bulk(field)
		if withValues {
			c.out.Bulk(val)
		}
	}
	n := min(count, int64(all.Len()))
	if count < 0 {
		n = -count
	}
	if c.tooMany(n) {
		return errAnswerTooLong
	}
	if withValues && c.out.Version() == 2 {
		c.out.Array(clampInt(2 * n))
	} else {
		c.out.Array(clampInt(n))
	}
	if count > 0 {
		all.Sample(int(n), give)
		return nil
	}
	for range n {
		field, val, _ := all.Random()
		give(field, val)
		if c.tooLong() {
			return errAnswerTooLong
		}
	}
	return nil
}

// tooMany reports whether n elements, which a client may ask for freely, are more than
// any answer holds; tooLong, whether the answer has become too long.
func (c *call) tooMany(n int64) bool {
	const shortest = len("$0\r\n\r\n")
	return n > int64(c.conn.srv.opts.ReplyMax/shortest)
}

func (c *call) tooLong() bool { return c.out.Over() }

// symmetric reads argument i as an integer that can be negated.
func (c *call) symmetric(i int) (int64, error) {
	count, err := c.integer(i)
	if err == nil && count == math.MinInt64 {
		err = errRandomCount
	}
	return count, err
}

func hscan(c *call, tx *lull.Tx) error {
	all, err := tx.HGetAll(c.args[1])
	return c.scanItems(all.Len(), err, func(cursor uint64, o scanOptions, items *resp.Writer) (next uint64, n int, err error) {
		next, err = tx.HScan(c.args[1], cursor, o.count, func(field, val []byte) {
			if o.matches(field) {
				n += 2
				items.Bulk(field)
				items.Bulk(val)
			}
		})
		return next, n, err
	})
}

// bulkOrNull writes a value that may not be there.
func (c *call) bulkOrNull(val []byte, ok bool) {
	if ok {
		c.out.Bulk(val)
	} else {
		c.out.Null()
	}
}

// outcome writes 1 for what was done or is so, else 0.
func (c *call) outcome(done bool) { c.out.Int(int64(count(done))) }
