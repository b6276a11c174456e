package server

import (
	"fmt"
	"strings"
	"testing"
)

// TestPipelinesOnOneKey: what is fetched ahead of their members changes no answer, whatever
// the key holds.
func TestPipelinesOnOneKey(t *testing.T) {
	s := start(t, Options{})
	s.db.Load().Pause()
	c := dial(t, s)
	bulk := func(n int) string { return fmt.Sprintf("$%d %d ", len(fmt.Sprint(n)), n) }
	one := func(int) string { return ":1 " }
	for _, kind := range []struct {
		add, get string // {k} key, {m} member, {v} value
		found    func(value int) string
		none     string
	}{
		{"ZADD {k} {v} {m}", "ZSCORE {k} {m}", bulk, "$-1 "},
		{"SADD {k} {m}", "SISMEMBER {k} {m}", one, ":0 "},
		{"HSET {k} {m} {v}", "HGET {k} {m}", bulk, "$-1 "},
		{"APPEND {k} {v}", "ZSCORE {k} {m}", func(int) string { return "-WRONGTYPE " }, "-WRONGTYPE "},
	} {
		for _, members := range []int{3, 3000} {
			for round := range 2 { // the second finds what is dirty
				var adds, gets, want strings.Builder
				for i := range members + 5 {
					with := strings.NewReplacer("{k}", fmt.Sprintf("%.1s%d", kind.add, members), "{m}", fmt.Sprint("m", i), "{v}", fmt.Sprint(i+round))
					fmt.Fprintf(&gets, "%s\r\n", with.Replace(kind.get))
					if i < members {
						fmt.Fprintf(&adds, "%s\r\n", with.Replace(kind.add))
						want.WriteString(kind.found(i + round))
					} else {
						want.WriteString(kind.none)
					}
				}
				c.send(adds.String())
				c.lines(members)
				c.send(gets.String())
				for _, w := range strings.Fields(want.String()) {
					if got := c.lines(1); !strings.HasPrefix(got, w) {
						t.Fatalf("%s, %d members: got %q, wanted %q", kind.get, members, got, w)
					}
				}
			}
		}
	}
}
