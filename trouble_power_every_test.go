package lull_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/proof"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// The power goes at a given file operation of a running engine. The engine, its log on
// a disk that forgets (faultfs), and SQLite are the real ones; the clock is virtual, so
// that "answered within the last 150 ms" is exact on any machine.
//
// The database stands for one on another machine, which keeps what it has committed.
// That is all that a power cut may leave of an embedded one too, since it commits with
// synchronous=FULL; package test/power puts both on one disk and cuts that.

const (
	powerOps     = 2000 // operations of one life
	powerWriters = 4
	powerSync    = 50 * time.Millisecond // Log.SyncEvery
	// powerGrace is what ack memory may lose beyond SyncEvery.
	powerGrace = 100 * time.Millisecond
)

// TestPowerCutOfTheEngine cuts the power at the k-th operation of a life, and again
// at any operation of the life after it, recovery included. What was answered at disk and
// database is there, at memory all but what was answered in the last SyncEvery and a
// tenth of a second; no unit is there in part, and SQL is never ahead of the log.
func TestPowerCutOfTheEngine(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	dir := memoryDir(t)
	empty := filepath.Join(dir, "empty.db")
	catalog := makeOwnTables(t, empty)
	for _, ack := range []lull.Ack{lull.AckMemory, lull.AckDisk, lull.AckDatabase} {
		t.Run(ack.String(), func(t *testing.T) {
			t.Parallel()
			line := proof.NewLine(t, seed)
			var forgotten atomic.Int64
			for _, k := range proof.Even(proof.Sample(t, "LULL_POWER_CUTS", 8), powerOps) {
				if line.Broken() > 0 || t.Failed() {
					return
				}
				p := &powered{line: line, ack: ack, k: k, catalog: catalog, forgotten: &forgotten}
				p.rng = rand.New(rand.NewPCG(seed, uint64(k)<<8|uint64(ack)))
				p.file = filepath.Join(dir, fmt.Sprintf("%s-%d.db", ack, k))
				copyFile(t, empty, p.file)
				synctest.Test(t, p.run)
				removeSQLite(t, p.file)
			}
			t.Logf("%d answered units were lost, as ack %s allows", forgotten.Load(), ack)
			if (ack == lull.AckMemory) != (forgotten.Load() > 0) {
				t.Errorf("ack %s lost %d answered units: cuts that cost nothing prove nothing", ack, forgotten.Load())
			}
		})
	}
}

// powered is a machine whose power goes, and goes again.
type powered struct {
	line      *proof.Line
	ack       lull.Ack
	k         int
	rng       *rand.Rand
	file      string // of the database
	catalog   *sink.Catalog
	forgotten *atomic.Int64

	fs      *faultfs.FS
	writers [powerWriters]*proof.Writer
	cutAt   time.Time // when the writers were stopped last
	inSQL   [powerWriters]int
}

func (p *powered) run(t *testing.T) {
	p.fs = faultfs.New(p.rng.Uint64())
	for i := range p.writers {
		p.writers[i] = &proof.Writer{Name: fmt.Sprintf("w%d", i)}
	}
	p.cutAt = time.Now()
	for life, cut := range []int{p.k, 1 + p.rng.IntN(400), 0} {
		p.fs.CutAt(cut)
		err := p.live(t, cut)
		p.fs = p.fs.PowerCut(p.rng.Uint64())
		if err == nil {
			p.line.Tried(1, "power cuts")
			err = p.lookAtSQL(t)
		}
		if err != nil {
			t.Errorf("ack %s, k=%d, life %d: %v", p.ack, p.k, life, err)
			return
		}
	}
	for i, w := range p.writers {
		if all := w.Acked(time.Now()); p.inSQL[i] < all {
			p.line.Lost.Add(int64(all - p.inSQL[i]))
		}
	}
}

// live starts an engine, checks what it gives back, and has it written to until the power
// goes. With no cut set, it ends after a while in good order. The power may also go
// before anything could be checked; the next life does then.
func (p *powered) live(t *testing.T, cut int) error {
	s := &mortal{Sink: sqliteAt(t, p.file), dead: p.fs.Gone, catalog: p.catalog}
	defer s.Close()
	db, err := onFS(t, p.fs, s, p.options)
	if err != nil {
		if p.fs.Gone() {
			return nil
		}
		p.line.Lost.Add(1)
		return fmt.Errorf("start: %w", err)
	}
	if err = p.check(t, db); err == nil {
		p.load(t, db, cut)
		p.cutAt = time.Now()
	}
	if p.fs.Gone() {
		leave(t, db)
		return nil
	}
	closed := db.Close(context.Background())
	if p.fs.Gone() { // as it ended
		return nil
	}
	return errors.Join(err, closed)
}

