// Package crash kills Lull in the middle of load, again and again, and its databases
// too, and reads back what is left: with the real binary, real databases and a Redis
// client that never sends a command twice.
//
// Each client knows of every command whether it was answered, and so which values
// a key may have. A number that an answered command is missing from is lost, one that
// is larger than all that was sent is doubled; an item that nobody sent is invented.
// Between that, a counter has to be what the first so many commands of a connection
// give. All the time a reader polls SQL: transfers keep their total in each committed
// state, and of two writes the later is never there without the earlier; else the
// state is torn.
package crash

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9/logging"
)

var (
	kills      = flag.Int("kills", 20, "how often Lull is killed at a random moment, on each database")
	seed       = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of everything that is random")
	logs       = flag.String("logs", "", "a folder for what the servers say")
	raceServer = flag.Bool("race-server", false, "build the server with the race detector")
)

// binaries is the folder that the servers are built in.
var binaries string

func TestMain(m *testing.M) {
	flag.Parse()
	logging.Disable() // of the client: that it is cut off is no news here
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if binaries, err = os.MkdirTemp("", "lull-crash-"); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		return 1
	}
	defer os.RemoveAll(binaries)
	code := m.Run()
	summarize()
	return code
}

var reports struct {
	mu  sync.Mutex
	all []*report
}

// newReport is a line of the summary. The test fails if anything in it is wrong.
func newReport(t *testing.T, database string) *report {
	r := &report{name: t.Name()}
	t.Cleanup(func() {
		for _, d := range r.details {
			t.Error(d)
		}
		if r.broken() > 0 {
			t.Errorf("%s: lost %d, doubled %d, invented %d, torn %d; the seed is %d",
				database, r.lost.Load(), r.doubled.Load(), r.invented.Load(), r.torn.Load(), *seed)
		}
	})
	reports.mu.Lock()
	defer reports.mu.Unlock()
	reports.all = append(reports.all, r)
	return r
}

// summarize prints what was tried, and what came of it.
func summarize() {
	fmt.Printf("seed %d (again: -seed=%d)\n", *seed, *seed)
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "kills\tat failpoints\tof the database\toutages\tcommands\tanswered\trefused\tunanswered\tchecked\tsnapshots\tlost\tdoubled\tinvented\ttorn\t")
	for _, r := range reports.all {
		for _, n := range []*atomic.Int64{
			&r.kills, &r.failpoints, &r.databaseKills, &r.outages, &r.sent, &r.acked, &r.refused, &r.unanswered,
			&r.checked, &r.snapshots, &r.lost, &r.doubled, &r.invented, &r.torn,
		} {
			fmt.Fprintf(out, "%d\t", n.Load())
		}
		fmt.Fprintf(out, "  %s\n", r.name)
	}
	out.Flush()
}

// TestKill kills Lull at random moments. Some rounds begin with the database away, and
// in some it is killed too.
func TestKill(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		w := newWorld(t, d, release)
		for range *kills {
			if w.rep.broken() > 0 {
				t.FailNow() // what follows from it would only hide it
			}
			w.configure("")
			switch {
			case w.round%7 == 3 && (d.server != nil || w.round%21 == 10): // SQLite's lock is waited for, 5 s
				w.startWithoutDatabase()
			case w.round%7 == 5:
				w.loseDatabase()
			default:
				w.in.start()
				stop := w.load()
				w.between(20*time.Millisecond, 250*time.Millisecond)
				w.killLull(stop)
			}
		}
		w.finish()
	})
}

// killLull is kill -9 under load. With ack: database SQL has all that was answered by
// then.
func (w *world) killLull(stop func()) {
	w.in.kill()
	w.rep.kills.Add(1)
	stop()
	if w.ack == "database" && !w.away.Load() && w.rep.acked.Load() > w.ackedBefore {
		w.checkSQL(current, "after the kill")
	}
}

// loseDatabase takes the database away under load and brings it back.
func (w *world) loseDatabase() {
	w.in.start()
	stop := w.load()
	w.between(20*time.Millisecond, 150*time.Millisecond)
	w.away.Store(true)
	w.rep.databaseKills.Add(1)
	w.d.down(w.t)
	w.between(20*time.Millisecond, 150*time.Millisecond)
	w.d.up(w.t)
	w.between(20*time.Millisecond, 300*time.Millisecond)
	w.killLull(stop)
	w.away.Store(false)
}

// startWithoutDatabase starts Lull while the database is away: what needs no row is
// taken, and is there after another kill -9.
func (w *world) startWithoutDatabase() {
	w.away.Store(true)
	w.rep.outages.Add(1)
	w.d.down(w.t)
	w.in.start()
	if w.ack != "database" {
		w.writeWithoutDatabase()
	}
	stop := w.load()
	w.between(20*time.Millisecond, 100*time.Millisecond)
	w.d.up(w.t)
	w.between(20*time.Millisecond, 300*time.Millisecond)
	w.killLull(stop)
	w.away.Store(false)
}

func (w *world) writeWithoutDatabase() {
	value := fmt.Sprint("round ", w.round)
	for again := range 2 {
		rdb := w.in.client()
		ctx := w.t.Context()
		if again == 0 {
			if err := rdb.Set(ctx, "while-away", value, 0).Err(); err != nil {
				w.t.Errorf("SET while the database is away: %v", err)
			}
		}
		if got, err := rdb.Get(ctx, "while-away").Result(); err != nil || got != value {
			w.t.Errorf("GET while the database is away, after %d kills: got %q, %v, want %q", again, got, err, value)
		}
		rdb.Close()
		if again == 0 {
			w.in.kill()
			w.rep.kills.Add(1)
			w.in.start()
		}
	}
}
