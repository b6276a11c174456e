package lull

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/failpoint"
	"github.com/lullcache/lull/internal/wal"
	"github.com/lullcache/lull/sink"
)

// base is where a start begins: what the database has, and whose lane it is.
type base struct {
	mark    sink.Mark
	lane    sink.LaneState
	claimed bool // false: the database was away
	// Without the lane, see change.Settled: what the database may have instead of mark,
	// and whether the process before cannot have had the lane either.
	bounds []uint64
	away   bool
	gap    change.Gap // without the lane: the newest in the log
}

// openLog opens the log, or a new one in its place with NewLog.
func (db *DB) openLog() error {
	if db.opts.Log.Off {
		return nil
	}
	if db.opts.NewLog {
		if err := db.setLogAside(); err != nil {
			return err
		}
	}
	o := db.opts.Log
	log, err := wal.Open(wal.Options{
		FS: db.opts.fs, Dir: db.logDir(), ID: db.newLogID(),
		SegmentBytes: o.SegmentBytes, MaxBytes: o.MaxBytes,
		RetainBytes: o.RetainBytes, RetainAge: o.RetainAge, SyncEvery: o.SyncEvery,
		World:    db.opts.world,
		Preamble: func(dst []byte) []byte { return change.AppendDictionary(dst, db.dictionary) },
		OnEvent: func(e wal.Event) {
			db.opts.OnEvent(Event{Kind: "log", Text: e.String(), Err: e.Err})
		},
	})
	if err != nil {
		return fmt.Errorf("log: %w", err)
	}
	db.log, db.logFrom, db.logStarted = log, uint64(log.End()), false
	return db.readStarts()
}

