package lull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/fsys"
	"github.com/lullcache/lull/internal/fsys/faultfs"
	"github.com/lullcache/lull/internal/wal"
	"github.com/lullcache/lull/internal/world"
	"github.com/lullcache/lull/sink"
)

// simulation is one seed's run: a machine with a disk, a database, one process after the
// other on the machine, and what has to be true.
type simulation struct {
	w       *simWorld
	disk    *faultfs.FS
	sql     *simDB
	life    *simLife // nil between two
	dying   *simLife // killed in the middle of something
	fork    *simFork // begun last, see there
	lives   int
	o       Options
	backups []*simBackup
	quiet   bool // towards the end nothing goes wrong any more

	// units is what was written and not lost, in order. The first base of them were
	// there when the log began that is written now, or count as if.
	units    []simUnit
	model    simModel // after all units
	pending  *simUnit // its record may be in the log, or not: the process died at it, or the log failed
	seen     uint64   // up to where the log was read
	promised uint64   // units up to this position may not be lost, those up to onDisk not even with the power
	onDisk   uint64
	sent     int      // bodies of events
	rows     *simRows // after the first at units
	// tail is units that the log has lost, until it is known whether SQL has them; they
	// stood behind the first so many.
	tail   []simUnit
	owed   uint64 // what was promised of those
	behind int
	// before is the lane as the first claim of this life, or of those that died at it, found it.
	before   *sink.LaneState
	logID    string
	at       int
	restored bool  // the database went back, ever
	stopped  error // why nothing more can come of this run, and rightly so
	counts   simCounts
}

// simCounts is what runs did, for the table, and to see that they do it.
type simCounts struct {
	units, own, reads, starts, kills, cuts, commits, parts, letters, seals, rewinds, checkpoints, gaps, waits, forks, copies int
}

type simCount struct {
	n    *int
	what string
}

func (c *simCounts) list() []simCount {
	return []simCount{
		{&c.units, "units"}, {&c.own, "of the engine's own"}, {&c.reads, "reads"}, {&c.starts, "starts"}, {&c.kills, "kills"}, {&c.cuts, "power cuts"},
		{&c.commits, "commits"}, {&c.parts, "parts"}, {&c.letters, "letters"}, {&c.seals, "lanes sealed"}, {&c.rewinds, "rewinds"},
		{&c.checkpoints, "checkpoints"}, {&c.gaps, "ends of logs lost"}, {&c.waits, "answers awaited"},
		{&c.forks, "forks"}, {&c.copies, "copies refused"},
	}
}

func (c *simCounts) add(other *simCounts) {
	theirs := other.list()
	for i, mine := range c.list() {
		*mine.n += *theirs[i].n
	}
}

// simLife is one process.
type simLife struct {
	*simProc
	sim    *simulation
	fs     *faultfs.FS
	sink   *simSink
	first  *simTask
	ctx    context.Context // of the clients
	leave  context.CancelFunc
	db     *DB
	opened bool
	calm   bool  // it began when nothing went wrong any more
	fork   bool  // another has a copy of its data directory, and is the one that counts
	over   error // it has ended by itself
}

func newSimulation(seed uint64, trace io.Writer) *simulation {
	w := newSimWorld(seed)
	w.trace = trace
	s := &simulation{w: w, disk: faultfs.New(seed), sql: newSimDB(w), model: simModel{}}
	s.disk.Maps = w.one(2)
	w.slow = w.one(3)
	s.sql.committed = s.onCommit
	s.o = s.options()
	return s
}

func (s *simulation) options() Options {
	r := s.w.random
	const segment = 4 << 10
	o := Options{
		Tables: simSpecs, Unmapped: UnmappedGeneric, AllowFlushAll: true,
		Flush: FlushOptions{MaxTransactionRows: 1 + r.IntN(12), MaxRows: 1 + r.IntN(60)},
		Log: LogOptions{
			SegmentBytes: segment, MaxBytes: int64(6+r.IntN(30)) * segment,
			RetainBytes: int64(r.IntN(8)) * segment, RetainAge: time.Hour,
		},
		LoadTimeout: world.Never, ShutdownTimeout: 10 * time.Hour, WriteTimeout: time.Minute,
	}
	if s.w.one(3) {
		o.Flush.MaxTransactionRows = 1000
	}
	if s.w.one(4) {
		o.MaxMemory = 4000
	}
	return o
}

