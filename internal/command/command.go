// Package command is the table of the commands that Lull has: names, arity,
// flags, where the keys stand, and how much of a key each command needs. It has
// no behaviour. The server dispatches by it, COMMAND answers from it, and tests
// hold it against a real Redis.
package command

import "strings"

// Command is one command, or one subcommand of a container such as CLIENT.
type Command struct {
	Name        string // lower case; a subcommand's own name, without its parent
	Arity       int    // arguments with the name; negative: at least that many
	Flags       Flags
	Categories  []string // of ACL, besides what Flags imply; nil: the group's
	Keys        []Keys
	Group       string // of COMMAND DOCS: "string", "sorted-set", "lull", …
	Since       string // the Redis version that brought it; for LULL, Lull's
	Summary     string
	Subcommands []Command

	full   string
	number int
	byName map[string]*Command
}

// Flags are the properties that COMMAND INFO shows.
type Flags uint32

// The flags, in the order Redis lists them.
const (
	Write Flags = 1 << iota
	ReadOnly
	DenyOOM // refused when memory is short
	Admin
	NoScript
	Blocking
	Loading // allowed while the data is not there yet
	Stale
	Fast
	NoAuth // allowed before AUTH
	MovableKeys
	NoMulti // refused inside MULTI
	AllowBusy
	SkipSlowlog // its arguments are not to be shown
	SkipMonitor
)

var flagNames = []string{"write", "readonly", "denyoom", "admin", "noscript", "blocking", "loading", "stale",
	"fast", "no_auth", "movablekeys", "no_multi", "allow_busy", "skip_slowlog", "skip_monitor"}

// Names returns the flags' names as COMMAND INFO shows them.
func (f Flags) Names() []string { return bitNames(uint32(f), flagNames) }

func bitNames(bits uint32, names []string) []string {
	var set []string
	for i, name := range names {
		if bits&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return set
}

// FullName returns the name that Redis shows: "get", or "client|id".
func (c *Command) FullName() string { return c.full }

// Number returns the place of c in the table, subcommands counted: 0 to Count()-1.
func (c *Command) Number() int { return c.number }

// Is reports whether c has all the flags of f.
func (c *Command) Is(f Flags) bool { return c.Flags&f == f }

// ArityOK reports whether n arguments, the name counted, are as many as c takes.
func (c *Command) ArityOK(n int) bool {
	if c.Arity >= 0 {
		return n == c.Arity
	}
	return n >= -c.Arity
}

// Subcommand returns the subcommand with that name in any case, or nil.
func (c *Command) Subcommand(name []byte) *Command { return lookup(c.byName, name) }

// ACLCategories returns the categories that COMMAND INFO shows: those that
// follow from the flags, then the group's or the command's own.
func (c *Command) ACLCategories() []string {
	var set []string
	add := func(when bool, names ...string) {
		if when {
			set = append(set, names...)
		}
	}
	add(c.Is(Write), "@write")
	add(c.Is(ReadOnly), "@read")
	add(c.Is(Admin), "@admin", "@dangerous")
	add(c.Is(Blocking), "@blocking")
	add(c.Is(Fast), "@fast")
	add(!c.Is(Fast), "@slow")
	switch {
	case c.Categories != nil:
		return append(set, c.Categories...)
	case c.Subcommands == nil && groupCategory[c.Group] != "":
		return append(set, groupCategory[c.Group])
	}
	return set
}

var groupCategory = map[string]string{
	"string": "@string", "hash": "@hash", "set": "@set", "sorted-set": "@sortedset", "list": "@list",
	"stream": "@stream", "generic": "@keyspace", "connection": "@connection", "transactions": "@transaction",
}

// All returns every command, subcommands inside their containers, ordered by
// group. It must not be changed.
func All() []Command { return table }

// Count returns how many commands there are, subcommands counted.
func Count() int { return count }

// Find returns the command with that name in any case, or nil. It does not
// allocate.
func Find(name []byte) *Command { return lookup(tableByName, name) }

var (
	table, count = build()
	tableByName  = index(table)
)

// nameMax is longer than the longest name.
const nameMax = 32

func lookup(byName map[string]*Command, name []byte) *Command {
	if len(name) > nameMax {
		return nil
	}
	var lower [nameMax]byte
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		lower[i] = b
	}
	return byName[string(lower[:len(name)])]
}

func build() (all []Command, count int) {
	for _, family := range []struct {
		group    string
		commands []Command
	}{
		{"connection", connectionCommands}, {"server", serverCommands}, {"transactions", transactionCommands},
		{"generic", keyCommands}, {"string", stringCommands}, {"hash", hashCommands}, {"list", listCommands},
		{"set", setCommands}, {"sorted-set", zsetCommands}, {"stream", streamCommands}, {"lull", lullCommands},
	} {
		all = append(all, family.commands...)
		for i := len(all) - len(family.commands); i < len(all); i++ {
			count = all[i].complete("", family.group, count)
		}
	}
	return all, count
}

// complete fills in what follows from the place in the table, and returns the
// number of the next command.
func (c *Command) complete(parent, group string, number int) (next int) {
	c.Group, c.full, c.number = group, strings.TrimPrefix(parent+"|"+c.Name, "|"), number
	next = number + 1
	for i := range c.Subcommands {
		next = c.Subcommands[i].complete(c.Name, group, next)
	}
	c.byName = index(c.Subcommands)
	return next
}

func index(commands []Command) map[string]*Command {
	byName := make(map[string]*Command, len(commands))
	for i := range commands {
		byName[commands[i].Name] = &commands[i]
	}
	return byName
}
