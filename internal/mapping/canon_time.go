package mapping

import (
	"fmt"
	"strings"
	"time"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// The words for infinite dates, in PostgreSQL's spelling.
const (
	infinity      = "infinity"
	minusInfinity = "-infinity"
)

// timeTextMax is how long the canonical text of a time is at most.
const timeTextMax = 32

// microDigits is the most digits of a second's fraction that a column holds.
const microDigits = 6

func readTime(t *sink.Type, s string) (string, string) {
	if t.Infinite && (strings.EqualFold(s, infinity) || strings.EqualFold(s, minusInfinity)) {
		return strings.ToLower(strings.Clone(s)), ""
	}
	var room [timeTextMax]byte
	switch t.Family {
	case sink.Date:
		r := reader{s: s}
		at, ok := r.date()
		if !ok || r.s != "" {
			return "", "is not a date; allowed are dates as 2026-01-31"
		}
		return inYears(t, at, at.AppendFormat(room[:0], "2006-01-02"))
	case sink.Time:
		r := reader{s: s}
		d, ok := r.clock()
		if !ok || r.s != "" {
			return "", "is not a time of day; allowed are times as 23:59:59.123456"
		}
		d = truncate(d, t.Precision)
		return string(appendClock(room[:0], time.Unix(0, 0).UTC().Add(d))), ""
	}
	at, ok := parseTime(s)
	if !ok {
		return "", "is not a time; allowed are times as 2026-01-31 23:59:59.123456 or 2026-01-31T23:59:59Z, and Unix times of 10 (s), 13 (ms) or 16 (µs) digits"
	}
	at = truncateTime(at, t.Precision)
	return inYears(t, at, appendTime(room[:0], t.Family, at))
}

func inYears(t *sink.Type, at time.Time, text []byte) (string, string) {
	lo, hi := t.MinYear, t.MaxYear
	if lo == 0 && hi == 0 {
		lo, hi = 1, 9999
	}
	if y := at.Year(); y < max(lo, 1) || y > hi {
		return "", fmt.Sprintf("is out of range; allowed are the years %d to %d", max(lo, 1), hi)
	}
	if lo == 1970 && at.UnixMicro() == 0 {
		return "", "is the time that the database keeps for no time"
	}
	return string(text), ""
}

// appendTime appends the canonical text of a Timestamp or TimestampTZ.
func appendTime(dst []byte, family sink.Family, at time.Time) []byte {
	between, end := byte(' '), ""
	if family == sink.TimestampTZ {
		between, end = 'T', "Z"
	}
	dst = at.AppendFormat(dst, "2006-01-02")
	dst = appendClock(append(dst, between), at)
	return append(dst, end...)
}

func appendClock(dst []byte, at time.Time) []byte { return at.AppendFormat(dst, "15:04:05.999999") }

// truncate cuts a duration to digits of the second's fraction.
func truncate(d time.Duration, digits int) time.Duration {
	unit := time.Second
	for range min(max(digits, 0), microDigits) {
		unit /= 10
	}
	return d.Truncate(unit)
}

func truncateTime(at time.Time, digits int) time.Time {
	past := time.Duration(at.Nanosecond())
	return at.Add(truncate(past, digits) - past)
}

// parseTime reads a point in time: an ISO 8601 date, also with a time of day behind
// T or a blank, also with a zone (Z, +02, +02:00, +0200). Without a zone it is UTC,
// with one it is brought to UTC, for columns without a zone too. A bare number is a
// Unix time, in seconds if it has 10 digits, in milliseconds if 13, in microseconds if
// 16 (years 2001 to 2286); other lengths are refused. Digits below the column's
// precision are cut, never rounded, so that no time moves into the future.
func parseTime(s string) (at time.Time, ok bool) {
	if countDigits(s) == len(s) {
		n, _ := readDigits(s)
		switch len(s) {
		case 10:
			return time.Unix(n, 0).UTC(), true
		case 13:
			return time.UnixMilli(n).UTC(), true
		case 16:
			return time.UnixMicro(n).UTC(), true
		}
		return at, false
	}
	r := reader{s: s}
	if at, ok = r.date(); !ok || r.s == "" {
		return at, ok
	}
	if !r.skip("T") && !r.skip("t") && !r.skip(" ") {
		return at, false
	}
	clock, ok := r.clock()
	if !ok {
		return at, false
	}
	zone, ok := r.zone()
	return at.Add(clock - zone), ok && r.s == ""
}

// A reader takes a text apart from the front.
type reader struct{ s string }

func (r *reader) skip(c string) (ok bool) {
	r.s, ok = strings.CutPrefix(r.s, c)
	return ok
}

func readDigits(s string) (n int64, ok bool) {
	for i := range len(s) {
		n = n*10 + int64(s[i]-'0')
	}
	return n, s != ""
}

// number reads exactly lo to hi digits.
func (r *reader) number(lo, hi int) (int, bool) {
	n := countDigits(r.s)
	if n < lo || n > hi {
		return 0, false
	}
	v, ok := readDigits(r.s[:n])
	r.s = r.s[n:]
	return int(v), ok
}

// pair reads two digits, at most top.
func (r *reader) pair(top int) (int, bool) {
	if len(r.s) < 2 || countDigits(r.s[:2]) < 2 {
		return 0, false
	}
	n := int(r.s[0]-'0')*10 + int(r.s[1]-'0')
	r.s = r.s[2:]
	return n, n <= top
}

func (r *reader) date() (at time.Time, ok bool) {
	y, okY := r.number(4, 6)
	if !okY || !r.skip("-") {
		return at, false
	}
	m, okM := r.pair(12)
	if !okM || !r.skip("-") {
		return at, false
	}
	d, okD := r.pair(31)
	at = time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return at, okD && m > 0 && at.Day() == d
}

// clock reads 15:04, 15:04:05 or 15:04:05.999.
func (r *reader) clock() (d time.Duration, ok bool) {
	h, okH := r.pair(23)
	if !okH || !r.skip(":") {
		return 0, false
	}
	m, ok := r.pair(59)
	d = time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if !ok || !r.skip(":") {
		return d, ok
	}
	s, ok := r.pair(59)
	d += time.Duration(s) * time.Second
	if !ok || !r.skip(".") {
		return d, ok
	}
	n := countDigits(r.s)
	digits := (r.s[:n] + "000000000")[:9]
	r.s = r.s[n:]
	nanos, _ := readDigits(digits)
	return d + time.Duration(nanos), n > 0
}

// zone reads nothing, Z, or an offset of at most 15:59 hours.
func (r *reader) zone() (offset time.Duration, ok bool) {
	r.skip(" ")
	if r.s == "" || r.skip("Z") || r.skip("z") || r.skip("UTC") {
		return 0, true
	}
	sign := time.Duration(1)
	if r.skip("-") {
		sign = -1
	} else if !r.skip("+") {
		return 0, false
	}
	h, ok := r.pair(15)
	if !ok || r.s == "" {
		return sign * time.Duration(h) * time.Hour, ok
	}
	r.skip(":")
	m, ok := r.pair(59)
	return sign * (time.Duration(h)*time.Hour + time.Duration(m)*time.Minute), ok
}

// Time returns the cell for a point in time, in milliseconds since 1970, in a
// Timestamp, TimestampTZ or Integer column. An Integer of 64 bits holds the
// milliseconds, a narrower one the seconds.
func (c *Column) Time(unixMilli int64) (value.Value, error) {
	switch c.Type.Family {
	case sink.Integer:
		if c.Type.Bits < 64 && c.Type.Bits > 0 {
			unixMilli = floorDiv(unixMilli, 1000)
		}
		return c.canon(value.OfInt(unixMilli).String())
	case sink.Timestamp, sink.TimestampTZ:
		at := truncateTime(time.UnixMilli(unixMilli).UTC(), c.Type.Precision)
		var room [timeTextMax]byte
		text := appendTime(room[:0], c.Type.Family, at)
		s, bad := inYears(&c.Type, at, text)
		if bad != "" {
			return value.Value{}, c.refuse(string(text), bad)
		}
		return value.OfString(s), nil
	}
	return value.Value{}, &ValueError{Table: c.table, Column: c.Column.Name, What: "is not a column for a time"}
}

// TimeOf is the inverse of Time. ok is false for NULL and infinite times.
func (c *Column) TimeOf(v value.Value) (unixMilli int64, ok bool) {
	if v.IsNull() {
		return 0, false
	}
	if c.Type.Family == sink.Integer {
		n, ok := v.Int()
		if c.Type.Bits < 64 && c.Type.Bits > 0 {
			n *= 1000
		}
		return n, ok
	}
	at, ok := parseTime(v.String())
	return at.UnixMilli(), ok
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