// expect brings rows to what SQL has to hold at a position.
func (s *simulation) expect(position uint64) *simRows {
	n := len(s.units)
	for n > 0 && s.units[n-1].position > position {
		n--
	}
	if n < s.at {
		s.rows, s.at = newSimRows(s.rows.def), 0
	}
	for ; s.at < n; s.at++ {
		for i := range s.units[s.at].changes {
			s.rows.apply(&s.units[s.at].changes[i])
		}
	}
	return s.rows
}

// onCommit holds each committed state against the history: it has to be the one that
// the mark says.
func (s *simulation) onCommit(by *simSink, b *sink.Batch) {
	if f := s.fork; f != nil && by.life == f.life && f.wrote(b) {
		return
	}
	if b.To.Next != 0 {
		s.counts.parts++
		return
	}
	s.checkSQL()
}

func (s *simulation) checkSQL() {
	m := s.sql.lane.Mark
	if m.Next != 0 || s.rows == nil {
		return
	}
	rows := s.expect(m.Position)
	if n := s.tailTo(m.Position); n > 0 {
		rows = s.expectTail(n)
	}
	if why := rows.differs(s.sql, s.inLetters()); why != "" {
		s.fault("torn: at position %d (unit %d of %d) %s", m.Position, s.at, len(s.units), why)
	}
}

// tailTo is how many units of the tail stand up to a position. While it is not known
// whether SQL has them, a transaction of the process that wrote them may still commit.
func (s *simulation) tailTo(position uint64) (n int) {
	for n < len(s.tail) && s.tail[n].position <= position {
		n++
	}
	return n
}

// expectTail is what SQL has to hold after the first n of the tail.
func (s *simulation) expectTail(n int) *simRows {
	rows := newSimRows(s.rows.def)
	for _, u := range slices.Concat(s.units[:s.behind], s.tail[:n]) {
		for i := range u.changes {
			rows.apply(&u.changes[i])
		}
	}
	return rows
}

// simAll stands for all keys of a table.
const simAll = "*"

// inLetters is the keys that letters speak of.
func (s *simulation) inLetters() map[simRowKey]bool {
	if len(s.sql.letters) == 0 {
		return nil
	}
	keys := make(map[simRowKey]bool)
	def := s.rows.def
	for _, l := range s.sql.letters {
		for i := range def {
			if def[i].Name != l.Table {
				continue
			}
			vals, at := l.Key, simRowKey{table: uint16(i)}
			if l.Op == sink.LetterTruncate {
				keys[simRowKey{table: uint16(i), key: simAll}] = true
				continue
			}
			if def[i].PerDB {
				n, _ := vals[1].Int()
				at.db, vals = uint8(n), vals[2:]
			}
			parts := make([]string, len(def[i].KeyColumns))
			for p := range parts {
				parts[p] = vals[p].String()
			}
			at.key = string(change.AppendTuple(nil, parts...))
			keys[at] = true
		}
	}
	return keys
}

func (s *simulation) fault(format string, args ...any) {
	panic(simFault(fmt.Sprintf(format, args...)))
}

// start begins a process on the machine.
func (s *simulation) start() {
	s.lives++
	s.counts.starts++
	p := &simProc{w: s.w, name: strconv.Itoa(s.lives)}
	l := &simLife{simProc: p, sim: s, fs: s.disk, calm: s.quiet}
	l.sink = &simSink{simDB: s.sql, p: p, life: l, claimed: func(before sink.LaneState, told bool) { s.onClaim(l, before, told) }}
	s.life = l
	s.w.note("start", uint64(s.lives))
	l.ctx, l.leave = context.WithCancel(context.Background())
	l.first = p.begin("main", l.main)
}

