package server

// globMatch reports whether text matches a pattern as KEYS takes it: * ? [a-c] [^a]
// and backslash. It is iterative: the last star alone is gone back to, so that no
// pattern takes longer than the product of the lengths.
func globMatch(pattern, text []byte) bool {
	p, t := 0, 0
	star, mark := -1, 0 // the last star, and where in text it now ends
	for t < len(text) {
		if p < len(pattern) && pattern[p] == '*' {
			star, mark = p, t
			p++
			continue
		}
		if p < len(pattern) {
			if ok, width := globOne(pattern[p:], text[t]); ok {
				p += width
				t++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		p, t = star+1, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// globOne matches one byte against the head of a pattern, which is width long.
func globOne(pattern []byte, c byte) (ok bool, width int) {
	switch {
	case pattern[0] == '?':
		return true, 1
	case pattern[0] == '[':
		return globClass(pattern, c)
	case pattern[0] == '\\' && len(pattern) > 1:
		return pattern[1] == c, 2
	}
	return pattern[0] == c, 1
}

// globClass matches one byte against a class in brackets. One that is not closed
// goes to the pattern's end, as in Redis.
func globClass(pattern []byte, c byte) (ok bool, width int) {
	i := 1
	negated := i < len(pattern) && pattern[i] == '^'
	if negated {
		i++
	}
	for ; i < len(pattern) && pattern[i] != ']'; i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern):
			i++
			ok = ok || pattern[i] == c
		case i+2 < len(pattern) && pattern[i+1] == '-':
			low, high := pattern[i], pattern[i+2]
			ok = ok || min(low, high) <= c && c <= max(low, high)
			i += 2
		default:
			ok = ok || pattern[i] == c
		}
	}
	return ok != negated, min(i+1, len(pattern))
}
