package server

import (
	"bytes"
	"runtime/debug"
	"time"

	"github.com/lullcache/lull/internal/glob"
)

var serverHandlers = handlers{
	"config|get":       plain(configGet),
	"config|set":       plain(configSet),
	"config|resetstat": plain(configResetStat),
	"config|help":      plain(help),
	"info":             report(info),
	"memory|purge":     plain(memoryPurge),
	"memory|help":      plain(help),
	"time":             plain(clock),
	"wait":             plain(wait),
	"waitaof":          plain(waitAOF),
}

// databases is how many databases there are.
const databases = 16

func clock(c *call) error {
	now := time.Now()
	c.out.Array(2)
	c.out.BulkInt(now.Unix())
	c.out.BulkInt(int64(now.Nanosecond() / 1000))
	return nil
}

// memoryPurge collects what is no longer used, which holds up others for
// milliseconds, and gives it back to the operating system.
func memoryPurge(c *call) error {
	debug.FreeOSMemory()
	c.out.Simple("OK")
	return nil
}

// info answers INFO [section …].
func info(c *call) error {
	c.conn.publish(c.cmd)
	c.out.Verbatim("txt", c.conn.srv.info(c.args[1:], c.stats()))
	return nil
}

func configResetStat(c *call) error {
	c.conn.srv.stats.reset()
	c.out.Simple("OK")
	return nil
}

// configGet answers CONFIG GET pattern …, each setting once.
func configGet(c *call) error {
	params := c.conn.srv.params
	var found []string
	for _, name := range params.names {
		for _, pattern := range c.args[2:] {
			if glob.Match(bytes.ToLower(pattern), []byte(name), false) {
				found = append(found, name)
				break
			}
		}
	}
	c.out.Map(len(found))
	for _, name := range found {
		c.out.BulkString(name)
		c.out.BulkString(params.byName[name].Get())
	}
	return nil
}

// configSet answers CONFIG SET name value …: all of it, or nothing.
func configSet(c *call) error {
	params := c.conn.srv.params
	if len(c.args)%2 != 0 {
		return wrongArity(c.cmd)
	}
	seen := make(map[string]bool)
	for i := 2; i < len(c.args); i += 2 {
		name := string(bytes.ToLower(c.args[i]))
		p, known := params.byName[name]
		switch {
		case !known:
			return errorf("Unknown option or number of arguments for CONFIG SET - '%s'", clip(c.args[i], shownMax))
		case p.Set == nil:
			return configFailed(name, "can't set immutable config")
		case seen[name]:
			return configFailed(name, "duplicate parameter")
		}
		seen[name] = true
	}
	return params.set(c)
}

// set applies what configSet has checked. If one setting refuses, those before it
// get their old values back.
func (p *params) set(c *call) error {
	type old struct{ name, value string }
	var done []old
	for i := 2; i < len(c.args); i += 2 {
		name := string(bytes.ToLower(c.args[i]))
		before := p.byName[name].Get()
		if err := p.byName[name].Set(string(c.args[i+1])); err != nil {
			for _, d := range done {
				_ = p.byName[d.name].Set(d.value) // it was accepted before
			}
			return configFailed(name, err.Error())
		}
		done = append(done, old{name, before})
	}
	c.out.Simple("OK")
	return nil
}

func configFailed(name, why string) error {
	return errorf("CONFIG SET failed (possibly related to argument '%s') - %s", name, why)
}

// wait answers WAIT replicas ms. The SQL database counts as one replica: it has all
// that was written before once the flush that is asked for here has committed.
func wait(c *call) error {
	replicas, err := c.integer(1)
	if err != nil {
		return err
	}
	timeout, err := c.timeout(2)
	if err != nil {
		return err
	}
	if replicas < 1 || c.inMulti {
		c.out.Int(0)
		return nil
	}
	return c.await(timeout, c.conn.db.Sync, func(reached bool) { c.out.Int(int64(count(reached))) })
}

// waitAOF answers WAITAOF local replicas ms: local is the log's disk, and the SQL
// database counts as one replica.
func waitAOF(c *call) error {
	local, errLocal := c.integer(1)
	replicas, err := c.integer(2)
	switch {
	case errLocal != nil:
		return errLocal
	case err != nil:
		return err
	case local < 0 || local > 1:
		return errOutOfRange
	case replicas < 0:
		return errNotPositive
	}
	timeout, err := c.timeout(3)
	if err != nil {
		return err
	}
	if c.inMulti {
		c.waited(0, 0)
		return nil
	}
	if replicas > 0 {
		return c.await(timeout, c.conn.db.Sync, func(reached bool) { c.waited(1, count(reached)) })
	}
	return c.await(timeout, c.conn.db.SyncDisk, func(reached bool) { c.waited(count(reached), 0) })
}

func (c *call) waited(local, replicas int) {
	c.out.Array(2)
	c.out.Int(int64(local))
	c.out.Int(int64(replicas))
}

func count(reached bool) int {
	if reached {
		return 1
	}
	return 0
}

// timeout reads a time in ms; 0 is for ever.
func (c *call) timeout(i int) (time.Duration, error) {
	ms, ok := parseInteger(c.args[i])
	switch {
	case !ok || ms > int64(1<<62/time.Millisecond):
		return 0, errTimeoutValue
	case ms < 0:
		return 0, errTimeoutSign
	}
	return time.Duration(ms) * time.Millisecond, nil
}