func (l *simLife) main() {
	o := l.sim.o
	o.Sink, o.fs, o.world = l.sink, &simFS{l.fs, l}, l.simProc
	o.OnEvent = l.onEvent
	db, err := Open(context.Background(), o)
	if l.dead && err == nil {
		l.db = db
		return
	}
	if err != nil {
		l.end(err)
		return
	}
	l.db = db
	l.sim.onOpen(l)
	l.opened = true
	for i := range 3 {
		l.begin("client"+strconv.Itoa(i), func() { l.client(db.NewSession()) })
	}
}

func (l *simLife) onEvent(e Event) {
	l.w.note("event: " + string(e.Kind))
	switch e.Kind {
	case EventKind(flush.Rewound):
		l.sim.counts.rewinds++
	case EventCheckpoint:
		l.sim.counts.checkpoints++
	}
}

// end notes that the process has ended by itself.
func (l *simLife) end(err error) {
	l.w.note("ended")
	if l.w.trace != nil {
		fmt.Fprintln(l.w.trace, "      ", err)
	}
	l.over = err
}

// onClaim is called when a process has taken the lane; before is the lane as it was. A
// start without the database learns only now which units SQL has that a failed log has
// lost, if it is told that it has the lane.
func (s *simulation) onClaim(l *simLife, before sink.LaneState, told bool) {
	if f := s.fork; f != nil && (f.claimed(s, l, before) || s.stopped != nil) {
		return
	}
	if s.before == nil {
		s.before = &before
	}
	if l.opened && told {
		s.findTail(l)
	}
}

// findTail puts in the units that only SQL has kept, behind those of the log at the
// start, and gives up the others.
func (s *simulation) findTail(l *simLife) {
	b := s.before
	if n := s.tailTo(b.Mark.Position); n > 0 && b.Sealed && strings.HasPrefix(b.LogID, s.logID) && b.Mark.Next == 0 {
		s.counts.gaps++
		if len(s.units) > s.behind {
			s.stopped = errors.New("written while SQL was ahead of a log that failed: see docs/durability.md")
			return
		}
		for i := range s.tail[:n] {
			s.tail[i].sqlOnly = true // if the log fails before it can say so
		}
		s.units = slices.Insert(s.units, s.behind, s.tail[:n]...)
		s.remember()
	}
	s.tail, s.before = nil, nil
}

// lost fails if a unit that was promised is gone. Those that SQL alone has are not, as long as nobody has asked it.
func (s *simulation) lost(units []simUnit) {
	for _, u := range units {
		if u.position <= s.owed && !u.sqlOnly {
			s.fault("lost: the unit at position %d; all up to %d were promised", u.position, s.owed)
		}
	}
}

// remember makes the model of all units again.
func (s *simulation) remember() {
	s.model = simModel{}
	for _, u := range s.units {
		for _, o := range u.ops {
			s.model.apply(o, u.now)
		}
	}
	if s.rows != nil {
		s.rows, s.at = newSimRows(s.rows.def), 0
	}
}

// onOpen compares what the log and SQL kept with what they promised.
func (s *simulation) onOpen(l *simLife) {
	db := l.db
	end := db.logFrom
	if s.rows == nil {
		s.rows = newSimRows(db.dictionary)
	}
	s.w.note("open", end, s.sql.lane.Mark.Position)
	s.owed, s.promised, s.onDisk = s.promised, 0, 0
	if s.logID == "" {
		s.logID, s.backups, s.pending, s.before, s.seen = db.log.ID(), nil, nil, nil, end
		return
	}
	if id := db.log.ID(); id != s.logID {
		s.fault("lost: log %s, and there is another, %s", s.logID, id)
	}
	s.catchUp(db, end)
	s.pending, s.seen = nil, end
	n, kept := len(s.units), s.kept(db)
	for n > 0 && s.units[n-1].position > kept {
		n--
	}
	s.lost(s.units[n:])
	if len(s.tail) == 0 { // else a life before could not tell either
		s.tail, s.behind = slices.Clone(s.units[n:]), n
	}
	s.units = slices.Clip(s.units[:n])
	s.remember()
	if s.before != nil {
		s.findTail(l)
	}
}

