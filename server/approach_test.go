package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lullcache/lull"
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

// TestPipelinesOnManyLargeKeys: those of mapped tables as well, and commands without a name.
func TestPipelinesOnManyLargeKeys(t *testing.T) {
	s, gate := startGated(t, lull.Options{Unmapped: lull.UnmappedGeneric})
	gate.open()
	s.db.Load().Pause()
	c := dial(t, s)
	const keys, members = 5, 1000
	for round := range 2 {
		var adds, gets strings.Builder
		for m := range members {
			for k := range keys {
				fmt.Fprintf(&adds, "ZADD z%d %d m%d\r\nHSET h%d f%d %d\r\nINCRBY counter:%d 1\r\n*2\r\n$0\r\n\r\n$1\r\na\r\n", k, m+round, m, k, m, m+round, k)
				fmt.Fprintf(&gets, "ZSCORE z%d m%d\r\nHGET h%d f%d\r\n", k, m, k, m)
			}
		}
		c.send(adds.String())
		c.lines(4 * keys * members)
		c.send(gets.String())
		for m := range members {
			for k := range 2 * keys {
				if got, want := c.lines(2), fmt.Sprintf("$%d %d", len(fmt.Sprint(m+round)), m+round); got != want {
					t.Fatalf("member %d, read %d: got %q, wanted %q", m, k, got, want)
				}
			}
		}
		for k := range keys {
			c.ask(fmt.Sprintf("GET counter:%d", k), fmt.Sprintf("$4 | %d", 1000+k+members*(round+1)))
		}
	}
}
