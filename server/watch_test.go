package server

import (
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// TestAFlushTouchesWhatIsThere: of the keys under WATCH that are not in memory, those that SQL has.
// While SQL does not answer it may have them all.
func TestAFlushTouchesWhatIsThere(t *testing.T) {
	s, gate := startGated(t, lull.Options{AllowFlushAll: true, LoadTimeout: 100 * time.Millisecond})
	gate.open()
	watching, other := dial(t, s), dial(t, s)
	flush := map[string]func(){
		"FLUSHALL": func() { other.ask("FLUSHALL", "+OK") },
		"FLUSHDB":  func() { other.ask("FLUSHDB", "+OK") },
		"FLUSHALL in MULTI": func() {
			other.ask("MULTI", "+OK")
			other.ask("FLUSHALL", "+QUEUED")
			other.ask("EXEC", "*1 | +OK")
		},
	}
	for name, flushed := range flush {
		for _, key := range []struct{ name, exec string }{{"counter:7", "*-1"}, {"counter:5000", "*1 | +PONG"}} {
			other.ask("SET counter:7 1", "+OK")
			other.ask("WAIT 1 5000", ":1")
			other.ask("LULL FORGET counter:7", ":1")
			watching.ask("WATCH "+key.name, "+OK")
			flushed()
			watching.ask("MULTI", "+OK")
			watching.ask("PING", "+QUEUED")
			if watching.ask("EXEC", key.exec); t.Failed() {
				t.Fatalf("%s with %s under WATCH", name, key.name)
			}
		}
	}
	gate.close()
	defer gate.open()
	for name, flushed := range flush {
		other.ask("WAIT 1 5000", ":1") // until then it is known of the flush before that nothing is there
		other.send("LULL FORGET counter:6000\r\n")
		other.lines(1)
		watching.ask("WATCH counter:6000", "+OK")
		flushed()
		watching.ask("MULTI", "+OK")
		watching.ask("PING", "+QUEUED")
		if watching.ask("EXEC", "*-1"); t.Failed() {
			t.Fatalf("%s while SQL does not answer", name)
		}
	}
}