// kept is up to where the log has units, or knows that SQL has them: its end may be beyond
// some that it has lost, when a start died after it had written something of its own.
func (s *simulation) kept(db *DB) uint64 {
	last := uint64(db.log.Oldest())
	err := db.log.Replay(db.log.Oldest(), nil, func(pos wal.Position, rec []byte) error {
		typ, err := change.TypeOf(rec)
		switch {
		case typ == change.Unit && uint64(pos) <= db.logFrom:
			last = uint64(pos)
		case typ == change.GapRecord:
			var gap change.Gap
			gap, err = change.DecodeGap(rec)
			last = max(last, gap.To)
		}
		return err
	})
	if err != nil {
		s.fault("replay: %v", err)
	}
	return last
}

// simFS is the machine's disk for one process: anything may happen before each of its
// operations, and it may fail.
type simFS struct {
	*faultfs.FS
	l *simLife
}

func (f *simFS) before(what string, mayFail bool) {
	f.l.point()
	s := f.l.sim
	if mayFail && !s.quiet && s.w.one(400) {
		err := error(syscall.EIO)
		if s.w.one(2) {
			err = syscall.ENOSPC
		}
		s.w.note("disk: "+what+" fails", 0)
		f.FS.FailAt(f.FS.Ops()+1, err)
	}
}

func (f *simFS) Create(name string) (fsys.File, error) {
	f.before("create", true)
	return f.file(f.FS.Create(name))
}

func (f *simFS) Open(name string) (fsys.File, error) { return f.file(f.FS.Open(name)) }

func (f *simFS) file(file fsys.File, err error) (fsys.File, error) {
	if err != nil {
		return nil, err
	}
	return &simFile{file, f}, nil
}

func (f *simFS) Remove(name string) error {
	f.before("remove", true)
	return f.FS.Remove(name)
}

func (f *simFS) Rename(from, to string) error {
	f.before("rename", true)
	return f.FS.Rename(from, to)
}

func (f *simFS) SyncDir(dir string) error {
	f.before("syncdir", true)
	return f.FS.SyncDir(dir)
}

type simFile struct {
	fsys.File
	fs *simFS
}

func (f *simFile) Sync() error {
	f.fs.before("sync", true)
	return f.File.Sync()
}

func (f *simFile) Allocate(size int64) error {
	f.fs.before("allocate", true)
	return f.File.Allocate(size)
}

// WriteAt may be called with locks held, so nothing else happens meanwhile; but the
// process may be killed in front of it or behind it.
func (f *simFile) WriteAt(p []byte, off int64) (int, error) {
	l := f.fs.l
	if s := l.sim; !s.quiet && l.opened && !l.dead && !l.fork && s.w.one(1000) {
		if s.w.one(2) {
			_, _ = f.File.WriteAt(p, off)
		}
		s.crash(s.w.one(2))
	}
	return f.File.WriteAt(p, off)
}

// crash ends the process: by kill -9, or with the machine's power.
func (s *simulation) crash(power bool) {
	l := s.life
	s.life = nil
	if l.opened {
		s.onDisk = max(s.onDisk, uint64(l.db.log.Synced()))
		s.promised = max(s.promised, uint64(l.db.log.End()))
	}
	if power {
		s.promised = s.onDisk
		s.counts.cuts++
		s.w.note("power cut")
		s.disk = s.disk.PowerCut(s.w.random.Uint64())
	} else {
		s.counts.kills++
		s.w.note("kill")
		s.disk = s.disk.Kill(s.w.random.Uint64())
	}
	s.dying, l.dead = l, true
	if s.w.current == nil {
		s.bury()
	}
}

// bury ends what is left of a process that was killed.
func (s *simulation) bury() {
	l := s.dying
	s.dying = nil
	l.bury()
}

