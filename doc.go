// Package lull is a write-back cache for SQL databases: the engine, and its Go API.
//
// Open gives a DB over a sink (a database) and a data directory. Work is done in
// units: a Session runs a function over the keys it names, in a Tx that holds
// their locks. What the unit changed is one record in the log before anyone sees
// it, and reaches the SQL tables with the next flush, in one transaction together
// with everything else written up to the same position.
//
//	db, err := lull.Open(ctx, lull.Options{DataDir: "lull-data", Sink: sink, Tables: tables})
//	players, err := lull.NewTable[string, Player](db, "players")
//	err = players.Put(ctx, "42", Player{Name: "Ann", Score: 10})
//	err = db.Sync(ctx) // in SQL now
//
// # What an answer means
//
// Session.Exec gives a Ticket, and Session.Wait returns when the ticket's ack level
// is reached: AckMemory (the record survives kill -9), AckDisk (and power loss) or
// AckDatabase (the SQL transaction has committed). The methods of Table wait
// themselves. DB.Sync waits for SQL to have everything, DB.SyncDisk for the log's
// disk. DB.Close flushes; what it could not flush it tells by a *Remains, and that is
// in the log.
//
// # Watching it
//
// DB.Stats is a snapshot: what is dirty, what the database takes, the log, memory,
// each table. Stats.Problems says what needs an operator. Options.OnEvent is called
// for what happens: the database goes away or comes back, a table is parked, rows are
// refused. The library itself logs nothing.
//
// The server package is a client of this one: the same engine, the same promises.
// No SQL driver comes with the import; take one of the sinks below sink/.
package lull
