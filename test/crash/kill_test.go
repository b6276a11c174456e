package crash

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
)

// TestKill kills Lull again and again under load: at random moments and at named
// places, in plain weather and with the database away, cut off or killed, a cut
// written in parts, the log folded, a table taken away, rows refused, in the middle of
// a start. Each third kill is at a named place.
func TestKill(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *database) {
		release.build(t)
		w := newWorld(t, d, failpoints, true)
		var weather, places deck
		for _, c := range circumstances {
			if d.server != nil || !c.serversOnly {
				weather.add(c.weight, c)
			}
		}
		for _, p := range failpoint.All() {
			places.add(1, p)
		}
		w.in.program = release
		w.killSoon(conditions{}) // a start that finds the database: only after it one can do without
		for w.rep.kills.Load() < int64(*kills) {
			if w.rep.Broken() > 0 || t.Failed() {
				t.FailNow() // what follows from it would only hide it
			}
			if w.round%3 == 2 {
				w.in.program = failpoints
				p := places.deal(w.rng.Shuffle).(failpoint.Point)
				for !w.killAt(p) {
				}
				continue
			}
			w.in.program = release
			weather.deal(w.rng.Shuffle).(circumstance).run(w)
		}
		w.in.program = release
		w.finish()
	})
}

// deck deals its cards in a random order, all of them before any again.
type deck struct{ all, left []any }

func (d *deck) add(n int, card any) {
	for range n {
		d.all = append(d.all, card)
	}
}

func (d *deck) deal(shuffle func(n int, swap func(i, j int))) any {
	if len(d.left) == 0 {
		d.left = append(d.left, d.all...)
		shuffle(len(d.left), func(i, j int) { d.left[i], d.left[j] = d.left[j], d.left[i] })
	}
	card := d.left[0]
	d.left = d.left[1:]
	return card
}

// circumstance is what a round of random kills is like.
type circumstance struct {
	weight      int
	serversOnly bool
	run         func(w *world)
}

var circumstances = []circumstance{
	{6, false, func(w *world) { w.killSoon(conditions{}) }},
	{3, false, func(w *world) { w.killSoon(conditions{transactionRows: 20}) }},
	{3, false, (*world).killTheStart},
	{2, true, (*world).cutConnections},
	{2, false, (*world).foldTheLog},
	{2, false, (*world).takeTableAway},
	{1, true, (*world).startWithoutDatabase},
	{1, true, (*world).killDatabase},
	{1, false, (*world).shortOutage},
}

// killSoon is a kill under load, and now and then a look at SQL before.
func (w *world) killSoon(c conditions) {
	w.configure(c)
	w.in.start()
	if w.round-w.renewed >= generation {
		w.renew()
	}
	stop := w.load()
	w.between(20*time.Millisecond, 200*time.Millisecond)
	w.killLull(stop)
}

// killLull is kill -9 under load. With ack: database SQL has all that was answered by
// then, but for what the answer itself said to be pending or set aside.
func (w *world) killLull(stop func()) {
	if w.in.proc != nil { // a failpoint may have been first
		w.in.kill()
		w.rep.kills.Add(1)
	}
	stop()
	if w.ack == "database" && !w.away.Load() && w.covered.Load() {
		some := w.rng.IntN(clientsMax)
		w.checkSQL(w.clients[some:some+1], (*client).inSQL, "after the kill")
	}
	if w.proxy != nil {
		w.proxy.Resume()
	}
	w.away.Store(false)
}

// killTheStart kills a start, at any moment of it, and the next one too.
func (w *world) killTheStart() {
	w.configure(conditions{})
	for range 1 + w.rng.IntN(2) {
		w.in.launch()
		w.between(time.Millisecond, 150*time.Millisecond)
		w.in.kill()
		w.rep.kills.Add(1)
	}
	w.in.start()
	stop := w.load()
	w.between(20*time.Millisecond, 100*time.Millisecond)
	w.killLull(stop)
}

