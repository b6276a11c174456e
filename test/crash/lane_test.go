package crash

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTerminate ends Lull by SIGTERM in the middle of load: nothing remains in the log
// alone, and the exit code says so. With the database away it says how much remains.
func TestTerminate(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		w := newWorld(t, d, release)
		for range acks {
			w.configure(conditions{})
			w.in.start()
			stop := w.load()
			w.between(50*time.Millisecond, 200*time.Millisecond)
			w.in.end(0)
			stop()
			w.checkSQL(w.clients, (*client).current, "after SIGTERM")
		}
		w.away.Store(true)
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

// TestZombie stops a Lull (SIGSTOP) in the middle of its writes, lets another take its
// lane, and lets it go on: it must not write any more, and says so.
func TestZombie(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		old, young := newInstance(t, release), newInstance(t, release)
		yaml := fmt.Sprintf("database: %q\nflush: {max_delay: 20ms, lull: 2ms}\nlog: {segment_bytes: 1MiB, max_bytes: 64MiB}\nwrite_timeout: 2s\n", d.url)
		old.configure(yaml)
		young.configure(yaml)
		zombie := old.start()
		set := func(in *instance, key, value string) error {
			rdb := in.client()
			defer rdb.Close()
			return rdb.Set(t.Context(), key, value, 0).Err()
		}
		for i := range 50 {
			if err := set(old, "key", fmt.Sprint("old ", i)); err != nil {
				t.Fatal(err)
			}
		}
		// Not in the middle of a transaction: its locks would be waited for, on the servers
		// until they end it for being idle, in SQLite for as long as the process stands.
		if err := old.flush(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		old.signal(syscall.SIGSTOP)
		young.args = []string{"--new-log"}
		young.start()
		if err := set(young, "key", "young"); err != nil {
			t.Fatalf("SET in the Lull that has taken over: %v", err)
		}
		if err := young.flush(); err != nil {
			t.Fatalf("LULL FLUSH in the Lull that has taken over: %v", err)
		}
		old.signal(syscall.SIGCONT)
		deadline := time.Now().Add(endWait)
		for err := error(nil); err == nil; err = set(old, "key", "zombie") {
			if time.Now().After(deadline) {
				t.Fatal("the Lull that was stopped still takes writes")
			}
			time.Sleep(10 * time.Millisecond)
		}
		zombie.waitFor(t, "another process")
		if err := set(old, "key", "zombie"); err == nil || !strings.Contains(err.Error(), "MISCONF") {
			t.Errorf("SET in the Lull that was stopped: got %v, want MISCONF", err)
		}
		if err := young.flush(); err != nil {
			t.Errorf("LULL FLUSH: %v", err)
		}
		key := &thing{verb: verbOf("SET"), key: "key"}
		if got, err := d.rows(t.Context(), key); err != nil || len(got) != 1 || got[0] != "young" {
			t.Errorf("SQL holds %q, %v; want what the Lull wrote that has taken over", got, err)
		}
		young.end(0)
	})
}

func (in *instance) flush() error {
	rdb := in.client()
	defer rdb.Close()
	return rdb.Do(in.t.Context(), "LULL", "FLUSH").Err()
}
