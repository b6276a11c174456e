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
// The server package is a client of this one: the same engine, the same promises.
// No SQL driver comes with the import; take one of the sinks below sink/.
package lull
