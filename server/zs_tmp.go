package server

import "math"

var (
	errNumKeys     = newError("ERR", "numkeys should be greater than 0")
	errPopCount    = newError("ERR", "count should be greater than 0")
	errRandomCount = newError("ERR", "value is out of range, value must between -9223372036854775807 and 9223372036854775807")
)

// clampInt is n as an int, the greatest if it is none.
func clampInt(n int64) int { return int(min(n, math.MaxInt)) }
