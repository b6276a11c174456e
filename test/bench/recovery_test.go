package matrix

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	engine "github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/resp"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// measureRecovery takes the time of a start over a log, of a cut, and of the Go API.
func measureRecovery(b *run) {
	b.out.About = []string{
		"Replay: flushing is paused, SET of 64 bytes is called for as many log records as said over 100,000 keys, kill -9, start; until the first answer to PING, less the same with an empty log. Memory: after that start and MEMORY PURGE, beside before the kill.",
		"Cut: one goroutine puts rows while the cut is taken. What the cut stops writers for is measured by Lull, from before the first lock to after the last (`lull_cut_longest_us` in INFO). Beside it the longest wait of the writer from then on for 100 ms, with the flush's work and the collector beside it on the same cores, and its longest wait in 100 ms before, without a cut and with flushing paused: what the machine makes it wait.",
		"Go API: `Table.Put` and `Table.Update` of a struct of five fields over 100,000 rows, one goroutine, `ack: memory`, flushing paused, beside a map in 256 shards, each with a mutex.",
	}
	b.sub("replay", measureReplay)
	b.sub("cut", measureCut)
	b.sub("api", measureAPI)
}

func measureReplay(b *run) {
	records := 3 * b.scale.items
	keys := b.scale.keys[0]
	url := startPostgres(b).NewDatabase(b.T)
	var rates, memory values
	for range min(b.rounds, 3) {
		l := startLull(b, url, benchSettings+"ack: memory\nname: r"+fmt.Sprint(len(rates))+"\n")
		addr := l.addr
		l.do(b, "LULL", "PAUSE")
		l.kill()
		empty := l.relaunch(b, addr, url)
		l.do(b, "LULL", "PAUSE")
		b.must(flood(addr, records, func(out *resp.Writer, i int) { words(out, "SET", numbered("key:", i%keys), value64) }))
		before := l.rest(b)
		l.kill()
		took := l.relaunch(b, addr, url)
		l.do(b, "LULL", "PAUSE")
		memory = append(memory, l.rest(b)/before)
		rates = append(rates, float64(records)/max(took-empty, 1e-3))
		b.say("%s records in %.2f s, %.2f s with an empty log", count(float64(records)), took, empty)
		l.kill()
	}
	b.out.row(Row{fmt.Sprintf("replay of %s log records", count(float64(records))), "–", "≥ 2 M/s", rates.text(count) + "/s (`-LOADING` until it is done)", yesNo(rates.median() >= 2e6)})
	b.out.row(Row{"memory after that, beside before", "–", "≤ " + times(1), memory.text(times), yesNo(memory.median() <= 1.02)})
}

// relaunch starts a process in the place of one that was killed, and returns the
// seconds until it answers.
func (l *lull) relaunch(b *run, addr, url string) float64 {
	b.Helper()
	l.control.Close()
	began := time.Now()
	l.launch(b, addr, url)
	for deadline := began.Add(5 * time.Minute); ; time.Sleep(time.Millisecond) {
		err := l.control.Ping(context.Background()).Err()
		if err == nil {
			return time.Since(began).Seconds()
		}
		if time.Now().After(deadline) {
			b.Fatalf("no answer after the start: %v", err)
		}
	}
}

// player has five fields.
type player struct {
	Name                      string
	Score, Level, Coins, Seen int64
}

const playerTable = "CREATE TABLE players (id INTEGER PRIMARY KEY, name TEXT NOT NULL, score INTEGER NOT NULL, level INTEGER NOT NULL, coins INTEGER NOT NULL, seen INTEGER NOT NULL)"

// openEngine opens an engine in this process over SQLite, paused.
func openEngine(b *run, tables ...engine.TableSpec) *engine.DB {
	b.Helper()
	dir := b.TempDir()
	file := filepath.Join(dir, "players.db")
	s, err := sqlite.Open(b.Context(), "sqlite:"+file, sqlsink.Options{})
	b.must(err)
	executeSQLite(b, file, playerTable)
	db, err := engine.Open(b.Context(), engine.Options{DataDir: filepath.Join(dir, "data"), Sink: s, Ack: engine.AckMemory, MaxDirtyRows: 100_000_000, MaxDirtyBytes: 1 << 40,
		ShutdownTimeout: time.Millisecond, Tables: tables})
	b.must(err)
	b.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = db.Close(ended) // what is dirty is of no worth
		_ = s.Close()
	})
	db.Pause()
	return db
}

// setter sets keys of generic tables, which needs nothing from SQL.
type setter struct {
	key [1][]byte
	val []byte
}

func (s *setter) Run(tx *engine.Tx) error {
	_, err := tx.Set(s.key[0], s.val, engine.SetOptions{})
	return err
}

func (s *setter) set(ctx context.Context, sess *engine.Session, i int64) error {
	s.key[0] = strconv.AppendInt(append(s.key[0][:0], "key:"...), i, 10)
	_, err := sess.Exec(ctx, s.key[:], true, s)
	return err
}

func measureCut(b *run) {
	rows := int64(b.scale.items)
	var stops, waits, without values
	for range b.rounds {
		b.sub(fmt.Sprint("round ", len(waits)), func(b *run) {
			db := openEngine(b)
			sess, s, ctx := db.NewSession(), &setter{val: []byte(value64)}, b.Context()
			for i := range rows {
				if err := s.set(ctx, sess, i); err != nil {
					b.Fatal(err)
				}
			}
			runtime.GC()
			without = append(without, longestWait(b, sess, s).Seconds()*1000)
			db.Resume() // it cuts at once: there is more than flush.max_rows
			waits = append(waits, longestWait(b, sess, s).Seconds()*1000)
			for db.Stats().Flush.CutLongest == 0 {
				time.Sleep(time.Millisecond)
			}
			stops = append(stops, db.Stats().Flush.CutLongest.Seconds()*1000)
		})
	}
	got := fmt.Sprintf("%s ms; longest wait of a writer meanwhile %s ms, without a cut %s ms", stops.text(count), waits.text(count), without.text(count))
	b.say("cut: %s", got)
	b.out.row(Row{fmt.Sprintf("a cut with %s dirty rows: writers are stopped for", count(float64(rows))), "–", "< 1 ms", got, yesNo(len(stops) > 0 && stops.median() < 1)})
}

// longestWait writes for 100 ms and returns the longest time that one write took.
func longestWait(b *run, sess *engine.Session, s *setter) (longest time.Duration) {
	b.Helper()
	for began, last := time.Now(), time.Now(); last.Sub(began) < 100*time.Millisecond; {
		b.must(s.set(b.Context(), sess, last.UnixNano()%1000))
		now := time.Now()
		longest, last = max(longest, now.Sub(last)), now
	}
	return longest
}
