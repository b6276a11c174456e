package server

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one parameter of CONFIG. Connections call its functions concurrently.
type Setting struct {
	// Get returns the value as text.
	Get func() string
	// Set changes it; its error says what would be right. nil: it cannot be changed at
	// run time.
	Set func(value string) error
}

// params are all settings, in the order CONFIG GET shows them.
type params struct {
	names  []string
	byName map[string]Setting
}

// fixed is a setting that has one value.
func fixed(value string) Setting { return Setting{Get: func() string { return value }} }

// newParams gathers the settings: those of Redis that clients and tools ask for, with
// the values that describe what Lull does, then the caller's own.
func (s *Server) newParams() params {
	p := params{byName: map[string]Setting{
		// redis-benchmark shows these two. Lull's log is its append-only file, and there
		// are no snapshots.
		"save":            fixed(""),
		"appendonly":      fixed("yes"),
		"appendfsync":     fixed("always"),
		"databases":       fixed(strconv.Itoa(databases)),
		"port":            fixed(s.port()),
		"tcp-keepalive":   fixed(strconv.Itoa(int(max(0, s.opts.KeepAlive).Seconds()))),
		"cluster-enabled": fixed("no"),

		"maxmemory-policy":          fixed("allkeys-lru"),
		"notify-keyspace-events":    fixed(""),
		"proto-max-bulk-len":        fixed(strconv.Itoa(s.limits.BulkMax)),
		"client-query-buffer-limit": fixed(strconv.Itoa(s.limits.QueryMax)),

		"maxmemory": {
			Get: s.maxMemory,
			Set: s.setMaxMemory,
		},
		"maxclients": {
			Get: func() string { return strconv.FormatInt(s.maxClients.Load(), 10) },
			Set: func(v string) error { return storeInteger(v, 1, math.MaxUint32, s.maxClients.Store) },
		},
		"timeout": {
			Get: func() string {
				return strconv.FormatInt(s.idleTimeout.Load()/int64(time.Second), 10)
			},
			Set: func(v string) error {
				return storeInteger(v, 0, math.MaxInt32, func(n int64) { s.idleTimeout.Store(n * int64(time.Second)) })
			},
		},
	}}
	for name, setting := range s.opts.Settings {
		p.byName[name] = setting
	}
	for name := range p.byName {
		p.names = append(p.names, name)
	}
	slices.Sort(p.names)
	return p
}

// maxMemory is the engine's limit; while it is opened, none is known.
func (s *Server) maxMemory() string {
	if db := s.db.Load(); db != nil {
		return strconv.FormatInt(db.MaxMemory(), 10)
	}
	return "0"
}

func (s *Server) setMaxMemory(v string) error {
	n, err := parseMemory(v)
	switch db := s.db.Load(); {
	case err != nil:
		return err
	case db == nil:
		return errors.New(errLoading.text)
	default:
		db.SetMaxMemory(n)
		return nil
	}
}

// memoryUnits are the units that Redis takes in sizes: 1k is 1000 bytes, 1kb is 1024.
var memoryUnits = map[string]int64{
	"": 1, "b": 1, "k": 1e3, "kb": 1 << 10, "m": 1e6, "mb": 1 << 20, "g": 1e9, "gb": 1 << 30,
}

// parseMemory reads a size as Redis's configuration has it.
func parseMemory(text string) (int64, error) {
	digits := strings.TrimRight(text, "bBkKmMgG")
	n, ok := parseInteger([]byte(digits))
	unit, known := memoryUnits[strings.ToLower(text[len(digits):])]
	if !ok || !known || n < 0 || n > math.MaxInt64/unit {
		return 0, errors.New("argument must be a memory value")
	}
	return n * unit, nil
}

// storeInteger reads an integer within bounds and stores it.
func storeInteger(text string, least, most int64, store func(int64)) error {
	n, ok := parseInteger([]byte(text))
	switch {
	case !ok:
		return errors.New("argument couldn't be parsed into an integer")
	case n < least || n > most:
		return fmt.Errorf("argument must be between %d and %d inclusive", least, most)
	}
	store(n)
	return nil
}
