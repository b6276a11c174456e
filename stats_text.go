package lull

import (
	"fmt"
	"strings"
	"time"
)

// Problems says what an operator has to see to, one sentence each: nothing if all is
// well. A database that is merely away is none: Lull waits for it.
func (s *Stats) Problems() (all []string) {
	if s.Stopped != nil {
		all = append(all, s.Stopped.Error())
	}
	if s.Log.Failed != nil {
		all = append(all, fmt.Sprintf("%v; nothing can be written until a restart", s.Log.Failed))
	}
	if s.Flush.State == "own tables gone" {
		all = append(all, "Lull's own tables are missing or refused: "+s.Flush.LastError)
	}
	for _, t := range s.Tables {
		if t.Parked != "" {
			all = append(all, fmt.Sprintf("table %s is parked: %s", t.Name, t.Parked))
		}
	}
	return all
}

// String describes the state for people, in lines of a name and a sentence.
func (s *Stats) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	for _, p := range s.Problems() {
		line("PROBLEM", "%s", p)
	}
	line("database", "%s", s.database())
	line("behind", "%s", s.behind())
	line("flushed", "%d rows in %d transactions; %.1f changes became one row; the last took %v, on the average %v",
		s.Flush.Rows, s.Flush.Batches, s.Flush.Coalesced, short(s.Flush.LastDuration), short(s.averageFlush()))
	if s.Flush.Retries+s.Flush.Ambiguous > 0 {
		line("retried", "%d times, %d of them for deadlocks and locks of others; %d times it was unknown whether a transaction was in",
			s.Flush.Retries, s.Flush.Conflicts, s.Flush.Ambiguous)
	}
	line("letters", "%d rows wait in lull_dead_letters (LULL DEADLETTERS LIST)", s.Flush.Letters)
	if s.Log.On {
		line("log", "%s", s.log())
	}
	line("memory", "%s", s.memory())
	line("writers", "%d slowed near a limit, %d waited at one", s.WritersSlowed, s.WritersWaited)
	return b.String()
}

func (s *Stats) database() string {
	if s.Flush.Paused {
		return "paused (LULL RESUME goes on); " + s.Flush.Summary
	}
	return s.Flush.Summary
}

func (s *Stats) behind() string {
	if s.Dirty.Rows == 0 {
		return "nothing: the database has everything"
	}
	return fmt.Sprintf("%d rows, %s; the oldest change is %v old; the limits are %d rows and %s",
		s.Dirty.Rows, bytesText(s.Dirty.Bytes), short(s.Dirty.OldestAge), s.Dirty.RowsLimit, bytesText(s.Dirty.ByteLimit))
}

func (s *Stats) averageFlush() time.Duration {
	if s.Flush.Batches == 0 {
		return 0
	}
	return s.Flush.Duration / time.Duration(s.Flush.Batches)
}

func (s *Stats) log() string {
	text := fmt.Sprintf("position %d, synced to %d; %s of %s in %d segments", s.Log.Position, s.Log.Synced,
		bytesText(s.Log.Bytes), bytesText(s.Log.ByteLimit), s.Log.Segments+s.Log.Ahead)
	if s.Log.Full != nil {
		text += "; " + s.Log.Full.Error()
	}
	return text
}

func (s *Stats) memory() string {
	var entries int64
	for _, n := range s.Memory.Entries {
		entries += n
	}
	limit := "no limit"
	if s.Memory.ByteLimit > 0 {
		limit = "of " + bytesText(s.Memory.ByteLimit)
	}
	return fmt.Sprintf("%d keys, %s (%s); %d hits, %d misses, %d evicted, %d expired",
		entries, bytesText(s.Memory.Bytes), limit, s.Memory.Hits, s.Memory.Misses, s.Memory.Evicted, s.Memory.Expired)
}

// short cuts a duration to three digits or so.
func short(d time.Duration) time.Duration {
	for unit := time.Duration(1); unit < time.Minute; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
	return d.Round(time.Second)
}

// bytesText shows a size in the unit that fits it.
func bytesText(n int64) string {
	f, unit := float64(n), 0
	for f >= 1024 && unit < 4 {
		f /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGT"[unit-1])
}
