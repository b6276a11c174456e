package crash

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lullcache/lull/internal/failpoint"
)

var zombies = flag.Int("zombies", 7, "how often a Lull that was stopped wakes up after another took its lane, on each database")

// zombiePlaces are where a Lull is stopped: all steps of a flush and of an answer. At
// "" it is stopped at a random moment.
var zombiePlaces = []failpoint.Point{
	failpoint.MarkWritten, failpoint.AfterCommit, failpoint.BeforeCommit, failpoint.AfterCut, failpoint.RowsWritten, "",
	failpoint.Begun, failpoint.BeforeCut, failpoint.AfterSettle, failpoint.BeforeSync, failpoint.AfterAppend, failpoint.BeforeAck,
}

// noTransaction are those at which it surely holds no lock: the flusher itself stands
// there.
var noTransaction = []failpoint.Point{failpoint.BeforeCut, failpoint.AfterCut, failpoint.AfterCommit, failpoint.AfterSettle}

// TestZombie stops a Lull (SIGSTOP) in the middle of its work, lets another take its
// lane, with a new log or with a copy of the first one's data directory, and lets it go
// on: no row goes back to what it had, and it takes no more writes and says so.
func TestZombie(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		z := &zombieTest{
			t: t, d: d, rep: newReport(t), rng: rand.New(rand.NewPCG(*seed, 3<<32)),
			old: newInstance(t, failpoints), young: newInstance(t, failpoints),
		}
		var places deck
		for _, p := range zombiePlaces {
			places.add(1, p)
		}
		for n := range *zombies {
			if z.rep.Broken() > 0 || t.Failed() {
				t.FailNow()
			}
			z.rep.round.Store(int64(n + 1))
			z.round(places.deal(z.rng.Shuffle).(failpoint.Point), n%2 == 0 && d.server != nil)
		}
	})
}

type zombieTest struct {
	t          *testing.T
	d          *database
	rep        *report
	rng        *rand.Rand
	old, young *instance
	n          int64 // last number written
}

const zombieKeys = 4

// things are a key in a mapped table and one in a generic table, several times.
func (z *zombieTest) things() (all []*thing) {
	for i := range zombieKeys {
		pair := newPair("zombie", i)
		all = append(all, pair[0], pair[1])
	}
	return all
}

func (z *zombieTest) configure(in *instance) {
	in.configure(fmt.Sprintf("database: %q\nack: %s\nflush: {max_delay: 20ms, lull: 2ms}\nlog: {segment_bytes: 1MiB, max_bytes: 64MiB}\nwrite_timeout: 2s\n%s",
		z.d.url, acks[z.rng.IntN(len(acks))], mappings))
}

// round is one Lull that is stopped, and one that takes over.
func (z *zombieTest) round(p failpoint.Point, copied bool) {
	z.configure(z.old)
	z.configure(z.young)
	if p != "" {
		z.old.env = []string{fmt.Sprintf("LULL_FAILPOINT=%s:%d=stop", p, 3+z.rng.IntN(5))}
	}
	zombie := z.old.start()
	writes := z.writeUntilStopped(zombie, p == "")
	z.rep.zombies.Add(1)
	z.takeOver(!slices.Contains(noTransaction, p), copied)
	values := z.writeYoung(writes, copied)
	z.old.signal(syscall.SIGCONT)
	<-writes.ended
	z.watch(zombie, values)
	z.young.end(0)
	z.compare(values, "at the end")
	z.old.kill()
	z.old, z.young = z.young, z.old
}

// zombieWrites are what the first Lull was sent, and has answered.
type zombieWrites struct {
	acked, sent []int64 // by key
	ended       chan struct{}
}

// writeUntilStopped writes rising numbers until the process stands still. It goes on
// with the command that waits then, and ends after it.
func (z *zombieTest) writeUntilStopped(p *process, stop bool) *zombieWrites {
	t := z.t
	things := z.things()
	w := &zombieWrites{acked: make([]int64, len(things)), sent: make([]int64, len(things)), ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	first := z.n + 1
	go func() {
		defer close(w.ended)
		rdb := z.old.client()
		defer rdb.Close()
		for n := first; ctx.Err() == nil; n++ {
			i := int(n) % len(things)
			w.sent[i] = n
			z.rep.sent.Add(1)
			err := rdb.Set(context.Background(), things[i].key, n, 0).Err()
			if ctx.Err() == nil && err != nil && !strings.HasPrefix(err.Error(), "TIMEOUT ") {
				t.Errorf("SET in a Lull that nobody disturbs: %v\n%s", err, tail(p.stderr.String()))
				return
			}
			if ctx.Err() == nil {
				z.rep.acked.Add(1)
				w.acked[i] = n
			}
		}
	}()
	if stop {
		time.Sleep(50*time.Millisecond + time.Duration(z.rng.Int64N(int64(100*time.Millisecond))))
		z.old.signal(syscall.SIGSTOP)
	}
	for end := time.Now().Add(endWait); ; time.Sleep(2 * time.Millisecond) {
		is, err := stopped(p.cmd.Process.Pid)
		if err != nil || time.Now().After(end) {
			t.Fatalf("the process is not stopped after %v: %v\n%s", endWait, err, tail(p.stderr.String()))
		}
		if is {
			break
		}
	}
	cancel()
	z.n += 1_000_000 // above all that the zombie may write
	return w
}

// takeOver starts the second Lull. The database ends a transaction that stands still
// after a while: here the test does that for it. In SQLite nobody can, so that there
// the first Lull wakes up while the second waits, and a copy of its log would be behind.
func (z *zombieTest) takeOver(locked, copied bool) {
	t := z.t
	data := filepath.Join(z.young.dir, "data")
	z.young.args = []string{"--new-log"}
	if copied {
		z.young.args = nil
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(data, os.DirFS(filepath.Join(z.old.dir, "data"))); err != nil {
			t.Fatal(err)
		}
	}
	p := z.young.launch()
	if locked && z.d.server == nil {
		time.Sleep(time.Duration(z.rng.Int64N(int64(200 * time.Millisecond))))
		z.old.signal(syscall.SIGCONT)
	}
	ready := make(chan error, 1)
	go func() { ready <- z.young.ready(p) }()
	for waiting := true; waiting; {
		select {
		case err := <-ready:
			if err != nil {
				t.Fatalf("the Lull that takes over: %v\n%s", err, tail(p.stderr.String()))
			}
			waiting = false
		case <-time.After(200 * time.Millisecond):
			if err := z.d.endIdle(t.Context()); err != nil {
				t.Fatalf("ending the transaction that stands still: %v", err)
			}
		}
	}
	z.young.args = nil
	rdb := z.young.client()
	defer rdb.Close()
	var err error // until the lane is taken, which a start does not wait for for ever
	for end := time.Now().Add(endWait); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = rdb.Get(t.Context(), z.things()[0].key).Err(); err == nil || err == redis.Nil {
			return
		}
	}
	t.Fatalf("GET in the Lull that takes over: %v\n%s", err, tail(p.stderr.String()))
}

