package server

import (
	"slices"
)

var clientHandlers = handlers{
	"client|id":       plain(clientID),
	"client|setname":  plain(clientSetName),
	"client|getname":  plain(clientGetName),
	"client|setinfo":  plain(clientSetInfo),
	"client|list":     plain(clientList),
	"client|info":     plain(clientInfo),
	"client|kill":     plain(clientKill),
	"client|no-evict": plain(clientNoEvict),
	"client|no-touch": plain(clientNoTouch),
	"client|help":     plain(help),
}

func clientID(c *call) error {
	c.out.Int(c.conn.id)
	return nil
}

// validName reports whether name may stand in CLIENT LIST.
func validName(name []byte) bool {
	return !slices.ContainsFunc(name, func(b byte) bool { return b < '!' || b > '~' })
}

func (c *conn) setName(name []byte) {
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	c.view.name = string(name)
}

func clientSetName(c *call) error {
	if !validName(c.args[2]) {
		return errClientName
	}
	c.conn.setName(c.args[2])
	c.out.Simple("OK")
	return nil
}

func clientGetName(c *call) error {
	v := &c.conn.view
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.name == "" {
		c.out.Null()
		return nil
	}
	c.out.BulkString(v.name)
	return nil
}

func clientSetInfo(c *call) error {
	v := &c.conn.view
	field, option := &v.libName, "lib-name"
	switch {
	case c.word(2, "LIB-NAME"):
	case c.word(2, "LIB-VER"):
		field, option = &v.libVersion, "lib-ver"
	default:
		return errorf("Unrecognized option '%s'", clip(c.args[2], shownMax))
	}
	if !validName(c.args[3]) {
		return errorf("%s cannot contain spaces, newlines or special characters.", option)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	*field = string(c.args[3])
	c.out.Simple("OK")
	return nil
}

func clientInfo(c *call) error {
	c.conn.publish(c.cmd)
	c.out.Verbatim("txt", string(c.conn.describe(nil, c.conn.srv.stats.now.Load())))
	return nil
}

// clientList answers CLIENT LIST [TYPE t] [ID id …].
func clientList(c *call) error {
	wanted := func(*conn) bool { return true }
	switch {
	case len(c.args) == 2:
	case len(c.args) == 4 && c.word(2, "TYPE"):
		normal, err := clientType(c, 3)
		if err != nil {
			return err
		}
		wanted = func(*conn) bool { return normal }
	case len(c.args) > 3 && c.word(2, "ID"):
		ids := make(map[int64]bool)
		for _, arg := range c.args[3:] {
			id, ok := parseInteger(arg)
			if !ok || id < 1 {
				return errClientID
			}
			ids[id] = true
		}
		wanted = func(o *conn) bool { return ids[o.id] }
	default:
		return errSyntax
	}
	c.conn.publish(c.cmd)
	var text []byte
	for _, o := range c.conn.srv.clients.sorted() {
		if wanted(o) {
			text = o.describe(text, c.conn.srv.stats.now.Load())
		}
	}
	c.out.Verbatim("txt", string(text))
	return nil
}

// clientType reads a type of client; all that there are here are normal ones.
func clientType(c *call, i int) (normal bool, err error) {
	switch {
	case c.word(i, "NORMAL"):
		return true, nil
	case c.word(i, "MASTER"), c.word(i, "REPLICA"), c.word(i, "SLAVE"), c.word(i, "PUBSUB"):
		return false, nil
	}
	return false, errorf("Unknown client type '%s'", clip(c.args[i], shownMax))
}

// killFilter is which connections CLIENT KILL closes.
type killFilter struct {
	id          int64
	addr, laddr *string
	none        bool // a type or user that no connection has
	skipMe      bool
}

// clientKill answers CLIENT KILL addr, and CLIENT KILL with filters.
func clientKill(c *call) error {
	if len(c.args) == 3 {
		addr := string(c.args[2])
		killed := c.kill(killFilter{addr: &addr})
		if killed == 0 {
			return errNoSuchClient
		}
		c.out.Simple("OK")
		return nil
	}
	f, err := killFilters(c)
	if err != nil {
		return err
	}
	c.out.Int(int64(c.kill(f)))
	return nil
}

func killFilters(c *call) (killFilter, error) {
	f := killFilter{skipMe: true}
	if len(c.args)%2 != 0 {
		return f, errSyntax
	}
	for i := 2; i < len(c.args); i += 2 {
		val := string(c.args[i+1])
		switch {
		case c.word(i, "ID"):
			id, ok := parseInteger(c.args[i+1])
			if !ok || id < 1 {
				return f, errorf("client-id should be greater than 0")
			}
			f.id = id
		case c.word(i, "ADDR"):
			f.addr = &val
		case c.word(i, "LADDR"):
			f.laddr = &val
		case c.word(i, "TYPE"):
			normal, err := clientType(c, i+1)
			if err != nil {
				return f, err
			}
			f.none = f.none || !normal
		case c.word(i, "USER"):
			if val != defaultUser {
				return f, errorf("No such user '%s'", clip(c.args[i+1], shownMax))
			}
		case c.word(i, "SKIPME") && (c.word(i+1, "YES") || c.word(i+1, "NO")):
			f.skipMe = c.word(i+1, "YES")
		default:
			return f, errSyntax
		}
	}
	return f, nil
}

// kill closes the connections of the filter; the client's own after its answer.
func (c *call) kill(f killFilter) (killed int) {
	for _, o := range c.conn.srv.clients.sorted() {
		if f.none || f.id != 0 && o.id != f.id || f.addr != nil && o.sock.nc.RemoteAddr().String() != *f.addr ||
			f.laddr != nil && o.sock.nc.LocalAddr().String() != *f.laddr || o == c.conn && f.skipMe {
			continue
		}
		killed++
		if o == c.conn {
			o.quit = true
			continue
		}
		o.sock.cut()
	}
	return killed
}

// clientNoEvict answers CLIENT NO-EVICT ON|OFF. Connections are never evicted.
func clientNoEvict(c *call) error {
	on, err := onOff(c, 2)
	if err != nil {
		return err
	}
	c.conn.view.noEvict.Store(on)
	c.out.Simple("OK")
	return nil
}

// clientNoTouch answers CLIENT NO-TOUCH ON|OFF.
func clientNoTouch(c *call) error {
	on, err := onOff(c, 2)
	if err != nil {
		return err
	}
	if on {
		return errorf("CLIENT NO-TOUCH ON is not supported: every read counts as use of a key")
	}
	c.out.Simple("OK")
	return nil
}

func onOff(c *call, i int) (on bool, err error) {
	switch {
	case c.word(i, "ON"):
		return true, nil
	case c.word(i, "OFF"):
		return false, nil
	}
	return false, errSyntax
}