// load has the writers write until the power goes, or until there is only the end of an
// orderly life to come.
func (p *powered) load(t *testing.T, db *lull.DB, cut int) {
	last := min(cut, powerOps-50)
	if cut == 0 {
		last = p.fs.Ops() + 300
	}
	var work sync.WaitGroup
	for i, w := range p.writers {
		rng := rand.New(rand.NewPCG(p.rng.Uint64(), uint64(i)))
		work.Go(func() { p.write(t, db, w, rng, last) })
	}
	work.Wait()
}

// options have small segments, so that many are begun, recycled and removed, and flushes
// that come often, or so seldom that the log is synced for itself.
func (p *powered) options(o *lull.Options) {
	o.Ack, o.ShutdownTimeout = p.ack, 2*time.Second
	o.Log.SyncEvery = powerSync
	o.Log.SegmentBytes = 8 << 10
	o.Log.RetainBytes = int64(p.k%3) * 8 << 10
	o.Log.RetainAge = time.Hour
	if p.k%2 == 0 && p.ack != lull.AckDatabase {
		o.Flush.Lull, o.Flush.MaxDelay = 300*time.Millisecond, 400*time.Millisecond
	}
}

// write sends units until one fails or there were enough operations.
func (p *powered) write(t *testing.T, db *lull.DB, w *proof.Writer, rng *rand.Rand, last int) {
	for p.fs.Ops() < last && !p.fs.Gone() {
		if err := powerUnit(t.Context(), db, w, w.Next()); err != nil {
			if !p.fs.Gone() {
				t.Errorf("k=%d: %s: %v", p.k, w.Name, err)
			}
			return
		}
		w.Answered(time.Now())
		time.Sleep(time.Duration(rng.IntN(8)) * time.Millisecond)
	}
}

// powerUnit is a writer's n-th unit; it also raises the counter that all writers share.
func powerUnit(ctx context.Context, db *lull.DB, w *proof.Writer, n int) error {
	text, counter, hash := w.Keys()
	var keys []lull.KeyNeed
	for _, name := range []string{text, counter, hash, "total"} {
		keys = append(keys, lull.KeyNeed{Name: []byte(name), Need: lull.NeedAll})
	}
	val := []byte(strconv.Itoa(n))
	s := db.NewSession()
	ticket, err := s.ExecMulti(ctx, keys, false, true, lull.RunFunc(func(tx *lull.Tx) error {
		_, err := tx.Set(keys[0].Name, val, lull.SetOptions{})
		if err == nil {
			_, err = tx.IncrBy(keys[1].Name, 1)
		}
		if err == nil {
			_, err = tx.HSet(keys[2].Name, [][]byte{[]byte(w.Field(n)), val})
		}
		if err == nil {
			_, err = tx.IncrBy(keys[3].Name, 1)
		}
		return err
	}))
	if err != nil {
		return err
	}
	return s.Wait(ctx, ticket)
}

// found is what a look shows: the writers' states, and the counter that they share.
type found struct {
	states [powerWriters]proof.State
	total  string
}

// check judges what a start gives back of the life before.
func (p *powered) check(t *testing.T, db *lull.DB) error {
	back, err := p.readBack(t, db)
	if err != nil {
		return err
	}
	safe := p.cutAt
	if p.ack == lull.AckMemory {
		safe = safe.Add(-powerSync - powerGrace)
	}
	kept, err := p.judge(back, func(i int) int { return p.writers[i].Acked(safe) })
	if err != nil {
		return err
	}
	for i, w := range p.writers {
		if p.inSQL[i] > kept[i] {
			p.line.Invented.Add(1)
			return fmt.Errorf("%s: SQL has unit %d, the start gives back %d", w.Name, p.inSQL[i], kept[i])
		}
		p.forgotten.Add(int64(max(0, w.Acked(p.cutAt)-kept[i])))
		w.GoOn(kept[i])
	}
	return nil
}

// lookAtSQL judges what SQL has after a cut: what it had before, and what was answered since
// if that is what answers wait for. What a start has found in the log may be there alone.
func (p *powered) lookAtSQL(t *testing.T) (err error) {
	p.inSQL, err = p.judge(p.readSQL(t), func(i int) int {
		w := p.writers[i]
		if answered := w.Acked(p.cutAt); p.ack == lull.AckDatabase && answered > w.Acked(time.Time{}) {
			return answered
		}
		return p.inSQL[i]
	})
	return err
}

