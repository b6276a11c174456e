package mapping

import "strings"

// Nearest returns the name in names that is most like name, "" if none is near
// enough to be meant.
func Nearest(name string, names []string) string {
	best, bestAway := "", len(name)/2+2
	for _, n := range names {
		away := edits(strings.ToLower(name), strings.ToLower(n))
		if away < bestAway && away < max(len(n), 2) {
			best, bestAway = n, away
		}
	}
	return best
}

// edits returns the least number of bytes inserted, removed, replaced or swapped
// with their neighbour that turn a into b (optimal string alignment).
func edits(a, b string) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			now[j] = min(replace, last[j]+1, now[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
