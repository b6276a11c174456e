package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
)

// losing is a dialect whose answers to COMMIT get lost, whether it is carried out or not.
type losing struct {
	sqlsink.Dialect
	next []bool // of the next ones, whether they are in
}

func (d *losing) Connect(ctx context.Context) (sqlsink.Session, error) {
	s, err := d.Dialect.Connect(ctx)
	return &losingSession{s, d}, err
}

type losingSession struct {
	sqlsink.Session
	d *losing
}

func (s *losingSession) Commit(ctx context.Context) error {
	if len(s.d.next) == 0 {
		return s.Session.Commit(ctx)
	}
	in := s.d.next[0]
	s.d.next = s.d.next[1:]
	if !in {
		return errors.New("connection lost")
	}
	return errors.Join(s.Session.Commit(ctx), errors.New("connection lost"))
}

// TestUnansweredClaimsAreOurOwn: of several claims that were not answered any may be the
// last that is in.
func TestUnansweredClaimsAreOurOwn(t *testing.T) {
	id := sink.LaneID{Name: "lull", Lane: "main"}
	for _, lost := range [][]bool{
		{true}, {false}, {true, true}, {true, false}, {false, true}, {false, false}, {true, false, false}, {false, true, false}, {true, true, true},
	} {
		s, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "test.db"), sqlsink.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.CreateOwn(t.Context()); err != nil {
			t.Fatal(err)
		}
		d := &losing{Dialect: dialect{s}}
		s.Sink = sqlsink.New(d, s.opts)
		held, err := s.Claim(t.Context(), sink.Claim{ID: id, LogID: "log", Start: true})
		if err != nil {
			t.Fatal(err)
		}
		d.next = lost
		again := sink.Claim{ID: id, LogID: "log", Held: held}
		for i := range lost {
			if _, err := s.Claim(t.Context(), again); sink.ClassOf(err) != sink.Retry {
				t.Fatalf("%v: claim %d: %v", lost, i, err)
			}
		}
		if state, err := s.Claim(t.Context(), again); err != nil || state.Epoch <= held.Epoch {
			t.Errorf("%v: %+v, %v", lost, state, err)
		}
	}
}
