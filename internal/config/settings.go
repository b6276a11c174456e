package config

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"github.com/lullcache/lull/internal/mapping"
)

// settings are those of the whole file.
func (d *decoder) settings(c *Config) []setting {
	return []setting{
		{"listen", text(&c.Listen)},
		{"data_dir", text(&c.DataDir)},
		{"database", d.secret(&c.Database)},
		{"name", text(&c.Name)},
		{"own_schema", text(&c.OwnSchema)},
		{"ack", text(&c.Ack)},
		{"flush", func(d *decoder, n *yaml.Node, where string) { d.mapping(n, where, flushSettings(&c.Flush)) }},
		{"log", func(d *decoder, n *yaml.Node, where string) { d.log(n, where, &c.Log) }},
		{"max_dirty_rows", count(&c.MaxDirtyRows)},
		{"max_dirty_bytes", size(&c.MaxDirtyBytes)},
		{"max_memory", size(&c.MaxMemory)},
		{"write_timeout", duration(&c.WriteTimeout)},
		{"load_timeout", duration(&c.LoadTimeout)},
		{"shutdown_timeout", duration(&c.ShutdownTimeout)},
		{"max_load_rows", count(&c.MaxLoadRows)},
		{"unmapped", text(&c.Unmapped)},
		{"allow_flush_all", truth(&c.AllowFlushAll)},
		{"password", d.secret(&c.Password)},
		{"metrics", text(&c.Metrics)},
		{"max_clients", count(&c.MaxClients)},
		{"tables", func(d *decoder, n *yaml.Node, where string) { d.tables(n, where, c) }},
	}
}

// meant gives Lull's setting for what Redis or other caches call it.
var meant = map[string]string{
	"requirepass": "password", "bind": "listen", "port": "listen", "dir": "data_dir", "maxmemory": "max_memory", "maxclients": "max_clients",
	"appendfsync": "ack", "appendonly": "log", "wal": "log", "dsn": "database", "url": "database", "schema": "own_schema", "mappings": "tables",
	"ttl": "max_age", "pattern": "key", "rename": "fields", "maxlen": "tail",
}

func flushSettings(f *Flush) []setting {
	return []setting{
		{"max_delay", duration(&f.MaxDelay)},
		{"lull", duration(&f.Lull)},
		{"max_rows", count(&f.MaxRows)},
		{"max_bytes", size(&f.MaxBytes)},
		{"max_transaction_rows", count(&f.MaxTransactionRows)},
	}
}

// log reads `log: off`, or its settings.
func (d *decoder) log(n *yaml.Node, where string, l *Log) {
	if n.Kind == yaml.ScalarNode {
		switch n.Value {
		case "off", "false":
			l.Off = true
		case "on", "true":
		default:
			d.complain(n, where, fmt.Sprintf("%q is neither off nor a set of settings", n.Value), "write log: off, or log: {max_bytes: 8GiB}")
		}
		return
	}
	d.mapping(n, where, []setting{
		{"segment_bytes", size(&l.SegmentBytes)},
		{"max_bytes", size(&l.MaxBytes)},
		{"retain", func(d *decoder, n *yaml.Node, where string) {
			d.mapping(n, where, []setting{{"age", duration(&l.RetainAge)}, {"bytes", size(&l.RetainBytes)}})
		}},
		{"sync_every", duration(&l.SyncEvery)},
	})
}

// tables reads the mappings in the file's order.
func (d *decoder) tables(n *yaml.Node, where string, c *Config) {
	d.entries(n, where, func(key, n *yaml.Node) {
		s := mapping.Spec{Name: key.Value, File: d.file, Line: key.Line, FieldLines: map[string]int{}}
		at := where + "." + key.Value
		if key.Value == "" {
			d.complain(key, where, "a table without a name", "write the table's name")
			return
		}
		d.mapping(n, at, tableSettings(&s))
		for _, name := range tableSettings(&s) {
			if line := d.lines[at+"."+name.name]; line > 0 {
				s.FieldLines[name.name] = line
			}
		}
		c.Tables = append(c.Tables, s)
	})
}

func tableSettings(s *mapping.Spec) []setting {
	return []setting{
		{"table", text(&s.Table)},
		{"key", text(&s.Key)},
		{"type", text(&s.Type)},
		{"value", text(&s.Value)},
		{"member", text(&s.Member)},
		{"score", text(&s.Score)},
		{"fields", textMap(&s.Fields)},
		{"columns", textList(&s.Columns)},
		{"id", textList(&s.ID)},
		{"tail", number(&s.Tail)},
		{"on_trim", text(&s.OnTrim)},
		{"updated_at", text(&s.UpdatedAt)},
		{"expires", text(&s.Expires)},
		{"on_expire", text(&s.OnExpire)},
		{"max_age", optionalDuration(&s.MaxAge, &s.MaxAgeSet)},
		{"warm", truth(&s.Warm)},
		{"cascade", text(&s.Cascade)},
		{"ack", text(&s.Ack)},
		{"max_load_rows", number(&s.MaxLoadRows)},
	}
}
