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
