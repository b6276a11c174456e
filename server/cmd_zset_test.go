package server

import (
	"strings"
	"testing"
)

// TestZScanOfLargeScores: a member that comes later in the scan decides how the first score is written.
func TestZScanOfLargeScores(t *testing.T) {
	c := dial(t, start(t, Options{}))
	c.ask("ZADD z 1e17 a", ":1")
	c.send("ZSCAN z 0\r\n")
	if got := c.lines(8); !strings.HasSuffix(got, " 100000000000000000") {
		t.Errorf("a small set: got %q", got)
	}
	c.ask("ZADD z 1 "+strings.Repeat("m", 65), ":1")
	c.send("ZSCAN z 0\r\n")
	if got := c.lines(12); !strings.Contains(got, " a $5 1e+17 ") {
		t.Errorf("with a long member: got %q", got)
	}
}
