package flush

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull/internal/world"
	"github.com/lullcache/lull/sink"
)

// Stats says what the flusher has done and how it is. Counts begin at the start.
type Stats struct {
	State      string // "flushing", "retrying", "own tables gone", "stopped"
	LastError  string
	ErrorAt    time.Time
	Mark       sink.Mark // what the database has
	FlushedAt  time.Time
	Paused     bool
	CatchingUp bool

	Batches, Rows, Statements  uint64
	Retries, Ambiguous         uint64
	Conflicts                  uint64 // retries because of another transaction
	Letters                    int
	LetterBytes                int64
	Refused, Parked            uint64 // letters written
	ParkedTables               int
	LastDuration, DurationsSum time.Duration // from sending a batch to its commit
	// RowsPerSecond is what the database takes while it is being written to,
	// ChangesPerSecond what writers send; both over the last seconds.
	RowsPerSecond, ChangesPerSecond float64
	// Coalesced is how many changes became one row, on the average since the start.
	Coalesced float64
	Pending   int // operations of the cut that is being written
	// CPU is what flushing took of it: cuts, their order, statements and letters, on Run's
	// thread. What drivers do on others and the collector's work are not in it. 0 where it
	// cannot be told.
	CPU time.Duration
}

// String returns the state in one line.
func (s Stats) String() string {
	line := fmt.Sprintf("%s; the database takes %.0f rows/s, writers send %.0f changes/s", s.State, s.RowsPerSecond, s.ChangesPerSecond)
	if s.Pending > 0 {
		line += fmt.Sprintf("; %d operations are on their way", s.Pending)
	}
	if s.CatchingUp {
		line += ", in parts"
	}
	if s.Letters > 0 {
		line += fmt.Sprintf("; %d letters", s.Letters)
	}
	if s.ParkedTables > 0 {
		line += fmt.Sprintf("; %d tables parked", s.ParkedTables)
	}
	if s.State != stateFlushing && s.LastError != "" {
		line += "; " + s.LastError
	}
	return line
}

const (
	stateFlushing  = "flushing"
	stateRetrying  = "retrying"
	stateOwnTables = "own tables gone"
	stateStopped   = "stopped"
)

// rateOver is the time over which rates are averaged.
const rateOver = 5 * time.Second

type meter struct {
	retries, ambiguous, statements atomic.Uint64
	conflicts                      atomic.Uint64
	pending, refusing              atomic.Int64
	cpu                            atomic.Pointer[func() time.Duration]

	// mu guards the fields beneath.
	mu       sync.Mutex
	s        Stats
	changes  uint64 // when changesAt was
	changeAt time.Time
	total    uint64
	// By table of the dictionary.
	operations map[uint16]uint64
	parked     map[uint16]sink.Reason
}

// Stats returns the present state.
func (f *Flusher) Stats() Stats {
	m := &f.stats
	m.mu.Lock()
	s, total := m.s, m.total
	m.mu.Unlock()
	if s.State == "" {
		s.State = stateFlushing
	}
	s.Retries, s.Ambiguous, s.Statements = m.retries.Load(), m.ambiguous.Load(), m.statements.Load()
	s.Conflicts = m.conflicts.Load()
	s.Pending = int(m.pending.Load())
	if cpu := m.cpu.Load(); cpu != nil {
		s.CPU = (*cpu)()
	}
	s.Letters, s.LetterBytes = f.Aside()
	s.Paused = !f.gate.mayFlush()
	if s.Rows > 0 {
		s.Coalesced = float64(total) / float64(s.Rows)
	}
	return s
}

// timeThread has the CPU time of the calling goroutine counted until stop is called: it has
// a thread for itself until then.
func (m *meter) timeThread() (stop func()) {
	runtime.LockOSThread()
	cpu := world.ThreadTime()
	if cpu == nil {
		runtime.UnlockOSThread()
		return func() {}
	}
	m.cpu.Store(&cpu)
	return func() {
		all := cpu()
		last := func() time.Duration { return all }
		m.cpu.Store(&last)
		runtime.UnlockOSThread()
	}
}

func (m *meter) pendingAt(ops int) { m.pending.Store(int64(ops)) }

func (m *meter) flushed(now time.Time, mark sink.Mark, rows int, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.s
	s.Mark, s.CatchingUp, s.FlushedAt = mark, mark.Next != 0, now
	s.Batches++
	s.Rows += uint64(rows)
	s.LastDuration = took
	s.DurationsSum += took
	if took > 0 {
		s.RowsPerSecond = average(s.RowsPerSecond, float64(rows)/took.Seconds(), took)
	}
}

// average moves a rate towards its newest value, which was measured over d.
func average(old, now float64, d time.Duration) float64 {
	if old == 0 {
		return now
	}
	w := min(1, max(0.05, float64(d)/float64(rateOver)))
	return old*(1-w) + now*w
}

func (m *meter) pressure(now time.Time, p Pressure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total = p.Changes
	d := now.Sub(m.changeAt)
	if d < time.Second {
		return
	}
	if !m.changeAt.IsZero() {
		m.s.ChangesPerSecond = average(m.s.ChangesPerSecond, float64(p.Changes-m.changes)/d.Seconds(), d)
	}
	m.changes, m.changeAt = p.Changes, now
}

// fail notes an error, and reports whether the state is new.
func (m *meter) fail(now time.Time, state string, err error) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed = m.s.State != state
	m.s.State, m.s.LastError, m.s.ErrorAt = state, err.Error(), now
	return changed
}

// well notes that a batch went in, and reports whether that is new.
func (m *meter) well() (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed = m.s.State != "" && m.s.State != stateFlushing
	m.s.State = stateFlushing
	return changed
}

func (m *meter) lettersTaken(letters []sink.Letter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range letters {
		if letters[i].State == sink.Parked {
			m.s.Parked++
		} else {
			m.s.Refused++
		}
	}
}
