package server

import (
	"math"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/value"
)

var stringHandlers = handlers{
	"append":      unit(appendString),
	"decr":        unit(decr),
	"decrby":      unit(decrBy),
	"get":         unit(get),
	"getdel":      unit(getDel),
	"getex":       unit(getEx),
	"getrange":    unit(getRange),
	"getset":      unit(getSet),
	"incr":        unit(incr),
	"incrby":      unit(incrBy),
	"incrbyfloat": unit(incrByFloat),
	"lcs":         unit(lcs),
	"mget":        unit(mget),
	"mset":        unit(mset),
	"msetnx":      unit(msetNX),
	"psetex":      unit(psetEx),
	"set":         unit(set),
	"setex":       unit(setEx),
	"setnx":       unit(setNX),
	"setrange":    unit(setRange),
	"strlen":      unit(strLen),
	"substr":      unit(getRange),
}

var errDecrOverflow = newError("ERR", "decrement would overflow")

// value writes a string, or null if there is none.
func (c *call) value(v value.Value, ok bool) {
	if !ok {
		c.out.Null()
		return
	}
	switch v.Kind() {
	case value.Int:
		n, _ := v.Int()
		c.out.BulkInt(n)
	case value.Bytes:
		c.out.BulkString(v.String())
	default:
		var buf [32]byte
		c.out.Bulk(v.AppendText(buf[:0]))
	}
}

// truth writes 1 or 0.
func (c *call) truth(b bool) {
	if b {
		c.out.Int(1)
		return
	}
	c.out.Int(0)
}

func get(c *call, tx *lull.Tx) error {
	v, ok, err := tx.Get(c.args[1])
	if err != nil {
		return err
	}
	c.value(v, ok)
	return nil
}

// set answers SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL].
func set(c *call, tx *lull.Tx) error {
	p, err := c.stringOptions(3, setWords)
	if err != nil {
		return err
	}
	o := p.set
	if o.ExpireAt, err = p.expireAt(c, tx.Now()); err != nil {
		return err
	}
	r, err := tx.Set(c.args[1], c.args[2], o)
	switch {
	case err != nil:
		return err
	case o.Get:
		c.value(r.Old, r.HadOld)
	case r.Done:
		c.out.Simple("OK")
	default:
		c.out.Null()
	}
	return nil
}

func setEx(c *call, tx *lull.Tx) error  { return setFor(c, tx, expiry{seconds: true, relative: true}) }
func psetEx(c *call, tx *lull.Tx) error { return setFor(c, tx, expiry{relative: true}) }

func setFor(c *call, tx *lull.Tx, e expiry) error {
	at, err := e.at(c, 2, tx.Now())
	if err != nil {
		return err
	}
	if _, err := tx.Set(c.args[1], c.args[3], lull.SetOptions{ExpireAt: at}); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}

func setNX(c *call, tx *lull.Tx) error {
	r, err := tx.Set(c.args[1], c.args[2], lull.SetOptions{IfAbsent: true})
	if err != nil {
		return err
	}
	c.truth(r.Done)
	return nil
}

func getSet(c *call, tx *lull.Tx) error {
	r, err := tx.Set(c.args[1], c.args[2], lull.SetOptions{Get: true})
	if err != nil {
		return err
	}
	c.value(r.Old, r.HadOld)
	return nil
}

func getDel(c *call, tx *lull.Tx) error {
	v, ok, err := tx.GetDel(c.args[1])
	if err != nil {
		return err
	}
	c.value(v, ok)
	return nil
}

// getEx answers GETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST].
func getEx(c *call, tx *lull.Tx) error {
	p, err := c.stringOptions(2, getExWords)
	if err != nil {
		return err
	}
	v, ok, err := tx.Get(c.args[1])
	if err != nil {
		return err
	}
	if ok && (p.persist || p.expiry.given) { // a time is looked at only for a key that is there
		at, err := p.expireAt(c, tx.Now())
		if err != nil {
			return err
		}
		if v, ok, err = tx.GetExpire(c.args[1], at); err != nil {
			return err
		}
	}
	c.value(v, ok)
	return nil
}

func mget(c *call, tx *lull.Tx) error {
	keys := c.args[1:]
	c.out.Array(len(keys))
	return tx.GetMany(keys, c.value)
}

func mset(c *call, tx *lull.Tx) error {
	if len(c.args)%2 == 0 {
		return wrongArity(c.cmd)
	}
	if _, err := tx.SetMany(c.args[1:], false); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}

func msetNX(c *call, tx *lull.Tx) error {
	if len(c.args)%2 == 0 {
		return wrongArity(c.cmd)
	}
	done, err := tx.SetMany(c.args[1:], true)
	if err != nil {
		return err
	}
	c.truth(done)
	return nil
}

func incr(c *call, tx *lull.Tx) error { return c.add(tx, 1) }
func decr(c *call, tx *lull.Tx) error { return c.add(tx, -1) }

func incrBy(c *call, tx *lull.Tx) error {
	n, err := c.integer(2)
	if err != nil {
		return err
	}
	return c.add(tx, n)
}

func decrBy(c *call, tx *lull.Tx) error {
	n, err := c.integer(2)
	switch {
	case err != nil:
		return err
	case n == math.MinInt64:
		return errDecrOverflow
	}
	return c.add(tx, -n)
}

func (c *call) add(tx *lull.Tx, n int64) error {
	sum, err := tx.IncrBy(c.args[1], n)
	if err != nil {
		return err
	}
	c.out.Int(sum)
	return nil
}

func incrByFloat(c *call, tx *lull.Tx) error {
	sum, err := tx.IncrByFloat(c.args[1], c.args[2])
	if err != nil {
		return err
	}
	c.out.BulkString(sum)
	return nil
}

func appendString(c *call, tx *lull.Tx) error {
	n, err := tx.Append(c.args[1], c.args[2])
	if err != nil {
		return err
	}
	c.out.Int(int64(n))
	return nil
}

func strLen(c *call, tx *lull.Tx) error {
	n, err := tx.StrLen(c.args[1])
	if err != nil {
		return err
	}
	c.out.Int(int64(n))
	return nil
}

func getRange(c *call, tx *lull.Tx) error {
	start, err := c.integer(2)
	if err != nil {
		return err
	}
	end, err := c.integer(3)
	if err != nil {
		return err
	}
	part, err := tx.GetRange(c.args[1], start, end)
	if err != nil {
		return err
	}
	c.out.BulkString(part)
	return nil
}

var errOffset = newError("ERR", "offset is out of range")

func setRange(c *call, tx *lull.Tx) error {
	offset, err := c.integer(2)
	switch {
	case err != nil:
		return err
	case offset < 0:
		return errOffset
	}
	n, err := tx.SetRange(c.args[1], int(offset), c.args[3])
	if err != nil {
		return err
	}
	c.out.Int(int64(n))
	return nil
}