// judge judges all writers, of each of whom at least so many units are wanted, and that
// the shared counter is their sum.
func (p *powered) judge(f found, least func(i int) int) (units [powerWriters]int, err error) {
	sum := 0
	for i, w := range p.writers {
		if units[i], err = w.Judge(p.line, f.states[i], least(i)); err != nil {
			return units, err
		}
		sum += units[i]
	}
	if total, _ := strconv.Atoi(f.total); total != sum {
		p.line.Torn.Add(1)
		return units, fmt.Errorf("the shared counter is %q, the writers' units are %d", f.total, sum)
	}
	return units, nil
}

// readBack reads everything through the engine.
func (p *powered) readBack(t *testing.T, db *lull.DB) (f found, err error) {
	for i, w := range p.writers {
		text, counter, hash := w.Keys()
		s := &f.states[i]
		if s.Text, err = read(t.Context(), db, text); err != nil {
			return f, err
		}
		if s.Counter, err = read(t.Context(), db, counter); err != nil {
			return f, err
		}
		err = unit(t.Context(), db, hash, false, func(tx *lull.Tx) error {
			s.Fields = map[string]string{}
			for n := range 3 {
				v, ok, err := tx.HGet([]byte(hash), []byte(w.Field(n)))
				if err != nil {
					return err
				}
				if ok {
					s.Fields[w.Field(n)] = string(v)
				}
			}
			return nil
		})
		if err != nil {
			return f, err
		}
	}
	f.total, err = read(t.Context(), db, "total")
	return f, err
}

// readSQL reads everything from the tables, in one snapshot.
func (p *powered) readSQL(t *testing.T) (f found) {
	t.Helper()
	s := sqliteAt(t, p.file)
	defer s.Close()
	texts, hashes := s.OwnTable("lull_strings"), s.OwnTable("lull_hashes")
	rows := map[string]string{}
	err := s.Read(t.Context(), []sink.Query{
		{Table: texts, Columns: []int{texts.Column("key"), texts.Column("value")}},
		{Table: hashes, Columns: []int{hashes.Column("key"), hashes.Column("field"), hashes.Column("value")}},
	}, func(query int, vals []value.Value) error {
		name := vals[0].String()
		if query == 1 {
			name += " " + vals[1].String()
		}
		rows[name] = vals[len(vals)-1].String()
		return nil
	})
	if err != nil {
		t.Fatalf("k=%d: SQL after the cut: %v", p.k, err)
	}
	for i, w := range p.writers {
		text, counter, hash := w.Keys()
		f.states[i] = proof.State{Text: rows[text], Counter: rows[counter], Fields: map[string]string{}}
		for n := range 3 {
			if v, ok := rows[hash+" "+w.Field(n)]; ok {
				f.states[i].Fields[w.Field(n)] = v
			}
		}
	}
	f.total = rows["total"]
	return f
}

// mortal is the sink of a machine that dies: nothing begins when the power is gone.
type mortal struct {
	sink.Sink
	dead    func() bool
	catalog *sink.Catalog // as it always is: reading it takes half of a start
}

func (m *mortal) Catalog(context.Context, []string) (*sink.Catalog, error) { return m.catalog, nil }

var errDead = &sink.Error{Class: sink.Retry, Err: errors.New("the machine is dead")}

func (m *mortal) Claim(ctx context.Context, c sink.Claim) (sink.LaneState, error) {
	if m.dead() {
		return sink.LaneState{}, errDead
	}
	return m.Sink.Claim(ctx, c)
}

func (m *mortal) Write(ctx context.Context, b *sink.Batch) (sink.Result, error) {
	if m.dead() {
		return sink.Result{}, errDead
	}
	return m.Sink.Write(ctx, b)
}

func (m *mortal) Seal(ctx context.Context) error {
	if m.dead() {
		return errDead
	}
	return m.Sink.Seal(ctx)
}

// makeOwnTables makes a SQLite file with Lull's own tables and no rows.
func makeOwnTables(t *testing.T, file string) *sink.Catalog {
	t.Helper()
	s := sqliteAt(t, file)
	must(t, s.CreateOwn(t.Context()))
	catalog, err := s.Catalog(t.Context(), nil)
	must(t, err)
	must(t, s.Close())
	return catalog
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, data, 0o600))
}

func removeSQLite(t *testing.T, file string) {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(file + end); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

// memoryDir is a folder whose syncs cost nothing, where there is one: for a database that
// is not to lose power.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "lull-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
