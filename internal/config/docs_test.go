package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// documented returns the table rows of docs/configuration.md: the default by setting.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, line := range strings.Split(string(text), "\n") {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && len(cells) >= 3 {
			name := strings.Trim(cells[0], "| `")
			if _, first := rows[name]; !first { // ack and max_load_rows are a table's too
				rows[name] = strings.Trim(cells[1], "`")
			}
		}
	}
	return rows
}

// TestEverySettingIsDocumented takes the settings from a file that has them all.
func TestEverySettingIsDocumented(t *testing.T) {
	rows := documented(t)
	c, problems := Parse("lull.yaml", []byte(whole), env)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	known := make(map[string]bool)
	for name := range c.lines {
		if rest, ok := strings.CutPrefix(name, "tables."); ok {
			_, name, ok = strings.Cut(rest, ".")
			if name, _, _ = strings.Cut(name, "."); !ok {
				continue // the mapping's name
			}
		}
		known[name] = true
	}
	for name := range known {
		group := name == "flush" || name == "log.retain" || strings.HasPrefix(name, "fields.")
		if _, ok := rows[name]; !ok && !group {
			t.Errorf("docs/configuration.md has no row for %s", name)
		}
	}
	for name := range rows {
		if !known[name] {
			t.Errorf("docs/configuration.md tells of %s, which is no setting", name)
		}
	}
}

func TestDocumentedDefaultsAreTheDefaults(t *testing.T) {
	rows := documented(t)
	c := Default()
	for name, want := range map[string]any{
		"listen": c.Listen, "max_clients": c.MaxClients, "data_dir": c.DataDir, "name": c.Name, "ack": c.Ack,
		"log.segment_bytes": sizeBytes(c.Log.SegmentBytes), "log.max_bytes": sizeBytes(c.Log.MaxBytes), "log.retain.age": c.Log.RetainAge,
		"log.retain.bytes": sizeBytes(c.Log.RetainBytes), "log.sync_every": c.Log.SyncEvery,
		"flush.max_delay": c.Flush.MaxDelay, "flush.lull": c.Flush.Lull, "flush.max_rows": c.Flush.MaxRows,
		"flush.max_bytes": sizeBytes(c.Flush.MaxBytes), "flush.max_transaction_rows": c.Flush.MaxTransactionRows,
		"max_dirty_rows": c.MaxDirtyRows, "max_dirty_bytes": sizeBytes(c.MaxDirtyBytes), "max_memory": sizeBytes(c.MaxMemory),
		"write_timeout": c.WriteTimeout, "load_timeout": c.LoadTimeout, "shutdown_timeout": c.ShutdownTimeout,
		"max_load_rows": c.MaxLoadRows, "allow_flush_all": c.AllowFlushAll,
	} {
		got := rows[name]
		switch want := want.(type) {
		case sizeBytes:
			if n, ok := parseSize(got); !ok || n != int64(want) {
				t.Errorf("%s: the page says %s, the default is %d bytes", name, got, want)
			}
		case time.Duration:
			if d, err := parseDuration(got); err != nil || d != want {
				t.Errorf("%s: the page says %s, the default is %v", name, got, want)
			}
		default:
			if got != fmt.Sprint(want) {
				t.Errorf("%s: the page says %s, the default is %v", name, got, want)
			}
		}
	}
}

type sizeBytes int64
