// Package testdb starts real PostgreSQL, MariaDB and Redis servers for tests, and
// breaks them: kills, restarts and pauses them, and cuts connections to them.
//
// Every server runs on a loopback port of its own with its data in a temporary
// folder. The servers of Postgres and MariaDB are shared by all tests of a
// process; those of the Start functions belong to one test.
//
// No server outlives the test process, however that ends, and no test package
// needs a TestMain for it. A guard, a small shell, holds the reading end of a pipe
// whose other end only the test process has. When that pipe closes, the guard ends
// the server and removes its folder. The server's own process waits until the
// guard knows its pid, so there is no moment at which a kill -9 could leave it.
//
// Run as root, the servers get an unprivileged account, since PostgreSQL and
// MariaDB refuse to run as root.
package testdb

import (
	"sync"
	"testing"
)

// Options tell how a server is to run. The zero value is a fast server whose
// committed transactions survive Kill, but would not survive a power failure.
type Options struct {
	// Durable makes the server sync each commit to disk (Redis: each write to its
	// append-only file; without it Redis forgets all at Stop and Kill).
	Durable bool
	// Settings are the server's own, by name as in its configuration file, as in
	// {"max_connections": "5"}. They win over those of this package.
	Settings map[string]string
}

// Postgres returns the URL of a fresh empty database on the PostgreSQL server
// that this process's tests share. The database is dropped when the test ends. Its
// user is a superuser.
func Postgres(t testing.TB) string {
	t.Helper()
	return sharedPostgres.get(t).NewDatabase(t)
}

// MariaDB returns the URL of a fresh empty database on the MariaDB server that
// this process's tests share. The database is dropped when the test ends. Its user
// may do everything. Its character set is utf8mb4.
func MariaDB(t testing.TB) string {
	t.Helper()
	return sharedMariaDB.get(t).NewDatabase(t)
}

// Redis returns the address (host:port) of a fresh Redis server, which ends with
// the test.
func Redis(t testing.TB) string {
	t.Helper()
	return StartRedis(t, Options{}).Addr()
}

// StartPostgres starts a PostgreSQL server that ends with the test.
func StartPostgres(t testing.TB, o Options) *Server { t.Helper(); return startFor(t, postgres, o) }

// StartMariaDB starts a MariaDB server that ends with the test.
func StartMariaDB(t testing.TB, o Options) *Server { t.Helper(); return startFor(t, mariadb, o) }

// StartRedis starts a Redis server that ends with the test.
func StartRedis(t testing.TB, o Options) *Server { t.Helper(); return startFor(t, redis, o) }

func startFor(t testing.TB, e *engine, o Options) *Server {
	t.Helper()
	s, err := newServer(e, o)
	if err != nil {
		t.Fatalf("testdb: %v", err)
	}
	s.t = t
	t.Cleanup(s.close)
	return s
}

var (
	sharedPostgres = shared{engine: postgres}
	sharedMariaDB  = shared{engine: mariadb}
)

// shared is a server that starts at its first use and that the guard ends after
// the process.
type shared struct {
	engine *engine
	once   sync.Once
	server *Server
	err    error
}

func (s *shared) get(t testing.TB) *Server {
	t.Helper()
	s.once.Do(func() { s.server, s.err = newServer(s.engine, Options{}) })
	if s.err != nil {
		t.Fatalf("testdb: %v", s.err)
	}
	return s.server
}
