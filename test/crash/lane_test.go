package crash

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestTerminate ends Lull by SIGTERM in the middle of load: nothing remains in the log
// alone, and the exit code says so. With the database away it says how much remains.
func TestTerminate(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		w := newWorld(t, d, release, false)
		for range acks {
			w.configure(conditions{})
			w.in.start()
			stop := w.load()
			w.between(50*time.Millisecond, 200*time.Millisecond)
			w.in.end(0)
			stop()
			w.checkSQL(w.clients, (*client).current, "after SIGTERM")
		}
		w.trouble()
		w.configure(conditions{ack: "disk", more: "shutdown_timeout: 500ms\n"})
		w.in.start()
		stop := w.load()
		w.between(50*time.Millisecond, 200*time.Millisecond)
		d.down(t)
		rdb := w.in.client()
		if err := rdb.Set(t.Context(), "remains", "yes", 0).Err(); err != nil {
			t.Errorf("SET while the database is away: %v", err)
		}
		rdb.Close()
		p := w.in.end(3)
		stop()
		if said := p.stderr.String(); !containsAll(said, []string{" rows (", "were not flushed", "they are in the log"}) {
			t.Errorf("with the database away Lull says at its end:\n%s\nwant how much remains and where", tail(said))
		}
		d.up(t)
		w.away.Store(false)
		w.finish()
	})
}

// TestOneProcessForADirectory: a second Lull on the data directory of one that runs is
// refused, and names it.
func TestOneProcessForADirectory(t *testing.T) {
	t.Parallel()
	in := newInstance(t, release)
	in.configure("")
	first := in.start()
	second := newInstance(t, release)
	second.dir = in.dir
	p := second.launch()
	second.wait()
	if pid := fmt.Sprint(first.cmd.Process.Pid); p.exitCode() != 1 || !strings.Contains(p.stderr.String(), pid) {
		t.Errorf("a second Lull ended with code %d and said:\n%s\nwant 1 and the process id %s", p.exitCode(), p.stderr.String(), pid)
	}
	rdb := in.client()
	defer rdb.Close()
	if err := rdb.Set(t.Context(), "a", "1", 0).Err(); err != nil {
		t.Errorf("the first Lull after that: %v", err)
	}
	in.end(0)
}

func (in *instance) flush() error {
	rdb := in.client()
	defer rdb.Close()
	return rdb.Do(in.t.Context(), "LULL", "FLUSH").Err()
}
