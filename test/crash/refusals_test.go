package crash

import (
	"strings"
	"time"
)

// mayRefuse reports whether an error reply is one that says "nothing was done" and may
// come now.
func (w *world) mayRefuse(err error) bool {
	text := err.Error()
	if strings.HasPrefix(text, "NODB ") && strings.Contains(text, "no answer within load_timeout") {
		return w.mayBeLate(time.Now())
	}
	if w.parked.Load() && strings.HasPrefix(text, "NODB ") && strings.Contains(text, "parkable") {
		return true
	}
	return w.away.Load() && (strings.HasPrefix(text, "NODB ") || strings.HasPrefix(text, "BUSY ")) ||
		strings.HasPrefix(text, "BUSY ") && strings.Contains(text, "is reached") || // the machine is slow, and writers outran its database
		strings.HasPrefix(text, "LOADING ") || // starting or closing
		strings.HasPrefix(text, "NODB ") && strings.Contains(text, "the lane is not taken yet") // the machine is slow, and the start did not wait
}

// mayBeLate counts an answer that says that SQL did not answer a load within load_timeout, and
// reports whether it may be given now: while something is broken, until all that was written
// meanwhile is in SQL, or when the database was slow to the reader too. Else it is Lull that
// let the load wait.
func (w *world) mayBeLate(now time.Time) bool {
	w.rep.late.Add(1)
	if w.away.Load() {
		return true
	}
	w.rep.lateInPeace.Add(1)
	return w.pace.slowSince(now.Add(-loadTimeout), now)
}

// mayBeBusy reports whether a command of this round may have waited at a limit for so
// long that it was refused.
func (w *world) mayBeBusy() bool { return time.Since(w.began) >= writeTimeout }

// The defaults of write_timeout and load_timeout.
const (
	writeTimeout = 5 * time.Second
	loadTimeout  = 5 * time.Second
)

// unexpected notes an answer that should not be given.
func (w *world) unexpected(format string, args ...any) {
	if w.surprises.Add(1) <= detailsMax {
		w.t.Errorf("unexpected: "+format, args...)
	}
}
