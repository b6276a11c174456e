package server

import (
	"bytes"

	"github.com/lullcache/lull"
)

// approach has the keys of the next commands fetched from memory at once. The
// first argument is nearly always a key; if it is not, nothing is found under it.
func (c *conn) approach(batch [][][]byte) {
	if len(batch) < 2 || c.db == nil {
		return
	}
	c.sess.StopClock()
	c.keys = c.keys[:0]
	for _, args := range batch[:min(len(batch), lull.ApproachMax)] {
		if len(args) > 1 {
			c.keys = append(c.keys, args[1])
		}
	}
	if len(c.keys) > 1 && bytes.Equal(c.keys[0], c.keys[1]) {
		c.approachMembers(batch)
		return
	}
	c.sess.Approach(c.keys)
}

// approachMembers is approach for commands on one key, as far as they are. The member stands
// last in those on sorted sets, and second in those on sets and hashes; where it does
// not, nothing is found.
func (c *conn) approachMembers(batch [][][]byte) {
	key := c.keys[0]
	c.keys = c.keys[:0]
	for _, args := range batch[:min(len(batch), lull.ApproachMax)] {
		switch {
		case len(args) < 3 || !bytes.Equal(args[1], key):
		case args[0][0]|0x20 == 'z':
			c.keys = append(c.keys, args[len(args)-1])
		default:
			c.keys = append(c.keys, args[2])
		}
	}
	c.sess.ApproachMembers(key, c.keys)
}

// single reports whether what has arrived is one command. Nothing can be fetched with its key but
// those of other connections, which a worker does.
func (c *conn) single() bool {
	return len(c.batch) == 1 && len(c.batch[0]) > 1 && c.db != nil && c.authed
}
