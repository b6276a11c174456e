package sqlsink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/sink"
)

// Write implements sink.Writer. A batch is tried once more from the start when
// only then a culprit can be found: with nothing deferred, if a deferred constraint failed;
// without a row for which the database ended the transaction.
func (s *Sink) Write(ctx context.Context, b *sink.Batch) (sink.Result, error) {
	ctx, leave := s.enter(ctx)
	defer leave()
	if s.epoch == 0 || s.unclear {
		return sink.Result{}, invalid(errors.New("write: the lane has to be claimed first"))
	}
	poison := make(map[*sink.Row]sink.Reason)
	plan := planOf(b)
	for careful := false; ; {
		result, err := s.attempt(ctx, b, newRun(s.d, plan, careful, poison))
		var undone *undoneError
		switch {
		case errors.As(err, &undone):
			poison[undone.row] = undone.reason
		case errors.Is(err, errDeferred) && !careful:
			careful = true
		case errors.Is(err, errDeferred):
			return sink.Result{}, &sink.Error{Class: sink.Retry, Err: err}
		default:
			return result, err
		}
	}
}

// errDeferred: a constraint that is checked at COMMIT does not hold.
var errDeferred = errors.New("a deferred constraint is violated")

// undoneError: the database ended the transaction because of this row.
type undoneError struct {
	row    *sink.Row
	reason sink.Reason
	err    error
}

func (e *undoneError) Error() string { return "transaction ended: " + e.reason.Message }
func (e *undoneError) Unwrap() error { return e.err }

func (s *Sink) attempt(ctx context.Context, b *sink.Batch, r *run) (sink.Result, error) {
	session, err := s.connected(ctx)
	if err != nil {
		return sink.Result{}, err
	}
	if err := s.endFormer(ctx, session); err != nil {
		s.abandon(ctx, err)
		return sink.Result{}, s.failure(err, nil)
	}
	if session, err = s.begin(ctx); err != nil {
		return sink.Result{}, err
	}
	failpoint.Hit(failpoint.Begun)
	if err := s.work(ctx, session, b, r); err != nil {
		s.abandon(ctx, err)
		return sink.Result{}, err
	}
	failpoint.Hit(failpoint.BeforeCommit)
	if err := session.Commit(ctx); err != nil {
		return sink.Result{}, s.commitFailed(ctx, err)
	}
	failpoint.Hit(failpoint.AfterCommit)
	r.result.CommittedAt = time.Now()
	return r.result, nil
}

// work does all of the transaction but BEGIN and COMMIT.
func (s *Sink) work(ctx context.Context, session Session, b *sink.Batch, r *run) error {
	if err := s.fence(ctx, session, b); err != nil {
		return err
	}
	failpoint.Hit(failpoint.MarkWritten)
	if err := r.rows(ctx, session); err != nil {
		return err
	}
	failpoint.Hit(failpoint.RowsWritten)
	if err := s.storeLetters(ctx, session, b, r); err != nil {
		return err
	}
	err := session.Immediate(ctx)
	if err == nil {
		return nil
	}
	if kind := s.d.Judge(err).Kind; kind == Refused || kind == Clash {
		return fmt.Errorf("%w: %w", errDeferred, err)
	}
	return s.failure(err, nil)
}

// fence moves the mark, on condition that the lane is ours and where it should be.
func (s *Sink) fence(ctx context.Context, session Session, b *sink.Batch) error {
	n, err := session.Exec(ctx, `UPDATE `+s.d.OwnTable(laneTable)+
		` SET position = ?, next_position = ?, part = ?, catching_up = ?, sealed = ?, flushed_at = ?`+
		` WHERE name = ? AND lane = ? AND epoch = ? AND log_id = ? AND position = ? AND next_position = ? AND part = ?`,
		int64(b.To.Position), int64(b.To.Next), int64(b.To.Part), b.CatchingUp, b.Sealed, s.d.Own().Stamp(time.Now()),
		s.lane.Name, s.lane.Lane, int64(s.epoch), s.logID, int64(b.From.Position), int64(b.From.Next), int64(b.From.Part))
	if err != nil {
		return s.failure(err, nil)
	}
	if n == 0 {
		return &sink.Error{Class: sink.Fenced, Err: fmt.Errorf(
			"lane %s of %s: no longer at epoch %d of log %s and position %d", s.lane.Lane, s.lane.Name, s.epoch, s.logID, b.From.Position)}
	}
	return nil
}

// commitFailed classifies an error of COMMIT: without proof nothing is known.
func (s *Sink) commitFailed(ctx context.Context, err error) error {
	if s.d.NotCommitted(err) {
		s.abandon(ctx, err)
		v := s.d.Judge(err)
		return &sink.Error{Class: sink.Retry, Reason: v.Reason, Err: fmt.Errorf("commit: %w", err), Conflict: v.Kind == Conflict}
	}
	s.unclear = true
	s.former = s.session.ID()
	s.closeSession()
	return &sink.Error{Class: sink.Ambiguous, Reason: s.d.Judge(err).Reason, Err: fmt.Errorf("commit: %w", err)}
}
