package server

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/lullcache/lull/internal/command"
	"github.com/lullcache/lull/internal/glob"
	"github.com/lullcache/lull/internal/resp"
)

var commandHandlers = handlers{
	"command":                 plain(commandAll),
	"command|count":           plain(commandCount),
	"command|docs":            plain(commandDocs),
	"command|info":            plain(commandInfo),
	"command|getkeys":         plain(commandGetKeys),
	"command|getkeysandflags": plain(commandGetKeysAndFlags),
	"command|list":            plain(commandList),
	"command|help":            plain(help),
}

// served lists the commands that have a handler.
func (s *Server) served() []*command.Command {
	all := command.All()
	var served []*command.Command
	for i := range all {
		if s.handlers[all[i].Number()].exists() || all[i].Subcommands != nil {
			served = append(served, &all[i])
		}
	}
	return served
}

// servedSub lists the subcommands of c that have a handler.
func (s *Server) servedSub(c *command.Command) []*command.Command {
	var served []*command.Command
	for i := range c.Subcommands {
		if s.handlers[c.Subcommands[i].Number()].exists() {
			served = append(served, &c.Subcommands[i])
		}
	}
	return served
}

func commandAll(c *call) error {
	served := c.conn.srv.served()
	c.out.Array(len(served))
	for _, cmd := range served {
		c.writeInfo(cmd)
	}
	return nil
}

func commandCount(c *call) error {
	c.out.Int(int64(len(c.conn.srv.served())))
	return nil
}

// byFullName finds a command by the name that COMMAND shows: "get", "client|id".
func byFullName(name []byte) *command.Command {
	parent, sub, nested := strings.Cut(string(name), "|")
	cmd := command.Find([]byte(parent))
	if cmd != nil && nested {
		return cmd.Subcommand([]byte(sub))
	}
	return cmd
}

func commandInfo(c *call) error {
	if len(c.args) == 2 {
		return commandAll(c)
	}
	c.out.Array(len(c.args) - 2)
	for _, name := range c.args[2:] {
		if cmd := byFullName(name); cmd != nil {
			c.writeInfo(cmd)
		} else {
			c.out.Null()
		}
	}
	return nil
}

// writeInfo writes the ten fields of COMMAND INFO.
func (c *call) writeInfo(cmd *command.Command) {
	w := c.out
	first, last, step := cmd.Positions()
	w.Array(10)
	w.BulkString(cmd.FullName())
	w.Int(int64(cmd.Arity))
	simples(w, cmd.Flags.Names())
	w.Int(int64(first))
	w.Int(int64(last))
	w.Int(int64(step))
	simples(w, cmd.ACLCategories())
	w.Array(0) // tips, which steer clients of a cluster
	w.Array(len(cmd.Keys))
	for i := range cmd.Keys {
		writeKeys(w, &cmd.Keys[i])
	}
	subs := c.conn.srv.servedSub(cmd)
	w.Array(len(subs))
	for _, sub := range subs {
		c.writeInfo(sub)
	}
}

func simples(w *resp.Writer, names []string) {
	w.Set(len(names))
	for _, name := range names {
		w.Simple(name)
	}
}

// writeKeys writes a key specification.
func writeKeys(w *resp.Writer, k *command.Keys) {
	w.Map(3)
	w.BulkString("flags")
	simples(w, k.Access.Names())
	w.BulkString("begin_search")
	w.Map(2)
	w.BulkString("type")
	if k.Kind == command.Keyword {
		w.BulkString("keyword")
		w.BulkString("spec")
		w.Map(2)
		w.BulkString("keyword")
		w.BulkString(k.Word)
		pair(w, "startfrom", k.First)
	} else {
		w.BulkString("index")
		w.BulkString("spec")
		w.Map(1)
		pair(w, "index", k.First)
	}
	w.BulkString("find_keys")
	w.Map(2)
	w.BulkString("type")
	if k.Kind == command.Counted {
		w.BulkString("keynum")
		w.BulkString("spec")
		w.Map(3)
		pair(w, "keynumidx", 0)
		pair(w, "firstkey", 1)
		pair(w, "keystep", 1)
		return
	}
	last, limit := k.Last, 0
	switch {
	case k.Kind == command.Keyword:
		last, limit = -1, 2
	case last > 0:
		last -= k.First // counted from the first key
	}
	w.BulkString("range")
	w.BulkString("spec")
	w.Map(3)
	pair(w, "lastkey", last)
	pair(w, "keystep", k.Step)
	pair(w, "limit", limit)
}

func pair(w *resp.Writer, name string, n int) {
	w.BulkString(name)
	w.Int(int64(n))
}

func commandDocs(c *call) error {
	var commands []*command.Command
	if len(c.args) == 2 {
		commands = c.conn.srv.served()
	}
	for _, name := range c.args[2:] {
		if cmd := byFullName(name); cmd != nil {
			commands = append(commands, cmd)
		}
	}
	c.out.Map(len(commands))
	for _, cmd := range commands {
		c.writeDocs(cmd)
	}
	return nil
}

func (c *call) writeDocs(cmd *command.Command) {
	w := c.out
	subs := c.conn.srv.servedSub(cmd)
	w.BulkString(cmd.FullName())
	w.Map(3 + min(1, len(subs)))
	for _, field := range [][2]string{{"summary", cmd.Summary}, {"since", cmd.Since}, {"group", cmd.Group}} {
		w.BulkString(field[0])
		w.BulkString(field[1])
	}
	if len(subs) > 0 {
		w.BulkString("subcommands")
		w.Map(len(subs))
		for _, sub := range subs {
			c.writeDocs(sub)
		}
	}
}

