package server

import (
	"time"

	"github.com/lullcache/lull"
)

var errNoFrequency = newError("ERR", "An LFU maxmemory policy is not selected, access frequency not tracked. "+
	"Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.")

func objectEncoding(c *call, tx *lull.Tx) error {
	name, ok, err := tx.Encoding(c.args[2])
	return c.ofKey(ok, err, func() { c.out.BulkString(name) })
}

func objectIdleTime(c *call, tx *lull.Tx) error {
	idle, ok, err := tx.Idle(c.args[2])
	return c.ofKey(ok, err, func() { c.out.Int(int64(idle / time.Second)) })
}

func objectRefCount(c *call, tx *lull.Tx) error {
	_, ok, err := tx.Idle(c.args[2])
	return c.ofKey(ok, err, func() { c.out.Int(1) })
}

func objectFreq(c *call, tx *lull.Tx) error {
	_, ok, err := tx.Idle(c.args[2])
	if err == nil && ok {
		return errNoFrequency
	}
	return c.ofKey(ok, err, nil)
}

// ofKey writes what is known of a key, or null if it is not there.
func (c *call) ofKey(ok bool, err error, write func()) error {
	switch {
	case err != nil:
		return err
	case !ok:
		c.out.Null()
	default:
		write()
	}
	return nil
}