// startLog begins the log, unless it is.
func (db *DB) startLog() error {
	if db.log == nil || db.logStarted {
		return nil
	}
	if err := db.log.Start(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	db.logStarted = true
	return nil
}

// setLogAside renames the log's folder, so that nothing in it is lost.
func (db *DB) setLogAside() error {
	fs := db.opts.fs
	if names, err := fs.ReadDir(db.logDir()); err != nil || len(names) == 0 {
		return nil
	}
	aside := db.logDir() + db.opts.world.Now().UTC().Format(".old-20060102-150405.000")
	if err := fs.Rename(db.logDir(), aside); err != nil {
		return fmt.Errorf("setting the old log aside: %w", err)
	}
	return fs.SyncDir(filepath.Dir(db.logDir()))
}

// laneLooksMax is how often a start looks at the lane again because it was not as it had
// been seen. Whoever else writes it then is left alone for a while: see claimLater.
const laneLooksMax = 10

// takeLane claims the lane of a start, and looks again if it moves meanwhile.
func (db *DB) takeLane(ctx context.Context, live *schema) (base, error) {
	b, err := db.claim(ctx, live)
	for range laneLooksMax {
		if !errors.Is(err, sink.ErrLaneMoved) {
			return b, err
		}
		if err = db.askLane(ctx, live); err != nil {
			break
		}
		b, err = db.claim(ctx, live)
	}
	if away(err) {
		return db.claimLater(err)
	}
	return b, err
}

// claim takes the lane for the log, after making sure that the two belong together.
func (db *DB) claim(ctx context.Context, live *schema) (base, error) {
	c := sink.Claim{ID: db.laneID(), Start: true, ClearSealed: true}
	var err error
	switch {
	case db.log == nil:
		c.LogID, c.Reset = db.newLogID(), true
	case !live.reachable:
		return db.lastSettled()
	default:
		if c.ClearSealed, err = db.join(ctx, live); err != nil {
			return base{}, err
		}
		c.LogID = db.starts.laneName()
		c.Reset = live.found && !db.ours(live.lane.LogID)
		if !c.Reset {
			c.Mark = live.lane.Mark
		}
		if c.Seen = &live.lane; db.opts.NewLog && db.logFrom == 0 {
			c.Reset, c.Seen = true, nil // whatever the lane has is given up
		}
		if err := db.noteStart(live.late); err != nil {
			return base{}, err
		}
	}
	if !live.reachable {
		return base{}, nil
	}
	lane, err := db.sink.Claim(ctx, c)
	if err != nil && away(err) && db.log != nil && !live.late && !errors.Is(err, sink.ErrLaneMoved) {
		return db.claimLater(err)
	}
	if err != nil {
		return base{}, fmt.Errorf("taking the lane: %w", err)
	}
	failpoint.Hit(failpoint.Claimed)
	db.laneLog = lane.LogID
	db.setFloor(lane.Mark)
	return base{mark: lane.Mark, lane: lane, claimed: true}, nil
}

// join makes sure that the log can go on from what the lane has. With onDisk the log says all
// that the lane's seal says: else the seal has to stay, since if the process died now nothing
// would tell the next start that SQL is rightly ahead.
func (db *DB) join(ctx context.Context, live *schema) (onDisk bool, err error) {
	gap, err := db.sealedBeyond(live)
	if err != nil {
		return false, err
	}
	beyond := gap != change.Gap{}
	if !beyond {
		if err := db.fits(live); err != nil {
			return false, misfit{err}
		}
	}
	if (db.logFrom == 0 || live.lane.Sealed) && !live.late {
		// A new log's id lasts from here on: else the lane could be left to a log that
		// never was, if the process dies before the log is begun. A failed log's end is on
		// disk from here on: else a power cut could take it, and nothing would say any more
		// that SQL is rightly ahead.
		if err := db.startLog(); err != nil {
			return false, err
		}
	}
	if !beyond {
		return true, nil
	}
	if onDisk, err = db.noteGap(ctx, gap, live.late); err != nil {
		return false, err
	}
	if err := db.fits(live); err != nil {
		return false, misfit{err}
	}
	return onDisk, nil
}

// claimLater begins without the lane: the database answers, but takes no writes for
// now. Another process may hold its lock, or it is a standby.
func (db *DB) claimLater(cause error) (base, error) {
	db.opts.OnEvent(Event{Kind: EventDatabaseAway, Text: "starting without the lane, which is taken later", Err: cause})
	return db.lastSettled()
}

// misfit says that the log and the database do not belong together, which no waiting
// changes.
type misfit struct{ error }

func (m misfit) Unwrap() error { return m.error }

// sealedBeyond returns what SQL alone has because the log had failed; nothing if SQL is
// where the log knows of.
func (db *DB) sealedBeyond(live *schema) (change.Gap, error) {
	l := &live.lane
	to := l.Mark.Position
	if !live.found || !l.Sealed || !db.ours(l.LogID) || db.overtaken(l) || l.Mark.Next != 0 || to <= db.gap.To {
		return change.Gap{}, nil
	}
	from := db.logFrom
	if later, ok := db.starts.after(l.LogID); ok {
		from = later.left // and goes on beyond that
	}
	if to <= from {
		return change.Gap{}, nil
	}
	if b, err := db.lastHeard(); err != nil || b.gap.To > to {
		return change.Gap{}, err
	}
	return change.Gap{From: from, To: to}, nil
}

// noteGap has the log say, on disk, what SQL alone has: the end that a failed log has lost.
// The log goes on behind it. A database that went back would lack it, and nothing could
// make up for that.
func (db *DB) noteGap(ctx context.Context, gap change.Gap, late bool) (onDisk bool, err error) {
	if gap.To >= uint64(db.log.Next()) {
		return true, nil // no log of ours came so far
	}
	end, err := db.log.Append(change.AppendGap(nil, gap))
	if err == nil {
		err = db.log.WaitSynced(ctx, end)
	}
	if err != nil && !late {
		return false, fmt.Errorf("log: %w", err)
	}
	db.gap = gap // also where the log is full: it stays so until the lane is taken
	return err == nil, nil
}

// fits reports why the log and the lane in the database do not belong together.
func (db *DB) fits(live *schema) error {
	end, oldest := max(db.logFrom, db.gap.To), uint64(db.log.Oldest())
	lane := &live.lane
	mark := lane.Mark.Position
	sameLog, known := db.starts.has(lane.LogID)
	const remedy = "to go on with a new log and give up what only the old one holds: lull serve --new-log"
	switch {
	case !live.found && oldest > 0:
		// The first claim may come after checkpoints of all that was ever written.
		if ok, err := db.reaches(sink.Mark{}); ok || err != nil {
			return err
		}
		return fmt.Errorf("the database knows no lane of %q, and the log begins at position %d: what it had before is not kept; %s", db.opts.Name, oldest, remedy)
	case !live.found:
		return nil
	case sameLog && (!known || db.overtaken(lane)):
		return fmt.Errorf("the database was last written from another data directory with the log of %s: one of the two is a copy of the other, and each has what the other lacks; start Lull with that directory, or, %s",
			db.opts.DataDir, remedy)
	case lane.Mark == (sink.Mark{}) && end == 0, db.opts.NewLog && end == 0:
		return nil
	case end == 0:
		return fmt.Errorf("the data directory %s has no log, but the database was written from log %s up to %s: was the directory moved? %s",
			db.opts.DataDir, lane.LogID, lane.Mark, remedy)
	case !sameLog:
		return fmt.Errorf("the data directory %s holds log %s, but the database was written from log %s: another Lull uses the name %q, or one of the two is an old copy; %s",
			db.opts.DataDir, db.log.ID(), lane.LogID, db.opts.Name, remedy)
	case lane.Mark.Next > end:
		return fmt.Errorf("the database has a part of the changes up to position %d, but the log ends at %d: the end of the log was lost; %s", lane.Mark.Next, end, remedy)
	case mark > end:
		return fmt.Errorf("the database has everything up to position %d, but the log ends at %d: the end of the log was lost; %s", mark, end, remedy)
	case mark < db.gap.To:
		return lostError(db.gap)
	case mark < oldest:
		if ok, err := db.reaches(lane.Mark); ok || err != nil {
			return err
		}
		if heard, err := db.lastHeard(); err == nil && lane.Mark.After(heard.mark) {
			return fmt.Errorf("the database was written up to %v from another data directory with the log of %s, which does not keep apart what is before that and after: one of the two is a copy of the other; start Lull with that directory, or, %s",
				lane.Mark, db.opts.DataDir, remedy)
		}
		return fmt.Errorf("the database has everything up to position %d, but the log is kept from %d on: the database is older than log.retain reaches back; %s", mark, oldest, remedy)
	}
	return nil
}

// lostError says that the database lacks what only it had.
func lostError(gap change.Gap) error {
	return fmt.Errorf("log: what was written from position %d to %d is needed, and was lost when the log's disk failed", gap.From, gap.To)
}

// overtaken reports whether the database was written further than a process with this data
// directory can have been when it last had the lane.
func (db *DB) overtaken(lane *sink.LaneState) bool {
	later, ok := db.starts.after(lane.LogID)
	position := max(lane.Mark.Position, lane.Mark.Next)
	return ok && position > later.left && (!lane.Sealed || position >= later.next)
}

// lastSettled finds in the log how far the database was when it was last heard of.
func (db *DB) lastSettled() (base, error) {
	b, err := db.lastHeard()
	if err != nil {
		return b, err
	}
	if ok, err := db.reaches(b.mark); err != nil || !ok {
		return b, errors.Join(err, fmt.Errorf("the database had everything up to position %d when it was last heard of, but the log is kept from %d on; start with the database reachable", b.mark.Position, db.log.Oldest()))
	}
	return b, nil
}

// lastHeard is what the newest record in the log says of the database.
func (db *DB) lastHeard() (base, error) {
	b := base{mark: sink.Mark{Position: uint64(db.log.Oldest())}}
	err := db.log.Replay(db.log.Oldest(), nil, func(_ wal.Position, rec []byte) error {
		typ, err := change.TypeOf(rec)
		switch {
		case err != nil:
			return err
		case typ == change.SettledRecord:
			s, err := change.DecodeSettled(rec)
			b = base{mark: sink.Mark{Position: s.Position, Next: s.Next, Part: s.Part}, bounds: s.Bounds, gap: b.gap}
			b.away = s.Away && s.Start == db.starts.last() // else one has tried since, whose records the power took
			return err
		case typ == change.GapRecord:
			g, err := change.DecodeGap(rec)
			b = base{mark: sink.Mark{Position: g.To}, gap: g}
			return err
		}
		return nil
	})
	if errors.Is(err, wal.ErrTrimmed) { // just now
		return db.lastHeard()
	}
	if err != nil {
		return b, fmt.Errorf("log: %w", err)
	}
	return b, nil
}
