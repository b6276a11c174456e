package server

import (
	"github.com/lullcache/lull"
)

var lullHandlers = handlers{
	"lull|ack":         plain(lullAck),
	"lull|deadletters": alone(lullDeadLetters),
	"lull|flush":       alone(lullFlush),
	"lull|forget":      alone(lullForget),
	"lull|help":        plain(help),
	"lull|pause":       alone(lullPause),
	"lull|resume":      alone(lullResume),
	"lull|status":      report(lullStatus),
	"lull|tables":      report(lullTables),
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
	if c.conn.db.Paused() {
		return errPaused
	}
	if err := c.conn.db.Sync(c.conn.srv.ctx); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}

func lullPause(c *call) error {
	c.conn.db.Pause()
	c.out.Simple("OK")
	return nil
}

func lullResume(c *call) error {
	c.conn.db.Resume()
	c.out.Simple("OK")
	return nil
}

// lullStatus answers with the state in lines for people.
func lullStatus(c *call) error {
	stats := c.stats()
	c.out.Verbatim("txt", stats.String())
	return nil
}

// lullForget answers how many of the keys were dropped from memory: those that SQL
// has all of.
func lullForget(c *call) error {
	n := int64(0)
	for _, key := range c.args[2:] {
		if c.conn.sess.Forget(key) {
			n++
		}
	}
	c.out.Int(n)
	return nil
}

// lullTables answers with a map for each table.
func lullTables(c *call) error {
	tables := c.stats().Tables
	c.out.Array(len(tables))
	for i := range tables {
		t := &tables[i]
		state := "well"
		if t.Parked != "" {
			state = "parked: " + t.Parked
		}
		c.out.Map(8)
		for _, pair := range [...]struct{ name, val string }{
			{"name", t.Name}, {"table", t.SQL}, {"key", t.Key}, {"type", t.Type}, {"ack", t.Ack.String()}, {"state", state},
		} {
			c.out.BulkString(pair.name)
			c.out.BulkString(pair.val)
		}
		c.out.BulkString("operations")
		c.out.Int(int64(t.Operations))
		c.out.BulkString("letters")
		c.out.Int(int64(t.Letters))
	}
	return nil
}
