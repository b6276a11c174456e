package server

import (
	"math"

	"github.com/lullcache/lull"
)

var keyHandlers = handlers{
	"copy":            unit(copyKey),
	"dbsize":          inMemory(dbSize, dbSizeInMulti),
	"del":             unit(del),
	"exists":          unit(exists),
	"expire":          unit(expire),
	"expireat":        unit(expireAt),
	"expiretime":      unit(expireTime),
	"flushall":        whole(flushAll),
	"flushdb":         whole(flushDB),
	"keys":            inMemory(keys, keysInMulti),
	"move":            unit(move),
	"object|encoding": unit(objectEncoding),
	"object|freq":     unit(objectFreq),
	"object|help":     plain(help),
	"object|idletime": unit(objectIdleTime),
	"object|refcount": unit(objectRefCount),
	"persist":         unit(persist),
	"pexpire":         unit(pexpire),
	"pexpireat":       unit(pexpireAt),
	"pexpiretime":     unit(pexpireTime),
	"pttl":            unit(pttl),
	"randomkey":       inMemory(randomKey, randomKeyInMulti),
	"rename":          unit(rename),
	"renamenx":        unit(renameNX),
	"scan":            inMemory(scan, scanInMulti),
	"touch":           unit(exists),
	"ttl":             unit(ttl),
	"type":            unit(typeOf),
	"unlink":          unit(del),
}

func del(c *call, tx *lull.Tx) error {
	n, err := tx.Del(c.args[1:]...)
	if err != nil {
		return err
	}
	c.out.Int(int64(n))
	return nil
}

// exists answers EXISTS and TOUCH: to look at a key is to use it.
func exists(c *call, tx *lull.Tx) error {
	n, err := tx.Exists(c.args[1:]...)
	if err != nil {
		return err
	}
	c.out.Int(int64(n))
	return nil
}

func typeOf(c *call, tx *lull.Tx) error {
	t, err := tx.Type(c.args[1])
	if err != nil {
		return err
	}
	c.out.Simple(t.String())
	return nil
}

func rename(c *call, tx *lull.Tx) error {
	if _, err := tx.Rename(c.args[1], c.args[2], false); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}

func renameNX(c *call, tx *lull.Tx) error {
	done, err := tx.Rename(c.args[1], c.args[2], true)
	if err != nil {
		return err
	}
	c.truth(done)
	return nil
}

// copyKey answers COPY source destination [DB n] [REPLACE].
func copyKey(c *call, tx *lull.Tx) error {
	db, replace := c.conn.sess.Database(), false
	for i := 3; i < len(c.args); i++ {
		switch {
		case c.word(i, "REPLACE"):
			replace = true
		case c.word(i, "DB") && i+1 < len(c.args):
			i++
			var err error
			if db, err = c.database(i); err != nil {
				return err
			}
		default:
			return errSyntax
		}
	}
	done, err := tx.Copy(c.args[1], c.args[2], uint8(db), replace)
	if err != nil {
		return err
	}
	c.truth(done)
	return nil
}

func move(c *call, tx *lull.Tx) error {
	db, err := c.database(2)
	if err != nil {
		return err
	}
	done, err := tx.Move(c.args[1], uint8(db))
	if err != nil {
		return err
	}
	c.truth(done)
	return nil
}

// database reads argument i as the number of a database.
func (c *call) database(i int) (int, error) {
	n, err := c.integer(i)
	switch {
	case err != nil:
		return 0, err
	case n < math.MinInt32 || n > math.MaxInt32:
		return 0, errNotInt
	case n < 0 || n >= databases:
		return 0, errDBIndex
	}
	return int(n), nil
}

// flushAll answers FLUSHALL [ASYNC | SYNC]: both wait for memory alone.
func flushAll(c *call, tx *lull.Tx) error { return c.empty(tx, -1) }
func flushDB(c *call, tx *lull.Tx) error  { return c.empty(tx, c.conn.sess.Database()) }

func (c *call) empty(tx *lull.Tx, db int) error {
	if len(c.args) > 2 || len(c.args) == 2 && !c.word(1, "ASYNC") && !c.word(1, "SYNC") {
		return errSyntax
	}
	if err := tx.FlushDB(db); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}
