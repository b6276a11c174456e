package flush

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

func TestARefusedRowIsSeenAndMendedByItsNextChange(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.refuse("name", "bad")
		l.wait(l.player("good", change.Absent, "name", "Ann"))
		position := l.player("p", change.Absent, "name", "bad", "score", "1")
		l.wait(position)
		if got := l.seen("p"); got != "map[name:bad score:1]" || l.seen("good") != "map[name:Ann]" {
			t.Errorf("after the refusal: %s", got)
		}
		letter, ok := l.s.f.Refused(position, testDef[playersTable].Space, 0, "p")
		if !ok || letter.Reason.Message != "no" || letter.KeyTuple != "p" {
			t.Errorf("%+v, %v", letter, ok)
		}
		if _, ok := l.s.f.Refused(position+1, testDef[playersTable].Space, 0, "p"); ok {
			t.Error("the letter is of a later flush")
		}
		l.wait(l.player("p", change.Present, "seen", "today")) // still refused, now with a third column
		if got := l.seen("p"); got != "map[name:bad score:1 seen:today]" || len(l.db.letters) != 1 {
			t.Errorf("after the second refusal: %s, %d letters", got, len(l.db.letters))
		}
		generation := l.s.f.AsideGeneration()
		l.wait(l.player("p", change.Present, "name", "Bob"))
		if n, bytes := l.s.f.Aside(); n != 0 || bytes != 0 || len(l.db.letters) != 0 || l.s.f.AsideGeneration() == generation {
			t.Errorf("%d letters of %d bytes left, %d in the database", n, bytes, len(l.db.letters))
		}
		check(l.T, l.db, l.e)
	})
}

func TestLettersOutliveARestart(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.refuse("name", "bad")
		l.wait(l.player("p", change.Absent, "name", "bad", "score", "1"))
		l.s.kill()
		l.s = start(l.T, l.db, l.e, Options{})
		if got := l.seen("p"); got != "map[name:bad score:1]" {
			t.Error(got)
		}
		if left, err := l.s.f.Retry(l.Context()); left != 1 || err != nil {
			t.Errorf("%d left, %v", left, err)
		}
		l.takeAll()
		l.failOnce(lostButIn)
		if left, err := l.s.f.Retry(l.Context(), l.s.f.Letters()[0].ID); left != 0 || err != nil {
			t.Errorf("%d left, %v", left, err)
		}
		check(l.T, l.db, l.e)
	})
}

// TestALetterComesBackWithTheDatabase: the mark is the same, but the epoch is an earlier one.
func TestALetterComesBackWithTheDatabase(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.refuse("name", "bad")
		l.wait(l.player("p", change.Absent, "name", "bad"))
		goBack := l.db.snapshot()
		l.takeAll()
		l.failOnce(lostButIn)
		if left, err := l.s.f.Retry(l.Context(), l.s.f.Letters()[0].ID); left != 0 || err != nil {
			t.Errorf("%d left, %v", left, err)
		}
		goBack()
		l.s.f.Doubt()
		l.sleep(time.Second)
		l.wait(l.player("q", change.Absent, "name", "Ann"))
		if n, _ := l.s.f.Aside(); n != 1 {
			t.Errorf("%d letters are known", n)
		}
		if left, err := l.s.f.Retry(l.Context()); left != 0 || err != nil {
			t.Errorf("%d left, %v", left, err)
		}
		check(l.T, l.db, l.e)
	})
}

func TestALetterIsDropped(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.refuse("name", "bad")
		l.wait(l.player("p", change.Absent, "name", "bad"))
		if err := l.s.f.Drop(l.Context(), 99); !errors.Is(err, ErrNoLetter) {
			t.Error(err)
		}
		if err := l.s.f.Drop(l.Context(), l.s.f.Letters()[0].ID); err != nil {
			t.Fatal(err)
		}
		if got := l.seen("p"); got != "absent" || len(l.db.letters) != 0 || !slices.Equal(l.e.forgot, []string{"3 0 p"}) {
			t.Errorf("%s, forgot %v", got, l.e.forgot)
		}
	})
}

func TestADeletionSettlesTheLetterOfItsRow(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.refuse("name", "bad")
		l.wait(l.player("p", change.Absent, "name", "bad"))
		delete(l.e.truth, at(playersTable, 0, "p", ""))
		l.wait(l.e.commit(change.Change{Op: change.Delete, Known: change.Present, Table: playersTable, Key: "p"}))
		if got := l.seen("p"); got != "absent" || len(l.db.letters) != 0 {
			t.Errorf("%s, %d letters", got, len(l.db.letters))
		}
		check(l.T, l.db, l.e)
	})
}

func TestARefusedDeletionGivesWayToWhatComesAfter(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		l.wait(l.player("p", change.Absent, "name", "Ann", "score", "1"))
		l.db.refuses = func(table string, _ map[string]value.Value) bool { return table == "remove players" }
		l.wait(l.e.commit(change.Change{Op: change.Delete, Known: change.Present, Table: playersTable, Key: "p"}))
		if got := l.seen("p"); got != "absent" || len(l.db.letters) != 1 {
			t.Errorf("after the deletion: %s, %d letters", got, len(l.db.letters))
		}
		delete(l.e.truth, at(playersTable, 0, "p", ""))
		l.wait(l.player("p", change.Absent, "name", "Bob"))
		if len(l.db.letters) != 0 {
			t.Errorf("%d letters", len(l.db.letters))
		}
		check(l.T, l.db, l.e) // the score is NULL, as in a new row
	})
}

