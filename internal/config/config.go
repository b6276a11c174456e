// Package config reads the YAML file of `lull serve`. A file that is wrong is
// complained of as a whole: every unknown setting, bad value and combination that
// cannot be, each with its line and what would be right.
package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lullcache/lull"
	"github.com/lullcache/lull/internal/mapping"
)

// Config is all settings. Default says what each is when the file is silent.
type Config struct {
	// Listen is the address for Redis clients. Without a Password only loopback
	// addresses are taken.
	Listen string
	// DataDir holds the log.
	DataDir string
	// Database is postgres://…, mysql://…, or sqlite:file.
	Database string
	// Name tells several Lulls in one database apart; at most 64 bytes. OwnSchema is
	// the schema of Lull's own tables; empty: the default one.
	Name, OwnSchema string
	// Ack is when a write is answered: memory, disk or database.
	Ack   string
	Flush Flush
	Log   Log
	// Writers wait at MaxDirtyRows rows or MaxDirtyBytes bytes that SQL has not seen,
	// for WriteTimeout, then they get an error.
	MaxDirtyRows, MaxDirtyBytes int64
	// MaxMemory is where clean entries are evicted, in bytes.
	MaxMemory int64
	// WriteTimeout bounds a writer's waits, LoadTimeout a reader's wait for SQL,
	// ShutdownTimeout the last flush.
	WriteTimeout, LoadTimeout, ShutdownTimeout time.Duration
	// MaxLoadRows is the most rows that one key may load.
	MaxLoadRows int64
	// Unmapped is what becomes of keys without a table: generic, reject or cache.
	Unmapped string
	// AllowFlushAll lets FLUSHALL and FLUSHDB empty the tables.
	AllowFlushAll bool
	// Password is what clients give to AUTH; empty: none is asked for.
	Password string
	// Metrics is the address for Prometheus; empty: none.
	Metrics string
	// MaxClients is the most connections at once.
	MaxClients int64
	// Tables are the mappings, in the file's order.
	Tables []mapping.Spec

	file  string
	lines map[string]int // by setting, as in "flush.max_delay"
}

// Flush says when the dirty set goes to SQL; whichever comes first.
type Flush struct {
	// MaxDelay is how long the oldest write waits at most, Lull the pause in writing
	// that starts a flush earlier.
	MaxDelay, Lull time.Duration
	// MaxRows and MaxBytes are how much gathers at most.
	MaxRows, MaxBytes int64
	// MaxTransactionRows is the most rows in one transaction; larger cuts are written
	// in parts.
	MaxTransactionRows int64
}

// Log is the write-ahead log.
type Log struct {
	// Off keeps none: what was not flushed is lost with the process.
	Off bool
	// SegmentBytes is the size of one file, MaxBytes of all.
	SegmentBytes, MaxBytes int64
	// Flushed log is kept for RetainAge, but at most RetainBytes of it.
	RetainAge   time.Duration
	RetainBytes int64
	// SyncEvery is how often the log is synced when nobody waits for it.
	SyncEvery time.Duration
}

// Sizes in bytes.
const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// Default returns the settings of an empty file: a durable Redis over SQLite, on
// loopback. What the engine has defaults for are those.
func Default() *Config {
	o := lull.DefaultOptions()
	c := &Config{
		Listen: "127.0.0.1:6380", MaxClients: 10_000,
		DataDir: o.DataDir, Name: o.Name, Ack: o.Ack.String(),
		Flush: Flush{
			MaxDelay: o.Flush.MaxDelay, Lull: o.Flush.Lull,
			MaxRows: int64(o.Flush.MaxRows), MaxBytes: o.Flush.MaxBytes, MaxTransactionRows: int64(o.Flush.MaxTransactionRows),
		},
		Log: Log{
			SegmentBytes: o.Log.SegmentBytes, MaxBytes: o.Log.MaxBytes,
			RetainAge: o.Log.RetainAge, RetainBytes: o.Log.RetainBytes, SyncEvery: o.Log.SyncEvery,
		},
		MaxDirtyRows: o.MaxDirtyRows, MaxDirtyBytes: o.MaxDirtyBytes,
		MaxMemory:    gib, // a library's host decides for itself, a program must not take all there is
		WriteTimeout: o.WriteTimeout, LoadTimeout: o.LoadTimeout, ShutdownTimeout: o.ShutdownTimeout,
		MaxLoadRows: int64(o.MaxLoadRows),
	}
	c.derive()
	return c
}

// derive fills in the defaults that depend on other settings.
func (c *Config) derive() {
	if c.Database == "" {
		c.Database = embeddedIn(c.DataDir)
	}
	if c.Unmapped == "" {
		c.Unmapped = "generic"
		if len(c.Tables) > 0 {
			c.Unmapped = "reject"
		}
	}
}

// embeddedIn is the database that comes with a data directory.
func embeddedIn(dataDir string) string { return "sqlite:" + filepath.Join(dataDir, "lull.db") }

// Load reads the file at path. With problems the configuration is what could be read
// all the same, for looking for more of them; it is nil if nothing could.
func Load(path string) (*Config, []mapping.Problem) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, []mapping.Problem{{File: path, What: err.Error()}}
	}
	return Parse(path, data, os.LookupEnv)
}

// Parse is Load for data that was read already. file is named in problems; env looks
// up what ${NAME} stands for.
func Parse(file string, data []byte, env func(string) (string, bool)) (*Config, []mapping.Problem) {
	c := Default()
	c.Database, c.Unmapped = "", ""
	d := decoder{file: file, env: env, lines: map[string]int{}}
	c.file, c.lines = file, d.lines
	d.document(data, c)
	c.derive()
	return c, append(d.problems, c.Check()...)
}

