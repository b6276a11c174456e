package server

import (
	"testing"

	"github.com/lullcache/lull/internal/command"
)

// TestEveryCommandHasAHandler: what the table promises, the server does. A handler
// that is in no table makes bindHandlers panic.
func TestEveryCommandHasAHandler(t *testing.T) {
	bound := bindHandlers()
	var check func(commands []command.Command)
	check = func(commands []command.Command) {
		for i := range commands {
			c := &commands[i]
			if c.Subcommands != nil {
				check(c.Subcommands)
				if c.Name != "command" {
					continue // the container itself does nothing
				}
			}
			if !bound[c.Number()].exists() {
				t.Errorf("%s stands in the table of commands and has no handler", c.FullName())
			}
		}
	}
	check(command.All())
}
