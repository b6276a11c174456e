package lull_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/sink/sqlite"
	"github.com/lullcache/lull/sink/sqlsink"
)

// setCall sets a key, without a closure.
type setCall struct{ key, val []byte }

func (c *setCall) Run(tx *lull.Tx) error {
	_, err := tx.Set(c.key, c.val, lull.SetOptions{})
	return err
}

type getCall struct{ key []byte }

func (c *getCall) Run(tx *lull.Tx) error {
	_, _, err := tx.Get(c.key)
	return err
}

type incrCall struct{ key []byte }

func (c *incrCall) Run(tx *lull.Tx) error {
	_, err := tx.IncrBy(c.key, 1)
	return err
}

// benchDB is an engine over SQLite that answers at ack memory.
func benchDB(b *testing.B) *lull.DB {
	b.Helper()
	dir := b.TempDir()
	s, err := sqlite.Open(b.Context(), "sqlite:"+dir+"/bench.db", sqlsink.Options{})
	if err != nil {
		b.Fatal(err)
	}
	db, err := lull.Open(b.Context(), lull.Options{DataDir: dir + "/data", Sink: s, Ack: lull.AckMemory})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = db.Close(b.Context())
		_ = s.Close()
	})
	return db
}

const benchKeys = 100_000

func benchUnits(b *testing.B, write bool, unit func(key []byte) lull.Runner) {
	db := benchDB(b)
	s := db.NewSession()
	rnd := rand.New(rand.NewPCG(1, 2))
	keys := [1][]byte{make([]byte, 0, 32)}
	b.ReportAllocs()
	for b.Loop() {
		keys[0] = strconv.AppendInt(append(keys[0][:0], "key:00000"...), rnd.Int64N(benchKeys), 10)
		if _, err := s.Exec(b.Context(), keys[:], write, unit(keys[0])); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSet(b *testing.B) {
	c := &setCall{val: make([]byte, 64)}
	benchUnits(b, true, func(key []byte) lull.Runner { c.key = key; return c })
}

func BenchmarkIncr(b *testing.B) {
	c := &incrCall{}
	benchUnits(b, true, func(key []byte) lull.Runner { c.key = key; return c })
}

func BenchmarkGet(b *testing.B) {
	c := &getCall{}
	benchUnits(b, false, func(key []byte) lull.Runner { c.key = key; return c })
}
