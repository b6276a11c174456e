// Package lull is a write-back cache for SQL databases. Writes are acknowledged at
// the speed of memory and of one group commit to a log, coalesced, and carried
// into the user's own tables in PostgreSQL, MySQL, MariaDB or SQLite.
package lull
