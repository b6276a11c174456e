package command

// Stream commands. Consumer groups are not kept.
var streamCommands = []Command{
	{Name: "xadd", Arity: -5, Flags: Write | DenyOOM | Fast, Keys: []Keys{at(1, RW|Update, Hint).with("MAXLEN", "MINID")},
		Since: "5.0.0", Summary: "Append an entry to a stream"},
	{Name: "xdel", Arity: -3, Flags: Write | Fast, Keys: []Keys{at(1, RW|Delete, Full)},
		Since: "5.0.0", Summary: "Delete entries of a stream by id"},
	{Name: "xinfo", Arity: -2,
		Since: "5.0.0", Summary: "Describe a stream",
		Subcommands: []Command{
			{Name: "stream", Arity: -3, Flags: ReadOnly, Keys: []Keys{at(2, RO|Reads, Full)},
				Since: "5.0.0", Summary: "Describe a stream"},
			{Name: "groups", Arity: 3, Flags: ReadOnly, Keys: []Keys{at(2, RO|Reads, Full)},
				Since: "5.0.0", Summary: "List the consumer groups of a stream: there are none"},
			{Name: "consumers", Arity: 4, Flags: ReadOnly, Keys: []Keys{at(2, RO|Reads, Full)},
				Since: "5.0.0", Summary: "List the consumers of a group"},
			{Name: "help", Arity: 2, Flags: Loading | Stale,
				Since: "5.0.0", Summary: "List the subcommands"},
		}},
	{Name: "xlen", Arity: 2, Flags: ReadOnly | Fast, Keys: []Keys{at(1, RO, Exists)},
		Since: "5.0.0", Summary: "Count the entries of a stream"},
	{Name: "xrange", Arity: -4, Flags: ReadOnly, Keys: []Keys{at(1, RO|Reads, Full)},
		Since: "5.0.0", Summary: "Read the entries in a range of ids"},
	{Name: "xread", Arity: -4, Flags: ReadOnly | Blocking | MovableKeys, Keys: []Keys{after("STREAMS", RO|Reads, Full)},
		Since: "5.0.0", Summary: "Read the entries after given ids from several streams"},
	{Name: "xrevrange", Arity: -4, Flags: ReadOnly, Keys: []Keys{at(1, RO|Reads, Full)},
		Since: "5.0.0", Summary: "Read the entries in a range of ids, newest first"},
	{Name: "xsetid", Arity: -3, Flags: Write | DenyOOM | Fast, Keys: []Keys{at(1, RW|Update, Full)},
		Since: "5.0.0", Summary: "Set the last id of a stream"},
	{Name: "xtrim", Arity: -4, Flags: Write, Keys: []Keys{at(1, RW|Delete, Full)},
		Since: "5.0.0", Summary: "Trim a stream to a length or a lowest id"},
}