// endIdle ends transactions that hold locks and do nothing, as the server does when they
// have stood for a minute.
func (d *database) endIdle(ctx context.Context) error {
	switch d.name {
	case "sqlite":
		return nil
	case "postgres":
		_, err := d.sql.ExecContext(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"+
			" WHERE datname = current_database() AND pid <> pg_backend_pid() AND state_change < now() - interval '500 ms'"+
			" AND (state LIKE 'idle in transaction%' OR state = 'active' AND wait_event = 'ClientRead')")
		return err
	}
	ids, err := d.column(ctx, d.sql, "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx"+
		" WHERE trx_state = 'RUNNING' AND trx_query IS NULL AND trx_started < now() - interval 1 second")
	for _, id := range ids {
		if _, killed := d.sql.ExecContext(ctx, "KILL "+textOf(id)); killed != nil && !strings.Contains(killed.Error(), "Unknown thread") {
			err = killed
		}
	}
	return err
}

// writeYoung looks, where the second Lull has the first one's log, for what the first
// has answered, then writes all keys anew and has that flushed.
func (z *zombieTest) writeYoung(w *zombieWrites, copied bool) []int64 {
	t := z.t
	rdb := z.young.client()
	defer rdb.Close()
	things := z.things()
	values := make([]int64, len(things))
	for i, thing := range things {
		n, err := rdb.Get(t.Context(), thing.key).Int64()
		if err != nil && err != redis.Nil {
			t.Fatalf("GET in the Lull that has taken over: %v", err)
		}
		z.rep.checked.Add(1)
		if copied && n < w.acked[i] {
			z.rep.wrong(&z.rep.Lost, "%s is %d in a Lull with a copy of the log, %d was acknowledged", thing.key, n, w.acked[i])
		}
		z.n++
		values[i] = z.n
		if err := rdb.Set(t.Context(), thing.key, z.n, 0).Err(); err != nil && !strings.HasPrefix(err.Error(), "TIMEOUT ") {
			t.Fatalf("SET in the Lull that has taken over: %v", err)
		}
	}
	if err := z.young.flush(); err != nil {
		t.Fatalf("LULL FLUSH in the Lull that has taken over: %v", err)
	}
	return values
}

// watch has the woken Lull write until it knows that it must not, and sees all the time
// that SQL keeps what the other wrote.
func (z *zombieTest) watch(zombie *process, values []int64) {
	t := z.t
	rdb := z.old.client()
	defer rdb.Close()
	for end := time.Now().Add(endWait); ; time.Sleep(5 * time.Millisecond) {
		z.compare(values, "with the zombie awake")
		err := rdb.Set(t.Context(), z.things()[z.rng.IntN(2*zombieKeys)].key, z.n-500_000, 0).Err()
		if err != nil && strings.HasPrefix(err.Error(), "MISCONF ") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the Lull that was stopped still takes writes: %v\n%s", err, tail(zombie.stderr.String()))
		}
	}
	zombie.waitFor(t, "another") // process; or Lull, if it had not had the lane yet when it was stopped
	z.compare(values, "when the zombie knows")
}

// compare compares SQL with what the second Lull wrote last.
func (z *zombieTest) compare(values []int64, when string) {
	z.t.Helper()
	z.rep.snapshots.Add(1)
	for i, thing := range z.things() {
		rows, err := z.d.rows(z.t.Context(), thing)
		if err != nil {
			z.t.Fatal(err)
		}
		z.rep.checked.Add(1)
		if got := first(rows); got != strconv.FormatInt(values[i], 10) {
			z.rep.wrong(&z.rep.Lost, "%s is %s in SQL %s, the Lull that has taken over wrote %d", thing.key, got, when, values[i])
		}
	}
}