// Check returns what is wrong with settings that are each well-formed. Call it again
// after changing some, for flags say.
func (c *Config) Check() []mapping.Problem {
	k := checker{c: c}
	k.words()
	k.bounds()
	k.log()
	k.address("listen", c.Listen)
	if c.Metrics != "" {
		k.address("metrics", c.Metrics)
	}
	if c.Password == "" && !loopback(c.Listen) {
		k.complain("listen", c.Listen+" is open to others, and there is no password", "set `password`, or listen on 127.0.0.1")
	}
	if c.DataDir == "" {
		k.complain("data_dir", "is empty", "name a directory")
	}
	if c.Name == "" || len(c.Name) > nameMax {
		k.complain("name", fmt.Sprintf("has %d bytes", len(c.Name)), fmt.Sprintf("use 1 to %d", nameMax))
	}
	if !knownDatabase(c.Database) {
		scheme, _, _ := strings.Cut(c.Database, ":")
		k.complain("database", fmt.Sprintf("there is no database %q", scheme), "write postgres://user@host/name, mysql://user@host/name or sqlite:file.db")
	}
	return k.problems
}

// nameMax is the most bytes of a name: it is in every primary key of Lull's tables.
const nameMax = 64

type checker struct {
	c        *Config
	problems []mapping.Problem
}

func (k *checker) complain(where, what, remedy string) {
	k.problems = append(k.problems, mapping.Problem{File: k.c.file, Line: k.c.lines[where], Where: where, What: what, Remedy: remedy})
}

func (k *checker) words() {
	for _, w := range []struct{ where, got, allowed string }{
		{"ack", k.c.Ack, "memory disk database"},
		{"unmapped", k.c.Unmapped, "generic reject cache"},
	} {
		allowed := strings.Fields(w.allowed)
		if !contains(allowed, w.got) {
			k.complain(w.where, fmt.Sprintf("there is no %q", w.got), "write "+strings.Join(allowed, ", "))
		}
	}
}

func (k *checker) bounds() {
	c := k.c
	for _, b := range []struct {
		where    string
		got, min int64
	}{
		{"flush.max_rows", c.Flush.MaxRows, 1}, {"flush.max_bytes", c.Flush.MaxBytes, kib}, {"flush.max_transaction_rows", c.Flush.MaxTransactionRows, 1},
		{"log.segment_bytes", c.Log.SegmentBytes, mib}, {"max_dirty_bytes", c.MaxDirtyBytes, mib}, {"max_memory", c.MaxMemory, mib},
		{"max_load_rows", c.MaxLoadRows, 1}, {"max_clients", c.MaxClients, 1},
	} {
		if b.got < b.min {
			k.complain(b.where, fmt.Sprintf("%d is too little", b.got), fmt.Sprintf("use %d or more", b.min))
		}
	}
	for _, b := range []struct {
		where    string
		got, min time.Duration
	}{
		{"flush.max_delay", c.Flush.MaxDelay, time.Millisecond}, {"flush.lull", c.Flush.Lull, 0}, {"log.sync_every", c.Log.SyncEvery, time.Millisecond},
		{"log.retain.age", c.Log.RetainAge, 0}, {"write_timeout", c.WriteTimeout, 0}, {"load_timeout", c.LoadTimeout, time.Millisecond}, {"shutdown_timeout", c.ShutdownTimeout, 0},
	} {
		if b.got < b.min {
			k.complain(b.where, fmt.Sprintf("%v is too short", b.got), fmt.Sprintf("use %v or more", b.min))
		}
	}
	if c.Flush.Lull > c.Flush.MaxDelay {
		k.complain("flush.lull", fmt.Sprintf("%v is longer than flush.max_delay, %v", c.Flush.Lull, c.Flush.MaxDelay), "make it shorter")
	}
	if c.MaxDirtyRows < c.Flush.MaxRows {
		k.complain("max_dirty_rows", fmt.Sprintf("%d is below flush.max_rows, %d, so writers would wait before a flush starts", c.MaxDirtyRows, c.Flush.MaxRows), "make it larger")
	}
}

// segmentsMin is how many segments must fit into the log: the one being written, two
// allocated ahead, and one that is flushed.
const segmentsMin = 4

func (k *checker) log() {
	c := k.c
	if !c.Log.Off {
		if c.Log.MaxBytes < segmentsMin*c.Log.SegmentBytes {
			k.complain("log.max_bytes", fmt.Sprintf("%d holds fewer than %d segments of %d", c.Log.MaxBytes, segmentsMin, c.Log.SegmentBytes), "make it larger, or log.segment_bytes smaller")
		}
		return
	}
	if c.Ack == "disk" {
		k.complain("log", "is off, but with ack: disk an answer waits for the log", "write ack: memory or ack: database, or keep the log")
	}
	for _, t := range c.Tables {
		if t.Ack == "disk" {
			k.complain("log", fmt.Sprintf("is off, but tables.%s has ack: disk", t.Name), "write ack: memory or ack: database there, or keep the log")
		}
	}
}

func (k *checker) address(where, address string) {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		k.complain(where, fmt.Sprintf("%q is not an address", address), "write host:port, as in 127.0.0.1:6380")
	}
}

// loopback reports whether only this machine reaches address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true // complained of already
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func knownDatabase(database string) bool {
	for _, scheme := range []string{"postgres://", "postgresql://", "mysql://", "mariadb://", "sqlite:"} {
		if strings.HasPrefix(database, scheme) {
			return true
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
