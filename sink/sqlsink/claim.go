package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

const laneColumns = "log_id, epoch, position, next_position, part, catching_up, sealed, flushed_at"

// Lane implements sink.Writer.
func (s *Sink) Lane(ctx context.Context, id sink.LaneID) (state sink.LaneState, found bool, err error) {
	err = s.ask(ctx, `SELECT `+laneColumns+` FROM `+s.d.OwnTable(laneTable)+` WHERE name = ? AND lane = ?`,
		[]any{id.Name, id.Lane}, func(vals []value.Value) error {
			found = true
			state, err = laneOf(vals)
			return err
		})
	if err != nil {
		return sink.LaneState{}, false, s.failure(err, nil)
	}
	return state, found, nil
}

// Claim implements sink.Writer.
func (s *Sink) Claim(ctx context.Context, c sink.Claim) (sink.LaneState, error) {
	ctx, leave := s.enter(ctx)
	defer leave()
	if s.unclear {
		s.closeSession()
	}
	wait := s.opts.StatementTimeout
	if s.former != "" {
		wait = s.opts.LockWait
	}
	state, err := s.claimOnce(ctx, c, wait)
	if s.former != "" && ctx.Err() == nil {
		if err == nil {
			_ = s.endFormer(ctx, s.session) // it holds nothing any more: only tidiness
		} else if sink.ClassOf(err) == sink.Retry {
			state, err = s.claimAfterEnd(ctx, c)
		}
	}
	if err != nil {
		return sink.LaneState{}, err
	}
	s.lane, s.epoch, s.logID, s.tried, s.unclear = c.ID, state.Epoch, state.LogID, 0, false
	return state, nil
}

// claimAfterEnd ends the former session, which seems to hold the lane's row, and
// claims again.
func (s *Sink) claimAfterEnd(ctx context.Context, c sink.Claim) (sink.LaneState, error) {
	session, err := s.connected(ctx)
	if err != nil {
		return sink.LaneState{}, err
	}
	if err := s.endFormer(ctx, session); err != nil {
		s.closeSession()
		return sink.LaneState{}, s.failure(err, nil)
	}
	return s.claimOnce(ctx, c, s.opts.StatementTimeout)
}

// claimOnce is one transaction that takes the lane.
func (s *Sink) claimOnce(ctx context.Context, c sink.Claim, wait time.Duration) (sink.LaneState, error) {
	session, err := s.begin(ctx)
	if err != nil {
		return sink.LaneState{}, err
	}
	state, err := s.claimRow(ctx, session, c, wait)
	if err != nil {
		s.abandon(ctx, err)
		return sink.LaneState{}, s.failure(err, nil)
	}
	s.tried = max(s.tried, state.Epoch)
	if err := session.Commit(ctx); err != nil {
		s.abandon(ctx, err)
		// Even if it did commit: claiming once more does no harm.
		return sink.LaneState{}, &sink.Error{Class: sink.Retry, Err: fmt.Errorf("commit the claim: %w", err)}
	}
	return state, nil
}

func (s *Sink) claimRow(ctx context.Context, session Session, c sink.Claim, wait time.Duration) (sink.LaneState, error) {
	if err := session.LockWait(ctx, wait); err != nil {
		return sink.LaneState{}, err
	}
	table := s.d.OwnTable(laneTable)
	// An update locks the row in every dialect.
	n, err := session.Exec(ctx, `UPDATE `+table+` SET epoch = epoch WHERE name = ? AND lane = ?`, c.ID.Name, c.ID.Lane)
	if err != nil {
		return sink.LaneState{}, err
	}
	if n == 0 {
		return s.newLane(ctx, session, c)
	}
	var state sink.LaneState
	err = session.Query(ctx, `SELECT `+laneColumns+` FROM `+table+` WHERE name = ? AND lane = ?`,
		[]any{c.ID.Name, c.ID.Lane}, func(vals []value.Value) (err error) {
			state, err = laneOf(vals)
			return err
		})
	if err != nil {
		return sink.LaneState{}, err
	}
	if !c.Start && !s.ours(c, state) {
		return sink.LaneState{}, &sink.Error{Class: sink.Fenced, Err: fmt.Errorf(
			"lane %s of %s: log %s holds it at epoch %d, want log %s at epoch %d",
			c.ID.Lane, c.ID.Name, state.LogID, state.Epoch, c.Held.LogID, c.Held.Epoch)}
	}
	if err := c.Check(state); err != nil {
		return sink.LaneState{}, err
	}
	state.LogID, state.Epoch = c.LogID, max(state.Epoch, c.Held.Epoch, s.epoch)+1
	if c.Reset {
		state.Mark, state.CatchingUp = c.Mark, false
	}
	if c.ClearSealed {
		state.Sealed = false
	}
	_, err = session.Exec(ctx, `UPDATE `+table+` SET log_id = ?, epoch = ?, position = ?, next_position = ?, part = ?,`+
		` catching_up = ?, sealed = ? WHERE name = ? AND lane = ?`,
		state.LogID, int64(state.Epoch), int64(state.Mark.Position), int64(state.Mark.Next), int64(state.Mark.Part),
		state.CatchingUp, state.Sealed, c.ID.Name, c.ID.Lane)
	return state, err
}

