package power

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/proof"
)

const (
	opsMax  = 2000
	writers = 4
	// graceMax is what ack memory may lose beyond sync_every. The clock is the real one
	// here, and the machine may be busy; TestPowerCutOfTheEngine has the exact bound.
	graceMax = 500 * time.Millisecond
)

// machine is a disk that outlives its processes, and who writes to it.
type machine struct {
	ack     string
	line    *proof.Line
	rng     *rand.Rand
	disk    *faultfs.FS
	writers [writers]*proof.Writer
	cutAt   time.Time
	lost    int // answered units that ack memory lost
}

// TestPowerCutOfTheProgram lets the power go at the k-th file operation of `lull serve`,
// log and embedded database being on the same disk, and starts it again on what is left,
// to be cut again: each life begins with what the one before has left.
func TestPowerCutOfTheProgram(t *testing.T) {
	for _, ack := range []string{"memory", "disk", "database"} {
		t.Run(ack, func(t *testing.T) {
			m := &machine{ack: ack, line: proof.NewLine(t, *seed), rng: rand.New(rand.NewPCG(*seed, 0))}
			m.disk = faultfs.New(m.rng.Uint64())
			for i := range m.writers {
				m.writers[i] = &proof.Writer{Name: fmt.Sprintf("w%d", i)}
			}
			for _, k := range proof.Even(*cuts, opsMax) {
				if err := m.live(t, k); err != nil {
					t.Fatalf("k=%d: %v", k, err)
				}
			}
			if err := m.live(t, 0); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d answered units were lost", m.lost)
		})
	}
}

// live runs one process on the disk until operation k. The last life, with no k, only
// checks.
func (m *machine) live(t *testing.T, k int) error {
	dir, err := os.MkdirTemp("", "lull-power-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mounted := mount(t, m.disk, dir)
	if k > 0 {
		m.disk.CutAt(m.disk.Ops() + k)
	}
	s := serve(t, filepath.Join(dir, "data"), m.ack, "flush: {max_delay: 60ms, lull: 10ms}\n")
	ended := make(chan struct{})
	go func() { // the moment the power goes, the process does nothing any more
		defer close(ended)
		for !m.disk.Gone() {
			select {
			case <-s.done:
				return
			case <-time.After(50 * time.Microsecond):
			}
		}
		_ = s.cmd.Process.Kill()
	}()
	if s.ready() {
		var checked bool
		if checked, err = m.check(t, s); checked && k > 0 {
			m.load(t, s)
		}
	} else if !m.disk.Gone() {
		m.line.Lost.Add(1)
		err = fmt.Errorf("it does not start:\n%s", s.stderr.String())
	}
	s.kill()
	<-ended
	if unmountErr := mounted.Unmount(); unmountErr != nil {
		return errors.Join(err, unmountErr)
	}
	m.disk = m.disk.PowerCut(m.rng.Uint64())
	if err == nil {
		m.line.Tried(1, "power cuts")
		err = m.lookAtSQL(t)
	}
	return err
}

// check judges what a start gives back of the life before. If the power goes meanwhile,
// the next life has to.
func (m *machine) check(t *testing.T, s *served) (checked bool, err error) {
	c := s.client()
	defer c.Close()
	safe := m.cutAt
	if m.ack == "memory" {
		safe = safe.Add(-syncEvery - graceMax)
	}
	var kept [writers]int
	for i, w := range m.writers {
		state, err := read(t.Context(), c, w)
		if err != nil {
			if m.disk.Gone() {
				return false, nil
			}
			return false, err
		}
		if kept[i], err = w.Judge(m.line, state, w.Acked(safe)); err != nil {
			return false, err
		}
	}
	for i, w := range m.writers {
		m.lost += max(0, w.Acked(m.cutAt)-kept[i])
		w.GoOn(kept[i])
	}
	return true, nil
}

// load has all writers write until they are cut off.
func (m *machine) load(t *testing.T, s *served) {
	var work sync.WaitGroup
	for _, w := range m.writers {
		work.Go(func() {
			c := s.client()
			defer c.Close()
			for !m.disk.Gone() {
				if unit(t.Context(), c, w, w.Next(), nil) != nil {
					return
				}
				w.Answered(time.Now())
			}
		})
	}
	work.Wait()
	m.cutAt = time.Now()
}

// lookAtSQL reads the database's files as the next boot finds them.
func (m *machine) lookAtSQL(t *testing.T) error {
	dir := t.TempDir()
	file := filepath.Join(dir, "lull.db")
	for _, end := range []string{"", "-wal", "-journal"} { // the journal while it becomes one with a log
		data := m.disk.Bytes(filepath.Join(rootDir, "data", "lull.db"+end))
		if data == nil {
			continue
		}
		if err := os.WriteFile(file+end, data, 0o600); err != nil {
			return err
		}
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		return err
	}
	defer db.Close()
	var tables int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_master WHERE name IN ('lull_strings', 'lull_hashes')").Scan(&tables); err != nil || tables < 2 {
		return err // the power went before they were made
	}
	for _, w := range m.writers {
		s := proof.State{Fields: map[string]string{}}
		text, counter, hash := w.Keys()
		rows, err := db.QueryContext(t.Context(), "SELECT key, '', value FROM lull_strings UNION ALL SELECT key, field, value FROM lull_hashes")
		if err != nil {
			return err
		}
		for rows.Next() {
			var key, field, val string
			if err := rows.Scan(&key, &field, &val); err != nil {
				rows.Close()
				return err
			}
			switch key {
			case text:
				s.Text = val
			case counter:
				s.Counter = val
			case hash:
				s.Fields[field] = val
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		must := 0
		if m.ack == "database" {
			must = w.Acked(m.cutAt)
		}
		if _, err := w.Judge(m.line, s, must); err != nil {
			return fmt.Errorf("in SQL: %w", err)
		}
	}
	return nil
}
