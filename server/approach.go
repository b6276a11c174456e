package server

import "github.com/lullcache/lull"

// approach has the keys of the next commands fetched from memory at once, and their members. The
// first argument is nearly always a key; the member stands last in commands on sorted sets, and second in
// those on sets and hashes. Where that is not so, nothing is found.
func (c *conn) approach(batch [][][]byte) {
	if len(batch) < 2 || c.db == nil {
		return
	}
	c.sess.StopClock()
	c.keys, c.members = c.keys[:0], c.members[:0]
	for _, args := range batch[:min(len(batch), lull.ApproachMax)] {
		if len(args) < 2 {
			continue
		}
		member := args[min(2, len(args)-1)]
		if name := args[0]; len(name) > 0 && name[0]|0x20 == 'z' {
			member = args[len(args)-1]
		}
		c.keys, c.members = append(c.keys, args[1]), append(c.members, member)
	}
	c.sess.Approach(c.keys, c.members)
}

// single reports whether what has arrived is one command. Nothing can be fetched with its key but
// those of other connections, which a worker does.
func (c *conn) single() bool {
	return len(c.batch) == 1 && len(c.batch[0]) > 1 && c.db != nil && c.authed
}
