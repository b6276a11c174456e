package server

import (
	"time"

	"github.com/lullcache/lull"
)

var errNoFrequency = newError("ERR", "An LFU maxmemory policy is not selected, access frequency not tracked. "+
	"Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.")

func objectEncoding(c *call, tx *lull.Tx) error {
	name, ok, err := tx.Encoding(c.args[2])
	switch {
	case err != nil:
		return err
	case !ok:
		c.out.Null()
	default:
		c.out.BulkString(name)
	}
	return nil
}

func objectFreq(c *call, tx *lull.Tx) error {
	_, ok, err := tx.Idle(c.args[2])
	switch {
	case err != nil:
		return err
	case ok:
		return errNoFrequency
	}
	c.out.Null()
	return nil
}

func objectIdleTime(c *call, tx *lull.Tx) error {
	idle, ok, err := tx.Idle(c.args[2])
	switch {
	case err != nil:
		return err
	case !ok:
		c.out.Null()
	default:
		c.out.Int(int64(idle / time.Second))
	}
	return nil
}

func objectRefCount(c *call, tx *lull.Tx) error {
	_, ok, err := tx.Idle(c.args[2])
	switch {
	case err != nil:
		return err
	case !ok:
		c.out.Null()
	default:
		c.out.Int(1)
	}
	return nil
}
