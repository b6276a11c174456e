package server

import (
	"maps"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
	"github.com/lullcache/lull/internal/resp"
)

// handler is what runs one command. One of its functions is set; of commands that run
// as alone outside MULTI and as whole inside, two.
//
// A handler reads c.args, whose count the table has checked, and writes one reply to
// c.out. If it returns an error, what it wrote is dropped and the error is the reply: one of
// errors.go, or one of the engine's as it came.
type handler struct {
	// plain needs no unit of work: it is about the connection or the server.
	plain func(c *call) error
	// unit runs in a unit over the keys that the table finds in the arguments. It may
	// run twice, the second time after keys were loaded, so it keeps nothing in between.
	// In EXEC all units share one Tx.
	unit func(c *call, tx *lull.Tx) error
	// whole is a unit over all keys.
	whole func(c *call, tx *lull.Tx) error
	// alone waits, or makes units of its own through c.conn.sess, so it is refused in
	// MULTI.
	alone func(c *call) error
	// reports says that plain asks for c.stats.
	reports bool
}

// handlers names the handlers of one family, subcommands as "client|id".
type handlers map[string]handler

func plain(f func(c *call) error) handler              { return handler{plain: f} }
func report(f func(c *call) error) handler             { return handler{plain: f, reports: true} }
func unit(f func(c *call, tx *lull.Tx) error) handler  { return handler{unit: f} }
func whole(f func(c *call, tx *lull.Tx) error) handler { return handler{whole: f} }
func alone(f func(c *call) error) handler              { return handler{alone: f} }

// inMemory is alone outside MULTI. Inside, where SQL cannot be asked, it is a unit
// that works while all keys are in memory.
func inMemory(f func(c *call) error, inMulti func(c *call, tx *lull.Tx) error) handler {
	return handler{alone: f, whole: inMulti}
}

// families lists the handlers of all commands. A family is one file, cmd_<family>.go.
func families() []handlers {
	return []handlers{connectionHandlers, clientHandlers, commandHandlers, serverHandlers, transactionHandlers, lullHandlers,
		stringHandlers, keyHandlers, hashHandlers, setHandlers, listHandlers, zsetHandlers, streamHandlers}
}

// bindHandlers orders the handlers by the numbers of their commands. A handler
// that stands in no table is our own mistake.
func bindHandlers() []handler {
	byName := make(handlers)
	for _, family := range families() {
		maps.Copy(byName, family)
	}
	bound := make([]handler, command.Count())
	bind := func(c *command.Command) {
		bound[c.Number()] = byName[c.FullName()]
		delete(byName, c.FullName())
	}
	all := command.All()
	for i := range all {
		bind(&all[i])
		for j := range all[i].Subcommands {
			bind(&all[i].Subcommands[j])
		}
	}
	for name := range byName {
		panic("server: handler of " + name + ", which is not in the table of commands")
	}
	return bound
}

func (h *handler) exists() bool {
	return h.plain != nil || h.unit != nil || h.whole != nil || h.alone != nil
}

// call is one command as its handler sees it. It is reused for the next.
type call struct {
	conn *conn
	out  *resp.Writer
	cmd  *command.Command
	args [][]byte // the name first; valid while the handler runs
	// inMulti says that the command runs inside EXEC.
	inMulti bool

	handler *handler
	start   int  // of the reply in out
	held    bool // keys that are missing may be loaded together with the batch's others
}

// stats is how the engine is. To ask it takes the locks that EXEC holds, so inside EXEC it
// is what was so just before.
func (c *call) stats() lull.Stats {
	if c.inMulti {
		return c.conn.before
	}
	if c.conn.db == nil {
		return lull.Stats{}
	}
	return c.conn.db.Stats()
}

// Run runs the handler in a unit, perhaps for the second time.
func (c *call) Run(tx *lull.Tx) error {
	c.out.Truncate(c.start)
	f := c.handler.unit
	if f == nil {
		f = c.handler.whole
	}
	err := f(c, tx)
	if c.held && lull.IsMiss(err) {
		return errPrefetch
	}
	return err
}

// execute runs one command, or queues it after MULTI, and writes its reply. It is false if the
// command has to wait until what the connection needs is loaded.
func (c *conn) execute(args [][]byte) bool {
	call := &c.call
	call.args, call.start, call.inMulti = args, c.out.Len(), false
	cmd, h, err := c.lookup(args)
	call.cmd, call.handler = cmd, h
	switch {
	case err != nil && cmd != nil && cmd.Name == "exec":
		err = c.rejected(err)
	case err != nil:
		c.abort() // the transaction, if there is one
	case c.multi != nil && !endsMulti(cmd):
		err = c.enqueue(cmd, h, args)
	case h.plain != nil:
		err = h.plain(call)
	case h.alone != nil:
		c.sess.StartClock()
		c.leave()
		err = h.alone(call)
	default:
		err = c.runUnit()
	}
	switch {
	case err == errPrefetch:
		return false
	case err != nil:
		call.fail(err)
	}
	return true
}

