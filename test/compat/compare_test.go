package compat

import (
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

	"COMMAND": {loose: true}, "INFO": {loose: true}, "TIME": {loose: true},
}

func shapeOf(args []string) shape {
	s := shapes[strings.ToUpper(args[0])]
	if s.scan >= len(args) {
		s.scan = 0
	}
	return s
}

// same reports whether the answers to a command are the same for its shape.
func (s shape) same(want, got reply) bool {
	switch {
	case want.kind == '-' || got.kind == '-':
		return want.String() == got.String()
	case s.loose:
		return want.kind == got.kind && want.null == got.null && len(want.items) == len(got.items)
	case s.near > 0 && want.kind == ':' && got.kind == ':':
		a, _ := strconv.ParseInt(want.text, 10, 64)
		b, _ := strconv.ParseInt(got.text, 10, 64)
		return a == b || a >= 0 && b >= 0 && max(a-b, b-a) <= s.near
	case s.scan > 0 && len(want.items) == 2 && len(got.items) == 2: // inside EXEC: one step
		return want.items[0].text == got.items[0].text && want.items[1].sorted(1).String() == got.items[1].sorted(1).String()
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
	why         string
}

// differences are all that are accepted; docs/commands.md tells users of them.
var differences = []difference{
	differ(`^OBJECT ENCODING`, `^\$"(embstr|raw|listpack|ziplist|quicklist|intset|hashtable|skiplist|stream|int)"$`, `^\$"\w+"$`,
		"the encodings are Lull's own, under Redis's names"),
	differ(`^OBJECT IDLETIME`, `^:\d+$`, `^:\d+$`, "to look at a key's type or expiry counts as a use"),
	differ(`^OBJECT REFCOUNT`, `^:\d+$`, `^:1$`, "small integers are not shared"),
	differ(`.`, `.`, `^-ERR key and member`,
		"a key with its member has 2,000 bytes at most, so that every database can index it"),
	differ(`.`, `.`, `^-ERR key of \d+ bytes`,
		"a key has 2,000 bytes at most, so that every database can index it"),
	differ(`^(KEYS|SCAN|DBSIZE|RANDOMKEY)`, `.`, `^-ERR \w+ inside MULTI`,
		"a MULTI holds locks, under which the database is not asked; it works while all keys are in memory"),
	differ(`.`, `^(:1|\+OK|\$.*)$`, `^-ERR invalid expire time: `,
		"no database has times after the year 9999"),
	differ(`^[HSZ]?SCAN`, `.`, `^-ERR invalid cursor`,
		"Redis takes any number for a cursor, and what is none for 0"),
	differ(`^(Z|EXEC)`, `"-0"|,-0[] ]|,-0$`, `"0"|,0[] ]|,0$`, "a score of -0 is 0: not every database keeps the sign"),
	differ(`^LPOS .*RANK -9223372036854775808`, `.`, `^-ERR value is out of range`,
		"the rank cannot be negated; Redis refuses it from 7.2 on"),
}

func differ(command, redis, lull, why string) difference {
	return difference{regexp.MustCompile(command), regexp.MustCompile(redis), regexp.MustCompile(lull), why}
}

// intended reports whether the answers differ as the list says.
func intended(args []string, want, got reply) bool {
	command := strings.ToUpper(line(args))
	for _, d := range differences {
		if d.command.MatchString(command) && d.redis.MatchString(want.String()) && d.lull.MatchString(got.String()) {
			return true
		}
	}
	return false
}
