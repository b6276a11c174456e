package server

import (
	"fmt"
	"time"
)

// infoPersistence speaks of the log, which is what an append-only file is to Redis.
func (s *Server) infoPersistence(b *infoText) {
	l := b.stats.Log
	loading := s.db.Load() == nil
	b.line("loading", count(loading))
	b.line("rdb_bgsave_in_progress", 0)
	b.line("rdb_last_bgsave_status", "ok")
	b.line("aof_enabled", count(l.On))
	b.line("aof_rewrite_in_progress", 0)
	b.line("aof_last_write_status", statusWord(l.Failed))
	b.line("aof_current_size", l.Bytes)
	if loading {
		s.infoLoading(b)
	}
}

func statusWord(err error) string {
	if err != nil {
		return "err"
	}
	return "ok"
}

func (s *Server) infoEngineStats(b *infoText) {
	m := b.stats.Memory
	b.line("expired_keys", m.Expired)
	b.line("evicted_keys", m.Evicted)
	b.line("keyspace_hits", m.Hits)
	b.line("keyspace_misses", m.Misses)
}

// infoLull tells how far SQL is behind, and what is wrong.
func (s *Server) infoLull(b *infoText) {
	st := &b.stats
	problems := st.Problems()
	b.line("lull_state", st.Flush.State)
	b.line("lull_summary", oneLine(st.Flush.Summary))
	b.line("lull_problems", len(problems))
	for i, p := range problems {
		b.line(fmt.Sprintf("lull_problem_%d", i+1), oneLine(p))
	}
	b.line("lull_paused", count(st.Flush.Paused))
	b.line("lull_catching_up", count(st.Flush.CatchingUp))
	b.line("lull_changes", st.Changes)
	b.line("lull_dirty_rows", st.Dirty.Rows)
	b.line("lull_dirty_bytes", st.Dirty.Bytes)
	b.line("lull_dirty_oldest_ms", st.Dirty.OldestAge.Milliseconds())
	b.line("lull_lag_bytes", st.Flush.Lag)
	b.line("lull_flushed_position", st.Flush.Position)
	b.line("lull_flushed_at", unixSeconds(st.Flush.FlushedAt))
	b.line("lull_flushed_batches", st.Flush.Batches)
	b.line("lull_flushed_rows", st.Flush.Rows)
	b.line("lull_flush_last_ms", milliseconds(st.Flush.LastDuration))
	b.line("lull_cut_longest_us", st.Flush.CutLongest.Microseconds())
	b.line("lull_flush_cpu_seconds", fmt.Sprintf("%.6f", st.Flush.CPU.Seconds()))
	b.line("lull_coalesced", fmt.Sprintf("%.2f", st.Flush.Coalesced))
	b.line("lull_rows_per_second", int64(st.Flush.RowsPerSecond))
	b.line("lull_changes_per_second", int64(st.Flush.ChangesPerSecond))
	b.line("lull_flush_retries", st.Flush.Retries)
	b.line("lull_flush_conflicts", st.Flush.Conflicts)
	b.line("lull_letters", st.Flush.Letters)
	b.line("lull_parked_tables", st.Flush.ParkedTables)
	b.line("lull_log_position", st.Log.Position)
	b.line("lull_log_synced", st.Log.Synced)
	b.line("lull_log_bytes", st.Log.Bytes)
	b.line("lull_log_syncs", st.Log.Syncs)
	b.line("lull_log_sync_last_ms", milliseconds(st.Log.SyncLast))
	b.line("lull_keyspace_bytes", st.Memory.Bytes)
	b.line("lull_loaded_keys", st.Loads.Keys)
	b.line("lull_load_queries", st.Loads.Queries)
	b.line("lull_writers_slowed", st.WritersSlowed)
	b.line("lull_writers_waited", st.WritersWaited)
}

// infoKeyspace counts the keys that are in memory: those that are only in SQL have
// their place in DBSIZE.
func (s *Server) infoKeyspace(b *infoText) {
	for n, entries := range b.stats.Memory.Entries {
		if entries > 0 {
			b.line(fmt.Sprintf("db%d", n), fmt.Sprintf("keys=%d,expires=0,avg_ttl=0", entries))
		}
	}
}

func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()*1000) }

// oneLine keeps a database's message from breaking INFO's lines.
func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '\r' || c == '\n' {
			b[i] = ' '
		}
	}
	return string(b)
}