// lookup finds the command and checks all that can be checked without running it.
func (c *conn) lookup(args [][]byte) (*command.Command, *handler, error) {
	cmd := command.Find(args[0])
	if cmd == nil {
		if httpRequest(args[0]) {
			c.quit = true
		}
		return nil, nil, unknownCommand(args)
	}
	if cmd.Subcommands != nil && len(args) > 1 {
		parent := cmd
		if cmd = parent.Subcommand(args[1]); cmd == nil {
			return nil, nil, unknownSubcommand(parent, args[1])
		}
	}
	h := &c.srv.handlers[cmd.Number()]
	switch {
	case !cmd.ArityOK(len(args)):
		return cmd, h, wrongArity(cmd)
	case !h.exists():
		return nil, nil, unknownCommand(args)
	case !c.authed && !cmd.Is(command.NoAuth):
		return cmd, h, errNoAuth
	case c.db == nil && !withoutEngine(cmd):
		return cmd, h, errLoading
	case cmd.Is(command.Write):
		return cmd, h, c.checkSizes(args)
	}
	return cmd, h, nil
}

// checkSizes refuses a write with an argument that the database could not store.
func (c *conn) checkSizes(args [][]byte) error {
	for _, a := range args[1:] {
		if err := c.db.CheckValueSize(len(a)); err != nil {
			return err
		}
	}
	return nil
}

// httpRequest recognises a browser that was made to send a request here: a page
// may not steer the server through it.
func httpRequest(name []byte) bool {
	return string(name) == "POST" || string(name) == "post" || string(name) == "Host:" || string(name) == "host:"
}

// runUnit runs the call's handler as a unit of its own. When a key is missing and
// more of the batch is waiting, the keys of all are loaded together first. A worker has other
// connections to serve meanwhile: there the error is errPrefetch then, for a single command as well.
func (c *conn) runUnit() error {
	call := &c.call
	call.held = !c.fetched && (c.worker != nil || len(c.batch)-c.running > 1)
	ticket, err := c.exec()
	if err == errPrefetch {
		c.lookAhead()
		if c.worker != nil {
			c.out.Truncate(call.start)
			return err
		}
		c.sess.Prefetch(c.srv.ctx, c.needs)
		clear(c.needs)
		call.held = false
		ticket, err = c.exec()
	}
	if err != nil {
		return err
	}
	c.promise(ticket)
	return nil
}

// approachFrom is from how many keys of one command on it pays to fetch them at once.
const approachFrom = 4

func (c *conn) exec() (lull.Ticket, error) {
	call := &c.call
	write := call.cmd.Is(command.Write)
	if call.handler.whole != nil {
		return c.sess.ExecAll(c.srv.ctx, write, call)
	}
	c.keys, _ = call.cmd.AppendKeys(c.keys[:0], call.args)
	if len(c.keys) >= approachFrom {
		c.sess.Approach(c.keys, c.keys)
	}
	return c.sess.Exec(c.srv.ctx, c.keys, write, call)
}

// promise makes the reply just written wait for the ticket.
func (c *conn) promise(t lull.Ticket) {
	if t.Ack > lull.AckMemory {
		c.spans = append(c.spans, span{c.call.start, c.out.Len(), t})
	}
}

// lookAhead finds out what the rest of the batch needs, which then is loaded in one round of
// queries. Errors are left to the commands that meet them.
func (c *conn) lookAhead() {
	c.sess.StartClock()
	c.fetched = true
	c.needs = c.needs[:0]
	for _, args := range c.batch[c.running:] {
		cmd := command.Find(args[0])
		if cmd != nil && cmd.Subcommands != nil && len(args) > 1 {
			cmd = cmd.Subcommand(args[1])
		}
		if cmd != nil && cmd.ArityOK(len(args)) {
			c.needs = appendNeeds(c.needs, c.sess.Database(), cmd, args)
		}
		if cmd != nil && cmd.Name == "select" {
			break // what follows is for another database
		}
	}
}

// appendNeeds appends the keys of a command to database db, and how much of each it
// needs at most.
func appendNeeds(dst []lull.KeyNeed, db int, cmd *command.Command, args [][]byte) []lull.KeyNeed {
	for i := range cmd.Keys {
		k := &cmd.Keys[i]
		first, last, ok := k.Find(args)
		if !ok {
			return dst
		}
		need := lull.Need(k.LoadFor(args)) // the same scale
		if k.Access&command.Variable != 0 && len(args) > -cmd.Arity {
			need = lull.NeedAll // SET with GET, say
		}
		for j := first; j <= last; j += k.Step {
			dst = append(dst, lull.KeyNeed{Name: args[j], Database: db, Need: need})
		}
	}
	if cmd.Name == "move" || cmd.Name == "copy" {
		dst = appendFarNeed(dst, args)
	}
	return dst
}

// appendFarNeed appends the key in another database that MOVE and COPY may write: it
// need not be there.
func appendFarNeed(dst []lull.KeyNeed, args [][]byte) []lull.KeyNeed {
	far := args[1]
	if args[0][0]|0x20 == 'c' {
		far = args[2]
	}
	for _, a := range args[2:] {
		if n, ok := parseInteger(a); ok && n >= 0 && n < databases {
			dst = append(dst, lull.KeyNeed{Name: far, Database: int(n), Need: lull.NeedExists})
		}
	}
	return dst
}

// fail makes err the reply.
func (c *call) fail(err error) {
	c.out.Truncate(min(c.start, c.out.Len()))
	c.conn.srv.stats.errors.Add(1)
	code, text := wire(err)
	c.out.Error(code, text)
}
