package mapping

import (
	"fmt"
	"strings"
)

// keyColumnsMax is the most columns that a key pattern may name.
const keyColumnsMax = 16

// A pattern is a key pattern, cut at its colons. Since `{name}` matches bytes
// without a colon and a segment has one at most, a key matches in one way only,
// and whether two patterns can match one key is decided segment by segment.
type pattern struct {
	text     string
	segments []segment
	names    []string // of the columns, in order
	literal  string   // what every key begins with
	tail     int      // bytes behind the first hole, if it is the only one
}

// A segment matches prefix, one byte or more, suffix; without a hole it matches
// prefix alone. A rest's hole takes everything up to the key's end.
type segment struct {
	prefix, suffix string
	hole, rest     bool
}

// A span is where a column's text stands in a key.
type span struct{ from, to int }

type spans [keyColumnsMax]span

// parsePattern reads a pattern. `{{` and `}}` stand for braces themselves.
func parsePattern(text string) (*pattern, error) {
	p := &pattern{text: text, segments: []segment{{}}}
	if text == "" {
		return nil, fmt.Errorf("the key pattern is missing")
	}
	for i := 0; i < len(text); {
		seg := &p.segments[len(p.segments)-1]
		doubled := i+1 < len(text) && text[i+1] == text[i]
		switch c := text[i]; {
		case seg.rest:
			return nil, fmt.Errorf("{%s*} takes the rest of the key, but %q stands behind it", p.names[len(p.names)-1], text[i:])
		case c == ':':
			p.segments = append(p.segments, segment{})
			i++
		case (c == '{' || c == '}') && doubled:
			seg.literal(c)
			i += 2
		case c == '}':
			return nil, fmt.Errorf("a } without its {")
		case c == '{':
			n, err := p.hole(seg, text[i:])
			if err != nil {
				return nil, err
			}
			i += n
		default:
			seg.literal(c)
			i++
		}
	}
	p.setLiteral()
	p.setTail()
	return p, nil
}

// hole reads the {name} at the front of text into seg and returns its length.
func (p *pattern) hole(seg *segment, text string) (int, error) {
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return 0, fmt.Errorf("a { without its }")
	}
	name := text[1:end]
	name, rest := strings.CutSuffix(name, "*")
	switch {
	case name == "" || strings.ContainsAny(name, "{*"):
		return 0, fmt.Errorf("%q is not a column name", text[1:end])
	case seg.hole:
		return 0, fmt.Errorf("{%s} and {%s} stand between the same colons, so a key could be read in two ways", p.names[len(p.names)-1], name)
	case len(p.names) == keyColumnsMax:
		return 0, fmt.Errorf("more than %d columns", keyColumnsMax)
	}
	for _, other := range p.names {
		if other == name {
			return 0, fmt.Errorf("{%s} stands there twice", name)
		}
	}
	seg.hole, seg.rest = true, rest
	p.names = append(p.names, name)
	return end + 1, nil
}

func (s *segment) literal(c byte) {
	if s.hole {
		s.suffix += string([]byte{c})
	} else {
		s.prefix += string([]byte{c})
	}
}

func (p *pattern) setLiteral() {
	for i, s := range p.segments {
		if i > 0 {
			p.literal += ":"
		}
		p.literal += s.prefix
		if s.hole {
			return
		}
	}
}

func (p *pattern) setTail() {
	behind := false
	for _, s := range p.segments {
		if behind {
			p.tail += len(":") + len(s.prefix)
		}
		p.tail += len(s.suffix)
		behind = behind || s.hole
	}
}

// match reports whether key matches, and where its columns stand.
func (p *pattern) match(key string, at *spans) bool {
	from, n := 0, 0
	for i := range p.segments {
		s := &p.segments[i]
		to := len(key)
		if !s.rest {
			colon := strings.IndexByte(key[from:], ':')
			if last := i == len(p.segments)-1; last != (colon < 0) {
				return false
			} else if !last {
				to = from + colon
			}
		}
		part := key[from:to]
		if !s.match(part) {
			return false
		}
		if s.hole {
			at[n] = span{from + len(s.prefix), to - len(s.suffix)}
			n++
		}
		from = to + 1
	}
	return true
}

func (s *segment) match(part string) bool {
	if !s.hole {
		return part == s.prefix
	}
	return len(part) > len(s.prefix)+len(s.suffix) && strings.HasPrefix(part, s.prefix) && strings.HasSuffix(part, s.suffix)
}

// appendKey appends the key that has these columns.
func (p *pattern) appendKey(dst []byte, parts []string) []byte {
	for i := range p.segments {
		s := &p.segments[i]
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, s.prefix...)
		if s.hole {
			dst = append(dst, parts[0]...)
			parts = parts[1:]
			dst = append(dst, s.suffix...)
		}
	}
	return dst
}

// overlaps reports whether some key matches both patterns.
func (p *pattern) overlaps(q *pattern) bool {
	for i := range p.segments {
		if i == len(q.segments) {
			return false
		}
		a, b := &p.segments[i], &q.segments[i]
		if !a.rest && !b.rest {
			if !a.overlaps(b) {
				return false
			}
			continue
		}
		if !a.rest {
			p, q, a, b = q, p, b, a
		}
		// a takes the rest: what q has from here on must begin with a's prefix and go on.
		if b.hole {
			return prefixed(a.prefix, b.prefix)
		}
		more := i < len(q.segments)-1 || len(b.prefix) > len(a.prefix)
		return more && strings.HasPrefix(b.prefix, a.prefix)
	}
	return len(p.segments) == len(q.segments)
}

func (s *segment) overlaps(o *segment) bool {
	switch {
	case !s.hole:
		return o.match(s.prefix)
	case !o.hole:
		return s.match(o.prefix)
	}
	return prefixed(s.prefix, o.prefix) && suffixed(s.suffix, o.suffix)
}

func prefixed(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
func suffixed(a, b string) bool { return strings.HasSuffix(a, b) || strings.HasSuffix(b, a) }

// example returns a key that matches, for messages.
func (p *pattern) example() string {
	parts := make([]string, len(p.names))
	for i := range parts {
		parts[i] = "1"
	}
	return string(p.appendKey(nil, parts))
}

// distance says how far key is from matching, from 0 to 100: the share of bytes that
// differ between its beginning and what every key that matches begins with.
func (p *pattern) distance(key string) int {
	end := 0
	for range strings.Count(p.literal, ":") {
		end += strings.IndexByte(key[end:]+":", ':') + 1
		end = min(end, len(key))
	}
	if end == 0 {
		end = min(len(p.literal), len(key))
	}
	const longestCompared = 256
	key = key[:min(end, longestCompared)]
	return 100 * edits(key, p.literal) / max(len(key), len(p.literal), 1)
}
