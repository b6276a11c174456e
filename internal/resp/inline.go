package resp

import "bytes"

// inline goes on with a command that is a line of words, possibly quoted.
func (r *Reader) inline() (args [][]byte, done bool, err error) {
	rest := r.buf[r.next:]
	end := bytes.IndexByte(rest[r.scan:min(len(rest), inlineMax)], '\n')
	if end < 0 {
		if len(rest) >= inlineMax {
			return nil, false, &ProtocolError{"too big inline request"}
		}
		r.scan = len(rest)
		return nil, false, nil
	}
	end += r.scan
	r.scan = end + 1
	first := len(r.args)
	if !r.words(rest[:end]) {
		return nil, false, &ProtocolError{"unbalanced quotes in request"}
	}
	r.finish()
	return r.args[first:len(r.args):len(r.args)], true, nil
}

// words appends the words of a line to the arena. They are unquoted in place,
// since no word becomes longer by it. It is false if a quote stays open, or if
// something other than a space follows the closing one.
func (r *Reader) words(line []byte) bool {
	for {
		line = bytes.TrimLeft(line, " \t\n\v\f\r")
		if len(line) == 0 {
			return true
		}
		word, rest, ok := unquote(line)
		if !ok {
			return false
		}
		r.args = append(r.args, word)
		line = rest
	}
}

// unquote takes one word off the line.
func unquote(line []byte) (word, rest []byte, ok bool) {
	n := 0 // bytes of the word so far
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case space(c):
			return line[:n:n], line[i:], true
		case c == '"' || c == '\'':
			written, read, closed := quoted(line[n:], line[i+1:], c)
			i += read
			n += written
			if !closed || i+1 < len(line) && !space(line[i+1]) {
				return nil, nil, false
			}
		default:
			line[n] = c
			n++
		}
	}
	return line[:n:n], nil, true
}

// quoted copies src to dst up to the closing quote. written and read count the
// bytes, the closing quote among those read.
func quoted(dst, src []byte, quote byte) (written, read int, closed bool) {
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case c == quote:
			return written, i + 1, true
		case c != '\\' || i+1 == len(src):
		case quote == '\'':
			if src[i+1] == '\'' {
				i++
				c = '\''
			}
		default:
			var used int
			c, used = escaped(src[i+1:])
			i += used
		}
		dst[written] = c
		written++
	}
	return written, len(src), false
}

// escaped reads what follows a backslash between double quotes.
func escaped(src []byte) (c byte, used int) {
	if src[0] == 'x' && len(src) > 2 {
		high, okHigh := hexDigit(src[1])
		low, okLow := hexDigit(src[2])
		if okHigh && okLow {
			return high<<4 | low, 3
		}
	}
	switch src[0] {
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'b':
		return '\b', 1
	case 'a':
		return '\a', 1
	}
	return src[0], 1
}

func hexDigit(c byte) (n byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

func space(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }
