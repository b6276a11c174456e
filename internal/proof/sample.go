package proof

import (
	"os"
	"strconv"
	"testing"
)

// Sample is how many of all a proof tries: usual ones in "make test", or the number that
// the environment variable name has, which a long form sets. Anything else in it fails t.
func Sample(t testing.TB, name string, usual int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
