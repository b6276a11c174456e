package matrix

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	engine "github.com/lullcache/lull"
)

func executeSQLite(b *run, file, statement string) {
	b.Helper()
	db, err := sql.Open("sqlite", file)
	b.must(err)
	defer db.Close()
	_, err = db.Exec(statement)
	b.must(err)
}

// sharded is the plain map.
type sharded [256]struct {
	sync.Mutex
	rows map[int64]player
}

func (s *sharded) put(id int64, p player) {
	shard := &s[uint64(id)*0x9E3779B97F4A7C15>>56]
	shard.Lock()
	shard.rows[id] = p
	shard.Unlock()
}

func (s *sharded) update(id int64, change func(*player) error) error {
	shard := &s[uint64(id)*0x9E3779B97F4A7C15>>56]
	shard.Lock()
	defer shard.Unlock()
	p := shard.rows[id]
	if err := change(&p); err != nil {
		return err
	}
	shard.rows[id] = p
	return nil
}

// timed is what an operation took.
type timed struct{ nanos, allocations values }

func (t *timed) do(b *run, n int, op func(i int) error) {
	b.Helper()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	var err error
	for i := 0; i < n && err == nil; i++ {
		err = op(i)
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	b.must(err)
	t.nanos = append(t.nanos, float64(took.Nanoseconds())/float64(n))
	t.allocations = append(t.allocations, float64(after.Mallocs-before.Mallocs)/float64(n))
}

// learn has the engine look for all players at once: a Put of a key that was never
// seen would ask SQL for that one.
func learn(b *run, db *engine.DB, rows int64) {
	b.Helper()
	sess := db.NewSession()
	var names []engine.KeyNeed
	for i := range rows {
		names = append(names, engine.KeyNeed{Name: fmt.Appendf(nil, "player:%d", i), Need: engine.NeedAll})
		if len(names) == 1000 || i == rows-1 {
			sess.Prefetch(b.Context(), names)
			names = names[:0]
		}
	}
}

// measureAPI compares Put and Update with a map.
func measureAPI(b *run) {
	rows := int64(min(100_000, b.scale.items))
	n := int(2 * rows)
	db := openEngine(b, engine.TableSpec{Name: "players", Key: "player:{id}", Type: "hash"})
	players, err := engine.NewTable[int64, player](db, "players")
	b.must(err)
	learn(b, db, rows)
	plain := &sharded{}
	for i := range plain {
		plain[i].rows = make(map[int64]player)
	}
	row := player{Name: "Ann Example", Score: 1, Level: 2, Coins: 3, Seen: 4}
	for i := range rows {
		plain.put(i, row)
		b.must(players.Put(b.Context(), i, row))
	}
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = rand.Int64N(rows)
	}
	var got [4]timed // map put, Put, map update, Update
	ctx := context.Background()
	change := func(p *player) error { p.Score, p.Seen = p.Score+1, p.Seen+2; return nil }
	for range b.rounds {
		got[0].do(b, n, func(i int) error { row.Score = int64(i); plain.put(ids[i], row); return nil })
		got[1].do(b, n, func(i int) error { row.Score = int64(i); return players.Put(ctx, ids[i], row) })
		got[2].do(b, n, func(i int) error { return plain.update(ids[i], change) })
		got[3].do(b, n, func(i int) error { return players.Update(ctx, ids[i], change) })
	}
	for i, name := range []string{"Put", "Update"} {
		ours, other := got[2*i+1], got[2*i]
		ratio := ours.nanos.over(other.nanos)
		b.say("%s: %s", name, ratio.text(times))
		b.out.row(Row{"Go API: " + name + " of a struct of 5 fields", fmt.Sprintf("a sharded map with mutexes: %.0f ns", other.nanos.median()), "≤ " + times(2) + ", at most 1 allocation",
			fmt.Sprintf("%s, %.0f ns, %.1f allocations", ratio.text(times), ours.nanos.median(), ours.allocations.median()), yesNo(ratio.median() <= 2 && ours.allocations.median() < 1.5)})
	}
}
