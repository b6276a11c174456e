package command

import (
	"os"
	"strings"
	"testing"
)

// TestEveryCommandIsDocumented: docs/commands.md has a line for each command, and
// none for others.
func TestEveryCommandIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "| `"); ok && strings.ToUpper(rest[:1]) == rest[:1] {
			name, _, _ := strings.Cut(rest, "`")
			documented[name] = true
		}
	}
	var check func(commands []Command)
	check = func(commands []Command) {
		for i := range commands {
			c := &commands[i]
			if c.Subcommands == nil || c.Name == "command" {
				name := strings.ToUpper(strings.ReplaceAll(c.FullName(), "|", " "))
				if !documented[name] {
					t.Errorf("docs/commands.md has no line that begins with | `%s`", name)
				}
				delete(documented, name)
			}
			check(c.Subcommands)
		}
	}
	check(All())
	for name := range documented {
		if !strings.HasPrefix(name, "-") { // the codes of errors
			t.Errorf("docs/commands.md tells of %s, which is no command", name)
		}
	}
}
