package server

import (
	"math"

	"github.com/lullcache/lull"
)

var listHandlers = handlers{
	"lpush":     unit(push),
	"rpush":     unit(push),
	"lpushx":    unit(push),
	"rpushx":    unit(push),
	"lpop":      unit(pop),
	"rpop":      unit(pop),
	"lmpop":     unit(lmpop),
	"lmove":     unit(lmove),
	"rpoplpush": unit(rpoplpush),
	"linsert":   unit(linsert),
	"lset":      unit(lset),
	"lrem":      unit(lrem),
	"ltrim":     unit(ltrim),
	"llen":      unit(llen),
	"lindex":    unit(lindex),
	"lrange":    unit(lrange),
	"lpos":      unit(lpos),
}

var (
	errRankZero      = newError("ERR", "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list")
	errCountNegative = newError("ERR", "COUNT can't be negative")
	errMaxLen        = newError("ERR", "MAXLEN can't be negative")
)

// endOf is the end that the command's first letter names.
func (c *call) endOf() lull.End { return lull.End(c.cmd.Name[0] == 'r') }

// end reads argument i as LEFT or RIGHT.
func (c *call) end(i int) (lull.End, error) {
	switch {
	case c.word(i, "LEFT"):
		return lull.Head, nil
	case c.word(i, "RIGHT"):
		return lull.Tail, nil
	}
	return lull.Head, errSyntax
}

func push(c *call, tx *lull.Tx) error {
	ifExists := c.cmd.Name[len(c.cmd.Name)-1] == 'x'
	n, err := tx.Push(c.args[1], c.endOf(), c.args[2:], ifExists)
	c.out.Int(int64(n))
	return err
}

func pop(c *call, tx *lull.Tx) error {
	if len(c.args) > 3 {
		return wrongArity(c.cmd)
	}
	if len(c.args) == 2 {
		n, err := tx.Pop(c.args[1], c.endOf(), 1, c.out.Bulk)
		if n == 0 {
			c.out.Null()
		}
		return err
	}
	n, err := c.count(2)
	if err != nil {
		return err
	}
	list, err := tx.List(c.args[1])
	if err != nil {
		return err
	}
	if list.Len() == 0 {
		c.out.NullArray()
		return nil
	}
	return c.popped(tx, c.args[1], c.endOf(), min(n, int64(list.Len())))
}

// popped takes n elements, which are there, off a list and writes them.
func (c *call) popped(tx *lull.Tx, key []byte, end lull.End, n int64) error {
	c.out.Array(int(n))
	_, err := tx.Pop(key, end, int(n), c.out.Bulk)
	return err
}

func lmpop(c *call, tx *lull.Tx) error {
	keys, ok := parseInteger(c.args[1])
	if !ok || keys < 1 {
		return errNumKeys
	}
	if keys > int64(len(c.args)-3) {
		return errSyntax
	}
	at := 2 + int(keys)
	end, err := c.end(at)
	if err != nil {
		return err
	}
	n := int64(1)
	for i, given := at+1, false; i < len(c.args); i += 2 {
		if given || i+1 == len(c.args) || !c.word(i, "COUNT") {
			return errSyntax
		}
		if n, ok = parseInteger(c.args[i+1]); !ok || n < 1 {
			return errPopCount
		}
		given = true
	}
	for _, key := range c.args[2:at] {
		list, err := tx.List(key)
		if err != nil {
			return err
		}
		if list.Len() > 0 {
			c.out.Array(2)
			c.out.Bulk(key)
			return c.popped(tx, key, end, min(n, int64(list.Len())))
		}
	}
	c.out.NullArray()
	return nil
}

func lmove(c *call, tx *lull.Tx) error {
	from, err := c.end(3)
	if err != nil {
		return err
	}
	to, err := c.end(4)
	if err != nil {
		return err
	}
	return c.move(tx, from, to)
}

func rpoplpush(c *call, tx *lull.Tx) error { return c.move(tx, lull.Tail, lull.Head) }

func (c *call) move(tx *lull.Tx, from, to lull.End) error {
	v, ok, err := tx.LMove(c.args[1], c.args[2], from, to)
	c.bulkOrNull(v, ok)
	return err
}

