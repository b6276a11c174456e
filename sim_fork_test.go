package lull

import (
	"errors"
	"slices"
	"strings"

	"github.com/lullcache/lull/sink"
)

// simFork is a process that runs on while another has taken over with a copy of its data
// directory: it was stopped, or cut off, and somebody believed it dead. The copy is the one
// that counts: the units are those that it has.
type simFork struct {
	life *simLife
	over bool   // that process has ended
	at   uint64 // the position up to which both have the same
	// known: the copy knows that the process tried to take the lane.
	known bool
	// taken: the copy has taken the lane; nothing of the process may get into SQL any more.
	taken bool
	// ahead: SQL has what the process wrote behind that position, or its lane has a name
	// that the copy does not know, and the copy may not go on.
	ahead bool
}

// forks begins a fork, or lets the other process go on, stop, or end.
func (s *simulation) forks() {
	l := s.life
	switch f := s.fork; {
	case f != nil && !f.over && s.w.one(4):
		s.unfork()
	case f != nil && !f.over:
		f.life.stopped = !f.life.stopped
	case f != nil && !f.ahead && (s.sql.open == nil || s.sql.open.owner != f.life.sink):
		s.fork = nil
	case f == nil && l != nil && l.opened && l.db.log.Err() == nil && len(s.tail) == 0 && s.before == nil && !s.sql.lane.Sealed:
		s.begin(l)
	}
}

func (s *simulation) begin(l *simLife) {
	s.counts.forks++
	s.catchUp(l.db, uint64(l.db.log.End()))
	starts, _ := l.db.readFile(l.db.startsPath())
	s.fork = &simFork{life: l, at: s.seen, known: strings.Contains(string(starts), l.db.starts.own)}
	s.pending, s.promised, s.onDisk = nil, s.seen, s.seen
	s.w.note("fork", s.seen)
	s.disk = s.disk.Copy(s.w.random.Uint64())
	l.fork, l.stopped, s.life = true, true, nil
}

// unfork ends the other process.
func (s *simulation) unfork() {
	if f := s.fork; f != nil && !f.over {
		s.w.note("the fork ends")
		f.over, f.life.dead = true, true
		f.life.fs.Kill(0)
		f.life.bury()
	}
}

// wrote takes in that the process has committed a batch, and reports whether that is
// nothing that the copy has too.
func (f *simFork) wrote(b *sink.Batch) bool {
	if f.taken {
		panic(simFault("doubled: a process that was taken over from has written"))
	}
	beyond := max(b.To.Position, b.To.Next) > f.at
	f.ahead = f.ahead || beyond
	return beyond
}

// claimed takes in that a process has taken the lane, which was as before, and reports
// whether it is the one that was taken over from.
func (f *simFork) claimed(s *simulation, l *simLife, before sink.LaneState) bool {
	own := slices.IndexFunc(s.units, func(u simUnit) bool { return u.position > f.at })
	switch {
	case l != f.life && f.ahead && before.Sealed && (own < 0 || before.Mark.Position < s.units[own].position):
		s.stopped = errors.New("what a process wrote beside its copy when its log had failed: see docs/durability.md")
		return false
	case l != f.life && f.ahead:
		panic(simFault("lost: a copy has taken the lane, and does not have what SQL has"))
	case l != f.life:
		f.taken = true
		return false
	case f.taken:
		panic(simFault("invented: a process that was taken over from has taken the lane"))
	}
	f.ahead = f.ahead || !f.known
	return true
}

// copied reports whether an error says rightly that the copy may not go on.
func (s *simulation) copied(err error) bool {
	if s.fork == nil || !s.fork.ahead {
		return false
	}
	for _, why := range []string{"one of the two is a copy of the other", "the end of the log was lost", "was the directory moved?"} {
		if strings.Contains(err.Error(), why) {
			s.counts.copies++
			return true
		}
	}
	return false
}
