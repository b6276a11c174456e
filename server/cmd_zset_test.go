package server

import (
	"fmt"
	"strings"
	"testing"
)

// TestZScanOfLargeScores: a long member decides how the score of another is written, wherever it stands in the
// scan, which is not the same in each process.
func TestZScanOfLargeScores(t *testing.T) {
	c := dial(t, start(t, Options{}))
	c.ask("ZADD z 1e17 a", ":1")
	c.send("ZSCAN z 0\r\n")
	if got := c.lines(8); !strings.HasSuffix(got, " a $18 100000000000000000") {
		t.Errorf("a small set: got %q", got)
	}
	for i := range 20 {
		c.ask(fmt.Sprintf("ZADD z%d 1e17 a%[1]d 1 %[1]d%s", i, strings.Repeat("m", 65)), ":2")
		c.send(fmt.Sprintf("ZSCAN z%d 0\r\n", i))
		if got := c.lines(12); !strings.Contains(got, " $5 1e+17") {
			t.Errorf("with a long member: got %q", got)
		}
	}
}

// TestAStoredSetHasChanged: for those who watch it, also if it is what it was.
func TestAStoredSetHasChanged(t *testing.T) {
	s := start(t, Options{})
	watching, other := dial(t, s), dial(t, s)
	other.ask("ZADD z 1 a 2 b", ":2")
	other.ask("SADD s a b", ":2")
	for command, want := range map[string]string{
		"ZDIFFSTORE z 2 z nothing": ":2", "ZUNIONSTORE z 1 z": ":2", "ZINTERSTORE z 1 z": ":2", "ZRANGESTORE z z 0 -1": ":2",
		"SDIFFSTORE s s nothing": ":2", "SUNIONSTORE s s": ":2", "SINTERSTORE s s": ":2",
	} {
		watching.ask("WATCH z s", "+OK")
		watching.ask("MULTI", "+OK")
		watching.ask("PING", "+QUEUED")
		other.ask(command, want)
		watching.send("EXEC\r\n")
		if got := watching.lines(1); got != "*-1" {
			t.Fatalf("%s: EXEC has run: %q", command, got)
		}
	}
}
