package testdb

import (
	"context"
	"syscall"
)

// engine is one kind of server.
type engine struct {
	name      string
	packages  string   // what to install, for people
	servers   []string // names of the server's program
	signature string   // what its --version holds
	inits     []string // names of the program that makes a data directory
	together  bool     // that program stands beside the server
	dirs      []string // where to look besides PATH, as patterns
	accounts  []string // whom to run as, if root

	firstDatabase       string
	graceful, immediate syscall.Signal

	initialise func(b binaries, data string) []string // argv; nil if an empty folder will do
	prepare    func(s *Server) error                  // before the first start; may be nil
	argv       func(s *Server) []string
	setting    func(name, value string) []string // argv of a setting
	url        func(s *Server, database string) string
	ping       func(ctx context.Context, s *Server) error
	create     func(ctx context.Context, s *Server, database string) error
	drop       func(ctx context.Context, s *Server, database string) error
	clean      func(s *Server) error // after the end; nil if nothing can be left
}

// userName is the database user that tests are.
const userName = "lull"
