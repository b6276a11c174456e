package compat

import (
	"errors"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// shape says how two answers to a command are compared.
type shape struct {
	// width is not 0 for answers without order: their items, in groups of so many, are
	// sorted first.
	width int
	// near is how far apart integers may be: they depend on the time.
	near int64
	// loose compares only the kind of the answer: what is in it is random.
	loose bool
	// kind compares only the kind of the answer, whatever its length.
	kind bool
	// scan is the argument that is a cursor; the command is repeated until it is
	// 0 again, and everything it gave is compared without order and doubles.
	scan int
	// mask is what is left out of the comparison.
	mask *regexp.Regexp
}

// shapes are the commands whose answers are not compared byte for byte. A family
// adds its own.
var shapes = map[string]shape{
	"KEYS":      {width: 1},
	"RANDOMKEY": {loose: true},
	"SCAN":      {scan: 1},

	"TTL":         {near: 2},
	"PTTL":        {near: 2000},
	"EXPIRETIME":  {near: 2},
	"PEXPIRETIME": {near: 2000},
	"OBJECT":      {near: 2}, // IDLETIME

	"SMEMBERS": {width: 1}, "SINTER": {width: 1}, "SUNION": {width: 1}, "SDIFF": {width: 1},
	"SPOP": {loose: true}, "SRANDMEMBER": {loose: true}, "SSCAN": {scan: 2},

	"HGETALL": {width: 2}, "HKEYS": {width: 1}, "HVALS": {width: 1},
	"HRANDFIELD": {loose: true}, "HSCAN": {scan: 2},

	"XINFO": {mask: regexp.MustCompile(`"radix-tree-(keys|nodes)" :\d+`)}, // how entries are packed

	"ZRANDMEMBER": {loose: true}, "ZSCAN": {scan: 2},

	"TIME": {loose: true}, "INFO": {kind: true}, "HELLO": {kind: true}, "WAIT": {kind: true},
	"COMMAND": {kind: true}, "COMMAND GETKEYS": {}, "COMMAND GETKEYSANDFLAGS": {},
	"CLIENT ID": {kind: true}, "CLIENT LIST": {kind: true}, "CLIENT INFO": {kind: true},
	"CLIENT HELP": {kind: true}, "CONFIG HELP": {kind: true}, "OBJECT HELP": {kind: true}, "MEMORY HELP": {kind: true}, "XINFO HELP": {kind: true},
}

func shapeOf(args []string) shape {
	name := strings.ToUpper(args[0])
	s, found := shape{}, false
	if len(args) > 1 {
		s, found = shapes[name+" "+strings.ToUpper(args[1])]
	}
	if !found {
		s = shapes[name]
	}
	if s.scan >= len(args) {
		s.scan = 0
	}
	return s
}

// same reports whether the answers to a command are the same for its shape.
func (s shape) same(want, got reply) bool {
	switch {
	case want.equal(got):
		return true
	case want.kind == '-' || got.kind == '-':
		return false
	case s.kind:
		return want.kind == got.kind
	case s.loose:
		return want.kind == got.kind && want.null == got.null && len(want.items) == len(got.items)
	case s.near > 0 && want.kind == ':' && got.kind == ':':
		a, _ := strconv.ParseInt(want.text, 10, 64)
		b, _ := strconv.ParseInt(got.text, 10, 64)
		return a == b || a >= 0 && b >= 0 && max(a-b, b-a) <= s.near
	case s.scan > 0 && len(want.items) == 2 && len(got.items) == 2: // inside EXEC: one step, perhaps all there are
		return want.items[0].text != "0" || got.items[0].text != "0" || want.items[1].sorted(1).equal(got.items[1].sorted(1))
	case s.width > 0:
		width := s.width
		if want.kind == '~' {
			width = 1
		}
		return want.sorted(width).String() == got.sorted(width).String()
	}
	return s.text(want) == s.text(got)
}

func (s shape) text(r reply) string {
	if s.mask == nil {
		return r.String()
	}
	return s.mask.ReplaceAllString(r.String(), "…")
}

// difference is a way in which Lull differs from Redis by intent.
type difference struct {
	command     *regexp.Regexp // of the whole line, in capitals
	redis, lull *regexp.Regexp // of the answers
	// alike is used in place of redis and lull where they cannot tell.
	alike func(s shape, want, got reply) bool
	// parts is set where the command did something in one of the two alone.
	parts bool
	why   string
}

// differences are all that are accepted; docs/commands.md tells users of them.
var differences = []difference{
	differ(`^OBJECT ENCODING`, `^\$"(embstr|raw|listpack|ziplist|quicklist|intset|hashtable|skiplist|stream|int)"$`, `^\$"\w+"$`,
		"the encodings are Lull's own, under Redis's names"),
	differ(`^OBJECT IDLETIME`, `^:\d+$`, `^:\d+$`, "to look at a key's type or expiry counts as a use"),
	differ(`^OBJECT REFCOUNT`, `^:\d+$`, `^:1$`, "small integers are not shared"),
	differ(`.`, `.`, `^-ERR key and member`,
		"a key with its member has 2,000 bytes at most, so that every database can index it").parting(),
	differ(`.`, `.`, `^-ERR key of \d+ bytes`,
		"a key has 2,000 bytes at most, so that every database can index it").parting(),
	differ(`^X`, `.`, `^-ERR \S+: id \d+-\d+ is above what ms and seq hold`,
		"the halves of a stream's id are signed in SQL, so each ends at 9223372036854775807").parting(),
	differ(`^(KEYS|SCAN|DBSIZE|RANDOMKEY)`, `.`, `^-ERR \w+ inside MULTI`,
		"a MULTI holds locks, under which the database is not asked; it works while all keys are in memory"),
	differ(`.`, `^(:1|\+OK|\$.*)$`, `^-ERR invalid expire time: `,
		"no database has times after the year 9999").parting(),
	differ(`^[HSZ]?SCAN`, `.`, `^-ERR invalid cursor`,
		"Redis takes any number for a cursor, and what is none for 0"),
	{command: regexp.MustCompile(`^Z`), alike: func(s shape, want, got reply) bool { return s.same(want.unsigned(), got.unsigned()) },
		why: "a score of -0 is 0: not every database keeps the sign"},
	{command: regexp.MustCompile(`^ZSCAN`), alike: func(s shape, want, got reply) bool { return s.same(want.wholes(), got.wholes()) },
		why: "Redis writes whole scores of 18 digits and more by how it holds the set, and remembers that a small one was larger"},
	{command: regexp.MustCompile(`^DBSIZE$`), alike: func(_ shape, want, got reply) bool { return fewer(got, want) },
		why: "Redis counts a key whose time has come until it finds that out"},
	differ(`^LPOS .*RANK -9223372036854775808`, `.`, `^-ERR value is out of range`,
		"the rank cannot be negated; Redis refuses it from 7.2 on"),
}

// fewer reports whether a is a smaller number than b.
func fewer(a, b reply) bool {
	n, err := strconv.Atoi(a.text)
	most, err2 := strconv.Atoi(b.text)
	return a.kind == ':' && b.kind == ':' && errors.Join(err, err2) == nil && n < most
}

func differ(command, redis, lull, why string) difference {
	return difference{command: regexp.MustCompile(command), redis: regexp.MustCompile(redis), lull: regexp.MustCompile(lull), why: why}
}

func (d difference) parting() difference {
	d.parts = true
	return d
}

// intended returns the entry of the list that says that the answers differ so, or nil.
func intended(args []string, want, got reply) *difference {
	command := strings.ToUpper(line(args))
	for i := range differences {
		d := &differences[i]
		switch {
		case !d.command.MatchString(command):
		case d.alike != nil && d.alike(shapeOf(args), want, got):
			return d
		case d.alike == nil && d.redis.MatchString(want.String()) && d.lull.MatchString(got.String()):
			return d
		}
	}
	return nil
}

// unsigned is the reply with 0 for -0.
func (r reply) unsigned() reply {
	return r.with(func(text string) string {
		if text == "-0" {
			return "0"
		}
		return text
	})
}

// wholes is the reply with whole numbers of 18 digits and more written in one way.
func (r reply) wholes() reply {
	return r.with(func(text string) string {
		if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) >= 1e17 {
			return strconv.FormatFloat(f, 'e', -1, 64)
		}
		return text
	})
}

// with is the reply with what f makes of each text.
func (r reply) with(f func(text string) string) reply {
	r.text = f(r.text)
	items := r.items
	r.items = nil
	for _, item := range items {
		r.items = append(r.items, item.with(f))
	}
	return r
}
