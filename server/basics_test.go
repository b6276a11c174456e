package server

import (
	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
)

// basics are three commands in their plainest form, for tests of what is around a
// handler: whatever the string family does beyond them does not matter there.
var basics = handlers{
	"get": unit(func(c *call, tx *lull.Tx) error {
		v, ok, err := tx.Get(c.args[1])
		if err != nil {
			return err
		}
		if !ok {
			c.out.Null()
			return nil
		}
		var text [32]byte
		c.out.Bulk(v.AppendText(text[:0]))
		return nil
	}),
	"set": unit(func(c *call, tx *lull.Tx) error {
		if _, err := tx.Set(c.args[1], c.args[2], lull.SetOptions{}); err != nil {
			return err
		}
		c.out.Simple("OK")
		return nil
	}),
	"incr": unit(func(c *call, tx *lull.Tx) error {
		n, err := tx.IncrBy(c.args[1], 1)
		if err != nil {
			return err
		}
		c.out.Int(n)
		return nil
	}),
}

// rebind puts another handler in the place of a command's. It has to come before
// Serve.
func rebind(s *Server, name string, h handler) {
	s.handlers[command.Find([]byte(name)).Number()] = h
}

func rebindBasics(s *Server) {
	for name, h := range basics {
		rebind(s, name, h)
	}
}
