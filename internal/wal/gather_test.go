package wal

import "testing"

// TestASyncExpectsThoseWhomTheLastHasAnswered: and those who came meanwhile; an eighth
// of them may stay away.
func TestASyncExpectsThoseWhomTheLastHasAnswered(t *testing.T) {
	for _, c := range []struct {
		name                      string
		answered, meanwhile, come int
		enough                    bool
	}{
		{"nobody before", 0, 0, 1, true},
		{"one client", 1, 0, 1, true},
		{"half, and the others come meanwhile", 25, 25, 25, false},
		{"all came back", 25, 25, 50, true},
		{"nearly all came back", 25, 25, 44, true},
		{"too few came back", 25, 25, 43, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &Log{gathering: newWaiters()}
			l.gathering.n = c.answered
			w := l.take()
			l.gathering.n = c.meanwhile
			l.answer(w)
			l.gathering.n = c.come
			if got := l.gathered(); got != c.enough {
				t.Errorf("%d of %d have come, enough: got %v", c.come, l.expected, got)
			}
		})
	}
}