func (l *simLife) bury() {
	l.leave()
	l.finish(l.first)
	if l.db != nil {
		l.db.closed.Store(true)
		l.db.stop()
		_ = l.db.log.Close()
	}
	l.simProc.bury()
}

// meddle is what goes wrong from outside.
func (s *simulation) meddle() {
	r, l := s.w.random, s.life
	switch r.IntN(26) {
	case 24, 25:
		s.forks()
	case 0:
		if l != nil {
			s.crash(false)
		}
	case 1:
		if l != nil && s.w.one(2) {
			s.crash(true)
		}
	case 2, 3:
		s.sql.trouble = []int{0, 0, 5, 20, 60}[r.IntN(5)]
		s.w.note("db: trouble", uint64(s.sql.trouble))
	case 4:
		s.sql.away = s.w.one(2)
		s.w.note("db: away or back")
	case 5:
		if s.sql.found && s.fork == nil && !s.sql.lane.Sealed && s.before == nil && s.rows != nil && l != nil && l.opened {
			s.backups = append(s.backups, s.sql.backup())
			s.w.note("db: backup", s.sql.lane.Mark.Position)
		}
	case 6:
		if n := len(s.backups); n > 0 && s.before == nil && s.fork == nil && s.w.one(2) {
			i := r.IntN(n)
			s.restore(s.backups[i])
			s.backups = s.backups[:i+1] // the later ones are of a past that is none any more
		}
	case 7:
		s.sql.refuses = s.w.one(2)
	case 8:
		s.sql.gone = map[string]bool{}
		if s.w.one(3) {
			s.sql.gone[simUserTables[r.IntN(len(simUserTables))].Name] = true
		}
		s.w.note("db: tables gone", uint64(len(s.sql.gone)))
	case 9, 10:
		if l != nil && l.opened {
			s.w.note("evict all")
			EvictAll(l.db)
		}
	case 11:
		s.disk.SetCapacity(int64(r.IntN(3)*r.IntN(60)) << 12)
		s.w.note("disk: capacity")
	case 12, 13, 14:
		if s.sql.open != nil && (l == nil || s.sql.open.owner != l.sink || l.sink.unclear) {
			s.sql.end()
		}
	default:
		s.w.pass()
	}
}

// restore has the database go back to a backup.
func (s *simulation) restore(b *simBackup) {
	if b.lane.Mark == s.sql.lane.Mark && b.lane.Epoch == s.sql.lane.Epoch && !maps.EqualFunc(b.letters, s.sql.letters, sameLetter) {
		return // nobody could tell; see docs/durability.md
	}
	s.w.note("db: went back", s.sql.lane.Mark.Position, b.lane.Mark.Position)
	s.sql.restore(b)
	s.restored = true
}

func sameLetter(a, b sink.Letter) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// step lets one thing happen.
func (s *simulation) step() {
	if l := s.life; l != nil && l.over != nil {
		s.checkEnd(l)
		s.crash(false)
	}
	if s.dying != nil {
		s.bury()
	}
	if s.life == nil && (s.lives == 0 || s.quiet || s.w.one(20)) {
		s.start()
	}
	if !s.quiet && s.w.one(60) {
		s.meddle()
		return
	}
	if !s.w.run() || s.w.one(50) {
		s.w.pass()
	}
	if l := s.life; l != nil && l.opened {
		s.onDisk = max(s.onDisk, uint64(l.db.log.Synced()))
		s.catchUp(l.db, uint64(l.db.log.End()))
	}
}

// checkEnd fails if a process ended for no reason.
func (s *simulation) checkEnd(l *simLife) {
	var damage *wal.DamageError
	if errors.As(l.over, &damage) {
		s.fault("a log that nobody damaged: %v", l.over)
	}
	if l.calm && !s.tooOld(l.over) {
		s.fault("cannot start: %v", l.over)
	}
}

// tooOld reports whether the database went back further than the log reaches: then there
// is nothing more to be done.
func (s *simulation) tooOld(err error) bool {
	if err == nil {
		return false
	}
	if s.copied(err) {
		s.stopped = err
	}
	for _, why := range []string{"is kept from", "reaches back", "lost when the log's disk failed"} {
		if s.restored && strings.Contains(err.Error(), why) {
			s.stopped = err
		}
	}
	return s.stopped != nil
}

