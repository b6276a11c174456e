package trouble

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/proof"
)

// SQLite has no connection that could be cut: it lives in the engine's own process,
// which is killed instead, at every moment of a flush. The process is this test's
// program once more.

// killEvery is how many cuts of a connection one kill stands for: a start is dear.
const killEvery = 5

// childEnv names the folder of a child's database and log.
const childEnv = "LULL_TROUBLE_CHILD"

// child flushes rounds of the ledger one by one, and says of each when it is
// acknowledged, until it is killed.
func child(dir string) int {
	if err := flushUntilKilled(dir); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func flushUntilKilled(dir string) error {
	ctx := context.Background()
	s, err := openSink("sqlite", "sqlite:"+filepath.Join(dir, "test.db"))
	if err != nil {
		return err
	}
	o := options(s, dir)
	ledgerSpecs(&o)
	db, err := lull.Open(ctx, o)
	if err != nil {
		return err
	}
	var n int64
	text, err := get(ctx, db, "counter:c")
	for errors.Is(err, lull.ErrNoDB) { // on a busy machine the lane may be taken later
		time.Sleep(10 * time.Millisecond)
		text, err = get(ctx, db, "counter:c")
	}
	if err != nil {
		return err
	}
	_, _ = fmt.Sscan(text, &n)
	for {
		fmt.Println(n)
		// What a killed process left goes in by itself, so that no round is merged with it.
		if err := db.Sync(ctx); err != nil {
			return err
		}
		if n, err = ledgerRound(ctx, db, n); err != nil {
			return err
		}
	}
}

// TestExactlyOnceOverKills kills a process with a SQLite database inside, again and
// again, in mid-flush.
func TestExactlyOnceOverKills(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		line := proof.NewLine(t, *seed)
		var lanes sync.WaitGroup
		for i := range cutLanes {
			p := newPlace(t, "sqlite", false, nil)
			p.makeLedger(t)
			rnd := rand.New(rand.NewPCG(*seed, uint64(i)))
			lanes.Go(func() {
				n := int64(0)
				for range *cuts / killEvery / cutLanes {
					n = killChild(t, filepath.Dir(p.file), n, rnd, line)
				}
				db := p.open(t, filepath.Dir(p.file), ledgerSpecs)
				text, err := get(t.Context(), db, "counter:c")
				if err != nil {
					t.Errorf("counter: %v", err)
				}
				_, _ = fmt.Sscan(text, &n)
				closeDB(t, db)
				p.checkLedger(t, n, line)
			})
		}
		lanes.Wait()
	})
}

// killChild runs a child, kills it after a few rounds, and returns the last round that
// it acknowledged, which is least or later.
func killChild(t *testing.T, dir string, least int64, rnd *rand.Rand, line *proof.Line) int64 {
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
		return least
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Errorf("child: %v", err)
		return least
	}
	said := bufio.NewScanner(out)
	n := least
	read := func() bool {
		if !said.Scan() {
			return false
		}
		_, err := fmt.Sscan(said.Text(), &n)
		return err == nil
	}
	switch {
	case !read():
		t.Error("the process ended by itself")
	case n < least:
		line.Lost.Add(1)
		t.Errorf("the process began at round %d after %d was acknowledged", n, least)
	case n > least+1:
		line.Invented.Add(1)
		t.Errorf("the process began at round %d, and only %d was acknowledged", n, least)
	}
	for range rnd.IntN(3) {
		read()
	}
	time.Sleep(time.Duration(rnd.Int64N(int64(6 * time.Millisecond))))
	_ = cmd.Process.Kill()
	for read() { // what was said before the kill
	}
	_ = cmd.Wait()
	line.Tried(1, "kills")
	return n
}
