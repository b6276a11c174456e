package server

import (
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// TestAFlushTouchesWhatIsThere: of the keys under WATCH that are not in memory, those that SQL has.
func TestAFlushTouchesWhatIsThere(t *testing.T) {
	s, gate := startGated(t, lull.Options{AllowFlushAll: true, LoadTimeout: time.Minute})
	gate.open()
	watching, other := dial(t, s), dial(t, s)
	for name, empty := range flushes(other) {
		for _, key := range []struct{ name, exec string }{{"counter:7", "*-1"}, {"counter:5000", "*1 | +PONG"}} {
			other.ask("SET counter:7 1", "+OK")
			other.ask("WAIT 1 60000", ":1")
			other.ask("LULL FORGET counter:7", ":1")
			watching.ask("WATCH "+key.name, "+OK")
			empty()
			watching.ask("MULTI", "+OK")
			watching.ask("PING", "+QUEUED")
			if watching.ask("EXEC", key.exec); t.Failed() {
				t.Fatalf("%s with %s under WATCH", name, key.name)
			}
		}
	}
}

// TestAFlushTouchesWhatMayBeThere while SQL does not answer.
func TestAFlushTouchesWhatMayBeThere(t *testing.T) {
	s, gate := startGated(t, lull.Options{AllowFlushAll: true, LoadTimeout: 100 * time.Millisecond})
	defer gate.open()
	watching, other := dial(t, s), dial(t, s)
	for name, empty := range flushes(other) {
		other.ask("WAIT 1 60000", ":1") // until then it is known of the flush before that nothing is there
		other.send("LULL FORGET counter:7\r\n")
		other.lines(1)
		watching.ask("WATCH counter:7", "+OK")
		empty()
		watching.ask("MULTI", "+OK")
		watching.ask("PING", "+QUEUED")
		if watching.ask("EXEC", "*-1"); t.Failed() {
			t.Fatal(name)
		}
	}
}

// flushes are the ways to remove all keys.
func flushes(c *wireConn) map[string]func() {
	return map[string]func(){
		"FLUSHALL": func() { c.ask("FLUSHALL", "+OK") },
		"FLUSHDB":  func() { c.ask("FLUSHDB", "+OK") },
		"FLUSHALL in MULTI": func() {
			c.ask("MULTI", "+OK")
			c.ask("FLUSHALL", "+QUEUED")
			c.ask("EXEC", "*1 | +OK")
		},
	}
}