func linsert(c *call, tx *lull.Tx) error {
	before := c.word(2, "BEFORE")
	if !before && !c.word(2, "AFTER") {
		return errSyntax
	}
	n, err := tx.LInsert(c.args[1], before, c.args[3], c.args[4])
	c.out.Int(int64(n))
	return err
}

// lset answers LSET. As in Redis a list that is not there comes before an index that
// is none.
func lset(c *call, tx *lull.Tx) error {
	list, err := tx.List(c.args[1])
	if err != nil {
		return err
	}
	if list.Len() == 0 {
		return errNoSuchKey
	}
	i, err := c.integer(2)
	if err != nil {
		return err
	}
	c.out.Simple("OK")
	return tx.LSet(c.args[1], int(i), c.args[3])
}

func lrem(c *call, tx *lull.Tx) error {
	count, err := c.integer(2)
	if err != nil {
		return err
	}
	n, err := tx.LRem(c.args[1], int(count), c.args[3])
	c.out.Int(int64(n))
	return err
}

func ltrim(c *call, tx *lull.Tx) error {
	start, stop, err := c.indexes()
	if err != nil {
		return err
	}
	c.out.Simple("OK")
	return tx.LTrim(c.args[1], start, stop)
}

// indexes reads arguments 2 and 3 as the bounds of a range.
func (c *call) indexes() (start, stop int, err error) {
	from, err := c.integer(2)
	if err != nil {
		return 0, 0, err
	}
	to, err := c.integer(3)
	return int(from), int(to), err
}

func llen(c *call, tx *lull.Tx) error {
	list, err := tx.List(c.args[1])
	c.out.Int(int64(list.Len()))
	return err
}

func lindex(c *call, tx *lull.Tx) error {
	list, err := tx.List(c.args[1])
	if err != nil {
		return err
	}
	if list.Len() == 0 {
		c.out.Null()
		return nil
	}
	i, err := c.integer(2)
	if err != nil {
		return err
	}
	c.bulkOrNull(list.At(int(i)))
	return nil
}

func lrange(c *call, tx *lull.Tx) error {
	start, stop, err := c.indexes()
	if err != nil {
		return err
	}
	list, err := tx.List(c.args[1])
	list.Range(start, stop, c.out.Array, c.out.Bulk)
	return err
}

// posArgs are the options of LPOS.
type posArgs struct {
	rank, count, maxLen int64
	many                bool // COUNT was given: the answer is an array
}

func (c *call) posArgs() (a posArgs, err error) {
	a.rank = 1
	for i := 3; i < len(c.args); i += 2 {
		if i+1 == len(c.args) {
			return a, errSyntax
		}
		switch n, ok := parseInteger(c.args[i+1]); {
		case c.word(i, "RANK"):
			if a.rank, err = c.symmetric(i + 1); err != nil {
				return a, err
			}
			if a.rank == 0 {
				return a, errRankZero
			}
		case c.word(i, "COUNT"):
			if !ok || n < 0 {
				return a, errCountNegative
			}
			a.count, a.many = n, true
		case c.word(i, "MAXLEN"):
			if !ok || n < 0 {
				return a, errMaxLen
			}
			a.maxLen = n
		default:
			return a, errSyntax
		}
	}
	return a, nil
}

func lpos(c *call, tx *lull.Tx) error {
	a, err := c.posArgs()
	if err != nil {
		return err
	}
	list, err := tx.List(c.args[1])
	if err != nil {
		return err
	}
	limit := int64(math.MaxInt64)
	if a.maxLen > 0 {
		limit = a.maxLen
	}
	skip := max(a.rank, -a.rank) - 1
	var found []int
	list.Find(c.args[2], a.rank < 0, clampInt(limit), func(i int) bool {
		if skip > 0 {
			skip--
			return true
		}
		found = append(found, i)
		return a.many && (a.count == 0 || int64(len(found)) < a.count)
	})
	switch {
	case a.many:
		c.out.Array(len(found))
		for _, i := range found {
			c.out.Int(int64(i))
		}
	case len(found) > 0:
		c.out.Int(int64(found[0]))
	default:
		c.out.Null()
	}
	return nil
}
