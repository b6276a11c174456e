package command

// Lull's own commands, subcommands of LULL.
var lullCommands = []Command{
	{Name: "lull", Arity: -2,
		Since: "0.1.0", Summary: "Look at and steer the write-back to the SQL database",
		Subcommands: []Command{
			{Name: "status", Arity: 2, Flags: Stale,
				Since: "0.1.0", Summary: "Tell how far the database is behind, and what is wrong"},
			{Name: "flush", Arity: -2, Flags: Admin,
				Since: "0.1.0", Summary: "Write everything to the database now, and wait for it"},
			{Name: "pause", Arity: 2, Flags: Admin,
				Since: "0.1.0", Summary: "Stop writing to the database until LULL RESUME"},
			{Name: "resume", Arity: 2, Flags: Admin,
				Since: "0.1.0", Summary: "Go on writing to the database"},
			{Name: "tables", Arity: 2, Flags: Stale,
				Since: "0.1.0", Summary: "List the mapped tables and their state"},
			{Name: "deadletters", Arity: -2, Flags: Admin,
				Since: "0.1.0", Summary: "List, retry or drop the rows that the database refused"},
			{Name: "forget", Arity: -3, Flags: Admin, Keys: []Keys{from(2, -1, 1, RO, None)},
				Since: "0.1.0", Summary: "Drop clean keys from memory, so that they are loaded again"},
			{Name: "ack", Arity: -2,
				Since: "0.1.0", Summary: "Choose what this connection's writes wait for: memory, disk or database"},
			{Name: "help", Arity: 2, Flags: Stale,
				Since: "0.1.0", Summary: "List the subcommands"},
		}},
}
