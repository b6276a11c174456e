// Package glob matches Redis's glob patterns, as KEYS, SCAN and PSUBSCRIBE take them.
package glob

// Match reports whether all of s matches pattern: "*" is any bytes, "?" any byte,
// "[a-z]" and "[^a-z]" a byte in or not in a class, and "\" takes the next byte as
// it is. With fold, ASCII letters match in either case.
//
// It decides as Redis 7.0's stringmatchlen, its corners included: a class that is
// not closed ends with the pattern, bounds of a class compare as signed bytes, an
// escape within a class ignores fold, and the empty string matches only the empty
// pattern and "*". The time is at most proportional to the product of the lengths.
func Match(pattern, s []byte, fold bool) bool {
	if len(s) == 0 {
		return len(pattern) == 0 || len(pattern) == 1 && pattern[0] == '*'
	}
	// A later star makes going back to an earlier one pointless: what the earlier
	// could reach by taking more, the later can too.
	star, retry := -1, 0
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, retry = p, i
			if p == len(pattern) {
				return true
			}
			continue
		}
		if p < len(pattern) {
			if next, ok := matchByte(pattern, p, s[i], fold); ok {
				p = next
				i++
				continue
			}
		}
		if star < 0 {
			return false
		}
		retry++
		p, i = star, retry
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// IsLiteral reports whether pattern matches only itself.
func IsLiteral(pattern []byte) bool {
	for _, c := range pattern {
		if c == '*' || c == '?' || c == '[' || c == '\\' {
			return false
		}
	}
	return true
}

// matchByte matches c against the part of pattern that begins at p, which is not a
// star, and returns where the next part begins.
func matchByte(pattern []byte, p int, c byte, fold bool) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchClass(pattern, p+1, c, fold)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, same(pattern[p], c, fold)
}

// matchClass matches c against the class behind "[" at p.
func matchClass(pattern []byte, p int, c byte, fold bool) (next int, ok bool) {
	not := p < len(pattern) && pattern[p] == '^'
	if not {
		p++
	}
	for ; p < len(pattern) && pattern[p] != ']'; p++ {
		switch left := len(pattern) - p; {
		case left >= 2 && pattern[p] == '\\':
			p++
			ok = ok || pattern[p] == c
		case left >= 3 && pattern[p+1] == '-':
			ok = ok || inRange(pattern[p], pattern[p+2], c, fold)
			p += 2
		default:
			ok = ok || same(pattern[p], c, fold)
		}
	}
	return min(p+1, len(pattern)), ok != not
}

func inRange(from, to, c byte, fold bool) bool {
	if int8(from) > int8(to) {
		from, to = to, from
	}
	if fold {
		from, to, c = lower(from), lower(to), lower(c)
	}
	return int8(from) <= int8(c) && int8(c) <= int8(to)
}

func same(a, b byte, fold bool) bool {
	return a == b || fold && lower(a) == lower(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
