package trouble

import (
	"context"
	"testing"
	"time"

	"github.com/lullcache/lull"
)

// unit runs one unit on the keys, in a session of its own, and waits for its ack.
func unit(ctx context.Context, db *lull.DB, write bool, fn func(tx *lull.Tx) error, keys ...string) error {
	s := db.NewSession()
	var ticket lull.Ticket
	var err error
	if len(keys) == 1 {
		ticket, err = s.Exec(ctx, bytesOf(keys), write, lull.RunFunc(fn))
	} else {
		needs := make([]lull.KeyNeed, len(keys))
		for i, k := range keys {
			needs[i] = lull.KeyNeed{Name: []byte(k), Need: lull.NeedAll}
		}
		ticket, err = s.ExecMulti(ctx, needs, false, write, lull.RunFunc(fn))
	}
	if err != nil {
		return err
	}
	return s.Wait(ctx, ticket)
}

// get reads a string.
func get(ctx context.Context, db *lull.DB, key string) (text string, err error) {
	err = unit(ctx, db, false, func(tx *lull.Tx) error {
		v, _, err := tx.Get([]byte(key))
		text = v.String()
		return err
	}, key)
	return text, err
}

func set(ctx context.Context, db *lull.DB, key, val string) error {
	return unit(ctx, db, true, func(tx *lull.Tx) error {
		_, err := tx.Set([]byte(key), []byte(val), lull.SetOptions{})
		return err
	}, key)
}

// incr adds 1 and returns the sum.
func incr(ctx context.Context, db *lull.DB, key string) (n int64, err error) {
	err = unit(ctx, db, true, func(tx *lull.Tx) (err error) {
		n, err = tx.IncrBy([]byte(key), 1)
		return err
	}, key)
	return n, err
}

func xadd(tx *lull.Tx, key string, pairs ...string) error {
	_, _, err := tx.XAdd([]byte(key), lull.NewStreamID{Auto: true}, bytesOf(pairs), lull.XAddOptions{})
	return err
}

func hset(tx *lull.Tx, key string, pairs ...string) error {
	_, err := tx.HSet([]byte(key), bytesOf(pairs))
	return err
}

func bytesOf(texts []string) [][]byte {
	all := make([][]byte, len(texts))
	for i, s := range texts {
		all[i] = []byte(s)
	}
	return all
}

// settle waits until SQL has everything.
func settle(t *testing.T, db *lull.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangMax)
	defer cancel()
	if err := db.Sync(ctx); err != nil {
		t.Fatalf("sync: %v; %s", err, db.Stats().Flush.Summary)
	}
}

func closeDB(t *testing.T, db *lull.DB) {
	t.Helper()
	if err := db.Close(context.Background()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// hangMax is the only bound on how long something may take: the machine may have other work.
const hangMax = 2 * time.Minute

// eventually waits for something to come true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(hangMax)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", hangMax, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
