package command

// MULTI and what belongs to it.
var transactionCommands = []Command{
	{Name: "discard", Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy,
		Since: "2.0.0", Summary: "Drop the commands queued since MULTI"},
	{Name: "exec", Arity: 1, Flags: NoScript | Loading | Stale | SkipSlowlog,
		Since: "1.2.0", Summary: "Run the commands queued since MULTI as one atomic unit"},
	{Name: "multi", Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy,
		Since: "1.2.0", Summary: "Start queueing commands for EXEC"},
	{Name: "unwatch", Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy,
		Since: "2.2.0", Summary: "Forget the watched keys"},
	{Name: "watch", Arity: -2, Flags: NoScript | Loading | Stale | Fast | AllowBusy, Keys: []Keys{from(1, -1, 1, RO, None)},
		Since: "2.2.0", Summary: "Let the next EXEC fail if one of the keys changes"},
}
