package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// tally is what one client was answered. Only the counters are read by others while
// it runs.
type tally struct {
	answered, refused atomic.Uint64
	unsure            uint64 // answered with an error, so that they may be in or not
	points, hits      int64  // answered
	unsureSum         int64  // of points and hits that may be in or not
	events            int64
	latency           histogram
	firstRefusal      error
}

// newest is, for each session, the latest time that an answered write of it was made
// at; 0: none. Shared by all clients.
type newest []atomic.Int64

func (n newest) raise(id, at int64) {
	for {
		old := n[id].Load()
		if at <= old || n[id].CompareAndSwap(old, at) {
			return
		}
	}
}

// count takes the answers of a batch.
func (t *tally) count(batch []write, refused []error, sessions newest) {
	good := uint64(0)
	for i := range batch {
		w := &batch[i]
		if refused[i] != nil {
			t.refuse(w, refused[i])
			continue
		}
		good++
		switch w.table {
		case scores:
			t.points += w.n
		case counters:
			t.hits += w.n
		case events:
			t.events++
		default:
			sessions.raise(w.id, w.n)
		}
	}
	t.answered.Add(good)
}

// refuse counts a write that was answered with an error. It may still be in: an
// answer such as -TIMEOUT leaves that open.
func (t *tally) refuse(w *write, err error) {
	t.refused.Add(1)
	t.doubt(w)
	if t.firstRefusal == nil {
		t.firstRefusal = err
	}
}

func (t *tally) doubt(w *write) {
	t.unsure++
	t.unsureSum += max(1, w.n)
}

// totals is what must be in SQL.
type totals struct {
	points, hits, events int64
	unsure, unsureSum    int64 // how many writes more may be there, and how much they add
	sessions             newest
	slowest              time.Duration // the longest latency
}

// Check is one comparison of what was answered with what SQL has.
type Check struct {
	What       string
	Want, Have int64
	// Slack is how much more SQL may have: writes whose answer was an error.
	Slack int64
}

// OK reports whether SQL has all that was answered, and nothing else.
func (c Check) OK() bool { return c.Have >= c.Want && c.Have <= c.Want+c.Slack }

// check compares with SQL. before holds what the tables had when the run began.
func (d *database) check(ctx context.Context, workload string, want *totals, before map[*table]int64) ([]Check, error) {
	have, err := d.sums(ctx)
	if err != nil {
		return nil, err
	}
	var all []Check
	add := func(t *table, name, what string, wanted, slack int64) {
		if workload == name || workload == "mixed" {
			all = append(all, Check{What: what, Want: wanted, Have: have[t] - before[t], Slack: slack})
		}
	}
	add(scores, "leaderboard", "points", want.points, want.unsureSum)
	add(counters, "counters", "hits", want.hits, want.unsureSum)
	add(events, "events", "events", want.events, want.unsure)
	if workload == "sessions" || workload == "mixed" {
		c, err := d.checkSessions(ctx, want)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// sums are the totals that SQL has now.
func (d *database) sums(ctx context.Context) (map[*table]int64, error) {
	all := make(map[*table]int64)
	for _, t := range []*table{scores, counters, events} {
		var n int64
		if err := d.QueryRowContext(ctx, t.total).Scan(&n); err != nil {
			return nil, fmt.Errorf("%s: %w", t.total, err)
		}
		all[t] = n
	}
	return all, nil
}

// checkSessions counts the sessions whose row is as new as it must be. Of two writes
// of one session at once either may be the last, so a row may be older than the
// newest write that was answered, but not by more than the longest write took.
func (d *database) checkSessions(ctx context.Context, want *totals) (Check, error) {
	c := Check{What: "sessions up to date"}
	for i := range want.sessions {
		if want.sessions[i].Load() > 0 {
			c.Want++
		}
	}
	rows, err := d.QueryContext(ctx, "SELECT id, seen FROM bench_sessions")
	if err != nil {
		return c, fmt.Errorf("sessions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, seen int64
		if err := rows.Scan(&id, &seen); err != nil {
			return c, fmt.Errorf("sessions: %w", err)
		}
		if id < 0 || id >= int64(len(want.sessions)) {
			continue
		}
		if at := want.sessions[id].Load(); at > 0 && seen >= at-want.slowest.Microseconds()-1 {
			c.Have++
		}
	}
	return c, rows.Err()
}
