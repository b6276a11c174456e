package trouble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
)

// otherRows is how many rows both programs write.
const otherRows = 40

// TestOtherWriters has a second program update the same rows in the opposite order, in
// transactions of its own. Deadlocks are counted and tried again; each program's
// columns hold what it wrote last, and those of neither are untouched.
func TestOtherWriters(t *testing.T) {
	everywhere(t, false, func(t *testing.T, p *place) {
		line := proof.NewLine(t, *seed)
		p.exec(t, `CREATE TABLE both_of_us (id BIGINT PRIMARY KEY, ours BIGINT, theirs BIGINT, nobodys TEXT(20))`)
		for i := range otherRows {
			p.exec(t, fmt.Sprintf(`INSERT INTO both_of_us VALUES (%d, 0, 0, 'mine%[1]d')`, i))
		}
		db := p.open(t, t.TempDir(), func(o *lull.Options) {
			often(o)
			o.OnEvent = nil
			o.Tables = []lull.TableSpec{{Name: "both_of_us", Key: "row:{id}", Type: "hash", Columns: []string{"ours"}}}
		})
		o := &other{p: p}
		o.running.Go(func() { o.write(t) })
		var ours int64
		for end := time.Now().Add(*pressure); time.Now().Before(end) || ours < 20; {
			ours++
			for i := range otherRows {
				key := fmt.Sprintf("row:%d", i)
				must(t, unit(t.Context(), db, true, func(tx *lull.Tx) error { return hset(tx, key, "ours", fmt.Sprint(ours)) }, key))
			}
			began := time.Now()
			settle(t, db)
			o.worst = max(o.worst, time.Since(began))
		}
		o.stop.Store(true)
		o.running.Wait()
		s := db.Stats()
		closeDB(t, db)
		line.Tried(int(ours), "flushes")
		line.Tried(int(o.rounds), "transactions of others")
		line.Tried(int(s.Flush.Conflicts), "conflicts")
		line.Tried(int(o.conflicts), "conflicts of theirs")
		if s.Flush.Retries < s.Flush.Conflicts {
			t.Errorf("%d conflicts and only %d retries", s.Flush.Conflicts, s.Flush.Retries)
		}
		t.Logf("the longest flush took %v", o.worst)
		for i, got := range p.rows(t, `SELECT ours, theirs, nobodys FROM both_of_us ORDER BY id`) {
			if want := fmt.Sprintf("%d|%d|mine%d", ours, o.rounds, i); got != want {
				line.Torn.Add(1)
				t.Errorf("row %d: got %s, wanted %s", i, got, want)
			}
		}
	})
}

// other is the second program.
type other struct {
	p                 *place
	stop              atomic.Bool
	running           sync.WaitGroup
	rounds, conflicts int64
	worst             time.Duration
}

func (o *other) write(t *testing.T) {
	rnd := rand.New(rand.NewPCG(*seed, 14))
	for !o.stop.Load() {
		if err := o.transaction(o.rounds + 1); err == nil {
			o.rounds++
		} else if o.conflicts++; !strings.Contains(strings.ToLower(err.Error()), "lock") {
			t.Errorf("the other program: %v", err)
			return
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(3 * time.Millisecond))))
	}
}

// transaction updates all rows, from the last to the first.
func (o *other) transaction(n int64) error {
	tx, err := o.p.sql.BeginTx(context.Background(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for i := otherRows - 1; i >= 0; i-- {
		if _, err := tx.Exec(fmt.Sprintf(`UPDATE both_of_us SET theirs = %d WHERE id = %d`, n, i)); err != nil {
			return err
		}
	}
	return tx.Commit()
}
