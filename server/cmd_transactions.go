package server

import (
	"errors"
	"strconv"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
)

var transactionHandlers = handlers{
	"multi":   plain(multiBegin),
	"exec":    plain(multiExec),
	"discard": plain(multiDiscard),
	"watch":   plain(watch),
	"unwatch": plain(unwatch),
}

// multi is what a connection has queued since MULTI. As the Runner of EXEC it runs
// all of it in one unit.
type multi struct {
	conn    *conn
	queue   []queued
	bytes   int  // of memory, about
	aborted bool // a command was refused, so EXEC will be
}

type queued struct {
	cmd     *command.Command
	handler *handler
	args    [][]byte
}

// What a queued command takes beside the bytes of its arguments, and what each of them
// takes: short ones are mostly that.
const (
	queuedCost = 64
	argCost    = 24
)

// endsMulti tells the commands that run at once after MULTI.
func endsMulti(cmd *command.Command) bool {
	switch cmd.Name {
	case "multi", "exec", "discard", "watch", "quit", "reset":
		return true
	}
	return false
}

// enqueue keeps a copy of a command for EXEC.
func (c *conn) enqueue(cmd *command.Command, h *handler, args [][]byte) error {
	m := c.multi
	if cmd.Is(command.NoMulti) || h.alone != nil && h.whole == nil {
		m.aborted = true
		return errNoMulti
	}
	size := 0
	for _, a := range args {
		size += len(a)
	}
	if m.bytes += size + queuedCost + argCost*len(args); m.bytes > c.srv.limits.QueryMax {
		m.aborted, m.queue = true, nil
		return errMultiTooLong
	}
	if !m.aborted {
		m.queue = append(m.queue, queued{cmd, h, copyArgs(args, size)})
	}
	c.out.Simple("QUEUED")
	return nil
}

// copyArgs copies arguments of size bytes out of the read buffer.
func copyArgs(args [][]byte, size int) [][]byte {
	buf := make([]byte, 0, size)
	copies := make([][]byte, len(args))
	for i, a := range args {
		start := len(buf)
		buf = append(buf, a...)
		copies[i] = buf[start:len(buf):len(buf)]
	}
	return copies
}

// abort makes the next EXEC fail, if there is a MULTI.
func (c *conn) abort() {
	if c.multi != nil {
		c.multi.aborted = true
	}
}

// discard ends the MULTI and forgets the watches.
func (c *conn) discard() {
	c.multi = nil
	c.sess.Unwatch()
}

// rejected is the answer to an EXEC that was refused before it ran: as in Redis it ends
// the MULTI.
func (c *conn) rejected(err error) error {
	c.discard()
	code, text := wire(err)
	if code != "ERR" {
		text = code + " " + text
	}
	return newError("EXECABORT", "Transaction discarded because of: "+text)
}

func multiBegin(c *call) error {
	if c.conn.multi != nil {
		return errMultiNested
	}
	c.conn.multi = &multi{conn: c.conn}
	c.out.Simple("OK")
	return nil
}

func multiDiscard(c *call) error {
	if c.conn.multi == nil {
		return errDiscardNoMulti
	}
	c.conn.discard()
	c.out.Simple("OK")
	return nil
}

func watch(c *call) error {
	if c.conn.multi != nil {
		return errWatchInMulti
	}
	c.conn.sess.Watch(c.args[1:]...)
	c.out.Simple("OK")
	return nil
}

// unwatch answers UNWATCH. Inside EXEC the watches are over already, and the locks that
// they are kept under are held.
func unwatch(c *call) error {
	if !c.inMulti {
		c.conn.sess.Unwatch()
	}
	c.out.Simple("OK")
	return nil
}

func multiExec(c *call) error {
	conn := c.conn
	m := conn.multi
	switch {
	case m == nil:
		return errExecNoMulti
	case m.aborted:
		conn.discard()
		return errExecAbort
	}
	conn.multi = nil
	conn.needs = conn.needs[:0]
	all, write, reports := false, false, false
	db := conn.sess.Database()
	for i := range m.queue {
		q := &m.queue[i]
		if n, ok := keyspaceNumber(q); ok {
			db = n
		}
		conn.needs = appendNeeds(conn.needs, db, q.cmd, q.args)
		all = all || q.handler.whole != nil
		reports = reports || q.handler.reports
		write = write || q.cmd.Is(command.Write)
	}
	if reports {
		conn.before = conn.db.Stats()
	}
	ticket, err := conn.sess.ExecMulti(conn.srv.ctx, conn.needs, all, write, m)
	clear(conn.needs)
	*c = call{conn: conn, out: c.out, cmd: c.cmd, start: c.start}
	switch {
	case errors.Is(err, lull.ErrChanged):
		c.out.Truncate(c.start)
		c.out.NullArray()
		return nil
	case err != nil:
		return err
	}
	conn.promise(ticket)
	return nil
}

// Run runs what is queued. An error of one command is its reply; the others run.
func (m *multi) Run(tx *lull.Tx) error {
	exec := m.conn.call // with its start and command
	c := &m.conn.call
	c.out.Truncate(exec.start)
	c.out.Array(len(m.queue))
	for i := range m.queue {
		q := &m.queue[i]
		c.cmd, c.handler, c.args, c.inMulti, c.held, c.start = q.cmd, q.handler, q.args, true, false, c.out.Len()
		if err := q.handler.inside(c, tx); err != nil {
			c.fail(err)
		}
		tx.Select(m.conn.sess.Database()) // it may have been SELECT
	}
	*c = exec
	return nil
}

// keyspaceNumber is the database that a queued SELECT changes to.
func keyspaceNumber(q *queued) (n int, ok bool) {
	if q.cmd.Name != "select" {
		return 0, false
	}
	n, err := strconv.Atoi(string(q.args[1]))
	return n, err == nil && n >= 0 && n < databases
}

// inside runs a handler in a unit that is under way.
func (h *handler) inside(c *call, tx *lull.Tx) error {
	switch {
	case h.plain != nil:
		return h.plain(c)
	case h.whole != nil:
		return h.whole(c, tx)
	}
	return h.unit(c, tx)
}