// cutConnections cuts those to the database, wherever their conversations are.
func (w *world) cutConnections() {
	w.configure(conditions{})
	w.in.start()
	w.trouble()
	w.rep.outages.Add(1)
	stop := w.load()
	for range 1 + w.rng.IntN(4) {
		w.between(5*time.Millisecond, 60*time.Millisecond)
		w.cut()
	}
	w.between(time.Millisecond, 60*time.Millisecond)
	w.killLull(stop)
}

// shortOutage takes the database away under load for a moment.
func (w *world) shortOutage() {
	w.configure(conditions{transactionRows: 50})
	w.in.start()
	stop := w.load()
	w.between(10*time.Millisecond, 100*time.Millisecond)
	w.depart()
	w.between(20*time.Millisecond, 200*time.Millisecond)
	w.comeBack()
	w.between(10*time.Millisecond, 200*time.Millisecond)
	w.killLull(stop)
}

// killDatabase is kill -9 of the database under load.
func (w *world) killDatabase() {
	w.configure(conditions{})
	w.in.start()
	stop := w.load()
	w.between(20*time.Millisecond, 150*time.Millisecond)
	w.trouble()
	w.rep.databaseKills.Add(1)
	w.d.down(w.t)
	w.between(20*time.Millisecond, 150*time.Millisecond)
	w.d.up(w.t)
	w.between(20*time.Millisecond, 300*time.Millisecond)
	w.killLull(stop)
}

// foldTheLog keeps the database away until the log was folded into a checkpoint, or is
// full: writers may fill so small a log between two looks at the database. It kills Lull
// while the database is away or when it is back.
func (w *world) foldTheLog() {
	w.configure(conditions{logMiB: 6, ack: acks[w.rng.IntN(2)]})
	p := w.in.start()
	stop := w.load()
	w.depart()
	if w.said(p, "folded into", logFull) == "folded into" {
		w.rep.folds.Add(1)
	}
	w.between(0, 50*time.Millisecond)
	if w.d.server != nil && w.rng.IntN(2) == 0 { // SQLite's lock would be waited for, 5 s
		w.in.kill()
		w.rep.kills.Add(1)
		stop()
		w.in.start()
		stop = w.load()
		w.between(10*time.Millisecond, 50*time.Millisecond)
	}
	w.comeBack()
	w.between(0, 200*time.Millisecond)
	w.killLull(stop)
}

const logFull = "log is full"

// said waits until the process has said one of the words, and returns it.
func (w *world) said(p *process, words ...string) string {
	w.t.Helper()
	for end := time.Now().Add(endWait); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for _, word := range words {
			if strings.Contains(p.stderr.String(), word) {
				return word
			}
		}
	}
	w.t.Fatalf("the process says none of %q in %v\n%s", words, endWait, tail(p.stderr.String()))
	return ""
}

// takeTableAway parks a table's changes by renaming it, and brings it back before the
// kill or after.
func (w *world) takeTableAway() {
	w.configure(conditions{})
	w.in.start()
	stop := w.load()
	w.between(10*time.Millisecond, 50*time.Millisecond)
	w.parked.Store(true)
	w.rep.parks.Add(1)
	w.rename("parkable", "parkable_away")
	w.between(50*time.Millisecond, 300*time.Millisecond)
	first := w.rng.IntN(2) == 0
	if first {
		w.rename("parkable_away", "parkable")
		w.between(0, 100*time.Millisecond)
	}
	w.trouble() // SQL may have what is parked as letters
	w.killLull(stop)
	if !first {
		w.rename("parkable_away", "parkable")
	}
	w.parked.Store(false)
}

func (w *world) rename(from, to string) {
	w.t.Helper()
	if _, err := w.d.sql.ExecContext(w.t.Context(), "ALTER TABLE "+from+" RENAME TO "+to); err != nil {
		w.t.Fatal(err)
	}
}

// startWithoutDatabase starts Lull while the database is away: what needs no row is
// taken, and is there after another kill -9.
func (w *world) startWithoutDatabase() {
	w.configure(conditions{})
	w.depart()
	w.in.start()
	if w.ack != "database" {
		w.writeWithoutDatabase()
	}
	stop := w.load()
	w.between(20*time.Millisecond, 100*time.Millisecond)
	w.comeBack()
	w.between(20*time.Millisecond, 300*time.Millisecond)
	w.killLull(stop)
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
