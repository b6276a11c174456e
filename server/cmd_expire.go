package server

import (
	"math"

	"github.com/lullcache/lull"
)

var (
	errExpireNX = newError("ERR", "NX and XX, GT or LT options at the same time are not compatible")
	errExpireGT = newError("ERR", "GT and LT options at the same time are not compatible")
)

func expire(c *call, tx *lull.Tx) error {
	return c.expireKey(tx, expiry{seconds: true, relative: true})
}
func pexpire(c *call, tx *lull.Tx) error   { return c.expireKey(tx, expiry{relative: true}) }
func expireAt(c *call, tx *lull.Tx) error  { return c.expireKey(tx, expiry{seconds: true}) }
func pexpireAt(c *call, tx *lull.Tx) error { return c.expireKey(tx, expiry{}) }

// expireKey answers EXPIRE and its like: key, time, [NX | XX | GT | LT].
func (c *call) expireKey(tx *lull.Tx, e expiry) error {
	when, err := c.expireWhen()
	if err != nil {
		return err
	}
	at, err := e.past(c, 2, tx.Now())
	if err != nil {
		return err
	}
	done, err := tx.Expire(c.args[1], at, when)
	if err != nil {
		return err
	}
	c.truth(done)
	return nil
}

// past reads argument i as a time in ms since 1970, which may be long ago.
func (e expiry) past(c *call, i int, now int64) (int64, error) {
	n, err := c.integer(i)
	if err != nil {
		return 0, err
	}
	if e.seconds {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, c.wrongExpiry()
		}
		n *= 1000
	}
	if e.relative {
		if n > math.MaxInt64-now {
			return 0, c.wrongExpiry()
		}
		n += now
	}
	return n, nil
}

func (c *call) expireWhen() (lull.ExpireWhen, error) {
	const other = lull.ExpireIfSome | lull.ExpireIfLater | lull.ExpireIfLess
	var when lull.ExpireWhen
	for i := 3; i < len(c.args); i++ {
		switch {
		case c.word(i, "NX"):
			when |= lull.ExpireIfNone
		case c.word(i, "XX"):
			when |= lull.ExpireIfSome
		case c.word(i, "GT"):
			when |= lull.ExpireIfLater
		case c.word(i, "LT"):
			when |= lull.ExpireIfLess
		default:
			return 0, errorf("Unsupported option %s", cString(c.args[i]))
		}
	}
	switch {
	case when&lull.ExpireIfNone != 0 && when&other != 0:
		return 0, errExpireNX
	case when&lull.ExpireIfLater != 0 && when&lull.ExpireIfLess != 0:
		return 0, errExpireGT
	}
	return when, nil
}

func persist(c *call, tx *lull.Tx) error {
	done, err := tx.Persist(c.args[1])
	if err != nil {
		return err
	}
	c.truth(done)
	return nil
}

func ttl(c *call, tx *lull.Tx) error         { return c.expiryOf(tx, expiry{seconds: true, relative: true}) }
func pttl(c *call, tx *lull.Tx) error        { return c.expiryOf(tx, expiry{relative: true}) }
func expireTime(c *call, tx *lull.Tx) error  { return c.expiryOf(tx, expiry{seconds: true}) }
func pexpireTime(c *call, tx *lull.Tx) error { return c.expiryOf(tx, expiry{}) }

// expiryOf answers when a key expires: -1 for never, -2 if there is no such key.
func (c *call) expiryOf(tx *lull.Tx, e expiry) error {
	at, ok, err := tx.ExpiresAt(c.args[1])
	switch {
	case err != nil:
		return err
	case !ok:
		c.out.Int(-2)
		return nil
	case at == 0:
		c.out.Int(-1)
		return nil
	}
	if e.relative {
		at = max(at-tx.Now(), 0)
	}
	if e.seconds {
		at = (at + 500) / 1000
	}
	c.out.Int(at)
	return nil
}
