package server

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// clients are the connections by id.
type clients struct {
	mu     sync.Mutex
	byID   map[int64]*conn
	lastID int64
}

// add gives c its id. It is false if there are as many as may be.
func (l *clients) add(c *conn, most int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int64(len(l.byID)) >= most {
		return false
	}
	l.lastID++
	c.id = l.lastID
	l.byID[c.id] = c
	return true
}

func (l *clients) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byID, c.id)
}

func (l *clients) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

// each calls f for every connection. f must not block.
func (l *clients) each(f func(c *conn)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.byID {
		f(c)
	}
}

// sorted returns the connections by id.
func (l *clients) sorted() []*conn {
	var all []*conn
	l.each(func(c *conn) { all = append(all, c) })
	slices.SortFunc(all, func(a, b *conn) int { return int(a.id - b.id) })
	return all
}

// stats count what the server does since its start or CONFIG RESETSTAT.
type stats struct {
	now         atomic.Int64 // the coarse clock: ms since 1970
	connections atomic.Uint64
	rejected    atomic.Uint64
	commands    atomic.Uint64
	errors      atomic.Uint64
	bytesIn     atomic.Uint64
	bytesOut    atomic.Uint64

	mu      sync.Mutex // guards the samples
	samples [samplesKept]sample
	taken   int
}

// samplesKept samples at janitorPeriod are what the rates of INFO are made of.
const samplesKept = 16

type sample struct {
	at                          time.Time
	commands, bytesIn, bytesOut uint64
}

// tick moves the coarse clock and takes a sample.
func (s *stats) tick(now time.Time) {
	s.now.Store(now.UnixMilli())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples[s.taken%samplesKept] = sample{now, s.commands.Load(), s.bytesIn.Load(), s.bytesOut.Load()}
	s.taken++
}

// rates returns commands, bytes in and bytes out a second.
func (s *stats) rates() (commands, in, out float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken < 2 {
		return 0, 0, 0
	}
	newest := s.samples[(s.taken-1)%samplesKept]
	oldest := s.samples[max(0, s.taken-samplesKept)%samplesKept]
	seconds := newest.at.Sub(oldest.at).Seconds()
	if seconds <= 0 || newest.commands < oldest.commands { // reset in between
		return 0, 0, 0
	}
	return float64(newest.commands-oldest.commands) / seconds, float64(newest.bytesIn-oldest.bytesIn) / seconds,
		float64(newest.bytesOut-oldest.bytesOut) / seconds
}

// reset sets the counters to zero.
func (s *stats) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range []*atomic.Uint64{&s.connections, &s.rejected, &s.commands, &s.errors, &s.bytesIn, &s.bytesOut} {
		n.Store(0)
	}
	s.taken = 0
}

// describe appends the line that CLIENT LIST shows of c. Fields that mean nothing
// here have the values that Redis shows for an ordinary client.
func (c *conn) describe(dst []byte, now int64) []byte {
	v := &c.view
	v.mu.Lock()
	name, libName, libVersion := v.name, v.libName, v.libVersion
	v.mu.Unlock()
	field := func(key, val string) {
		dst = append(append(append(dst, key...), '='), val...)
		dst = append(dst, ' ')
	}
	number := func(key string, n int64) { field(key, strconv.FormatInt(n, 10)) }
	number("id", c.id)
	field("addr", c.sock.nc.RemoteAddr().String())
	field("laddr", c.sock.nc.LocalAddr().String())
	number("fd", int64(c.sock.fd))
	field("name", name)
	number("age", (now-v.created)/1000)
	number("idle", max(0, now-v.active.Load())/1000)
	field("flags", v.flags())
	number("db", int64(v.db.Load()))
	field("sub", "0")
	field("psub", "0")
	field("ssub", "0")
	number("multi", int64(v.queued.Load()))
	number("qbuf", v.queryBytes.Load())
	number("qbuf-free", v.queryCap.Load()-v.queryBytes.Load())
	field("argv-mem", "0")
	field("multi-mem", "0")
	number("rbs", v.replyBytes.Load())
	field("rbp", "0")
	number("obl", v.replyBytes.Load())
	field("oll", "0")
	field("omem", "0")
	number("tot-mem", v.queryCap.Load()+v.replyBytes.Load())
	field("events", "r")
	field("cmd", v.commandName())
	field("user", "default")
	field("redir", "-1")
	number("resp", int64(v.version.Load()))
	field("lib-name", libName)
	field("lib-ver", libVersion)
	dst[len(dst)-1] = '\n'
	return dst
}

func (v *view) flags() string {
	var flags []byte
	if v.queued.Load() >= 0 {
		flags = append(flags, 'x')
	}
	if v.noEvict.Load() {
		flags = append(flags, 'e')
	}
	if len(flags) == 0 {
		return "N"
	}
	return string(flags)
}

func (v *view) commandName() string {
	if cmd := v.command.Load(); cmd != nil {
		return cmd.FullName()
	}
	return "NULL"
}

// newRunID returns the 40 hex digits that name this run of the server.
func newRunID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
