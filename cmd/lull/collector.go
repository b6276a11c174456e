package main

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lullcache/lull"
)

// engineCollector turns one snapshot of the engine's Stats into metrics at each
// scrape.
type engineCollector struct {
	db     *lull.DB
	gauges []engineMetric
	tables []tableMetric
	state  *prometheus.Desc
	keys   *prometheus.Desc
}

type engineMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(s *lull.Stats) float64
}

type tableMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	get  func(t *lull.TableStats) float64
}

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
)

func newEngineCollector(db *lull.DB) *engineCollector {
	c := &engineCollector{
		db:    db,
		state: prometheus.NewDesc("lull_flush_state", "1 for the state that the flusher is in.", []string{"state"}, nil),
		keys:  prometheus.NewDesc("lull_keyspace_keys", "Keys in memory, remembered absences included.", []string{"db"}, nil),
	}
	for _, list := range [][]metric{dirtyMetrics, flushMetrics, logMetrics, memoryMetrics} {
		for _, m := range list {
			c.gauges = append(c.gauges, engineMetric{prometheus.NewDesc(m.name, m.help, nil, nil), m.kind, m.get})
		}
	}
	for _, m := range perTableMetrics {
		c.tables = append(c.tables, tableMetric{prometheus.NewDesc(m.name, m.help, []string{"table"}, nil), m.kind, m.get})
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *engineCollector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.gauges {
		to <- m.desc
	}
	for _, m := range c.tables {
		to <- m.desc
	}
	to <- c.state
	to <- c.keys
}

// Collect implements prometheus.Collector.
func (c *engineCollector) Collect(to chan<- prometheus.Metric) {
	s := c.db.Stats()
	for _, m := range c.gauges {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.get(&s))
	}
	for i := range s.Tables {
		t := &s.Tables[i]
		for _, m := range c.tables {
			to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.get(t), t.Name)
		}
	}
	for _, state := range []string{"flushing", "retrying", "own tables gone", "stopped"} {
		to <- prometheus.MustNewConstMetric(c.state, gauge, truth(s.Flush.State == state), state)
	}
	for n, keys := range s.Memory.Entries {
		if keys > 0 {
			to <- prometheus.MustNewConstMetric(c.keys, gauge, float64(keys), strconv.Itoa(n))
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metric is one without labels.
type metric struct {
	name, help string
	kind       prometheus.ValueType
	get        func(s *lull.Stats) float64
}

var dirtyMetrics = []metric{
	{"lull_changes_total", "Changes of rows that units made.", counter, func(s *lull.Stats) float64 { return float64(s.Changes) }},
	{"lull_dirty_rows", "Rows that SQL has not seen.", gauge, func(s *lull.Stats) float64 { return float64(s.Dirty.Rows) }},
	{"lull_dirty_bytes", "Bytes of what SQL has not seen.", gauge, func(s *lull.Stats) float64 { return float64(s.Dirty.Bytes) }},
	{"lull_dirty_rows_limit", "Rows at which writers wait.", gauge, func(s *lull.Stats) float64 { return float64(s.Dirty.RowsLimit) }},
	{"lull_dirty_bytes_limit", "Bytes at which writers wait.", gauge, func(s *lull.Stats) float64 { return float64(s.Dirty.ByteLimit) }},
	{"lull_dirty_oldest_seconds", "Age of the oldest change that SQL has not seen.", gauge, func(s *lull.Stats) float64 { return s.Dirty.OldestAge.Seconds() }},
	{"lull_writers_slowed_total", "Units slowed near a limit.", counter, func(s *lull.Stats) float64 { return float64(s.WritersSlowed) }},
	{"lull_writers_waited_total", "Units that waited at a limit.", counter, func(s *lull.Stats) float64 { return float64(s.WritersWaited) }},
	{"lull_problems", "How many things need an operator; LULL STATUS names them.", gauge, func(s *lull.Stats) float64 { return float64(len(s.Problems())) }},
}

var flushMetrics = []metric{
	{"lull_flush_batches_total", "Transactions committed.", counter, func(s *lull.Stats) float64 { return float64(s.Flush.Batches) }},
	{"lull_flush_rows_total", "Rows' operations that the database took.", counter, func(s *lull.Stats) float64 { return float64(s.Flush.Rows) }},
	{"lull_flush_statements_total", "SQL statements sent.", counter, func(s *lull.Stats) float64 { return float64(s.Flush.Statements) }},
	{"lull_flush_duration_seconds_total", "Time from sending a batch to its commit, of all together.", counter, func(s *lull.Stats) float64 { return s.Flush.Duration.Seconds() }},
	{"lull_flush_last_duration_seconds", "The same of the last batch.", gauge, func(s *lull.Stats) float64 { return s.Flush.LastDuration.Seconds() }},
	{"lull_cut_max_duration_seconds", "The longest that taking away what is dirty stopped writers.", gauge, func(s *lull.Stats) float64 { return s.Flush.CutLongest.Seconds() }},
	{"lull_flush_cpu_seconds_total", "CPU time of the flusher's thread, without the garbage collector's work; 0 where the system does not tell.", counter, func(s *lull.Stats) float64 { return s.Flush.CPU.Seconds() }},
	{"lull_flush_retries_total", "Attempts after an error that passes.", counter, func(s *lull.Stats) float64 { return float64(s.Flush.Retries) }},
	{"lull_flush_conflicts_total", "Those of the retries that came of deadlocks and locks of other transactions.", counter, func(s *lull.Stats) float64 { return float64(s.Flush.Conflicts) }},
	{"lull_flush_ambiguous_total", "Commits of which the outcome had to be looked up.", counter, func(s *lull.Stats) float64 { return float64(s.Flush.Ambiguous) }},
	{"lull_flush_coalesced_ratio", "Changes that became one row, on the average.", gauge, func(s *lull.Stats) float64 { return s.Flush.Coalesced }},
	{"lull_flush_pending_operations", "Operations of the cut on its way.", gauge, func(s *lull.Stats) float64 { return float64(s.Flush.Pending) }},
	{"lull_flush_lag_bytes", "Log that the database does not have yet.", gauge, func(s *lull.Stats) float64 { return float64(s.Flush.Lag) }},
	{"lull_flush_position_bytes", "Log position up to which the database has everything.", gauge, func(s *lull.Stats) float64 { return float64(s.Flush.Position) }},
	{"lull_flush_last_timestamp_seconds", "When the last transaction committed; 0 before the first.", gauge, func(s *lull.Stats) float64 { return unix(s.Flush.FlushedAt) }},
	{"lull_flush_paused", "1 while paused.", gauge, func(s *lull.Stats) float64 { return truth(s.Flush.Paused) }},
	{"lull_flush_catching_up", "1 while a large cut is written in parts.", gauge, func(s *lull.Stats) float64 { return truth(s.Flush.CatchingUp) }},
	{"lull_database_rows_per_second", "What the database takes while it is written to.", gauge, func(s *lull.Stats) float64 { return s.Flush.RowsPerSecond }},
	{"lull_writers_changes_per_second", "What writers send.", gauge, func(s *lull.Stats) float64 { return s.Flush.ChangesPerSecond }},
	{"lull_letters", "Changes waiting in lull_dead_letters.", gauge, func(s *lull.Stats) float64 { return float64(s.Flush.Letters) }},
	{"lull_letters_bytes", "Memory that they take.", gauge, func(s *lull.Stats) float64 { return float64(s.Flush.LetterBytes) }},
	{"lull_rows_refused_total", "Rows that the database refused.", counter, func(s *lull.Stats) float64 { return float64(s.Flush.Refused) }},
	{"lull_parked_tables", "Tables that are gone, changed or forbidden.", gauge, func(s *lull.Stats) float64 { return float64(s.Flush.ParkedTables) }},
	{"lull_fenced", "1 once nothing is flushed any more, for good.", gauge, func(s *lull.Stats) float64 { return truth(s.Stopped != nil) }},
}

var logMetrics = []metric{
	{"lull_log_position_bytes", "End of the log.", gauge, func(s *lull.Stats) float64 { return float64(s.Log.Position) }},
	{"lull_log_synced_bytes", "Position up to which the log is on disk.", gauge, func(s *lull.Stats) float64 { return float64(s.Log.Synced) }},
	{"lull_log_size_bytes", "Size of all segments on disk.", gauge, func(s *lull.Stats) float64 { return float64(s.Log.Bytes) }},
	{"lull_log_size_limit_bytes", "Size at which writers wait.", gauge, func(s *lull.Stats) float64 { return float64(s.Log.ByteLimit) }},
	{"lull_log_segments", "Segments in use or kept.", gauge, func(s *lull.Stats) float64 { return float64(s.Log.Segments) }},
	{"lull_log_records_total", "Records appended.", counter, func(s *lull.Stats) float64 { return float64(s.Log.Records) }},
	{"lull_log_recorded_bytes_total", "Bytes of records appended.", counter, func(s *lull.Stats) float64 { return float64(s.Log.Recorded) }},
	{"lull_log_syncs_total", "Syncs of the log to disk.", counter, func(s *lull.Stats) float64 { return float64(s.Log.Syncs) }},
	{"lull_log_sync_duration_seconds_total", "Time of all syncs together.", counter, func(s *lull.Stats) float64 { return s.Log.SyncDuration.Seconds() }},
	{"lull_log_sync_max_duration_seconds", "Time of the longest sync.", gauge, func(s *lull.Stats) float64 { return s.Log.SyncMax.Seconds() }},
	{"lull_log_failed", "1 once the disk has failed under the log.", gauge, func(s *lull.Stats) float64 { return truth(s.Log.Failed != nil) }},
	{"lull_log_full", "1 while the log has no room.", gauge, func(s *lull.Stats) float64 { return truth(s.Log.Full != nil) }},
}

var memoryMetrics = []metric{
	{"lull_keyspace_bytes", "Memory that keys take.", gauge, func(s *lull.Stats) float64 { return float64(s.Memory.Bytes) }},
	{"lull_keyspace_limit_bytes", "max_memory; 0 without.", gauge, func(s *lull.Stats) float64 { return float64(s.Memory.ByteLimit) }},
	{"lull_keyspace_evicted_total", "Clean keys dropped from memory.", counter, func(s *lull.Stats) float64 { return float64(s.Memory.Evicted) }},
	{"lull_keyspace_expired_total", "Keys that expired.", counter, func(s *lull.Stats) float64 { return float64(s.Memory.Expired) }},
	{"lull_keyspace_hits_total", "Keys that were in memory when needed.", counter, func(s *lull.Stats) float64 { return float64(s.Memory.Hits) }},
	{"lull_keyspace_misses_total", "Keys that had to be loaded first.", counter, func(s *lull.Stats) float64 { return float64(s.Memory.Misses) }},
	{"lull_loads_keys_total", "Keys loaded from the database.", counter, func(s *lull.Stats) float64 { return float64(s.Loads.Keys) }},
	{"lull_loads_queries_total", "Queries that loaded them.", counter, func(s *lull.Stats) float64 { return float64(s.Loads.Queries) }},
}

// perTableMetrics have the label table: the mappings of the configuration, and
// Lull's own tables.
var perTableMetrics = []struct {
	name, help string
	kind       prometheus.ValueType
	get        func(t *lull.TableStats) float64
}{
	{"lull_table_operations_total", "Rows' operations that the database took.", counter, func(t *lull.TableStats) float64 { return float64(t.Operations) }},
	{"lull_table_letters", "Changes waiting in lull_dead_letters.", gauge, func(t *lull.TableStats) float64 { return float64(t.Letters) }},
	{"lull_table_parked", "1 while parked.", gauge, func(t *lull.TableStats) float64 { return truth(t.Parked != "") }},
}

// unix is a time in seconds since 1970, 0 for none.
func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
