package server

import (
	"crypto/subtle"

	"github.com/lullcache/lull"
)

var connectionHandlers = handlers{
	"auth":   plain(auth),
	"echo":   plain(echo),
	"hello":  plain(hello),
	"ping":   plain(ping),
	"quit":   plain(quit),
	"reset":  plain(reset),
	"select": plain(selectDB),
}

// redisVersion is the version whose behaviour clients may count on.
const redisVersion = "7.0.15"

const defaultUser = "default"

func ping(c *call) error {
	switch len(c.args) {
	case 1:
		c.out.Simple("PONG")
	case 2:
		c.out.Bulk(c.args[1])
	default:
		return wrongArity(c.cmd)
	}
	return nil
}

func echo(c *call) error {
	c.out.Bulk(c.args[1])
	return nil
}

func quit(c *call) error {
	c.conn.quit = true
	c.out.Simple("OK")
	return nil
}

// reset makes the connection what it was when it was accepted.
func reset(c *call) error {
	conn := c.conn
	conn.discard()
	if err := conn.sess.Select(0); err != nil {
		return err
	}
	conn.sess.SetAck(lull.Ack(0))
	conn.authed = conn.srv.opts.Password == ""
	conn.limit()
	conn.view.noEvict.Store(false)
	conn.setName(nil)
	c.out.SetVersion(2)
	c.out.Simple("RESET")
	return nil
}

// selectDB answers SELECT.
func selectDB(c *call) error {
	n, err := c.database(1)
	if err != nil {
		return err
	}
	if err := c.conn.sess.Select(n); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}

func auth(c *call) error {
	user, password := []byte(defaultUser), c.args[1]
	switch {
	case len(c.args) > 3:
		return errSyntax
	case len(c.args) == 3:
		user, password = c.args[1], c.args[2]
	case c.conn.srv.opts.Password == "":
		return errNoPassword
	}
	if err := c.conn.authenticate(user, password); err != nil {
		return err
	}
	c.out.Simple("OK")
	return nil
}

// authenticate lets the connection in if user and password are right. Without a
// password set, any is.
func (c *conn) authenticate(user, password []byte) error {
	want := c.srv.opts.Password
	if string(user) != defaultUser || want != "" && subtle.ConstantTimeCompare(password, []byte(want)) != 1 {
		return errWrongPass
	}
	c.authed = true
	c.limit()
	return nil
}

func hello(c *call) error {
	version := int64(c.out.Version())
	if len(c.args) > 1 {
		n, ok := parseInteger(c.args[1])
		switch {
		case !ok:
			return errProtoVersion
		case n < 2 || n > 3:
			return errNoProto
		}
		version = n
	}
	if err := helloOptions(c); err != nil {
		return err
	}
	if !c.conn.authed {
		return errHelloNoAuth
	}
	c.out.SetVersion(int(version))
	c.out.Map(7)
	c.out.BulkString("server")
	c.out.BulkString("redis")
	c.out.BulkString("version")
	c.out.BulkString(redisVersion)
	c.out.BulkString("proto")
	c.out.Int(version)
	c.out.BulkString("id")
	c.out.Int(c.conn.id)
	c.out.BulkString("mode")
	c.out.BulkString("standalone")
	c.out.BulkString("role")
	c.out.BulkString("master")
	c.out.BulkString("modules")
	c.out.Array(0)
	return nil
}

// helloOptions obeys AUTH and SETNAME, which take effect at once: also if a later
// option is wrong.
func helloOptions(c *call) error {
	for i := 2; i < len(c.args); i++ {
		more := len(c.args) - 1 - i
		switch {
		case c.word(i, "AUTH") && more >= 2:
			if err := c.conn.authenticate(c.args[i+1], c.args[i+2]); err != nil {
				return err
			}
			i += 2
		case c.word(i, "SETNAME") && more >= 1:
			if !validName(c.args[i+1]) {
				return errClientName
			}
			c.conn.setName(c.args[i+1])
			i++
		default:
			return errorf("Syntax error in HELLO option '%s'", clip(c.args[i], shownMax))
		}
	}
	return nil
}
