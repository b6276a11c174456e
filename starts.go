package lull

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
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

// The original may run on although its copy has been started: it was stopped, or cut off,
// and believed dead. Then it has the lane, under a name that the copy knows. A start that
// begins without the lane therefore notes how far the log went: what the log gets from then
// on is of starts that did not have the lane, so a lane that is further belongs to another.
// Where the log had failed it may have lost its end, and SQL may be further, but never as
// far as the first position that this start gives out.

// startsFile has the id of the log, then those of the starts, oldest first, a line each,
// with where a later one found the log's end, if that began without the lane, and where its
// own positions begin: id:position:position.
const startsFile = "starts"

// startsMax is how many starts are known. Those before are of use only for a database
// that goes back to one of them.
const startsMax = 1000

// starts are those of this data directory that have tried to take the lane.
type starts struct {
	log   string  // the id of the log
	known []start // this one too, once it has tried
	own   string
	ready bool // the file stands beside its place
	noted bool // it is in its place
}

// start is one of them.
type start struct {
	id string
	// over: a later one began without the lane, found the log's end at left, and gave out
	// positions above next.
	over       bool
	left, next uint64
}

func (s start) String() string {
	if !s.over {
		return s.id
	}
	return fmt.Sprintf("%s:%d:%d", s.id, s.left, s.next)
}

func parseStart(text string) (s start, err error) {
	var left string
	if s.id, left, s.over = strings.Cut(text, ":"); s.over {
		_, err = fmt.Sscanf(left, "%d:%d", &s.left, &s.next)
	}
	return s, err
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
	lines := strings.Fields(string(data))
	if len(lines) == 0 || lines[0] != s.log {
		return nil
	}
	for _, line := range lines[1:] {
		one, err := parseStart(line)
		if err != nil {
			return fmt.Errorf("%s: line %q: wanted the id of a start, or one with two positions: %w", startsFile, line, err)
		}
		s.known = append(s.known, one)
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
	err := db.writeBeside(db.startsPath(), s.text(start{id: s.own}))
	s.ready = err == nil
	return err
}

// text is the file, with more starts behind those that are known.
func (s *starts) text(more ...start) []byte {
	known := append(slices.Clone(s.known), more...)
	text := s.log + "\n"
	for _, one := range known[max(0, len(known)-startsMax):] {
		text += one.String() + "\n"
	}
	return []byte(text)
}

// noteLeft has the disk know where a start that begins without the lane finds the log's
// end.
func (db *DB) noteLeft() error {
	s := &db.starts
	last := len(s.known) - 1
	if s.noted {
		last-- // this one may have the lane yet
	}
	if last < 0 {
		return nil
	}
	if one := &s.known[last]; !one.over { // else another has, who may have died before the disk knew it
		one.over, one.left, one.next = true, db.logFrom, uint64(db.log.Next())
	}
	err := db.writeBeside(db.startsPath(), s.text())
	if err == nil {
		err = db.replace(db.startsPath())
	}
	return err
}

// after is what the first start without the lane has noted that came after the one which took
// a lane with this log.
func (s *starts) after(laneLog string) (one start, ok bool) {
	_, id, _ := strings.Cut(laneLog, ".")
	i := slices.IndexFunc(s.known, func(one start) bool { return one.id == id })
	for ; i >= 0 && i < len(s.known); i++ {
		if s.known[i].over {
			return s.known[i], true
		}
	}
	return start{}, false
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
		if late {
			_ = db.noteEnds() // a copy that knows of this start knows where it may bring SQL
		}
		err = db.replace(db.startsPath())
	}
	if err != nil && late {
		return &sink.Error{Class: sink.Retry, Err: fmt.Errorf("%s: %w", startsFile, err)}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", startsFile, err)
	}
	s.known, s.noted = append(s.known, start{id: s.own}), true
	return nil
}

// last is the id of the newest start that has tried to take the lane, 0 if none has.
func (s *starts) last() uint64 {
	if len(s.known) == 0 {
		return 0
	}
	id, _ := strconv.ParseUint(s.known[len(s.known)-1].id, 16, 64)
	return id
}

// laneName is the log id of a lane that this start takes.
func (s *starts) laneName() string { return s.log + "." + s.own }

// has reports whether a lane was taken with this log, and whether by a start that this
// data directory knows of.
func (s *starts) has(laneLog string) (sameLog, known bool) {
	log, id, _ := strings.Cut(laneLog, ".")
	sameLog = log == s.log
	return sameLog, sameLog && (id == "" || slices.ContainsFunc(s.known, func(one start) bool { return one.id == id }))
}

// ours reports whether the lane was last taken from this data directory.
func (db *DB) ours(laneLog string) bool {
	_, known := db.starts.has(laneLog)
	return known
}
