package server

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/command"
)

// A server may listen before its engine is open: a start that has a long log to replay
// takes its time. Until Use gives it the engine, it answers what Redis answers while it
// loads its dataset, and -LOADING to all else.

// replay is how much of the log the start of the engine has replayed, in bytes.
type replay struct{ done, total atomic.Uint64 }

// Use gives the server the engine that it was opened without. Connections find it with
// their next commands.
func (s *Server) Use(db *lull.DB) { s.db.Store(db) }

// Replayed tells how much of the log is replayed, for INFO: done bytes of total.
func (s *Server) Replayed(done, total uint64) {
	s.replay.done.Store(done)
	s.replay.total.Store(total)
}

// join gives the connection the engine, if there is one by now.
func (c *conn) join() {
	db := c.srv.db.Load()
	if c.db != nil || db == nil {
		return
	}
	selected := c.sess.Database()
	c.db, c.sess = db, db.NewSession()
	c.sess.OnWait(c.leave)
	_ = c.sess.Select(selected) // it was accepted before
}

// withoutEngine reports whether a command is answered while there is no engine: those
// that Redis answers while it loads. To watch keys that are not there yet would promise
// something, and what EXEC could run is refused when it is queued.
func withoutEngine(cmd *command.Command) bool {
	return cmd.Is(command.Loading) && cmd.Name != "watch" && cmd.Name != "exec"
}

// infoLoading writes the fields that INFO has while the engine is opened.
func (s *Server) infoLoading(b *infoText) {
	done, total := s.replay.done.Load(), s.replay.total.Load()
	percent, eta := 0.0, 1.0 // as Redis says it while nothing is known
	if done > 0 && total > 0 {
		percent = 100 * float64(done) / float64(total)
		eta = time.Since(s.started).Seconds() * float64(total-done) / float64(done)
	}
	b.line("loading_start_time", s.started.Unix())
	b.line("loading_total_bytes", total)
	b.line("loading_loaded_bytes", done)
	b.line("loading_loaded_perc", fmt.Sprintf("%.2f", percent))
	b.line("loading_eta_seconds", int64(eta))
}