// run is the whole of a seed.
func (s *simulation) run(steps int) {
	for s.w.steps < steps && s.stopped == nil {
		s.step()
	}
	s.mend()
	if s.stopped != nil {
		s.w.note("stopped")
		return
	}
	s.settle()
}

// mend ends all trouble.
func (s *simulation) mend() {
	s.quiet = true
	s.unfork()
	s.sql.trouble, s.sql.away, s.sql.refuses = 0, false, false
	s.sql.gone = map[string]bool{}
	s.disk.SetCapacity(0)
	if s.life != nil && (s.life.sink.behind() || s.sql.lane.Epoch < s.life.sink.epoch) {
		s.crash(false) // a flush would notice that the database went back; there may be none, or only after the letters were tried
	}
	if s.sql.open != nil && (s.life == nil || s.sql.open.owner != s.life.sink || s.life.sink.unclear) {
		s.sql.end()
	}
}

// until steps on until something is true.
func (s *simulation) until(what string, met func() bool) {
	for limit := s.w.steps + 20000; !met(); {
		if s.w.steps > limit {
			if s.w.trace != nil {
				buf := make([]byte, 1<<20)
				_, _ = s.w.trace.Write(buf[:runtime.Stack(buf, true)])
			}
			s.fault("stuck: %s", what)
		}
		if s.step(); s.stopped != nil {
			return
		}
		if l := s.life; l != nil && l.opened {
			if err := l.db.stopped.Load(); err != nil && !s.tooOld(*err) {
				s.fault("the flusher has stopped: %v", *err)
			}
		}
	}
}

// settle brings everything into SQL, and looks at it there and from a new process.
func (s *simulation) settle() {
	s.until("start", func() bool { return s.life != nil && s.life.opened && s.life.db.flusher.Opened() })
	if s.stopped != nil {
		return
	}
	end := uint64(s.life.db.log.End())
	s.drain()
	if s.stopped != nil {
		return
	}
	if n := len(s.sql.letters); n > 0 {
		s.fault("%d letters are left", n)
	}
	s.rows, s.at = newSimRows(s.rows.def), 0
	s.checkSQL()
	if n := len(s.units); s.at != n && s.units[s.at].position <= end { // else a key has just expired
		s.fault("lost: SQL has %d units of %d", s.at, n)
	}
	s.crash(false)
	s.until("start", func() bool { return s.life != nil && s.life.opened && s.life.db.flusher.Opened() })
	s.readAll()
}

// drain has all letters tried and everything flushed, and the process ended.
func (s *simulation) drain() {
	l := s.life
	var err error
	done := false
	l.begin("drain", func() {
		for range 3 {
			l.Wait(l.ctx, 20*time.Second, nil) // parked tables are looked at
			if _, err = l.db.flusher.Retry(l.ctx); err != nil {
				break
			}
		}
		if err == nil {
			err = l.db.Sync(l.ctx)
		}
		done = true
	})
	s.until("drain", func() bool { return done })
	if err != nil && s.stopped == nil && !s.tooOld(err) {
		s.fault("drain: %v", err)
	}
}

// readAll reads every key from SQL.
func (s *simulation) readAll() {
	l := s.life
	done := false
	l.begin("reader", func() {
		sess := l.db.NewSession()
		for _, key := range simKeys {
			var got string
			_, err := sess.Exec(l.ctx, [][]byte{[]byte(key)}, false, RunFunc(func(tx *Tx) (err error) {
				got, err = simRead(tx, []byte(key))
				return err
			}))
			if want := s.model.apply(simOp{kind: "read", key: key}, s.w.now.UnixMilli()); err != nil || got != want {
				s.fault("in the end %s is %q, wanted %q: %v", key, got, want, err)
			}
		}
		done = true
	})
	s.until("read", func() bool { return done })
}