// keysOf finds the command that the arguments from the third on make, for GETKEYS.
func keysOf(c *call) (*command.Command, [][]byte, error) {
	args := c.args[2:]
	cmd := command.Find(args[0])
	if cmd != nil && cmd.Subcommands != nil && len(args) > 1 {
		cmd = cmd.Subcommand(args[1])
	}
	switch {
	case cmd == nil:
		return nil, nil, errGetKeysCommand
	case len(cmd.Keys) == 0:
		return nil, nil, errGetKeysNone
	case !cmd.ArityOK(len(args)):
		return nil, nil, errGetKeysArity
	}
	return cmd, paired(cmd, args), nil
}

// paired leaves out an argument behind a keyword that is one too many, as Redis does here:
// half of those behind STREAMS are keys.
func paired(cmd *command.Command, args [][]byte) [][]byte {
	for i := range cmd.Keys {
		k := &cmd.Keys[i]
		if _, _, ok := k.Find(args); k.Kind == command.Keyword && !ok {
			if _, _, ok = k.Find(args[:len(args)-1]); ok {
				return args[:len(args)-1]
			}
		}
	}
	return args
}

// digits are those that a count begins with, as C's atoi reads them; it is exact if the
// count is written so and no other way.
func digits(count []byte) (n []byte, exact bool) {
	n = bytes.TrimLeft(count, " \t\n\v\f\r")
	if len(n) > 0 && n[0] == '+' {
		n = n[1:]
	}
	end := 0
	for end < len(n) && '0' <= n[end] && n[end] <= '9' {
		end++
	}
	n = bytes.TrimLeft(n[:end], "0")
	return n, len(n) == len(count)
}

// readCounts returns args with each count as Redis reads it here. It is false if one was
// written so that Redis finds the keys, a destination last, and does not say how they are
// used.
func readCounts(cmd *command.Command, args [][]byte) (*command.Command, [][]byte, bool) {
	for i := range cmd.Keys {
		if k := &cmd.Keys[i]; k.Kind == command.Counted && k.First < len(args) {
			if n, exact := digits(args[k.First]); !exact {
				args, cmd = slices.Clone(args), &command.Command{Keys: slices.Clone(cmd.Keys)}
				args[k.First] = n
				slices.Reverse(cmd.Keys)
				return cmd, args, false
			}
		}
	}
	return cmd, args, true
}

func commandGetKeys(c *call) error {
	cmd, args, err := keysOf(c)
	if err != nil {
		return err
	}
	cmd, args, _ = readCounts(cmd, args)
	keys, ok := cmd.AppendKeys(nil, args)
	if !ok {
		return errGetKeysArgs
	}
	c.out.Array(len(keys))
	for _, k := range keys {
		c.out.Bulk(k)
	}
	return nil
}

func commandGetKeysAndFlags(c *call) error {
	cmd, args, err := keysOf(c)
	if err != nil {
		return err
	}
	cmd, args, exact := readCounts(cmd, args)
	keys, ok := cmd.AppendKeys(nil, args)
	if !ok {
		return errGetKeysArgs
	}
	c.out.Array(len(keys))
	for i := range cmd.Keys {
		k := &cmd.Keys[i]
		first, last, _ := k.Find(args)
		for j := first; j <= last; j += k.Step {
			c.out.Array(2)
			c.out.Bulk(args[j])
			var access []string
			if exact {
				access = accessOf(k, args).Names()
			}
			simples(c.out, access)
		}
	}
	return nil
}

// accessOf is how a command uses its keys with these arguments: SET reads the old value
// only with GET.
func accessOf(k *command.Keys, args [][]byte) command.Access {
	switch {
	case k.Access&command.Variable == 0:
		return k.Access
	case slices.ContainsFunc(args[min(3, len(args)):], func(a []byte) bool { return strings.EqualFold(string(a), "GET") }):
		return k.Access &^ command.Variable
	}
	return command.OW | command.Update
}

// commandList answers COMMAND LIST [FILTERBY ACLCAT c | PATTERN p | MODULE m].
func commandList(c *call) error {
	wanted := func(*command.Command) bool { return true }
	switch {
	case len(c.args) == 2:
	case len(c.args) != 5 || !c.word(2, "FILTERBY"):
		return errSyntax
	case c.word(3, "ACLCAT"):
		category := "@" + strings.ToLower(string(c.args[4]))
		wanted = func(cmd *command.Command) bool { return slices.Contains(cmd.ACLCategories(), category) }
	case c.word(3, "PATTERN"):
		pattern := []byte(strings.ToLower(string(c.args[4])))
		wanted = func(cmd *command.Command) bool { return glob.Match(pattern, []byte(cmd.FullName()), false) }
	case c.word(3, "MODULE"):
		wanted = func(*command.Command) bool { return false }
	default:
		return errSyntax
	}
	var names []string
	for _, cmd := range c.conn.srv.served() {
		for _, each := range append([]*command.Command{cmd}, c.conn.srv.servedSub(cmd)...) {
			if wanted(each) {
				names = append(names, each.FullName())
			}
		}
	}
	c.out.Array(len(names))
	for _, name := range names {
		c.out.BulkString(name)
	}
	return nil
}

// help answers the HELP of any container from the table.
func help(c *call) error {
	container := command.Find(c.args[0])
	subs := c.conn.srv.servedSub(container)
	slices.SortFunc(subs, func(a, b *command.Command) int { return cmp.Compare(a.Name, b.Name) })
	c.out.Array(1 + 2*len(subs))
	c.out.Simple(strings.ToUpper(container.Name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, sub := range subs {
		c.out.Simple(strings.ToUpper(sub.Name))
		c.out.Simple("    " + sub.Summary + ".")
	}
	return nil
}