func TestARefusedClearIsGivenUpWhenRowsAreWrittenOverIt(t *testing.T) {
	inLab(t, Options{}, func(l *lab) {
		points := change.Cell{Val: value.OfString("5")}
		l.wait(l.e.commit(l.e.set(scoresTable, 0, "eu", "a", false, points)))
		l.db.refuses = func(table string, _ map[string]value.Value) bool { return table == "remove scores" }
		l.wait(l.e.commit(change.Change{Op: change.Clear, Table: scoresTable, Key: "eu"}))
		if len(l.db.letters) != 1 {
			t.Fatalf("%d letters", len(l.db.letters))
		}
		l.wait(l.e.commit(l.e.set(scoresTable, 0, "eu", "b", false, points)))
		l.sleep(time.Second)
		if n, _ := l.s.f.Aside(); n != 0 || len(l.db.letters) != 0 || l.told(GivenUp) != 1 || len(l.e.forgot) != 1 {
			t.Errorf("%d letters in memory, %d in the database; %v", n, len(l.db.letters), l.s.told)
		}
		check(l.T, l.db, l.e) // both rows are there, and the truth forgot nothing
	})
}

func TestAParkedTableAndThoseThatReferenceItWait(t *testing.T) {
	targets := func(table uint16) (*Target, error) {
		tg, err := testTargets(table)
		if table == scoresTable {
			tg.Table.ForeignKeys = []sink.ForeignKey{{RefTable: "players", Columns: []string{"player"}, RefColumns: []string{"id"}}}
		}
		return tg, err
	}
	var looks atomic.Int64
	var gone atomic.Bool
	gone.Store(true)
	look := func(context.Context, uint16) error {
		looks.Add(1)
		if gone.Load() {
			return errors.New("does not exist")
		}
		return nil
	}
	inLab(t, Options{Targets: targets, Look: look}, func(l *lab) {
		score := func(points string) change.Change {
			return l.e.set(scoresTable, 0, "eu", "p", false, change.Cell{Val: value.OfString(points)})
		}
		l.wait(l.e.commit(score("1")))
		l.db.gone["players"] = true
		l.wait(l.player("p", change.Absent, "name", "Ann"))
		l.wait(l.player("p", change.Present, "score", "1"))
		l.wait(l.e.commit(score("2")))
		if l.told(TableParked) != 2 || len(l.db.letters) != 2 || l.seen("p") != "map[name:Ann score:1]" {
			t.Errorf("%d letters; %s; %v", len(l.db.letters), l.seen("p"), l.s.told)
		}
		l.s.kill() // what is parked stays so over a restart
		l.s = start(l.T, l.db, l.e, Options{Targets: targets, Look: look})
		l.wait(l.e.commit(l.e.clear(scoresTable, 0, "eu"), score("3")))
		l.sleep(time.Minute)
		if n := looks.Load(); n < 20 || n > 60 {
			t.Errorf("looked %d times in about a minute", n)
		}
		l.db.mu.Lock()
		gone.Store(false)
		l.db.gone = map[string]bool{}
		l.db.mu.Unlock()
		l.sleep(10 * time.Second)
		if l.told(TableBack) != 2 || len(l.db.letters) != 0 {
			t.Errorf("%d letters; %v", len(l.db.letters), l.s.told)
		}
		check(l.T, l.db, l.e)
	})
}

func TestARowMadeAnewTakesNothingFromALetter(t *testing.T) {
	for name, settle := range map[string]change.Change{
		"after its deletion":  {Op: change.Delete, Known: change.Present, Table: playersTable, Key: "p"},
		"after its clear":     {Op: change.Clear, Table: playersTable, Key: "p"},
		"after its table was": {Op: change.ClearTable, Table: playersTable},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, Options{}, func(l *lab) {
				l.refuse("name", "bad")
				l.wait(l.player("p", change.Absent, "name", "bad", "score", "1"))
				delete(l.e.truth, at(playersTable, 0, "p", ""))
				l.wait(l.e.commit(settle, l.e.set(playersTable, 0, "p", "", false, change.Cell{Col: 2, Val: value.OfString("today")})))
				if n := len(l.db.letters); n != 0 || l.seen("p") != "map[seen:today]" {
					t.Errorf("%d letters; %s", n, l.seen("p"))
				}
				check(l.T, l.db, l.e)
			})
		})
	}
}

func TestARowMadeAnewInPartsOverARestart(t *testing.T) {
	var back atomic.Bool
	o := Options{MaxTransactionRows: 1, Look: func(context.Context, uint16) error {
		if !back.Load() {
			return errors.New("does not exist")
		}
		return nil
	}}
	inLab(t, o, func(l *lab) {
		l.db.gone["players"] = true
		l.wait(l.player("p", change.Absent, "name", "Ann", "score", "1"))
		var writes atomic.Int64
		l.db.mu.Lock()
		l.db.fault = func() fault { // only the first part gets through, the deletion
			if writes.Add(1) > 1 {
				return failsBefore
			}
			return noFault
		}
		l.db.mu.Unlock()
		delete(l.e.truth, at(playersTable, 0, "p", ""))
		last := l.e.commit(change.Change{Op: change.Delete, Known: change.Present, Table: playersTable, Key: "p"},
			l.e.set(playersTable, 0, "p", "", false, change.Cell{Col: 2, Val: value.OfString("today")}))
		l.sleep(10 * time.Second)
		if l.db.lane.Mark.Part != 1 {
			t.Fatalf("the mark is %+v", l.db.lane.Mark)
		}
		if got := l.seen("p"); got != "absent" {
			t.Errorf("after the first part: %s", got)
		}
		l.s.kill()
		l.fail(noFault)
		l.db.gone["players"] = false
		back.Store(true)
		l.s = start(l.T, l.db, l.e, o)
		l.wait(last)
		l.sleep(time.Minute)
		if n := len(l.db.letters); n != 0 {
			t.Errorf("%d letters", n)
		}
		check(l.T, l.db, l.e)
	})
}
