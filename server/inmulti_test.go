package server

import (
	"strings"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
)

// TestNothingWaitsForItselfInMulti queues each command of the table, with as many arguments as
// it takes at least, behind writes and a watch: EXEC holds locks that a command must
// not ask for again. INFO and UNWATCH did, and everybody waited for ever.
func TestNothingWaitsForItselfInMulti(t *testing.T) {
	s := startOver(t, Options{}, lull.Options{Ack: lull.AckMemory}, func(*Server) {})
	var visit func(commands []command.Command)
	visit = func(commands []command.Command) {
		for i := range commands {
			cmd := &commands[i]
			visit(cmd.Subcommands)
			words := strings.Split(cmd.FullName(), "|")
			for n := max(cmd.Arity, -cmd.Arity); len(words) < n; {
				words = append(words, "1")
			}
			c := dial(t, s)
			c.ask("WATCH a b", "+OK")
			c.ask("MULTI", "+OK")
			c.ask("SET a 1", "+QUEUED")
			c.send(strings.Join(words, " ") + "\r\nSET b 1\r\nEXEC\r\nQUIT\r\n")
			if rest := c.rest(); !strings.HasSuffix(rest, "+OK\r\n") {
				t.Errorf("%s: got %q", words, rest)
			}
			_ = c.Close()
		}
	}
	visit(command.All())
	wellServed(t, s)
}