// ours reports whether the row is as the caller holds it, or as one of our claims since
// left it whose COMMITs were not answered: of several any may be the last that is in.
// Another process could have raised it to such an epoch only with a log id of its own.
func (s *Sink) ours(c sink.Claim, state sink.LaneState) bool {
	if state.Epoch == c.Held.Epoch && state.LogID == c.Held.LogID {
		return true
	}
	return state.LogID == c.LogID && state.Epoch > c.Held.Epoch && state.Epoch <= s.tried
}

func (s *Sink) newLane(ctx context.Context, session Session, c sink.Claim) (sink.LaneState, error) {
	if !c.Start {
		return sink.LaneState{}, &sink.Error{Class: sink.Fenced, Err: fmt.Errorf(
			"lane %s of %s: its row is gone, want epoch %d", c.ID.Lane, c.ID.Name, c.Held.Epoch)}
	}
	if err := c.Check(sink.LaneState{}); err != nil {
		return sink.LaneState{}, err
	}
	state := sink.LaneState{LogID: c.LogID, Epoch: max(c.Held.Epoch, s.epoch) + 1, Mark: c.Mark, FlushedAt: time.Now().UTC()}
	_, err := session.Exec(ctx, `INSERT INTO `+s.d.OwnTable(laneTable)+` (name, lane, `+laneColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID.Name, c.ID.Lane, state.LogID, int64(state.Epoch), int64(state.Mark.Position), int64(state.Mark.Next),
		int64(state.Mark.Part), false, false, s.d.Own().Stamp(state.FlushedAt))
	if err != nil && s.d.Judge(err).Kind == Clash {
		return state, &sink.Error{Class: sink.Retry, Err: fmt.Errorf("another process made the lane: %w", err)}
	}
	return state, err
}

// Seal implements sink.Writer.
func (s *Sink) Seal(ctx context.Context) error {
	ctx, leave := s.enter(ctx)
	defer leave()
	if s.epoch == 0 || s.unclear {
		return invalid(errors.New("seal: the lane has to be claimed first"))
	}
	session, err := s.begin(ctx)
	if err != nil {
		return err
	}
	n, err := session.Exec(ctx, `UPDATE `+s.d.OwnTable(laneTable)+` SET sealed = ? WHERE name = ? AND lane = ? AND epoch = ? AND log_id = ?`,
		true, s.lane.Name, s.lane.Lane, int64(s.epoch), s.logID)
	if err == nil && n == 0 {
		err = &sink.Error{Class: sink.Fenced, Err: fmt.Errorf("lane %s of %s: no longer at epoch %d of log %s", s.lane.Lane, s.lane.Name, s.epoch, s.logID)}
	}
	if err != nil {
		s.abandon(ctx, err)
		return s.failure(err, nil)
	}
	if err := session.Commit(ctx); err != nil {
		s.abandon(ctx, err)
		// Sealing twice does no harm, so this need not be ambiguous.
		return &sink.Error{Class: sink.Retry, Err: fmt.Errorf("commit the seal: %w", err)}
	}
	return nil
}

// laneOf reads a row of laneColumns.
func laneOf(vals []value.Value) (sink.LaneState, error) {
	var numbers [4]uint64
	for i := range numbers {
		n, ok := vals[1+i].Int()
		if !ok || n < 0 {
			return sink.LaneState{}, fmt.Errorf("lane: want a number of at least 0, got %q", vals[1+i].String())
		}
		numbers[i] = uint64(n)
	}
	at, err := parseStamp(vals[7].String())
	if err != nil {
		return sink.LaneState{}, fmt.Errorf("lane: flushed_at: %w", err)
	}
	return sink.LaneState{
		LogID: vals[0].String(), Epoch: numbers[0],
		Mark:       sink.Mark{Position: numbers[1], Next: numbers[2], Part: numbers[3]},
		CatchingUp: truth(vals[5]), Sealed: truth(vals[6]), FlushedAt: at,
	}, nil
}

func truth(v value.Value) bool {
	s := v.String()
	return s == "t" || s == "1" || s == "true"
}

// parseStamp reads a timestamp in any dialect's text. Lull writes them in UTC.
func parseStamp(s string) (time.Time, error) {
	t := strings.Replace(s, "T", " ", 1)
	t = strings.TrimSuffix(strings.TrimSuffix(t, "Z"), "+00")
	at, err := time.ParseInLocation("2006-01-02 15:04:05.999999", t, time.UTC)
	if err != nil {
		return time.Time{}, errors.New("want a timestamp in UTC, got " + strconv.Quote(s))
	}
	return at, nil
}
