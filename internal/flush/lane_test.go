package flush

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lullcache/lull/sink"
)

// lettersAway is a database whose letters cannot be read for now.
type lettersAway struct {
	*database
	away atomic.Bool
}

func (l *lettersAway) Letters(ctx context.Context, name string) ([]sink.Letter, error) {
	if l.away.Load() {
		return nil, &sink.Error{Class: sink.Retry, Err: errors.New("no connection")}
	}
	return l.database.Letters(ctx, name)
}

// TestALateStartGivesUpWhatWasAssumedAtOnce, and does not show it until letters can be read
// (seed 10007040 of the simulation).
func TestALateStartGivesUpWhatWasAssumedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, e := &lettersAway{database: newDatabase()}, newEngine(rand.New(rand.NewPCG(1, 1)))
		for range 20 {
			e.write()
		}
		s := start(t, db.database, e, Options{})
		if err := s.f.Wait(t.Context(), e.position); err != nil {
			t.Fatal(err)
		}
		s.kill()
		e.cuts = e.replay(sink.Mark{})
		db.away.Store(true)
		f := New(Options{
			Name: "lull", Lane: "main", LogID: "log-1", Writer: db, Dictionary: testDef, Targets: testTargets, Pending: slices.Clone(e.cuts),
			Claim: func(ctx context.Context) (sink.LaneState, error) {
				return db.Claim(ctx, sink.Claim{LogID: "log-1", Start: true})
			},
		}, e)
		ctx, stop := context.WithCancel(t.Context())
		go f.Run(ctx)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, c := range e.cuts {
			if rows, _, _ := c.Size(); rows > 0 {
				t.Errorf("%d rows that the database has are laid over it", rows)
			}
		}
		if f.Opened() {
			t.Error("reads of SQL are let in, and letters are not known")
		}
		db.away.Store(false)
		if err := f.Wait(ctx, e.write()); err != nil {
			t.Fatal(err)
		}
		check(t, db.database, e)
		stop()
	})
}

// TestAnEpochComesTwice: a backup of before takes the lane's place, in which an earlier start has the epoch and the
// mark that this one had (seed 10035565 of the simulation).
func TestAnEpochComesTwice(t *testing.T) {
	ours := func(logID string) bool { return logID == "log-1" || logID == "log-0" }
	inLab(t, Options{Ours: ours}, func(l *lab) {
		l.wait(l.e.write())
		l.db.mu.Lock()
		l.db.lane.LogID = "log-0"
		l.db.mu.Unlock()
		l.wait(l.e.write())
		check(l.T, l.db, l.e)
		if l.db.lane.LogID != "log-1" {
			t.Errorf("the lane is still of %s", l.db.lane.LogID)
		}
	})
}
