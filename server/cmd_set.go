package server

import (
	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/resp"
)

var setHandlers = handlers{
	"sadd":        unit(sadd),
	"srem":        unit(srem),
	"smove":       unit(smove),
	"spop":        unit(spop),
	"sismember":   unit(sismember),
	"smismember":  unit(smismember),
	"smembers":    unit(smembers),
	"scard":       unit(scard),
	"srandmember": unit(srandmember),
	"sscan":       unit(sscan),
	"sunion":      unit(scombine),
	"sinter":      unit(scombine),
	"sdiff":       unit(scombine),
	"sunionstore": unit(scombineStore),
	"sinterstore": unit(scombineStore),
	"sdiffstore":  unit(scombineStore),
	"sintercard":  unit(sintercard),
}

var (
	errKeysAndArgs = newError("ERR", "Number of keys can't be greater than number of args")
	errLimit       = newError("ERR", "LIMIT can't be negative")
)

func sadd(c *call, tx *lull.Tx) error {
	n, err := tx.SAdd(c.args[1], c.args[2:])
	c.out.Int(int64(n))
	return err
}

func srem(c *call, tx *lull.Tx) error {
	n, err := tx.SRem(c.args[1], c.args[2:])
	c.out.Int(int64(n))
	return err
}

func smove(c *call, tx *lull.Tx) error {
	moved, err := tx.SMove(c.args[1], c.args[2], c.args[3])
	c.outcome(moved)
	return err
}

func spop(c *call, tx *lull.Tx) error {
	if len(c.args) > 3 {
		return errSyntax
	}
	if len(c.args) == 2 {
		n, err := tx.SPop(c.args[1], 1, c.out.Bulk)
		if n == 0 {
			c.out.Null()
		}
		return err
	}
	n, err := c.count(2)
	if err != nil {
		return err
	}
	all, err := tx.SMembers(c.args[1])
	if err != nil {
		return err
	}
	n = min(n, int64(all.Len()))
	c.out.Set(int(n))
	_, err = tx.SPop(c.args[1], int(n), c.out.Bulk)
	return err
}

func sismember(c *call, tx *lull.Tx) error {
	in, err := tx.SIsMember(c.args[1], c.args[2])
	c.outcome(in)
	return err
}

func smismember(c *call, tx *lull.Tx) error {
	all, err := tx.SMembers(c.args[1])
	c.out.Array(len(c.args) - 2)
	for _, member := range c.args[2:] {
		c.outcome(all.Has(member))
	}
	return err
}

func smembers(c *call, tx *lull.Tx) error {
	all, err := tx.SMembers(c.args[1])
	c.memberSet(all)
	return err
}

func (c *call) memberSet(all lull.Members) {
	c.out.Set(all.Len())
	all.Each(func(member []byte) bool {
		c.out.Bulk(member)
		return true
	})
}

func scard(c *call, tx *lull.Tx) error {
	all, err := tx.SMembers(c.args[1])
	c.out.Int(int64(all.Len()))
	return err
}

func srandmember(c *call, tx *lull.Tx) error {
	if len(c.args) > 3 {
		return errSyntax
	}
	if len(c.args) == 2 {
		all, err := tx.SMembers(c.args[1])
		c.bulkOrNull(all.Random())
		return err
	}
	count, err := c.symmetric(2)
	if err != nil {
		return err
	}
	all, err := tx.SMembers(c.args[1])
	switch {
	case err != nil:
		return err
	case all.Len() == 0:
		c.out.Array(0)
		return nil
	case count >= 0:
		n := int(min(count, int64(all.Len())))
		c.out.Array(n)
		all.Sample(n, c.out.Bulk)
		return nil
	}
	if c.tooMany(-count) {
		return errAnswerTooLong
	}
	c.out.Array(int(-count))
	for range -count {
		member, _ := all.Random()
		c.out.Bulk(member)
		if c.tooLong() {
			return errAnswerTooLong
		}
	}
	return nil
}

func sscan(c *call, tx *lull.Tx) error {
	all, err := tx.SMembers(c.args[1])
	return c.scanItems(all.Len(), err, func(cursor uint64, o scanOptions, items *resp.Writer) (next uint64, n int, err error) {
		next, err = tx.SScan(c.args[1], cursor, o.count, func(member []byte) {
			if o.matches(member) {
				n++
				items.Bulk(member)
			}
		})
		return next, n, err
	})
}

// setOps are the combinations by their commands.
var setOps = map[string]lull.SOp{
	"sunion": lull.SUnion, "sunionstore": lull.SUnion,
	"sinter": lull.SInter, "sinterstore": lull.SInter,
	"sdiff": lull.SDiff, "sdiffstore": lull.SDiff,
}

func scombine(c *call, tx *lull.Tx) error {
	found, err := tx.SCombine(setOps[c.cmd.Name], c.args[1:])
	c.memberSet(found)
	return err
}

func scombineStore(c *call, tx *lull.Tx) error {
	n, err := tx.SCombineStore(c.args[1], setOps[c.cmd.Name], c.args[2:])
	c.out.Int(int64(n))
	return err
}

func sintercard(c *call, tx *lull.Tx) error {
	keys, ok := parseInteger(c.args[1])
	if !ok || keys < 1 {
		return errNumKeys
	}
	if keys > int64(len(c.args)-2) {
		return errKeysAndArgs
	}
	at := 2 + int(keys)
	limit := int64(0)
	for i := at; i < len(c.args); i += 2 {
		if i+1 == len(c.args) || !c.word(i, "LIMIT") {
			return errSyntax
		}
		if limit, ok = parseInteger(c.args[i+1]); !ok || limit < 0 {
			return errLimit
		}
	}
	n, err := tx.SInterCard(c.args[2:at], clampInt(limit))
	c.out.Int(int64(n))
	return err
}
