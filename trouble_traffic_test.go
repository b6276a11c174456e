package lull_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink"
)

// world is the tables that the traffic of these tests writes: one of each kind, and an
// audit of each change of a counter's row.
func (p *place) makeWorld(t *testing.T) {
	t.Helper()
	p.exec(t,
		`CREATE TABLE views (page TEXT(60) PRIMARY KEY, views BIGINT NOT NULL)`,
		`CREATE TABLE events (topic TEXT(60) NOT NULL, n BIGINT NOT NULL)`,
		`CREATE TABLE players (id BIGINT PRIMARY KEY, name TEXT(40), hits BIGINT, note TEXT(40))`,
		`CREATE TABLE scores (board TEXT(20), player_id BIGINT, points DOUBLE PRECISION, PRIMARY KEY (board, player_id))`,
		`CREATE TABLE audit (page TEXT(60), was BIGINT, is_now BIGINT)`)
	switch p.kind {
	case "postgres":
		p.exec(t, `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				INSERT INTO audit VALUES (NEW.page, CASE TG_OP WHEN 'UPDATE' THEN OLD.views END, NEW.views); RETURN NEW; END $$`,
			`CREATE TRIGGER note AFTER INSERT OR UPDATE ON views FOR EACH ROW EXECUTE FUNCTION note()`)
	default:
		p.exec(t, `CREATE TRIGGER note_new AFTER INSERT ON views FOR EACH ROW BEGIN INSERT INTO audit VALUES (NEW.page, NULL, NEW.views); END`,
			`CREATE TRIGGER note_old AFTER UPDATE ON views FOR EACH ROW BEGIN INSERT INTO audit VALUES (NEW.page, OLD.views, NEW.views); END`)
	}
}

func worldSpecs() []lull.TableSpec {
	return []lull.TableSpec{
		{Name: "views", Key: "views:{page*}", Type: "string", Value: "views"},
		{Name: "events", Key: "events:{topic}", Type: "stream"},
		{Name: "players", Key: "player:{id}", Type: "hash", Columns: []string{"name", "hits"}},
		{Name: "scores", Key: "board:{board}", Type: "zset", Member: "player_id", Score: "points"},
	}
}

type hitter struct {
	Name string
	Hits int64
}

// openWorld opens an engine on the world's tables that flushes all the time.
func openWorld(t *testing.T, s sink.Sink, dir string, change func(*lull.Options)) *lull.DB {
	t.Helper()
	return openOver(t, s, dir, func(o *lull.Options) {
		o.Tables, o.Ack = worldSpecs(), lull.AckMemory
		o.Flush.Lull, o.Flush.MaxDelay = 3*time.Millisecond, 10*time.Millisecond
		if change != nil {
			change(o)
		}
	})
}

// traffic is what several writers have had acknowledged. Each writer has keys of its
// own, so that it knows what they hold.
type traffic struct {
	writers []*writer
	stop    atomic.Bool
	running sync.WaitGroup
}

type writer struct {
	n                           int
	views, events, hits, points int64
	refused                     int
	err                         error
}

// startTraffic starts n writers. Errors that allowed does not know end a writer.
func startTraffic(t *testing.T, db *lull.DB, n int, allowed func(err error) bool) *traffic {
	t.Helper()
	tr := &traffic{}
	for i := range n {
		tr.writers = append(tr.writers, &writer{n: i})
	}
	tr.goOn(t, db, allowed)
	return tr
}

// goOn starts the writers again, maybe on another engine.
func (tr *traffic) goOn(t *testing.T, db *lull.DB, allowed func(err error) bool) {
	t.Helper()
	players, err := lull.NewTable[int, hitter](db, "players")
	if err != nil {
		t.Fatal(err)
	}
	tr.stop.Store(false)
	for _, w := range tr.writers {
		tr.running.Go(func() {
			for i := 0; !tr.stop.Load() && w.err == nil; i++ {
				w.round(db, players, i, allowed)
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
}

// round writes one key of each table.
func (w *writer) round(db *lull.DB, players *lull.Table[int, hitter], i int, allowed func(err error) bool) {
	ctx := context.Background()
	note := func(counter *int64, err error) {
		switch {
		case err == nil:
			*counter++
		case allowed != nil && allowed(err):
			w.refused++
		case w.err == nil:
			w.err = err
		}
	}
	key := fmt.Sprintf("views:%d", w.n)
	note(&w.views, unit(ctx, db, key, true, func(tx *lull.Tx) error {
		n, err := tx.IncrBy([]byte(key), 1)
		if err == nil && n != w.views+1 {
			return fmt.Errorf("%s: INCR gave %d after %d were acknowledged", key, n, w.views)
		}
		return err
	}))
	key = fmt.Sprintf("events:%d", w.n)
	note(&w.events, unit(ctx, db, key, true, func(tx *lull.Tx) error {
		_, _, err := tx.XAdd([]byte(key), lull.NewStreamID{Auto: true}, [][]byte{[]byte("n"), fmt.Append(nil, w.events)}, lull.XAddOptions{})
		return err
	}))
	if i%3 != 0 {
		return
	}
	note(&w.hits, players.Update(ctx, w.n, func(p *hitter) error {
		p.Name, p.Hits = fmt.Sprint("writer ", w.n), p.Hits+1
		return nil
	}))
	key = fmt.Sprintf("board:%d", w.n)
	note(&w.points, unit(ctx, db, key, true, func(tx *lull.Tx) error {
		_, _, err := tx.ZIncrBy([]byte(key), []byte("7"), 2, lull.ZAddOptions{})
		return err
	}))
}

// end stops the writers.
func (tr *traffic) end(t *testing.T) {
	t.Helper()
	tr.stop.Store(true)
	tr.running.Wait()
	for _, w := range tr.writers {
		if w.err != nil {
			t.Errorf("writer %d: %v", w.n, w.err)
			w.err = nil
		}
	}
}

// wantInSQL compares the database with what was acknowledged, exactly.
func (tr *traffic) wantInSQL(t *testing.T, p *place) {
	t.Helper()
	row := func(acknowledged int64, row string) []string {
		if acknowledged == 0 {
			return nil // the machine had so much else to do that it never came to it
		}
		return []string{row}
	}
	for _, w := range tr.writers {
		p.wantRows(t, fmt.Sprintf(`SELECT views FROM views WHERE page = '%d'`, w.n), row(w.views, fmt.Sprint(w.views))...)
		p.wantRows(t, fmt.Sprintf(`SELECT count(*), count(DISTINCT n), max(n) + 1 FROM events WHERE topic = '%d' HAVING count(*) > 0`, w.n), row(w.events, fmt.Sprintf("%[1]d|%[1]d|%[1]d", w.events))...)
		p.wantRows(t, fmt.Sprintf(`SELECT name, hits FROM players WHERE id = %d`, w.n), row(w.hits, fmt.Sprintf("writer %d|%d", w.n, w.hits))...)
		p.wantRows(t, fmt.Sprintf(`SELECT points FROM scores WHERE board = '%d'`, w.n), row(w.points, fmt.Sprint(2*w.points))...)
	}
	// A flush that was applied twice would change a counter to what it was.
	p.wantRows(t, `SELECT count(*) FROM audit WHERE was >= is_now`, "0")
	p.wantRows(t, `SELECT page, count(*) FROM audit WHERE was IS NULL GROUP BY page HAVING count(*) > 1`)
}

func isNoDB(err error) bool { return errors.Is(err, lull.ErrNoDB) }
