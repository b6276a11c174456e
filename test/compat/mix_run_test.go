package compat

import (
	"slices"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/command"
)

// run does the steps and compares the answers. It reports whether all were as they
// should be.
func (m *mix) run(steps []step) bool {
	m.t.Helper()
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].with && steps[n].conn == steps[0].conn {
			n++
		}
		if !m.batch(steps[:n]) {
			return false
		}
		steps = steps[n:]
	}
	return true
}

// batch does steps that are sent together.
func (m *mix) batch(steps []step) bool {
	m.t.Helper()
	c := &m.conns[steps[0].conn]
	var commands [][]string
	for _, s := range steps {
		commands = append(commands, s.args)
		m.made[fullName(s.args)]++
	}
	switch first := commands[0]; {
	case first[0] == "@forget":
		m.forget()
		return true
	case first[0] == "@restart":
		m.restartBoth()
		return true
	case c.multi && parting(first):
		return true // not sent: what EXEC runs after it would be answered before its keys could be deleted in both
	case shapeOf(first).scan > 0 && !c.multi:
		return m.same(c, first, scanAll(c.redis, first, shapeOf(first)), scanAll(c.lull, first, shapeOf(first)))
	}
	c.redis.send(commands)
	c.lull.send(commands)
	want, got := c.redis.receive(commands), c.lull.receive(commands)
	for i, args := range commands {
		if got[i].kind == 0 {
			if !m.quiet {
				m.t.Errorf("%s\n  redis: %.600s\n  lull:  %v", line(args), want[i], c.broken)
			}
			return false
		}
		if !m.answer(c, args, want[i], got[i]) {
			return false
		}
	}
	if first := commands[0]; strings.EqualFold(first[0], "SPOP") && want[0].kind != '-' && len(first) > 1 {
		return m.drop(c, first)
	}
	return true
}

// restartBoth restarts Lull. The connections to both are new then.
func (m *mix) restartBoth() {
	m.t.Helper()
	m.restart()
	m.connect()
	for i := range m.conns {
		c := &m.conns[i]
		c.redis.do("RESET")
		c.multi, c.queued = false, nil
	}
}

// answer compares the answers to one command, and follows the connection into MULTI and
// out of it.
func (m *mix) answer(c *mixConn, args []string, want, got reply) bool {
	m.t.Helper()
	name := strings.ToUpper(args[0])
	if name == "EXEC" && c.multi && want.kind == '*' && len(want.items) == len(c.queued) && len(got.items) == len(c.queued) {
		queued := c.queued
		c.multi, c.queued = false, nil
		for i := range queued {
			if !m.same(c, queued[i], want.items[i], got.items[i]) {
				return false
			}
		}
		return true
	}
	if !m.same(c, args, want, got) {
		return false
	}
	switch {
	case want.text == "QUEUED" && want.kind == '+':
		c.queued = append(c.queued, args)
	case name == "MULTI" && want.text == "OK":
		c.multi, c.queued = true, nil
	case name == "EXEC" && !strings.HasPrefix(want.text, "ERR wrong number"), name == "DISCARD" && want.text == "OK", name == "RESET" && want.text == "RESET":
		c.multi, c.queued = false, nil
	}
	return true
}

// same compares two answers. If they differ as the list says, and what is there differs
// then, the keys of the command are deleted in both.
func (m *mix) same(c *mixConn, args []string, want, got reply) bool {
	m.t.Helper()
	s := shapeOf(args)
	s.near *= 60 // the machine may be busy
	if s.same(want, got) {
		return true
	}
	d := intended(args, want, got)
	if d == nil {
		if !m.quiet {
			m.t.Errorf("%s\n  redis: %.600s\n  lull:  %.600s", line(args), want, got)
		}
		return false
	}
	m.differed[d.why]++
	return !d.parts || c.multi || m.drop(c, args)
}

// drop deletes the keys of a command in both.
func (m *mix) drop(c *mixConn, args []string) bool {
	m.t.Helper()
	words := make([][]byte, len(args))
	for i, a := range args {
		words[i] = []byte(a)
	}
	keys, ok := command.Find(words[0]).AppendKeys(nil, words)
	if !ok {
		return true
	}
	for _, key := range keys {
		if want, got := c.redis.do("DEL", string(key)), c.lull.do("DEL", string(key)); want.kind == '-' || got.kind == '-' && len(key) < 2000 {
			m.t.Fatalf("DEL %q: redis %s, lull %s", key, want, got)
		}
	}
	return true
}

// sameEverywhere compares all keys of all databases that the mix uses.
func (m *mix) sameEverywhere() bool {
	m.t.Helper()
	c := &m.conns[0]
	for _, side := range []*client{c.redis, c.lull} {
		side.do("RESET")
	}
	c.multi, c.queued = false, nil
	for _, database := range []string{"0", "1", "15"} {
		if !m.run([]step{{0, []string{"SELECT", database}, false}, {0, []string{"KEYS", "*"}, true}, {0, []string{"DBSIZE"}, true}}) {
			return false
		}
		var keys []string
		for _, key := range c.redis.do("KEYS", "*").items {
			keys = append(keys, key.text)
		}
		slices.Sort(keys)
		var steps []step
		for _, key := range keys {
			for _, args := range dump(key, c.redis.do("TYPE", key).text) {
				steps = append(steps, step{0, args, len(steps)%batchMost > 0})
			}
		}
		if !m.run(steps) {
			return false
		}
	}
	return true
}

// shrinkFor is how long is spent on making a difference short.
const shrinkFor = 40 * time.Second

// shrink leaves out of the steps since the servers were emptied what is not needed for a
// difference, and shows the rest.
func (m *mix) shrink() {
	m.t.Helper()
	m.quiet = true
	defer func() { m.quiet = false }()
	end := time.Now().Add(shrinkFor)
	steps, again := m.steps, false
	if n := m.differs(steps); n > 0 {
		steps, again = steps[:n], true
	}
	for size := len(steps) / 2; again && size > 0 && time.Now().Before(end); size /= 2 {
		for from := 0; from < len(steps) && time.Now().Before(end); {
			fewer := slices.Concat(steps[:from], steps[min(from+size, len(steps)):])
			if n := m.differs(fewer); n > 0 {
				steps = fewer[:n]
			} else {
				from += size
			}
		}
	}
	if !again {
		m.t.Logf("done once more, the steps give no difference; the last of %d:", len(steps))
		steps = steps[max(len(steps)-60, 0):]
	}
	for _, s := range steps[max(len(steps)-200, 0):] {
		with := ""
		if s.with {
			with = " (with the one before)"
		}
		m.t.Logf("  %d> %s%s", s.conn, line(s.args), with)
	}
	m.quiet = false
	if again && m.differs(steps) == 0 {
		m.t.Log("it did not come again")
	}
}

// differs does steps from the beginning and returns how many of them it takes to a
// difference, or 0.
func (m *mix) differs(steps []step) int {
	m.t.Helper()
	m.begin()
	for n := 0; n < len(steps); {
		from := n
		for n++; n < len(steps) && steps[n].with && steps[n].conn == steps[from].conn; n++ {
		}
		if !m.batch(steps[from:n]) {
			return n
		}
	}
	if !m.sameEverywhere() {
		return len(steps)
	}
	m.forget()
	if !m.sameEverywhere() {
		return len(steps)
	}
	return 0
}
