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
	return nil
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

// claim takes the lane for the log, after making sure that the two belong together.
func (db *DB) claim(ctx context.Context, live *schema) (base, error) {
	c := sink.Claim{ID: db.laneID(), Start: true, ClearSealed: true}
	if db.log == nil {
		c.LogID, c.Reset = db.newLogID(), true
	} else {
		if !live.reachable {
			mark, err := db.lastSettled()
			return base{mark: mark}, err
		}
		if beyond := db.sealedBeyond(live); beyond && live.late {
			// SQL has what the log held at the start, and the tail that it has lost; not
			// what was written since, whose positions may be those of the tail.
			c.Reset, c.Mark = true, sink.Mark{Position: db.logFrom}
		} else if beyond {
			if err := db.replaceSealedLog(); err != nil {
				return base{}, err
			}
			c.Reset = true
		} else if err := db.fits(live); err != nil {
			return base{}, misfit{err}
		}
		if (db.logFrom == 0 || live.lane.Sealed) && !live.late {
			// A new log's id lasts from here on: else the lane could be left to a log that
			// never was, if the process dies before the log is begun. A failed log's end is on
			// disk from here on: else a power cut could take it, and nothing would say any more
			// that SQL is rightly ahead.
			if err := db.startLog(); err != nil {
				return base{}, err
			}
		}
		c.LogID = db.log.ID()
		c.Reset = c.Reset || live.found && live.lane.LogID != c.LogID
	}
	if !live.reachable {
		return base{}, nil
	}
	if !c.Reset && live.found {
		c.Mark = live.lane.Mark
	}
	lane, err := db.sink.Claim(ctx, c)
	if err != nil && away(err) && db.log != nil && !live.late {
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

// claimLater begins without the lane: the database answers, but takes no writes for
// now. Another process may hold its lock, or it is a standby.
func (db *DB) claimLater(cause error) (base, error) {
	db.opts.OnEvent(Event{Kind: EventDatabaseAway, Text: "starting without the lane, which is taken later", Err: cause})
	mark, err := db.lastSettled()
	return base{mark: mark}, err
}

// misfit says that the log and the database do not belong together, which no waiting
// changes.
type misfit struct{ error }

func (m misfit) Unwrap() error { return m.error }

// sealedBeyond reports whether SQL is ahead of the log because the log had failed.
func (db *DB) sealedBeyond(live *schema) bool {
	l := &live.lane
	return live.found && l.Sealed && l.LogID == db.log.ID() && l.Mark.Position > db.logFrom && l.Mark.Next == 0
}

// replaceSealedLog opens a new log in place of one that failed while SQL went on:
// the database has all that was in it, and more.
func (db *DB) replaceSealedLog() error {
	if err := db.log.Close(); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if err := db.setLogAside(); err != nil {
		return err
	}
	return db.openLog()
}

// fits reports why the log and the lane in the database do not belong together.
func (db *DB) fits(live *schema) error {
	end, oldest := db.logFrom, uint64(db.log.Oldest())
	mark := live.lane.Mark.Position
	const remedy = "to go on with a new log and give up what only the old one holds: lull serve --new-log"
	switch {
	case !live.found && oldest > 0:
		// The first claim may come after checkpoints of all that was ever written.
		if ok, err := db.reaches(0); ok || err != nil {
			return err
		}
		return fmt.Errorf("the database knows no lane of %q, and the log begins at position %d: what it had before is not kept; %s", db.opts.Name, oldest, remedy)
	case !live.found, mark == 0 && end == 0, db.opts.NewLog && end == 0:
		return nil
	case end == 0:
		return fmt.Errorf("the data directory %s has no log, but the database was written from log %s up to position %d: was the directory moved? %s",
			db.opts.DataDir, live.lane.LogID, mark, remedy)
	case live.lane.LogID != db.log.ID():
		return fmt.Errorf("the data directory %s holds log %s, but the database was written from log %s: another Lull uses the name %q, or one of the two is an old copy; %s",
			db.opts.DataDir, db.log.ID(), live.lane.LogID, db.opts.Name, remedy)
	case live.lane.Mark.Next > end:
		return fmt.Errorf("the database has a part of the changes up to position %d, but the log ends at %d: the end of the log was lost; %s", live.lane.Mark.Next, end, remedy)
	case mark > end:
		return fmt.Errorf("the database has everything up to position %d, but the log ends at %d: the end of the log was lost; %s", mark, end, remedy)
	case mark < oldest:
		if ok, err := db.reaches(mark); ok || err != nil {
			return err
		}
		return fmt.Errorf("the database has everything up to position %d, but the log is kept from %d on: the database is older than log.retain reaches back; %s", mark, oldest, remedy)
	}
	return nil
}

// lastSettled finds in the log how far the database was when it was last heard of.
func (db *DB) lastSettled() (sink.Mark, error) {
	mark := sink.Mark{Position: uint64(db.log.Oldest())}
	err := db.log.Replay(db.log.Oldest(), nil, func(_ wal.Position, rec []byte) error {
		typ, err := change.TypeOf(rec)
		switch {
		case err != nil:
			return err
		case typ == change.SettledRecord:
			s, err := change.DecodeSettled(rec)
			mark = sink.Mark{Position: s.Position, Next: s.Next, Part: s.Part}
			return err
		}
		return nil
	})
	if err != nil {
		return mark, fmt.Errorf("log: %w", err)
	}
	if ok, err := db.reaches(mark.Position); err != nil || !ok {
		return mark, errors.Join(err, fmt.Errorf("the database had everything up to position %d when it was last heard of, but the log is kept from %d on; start with the database reachable", mark.Position, db.log.Oldest()))
	}
	return mark, nil
}
