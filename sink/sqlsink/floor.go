package sqlsink

import (
	"fmt"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// SetFloor implements sink.Floored.
//
// A server goes back by a restart or a failover, which end all its connections, so it is
// enough to look once on each new connection that reads: dialects call CheckFloor there.
// Loads cost nothing more. What this cannot see: two servers that both answer, while
// connections lead now to the one and now to the other; a pooler that does not end ours
// with the server's; a copy that is played back statement by statement under open
// connections. (SQLite has no server: see there.)
func (s *Sink) SetFloor(f sink.Floor) { s.floor.Store(&f) }

// CheckFloor returns an error if the database lacks what it is known to have had, as a
// connection sees it through query. The reads that it is to guard come after it, on the
// same connection or in the same snapshot.
func (s *Sink) CheckFloor(query func(query string, args []any, row func([]value.Value) error) error) error {
	floor := s.floor.Load() // before the snapshot, which may lack what is flushed after it
	if floor == nil || floor.LogID == "" {
		return nil
	}
	var state sink.LaneState
	found := false
	err := query(`SELECT `+laneColumns+` FROM `+s.d.OwnTable(laneTable)+` WHERE name = ? AND lane = ?`,
		[]any{floor.ID.Name, floor.ID.Lane}, func(vals []value.Value) (err error) {
			found = true
			state, err = laneOf(vals)
			return err
		})
	had := fmt.Sprintf("had %s of log %s", floor.Mark, floor.LogID)
	switch {
	case err != nil && s.d.Judge(err).Kind == Schema:
		return behind("it %s, and its lanes cannot be read: %w", had, err)
	case err != nil:
		return err
	case !found:
		return behind("it %s, and the lane's row is gone", had)
	case state.LogID != floor.LogID || floor.Mark.After(state.Mark):
		return behind("it %s, and has %s of log %s", had, state.Mark, state.LogID)
	}
	return nil
}

func behind(format string, args ...any) error {
	return &sink.Error{Class: sink.Retry, Err: fmt.Errorf("%w: "+format, append([]any{sink.ErrBehind}, args...)...)}
}
