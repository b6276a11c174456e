package server

import (
	"math"

	"github.com/lullcache/lull"
)

// expiry is how a time is given: in seconds or ms, from now on or since 1970.
type expiry struct {
	given             bool
	arg               int // where the number stands
	seconds, relative bool
}

// expiries are the options that give a time.
var expiries = []struct {
	word string
	expiry
}{
	{"EX", expiry{seconds: true, relative: true}},
	{"PX", expiry{relative: true}},
	{"EXAT", expiry{seconds: true}},
	{"PXAT", expiry{}},
}

// like reports whether two times are given by the same option.
func (e expiry) like(o expiry) bool { return e.seconds == o.seconds && e.relative == o.relative }

// at reads argument i as a time to expire at, in ms since 1970. It has to be
// positive.
func (e expiry) at(c *call, i int, now int64) (int64, error) {
	n, err := c.integer(i)
	if err != nil {
		return 0, err
	}
	if n <= 0 {
		return 0, c.wrongExpiry()
	}
	if e.seconds {
		if n > math.MaxInt64/1000 {
			return 0, c.wrongExpiry()
		}
		n *= 1000
	}
	if e.relative {
		if n > math.MaxInt64-now {
			return 0, c.wrongExpiry()
		}
		n += now
	}
	return n, nil
}

func (c *call) wrongExpiry() error {
	return errorf("invalid expire time in '%s' command", c.cmd.FullName())
}

// stringOptions are those of SET and GETEX.
type stringOptions struct {
	set     lull.SetOptions
	persist bool
	expiry  expiry
}

// expireAt is the time that the options give, 0 for none.
func (p *stringOptions) expireAt(c *call, now int64) (int64, error) {
	if !p.expiry.given {
		return 0, nil
	}
	return p.expiry.at(c, p.expiry.arg, now)
}

// optionWords says which of the options a command takes besides the times.
type optionWords bool

const (
	setWords   optionWords = true
	getExWords optionWords = false
)

// stringOptions reads the options from argument i on. As in Redis each may come
// twice; those that contradict each other are a syntax error.
func (c *call) stringOptions(i int, words optionWords) (p stringOptions, err error) {
	for ; i < len(c.args); i++ {
		switch {
		case words == setWords && c.word(i, "NX") && !p.set.IfPresent:
			p.set.IfAbsent = true
		case words == setWords && c.word(i, "XX") && !p.set.IfAbsent:
			p.set.IfPresent = true
		case words == setWords && c.word(i, "GET"):
			p.set.Get = true
		case words == setWords && c.word(i, "KEEPTTL") && !p.expiry.given:
			p.set.KeepTTL = true
		case words == getExWords && c.word(i, "PERSIST") && !p.expiry.given:
			p.persist = true
		default:
			e, ok := c.expiry(i)
			if !ok || p.persist || p.set.KeepTTL || p.expiry.given && !p.expiry.like(e) {
				return p, errSyntax
			}
			i++
			e.given, e.arg = true, i
			p.expiry = e
		}
	}
	return p, nil
}

// expiry reads the option at argument i, which a number follows.
func (c *call) expiry(i int) (expiry, bool) {
	for _, e := range expiries {
		if i+1 < len(c.args) && c.word(i, e.word) {
			return e.expiry, true
		}
	}
	return expiry{}, false
}
