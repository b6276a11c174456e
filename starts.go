package lull

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lullcache/lull/sink"
)

// A data directory may be copied, and both then have a log of the same id that gives out
// the same positions for other units. So each start has an id too: the lane's log_id is
// that of the log and, after a point, that of the start which has taken it. A start takes
// the lane only from one that its own data directory knows of. Lanes that an earlier
// version took have no start, and belong to all who have the log.
//
// The directory knows of those that tried: the id is on disk before the claim is sent. That
// cannot be in the log: with the database away it may be full until the lane is taken.
// The file is made ready at the start, and taking the lane needs no more than its name.

// startsFile has the id of the log, then those of the starts, oldest first, a line each.
const startsFile = "starts"

// startsMax is how many starts are known. Those before are of use only for a database
// that goes back to one of them.
const startsMax = 1000

// starts are those of this data directory that have tried to take the lane.
type starts struct {
	log   string   // the id of the log
	known []string // this one too, once it has tried
	own   string
	ready bool // the file stands beside its place
	noted bool // it is in its place
}

// readStarts learns what starts there were. Those of another log are of no matter.
func (db *DB) readStarts() error {
	s := &db.starts
	s.log, s.own = db.log.ID(), fmt.Sprintf("%016x", db.opts.world.Random())
	data, err := db.readFile(db.startsPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", startsFile, err)
	}
	if lines := strings.Fields(string(data)); len(lines) > 0 && lines[0] == s.log {
		s.known = lines[1:]
	}
	return nil
}

func (db *DB) startsPath() string { return filepath.Join(db.opts.DataDir, startsFile) }

// readyStart writes the file with this start in it, beside its place.
func (db *DB) readyStart() error {
	s := &db.starts
	if s.ready || s.noted {
		return nil
	}
	known := append(slices.Clone(s.known), s.own)
	known = known[max(0, len(known)-startsMax):]
	text := strings.Join(append([]string{s.log}, known...), "\n") + "\n"
	err := db.writeBeside(db.startsPath(), []byte(text))
	s.ready = err == nil
	return err
}

// noteStart has the disk know that this start tries to take the lane. A late one tries
// until the disk does.
func (db *DB) noteStart(late bool) error {
	s := &db.starts
	if s.noted {
		return nil
	}
	err := db.readyStart()
	if err == nil {
		s.ready = false
		err = db.replace(db.startsPath())
	}
	if err != nil && late {
		return &sink.Error{Class: sink.Retry, Err: fmt.Errorf("%s: %w", startsFile, err)}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", startsFile, err)
	}
	s.known, s.noted = append(s.known, s.own), true
	return nil
}

// laneName is the log id of a lane that this start takes.
func (s *starts) laneName() string { return s.log + "." + s.own }

// has reports whether a lane was taken with this log, and whether by a start that this
// data directory knows of.
func (s *starts) has(laneLog string) (sameLog, known bool) {
	log, start, _ := strings.Cut(laneLog, ".")
	sameLog = log == s.log
	return sameLog, sameLog && (start == "" || slices.Contains(s.known, start))
}

// ours reports whether the lane was last taken from this data directory.
func (db *DB) ours(laneLog string) bool {
	_, known := db.starts.has(laneLog)
	return known
}
