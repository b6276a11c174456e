package server

import (
	"github.com/lullcache/lull"
)

var lullHandlers = handlers{
	"lull|ack":   plain(lullAck),
	"lull|flush": alone(lullFlush),
	"lull|help":  plain(help),
}

// lullAck answers LULL ACK, and LULL ACK memory|disk|database|default: what this
// connection's writes wait for at least.
func lullAck(c *call) error {
	sess := c.conn.sess
	switch {
	case len(c.args) == 2:
		c.out.BulkString(sess.Ack().String())
		return nil
	case len(c.args) > 3:
		return errSyntax
	case c.word(2, "DEFAULT"):
		sess.SetAck(0)
	default:
		level, err := lull.ParseAck(string(c.args[2]))
		if err != nil {
			return err
		}
		sess.SetAck(level)
	}
	c.out.Simple("OK")
	return nil
}

// lullFlush answers once the database has all that was written before.
func lullFlush(c *call) error {
	if len(c.args) != 2 {
		return errSyntax
	}
	if err := c.conn.srv.db.Sync(c.conn.srv.ctx); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}
