package server

import (
	"bytes"
	"errors"
	"math"
	"strconv"
)

// word reports whether argument i is that keyword, which is given in capitals, in
// any case.
func (c *call) word(i int, keyword string) bool {
	arg := c.args[i]
	if len(arg) != len(keyword) {
		return false
	}
	for j, b := range arg {
		if 'a' <= b && b <= 'z' {
			b -= 'a' - 'A'
		}
		if b != keyword[j] {
			return false
		}
	}
	return true
}

// integer reads argument i as a signed 64-bit integer.
func (c *call) integer(i int) (int64, error) {
	n, ok := parseInteger(c.args[i])
	if !ok {
		return 0, errNotInteger
	}
	return n, nil
}

// count reads argument i as a number that is not negative.
func (c *call) count(i int) (int64, error) {
	n, ok := parseInteger(c.args[i])
	if !ok || n < 0 {
		return 0, errNotPositive
	}
	return n, nil
}

// float reads argument i as a float; "inf" is one, "nan" is none.
func (c *call) float(i int) (float64, error) {
	f, ok := parseFloat(c.args[i])
	if !ok {
		return 0, errNotFloat
	}
	return f, nil
}

// parseInteger reads an integer as strictly as Redis: no plus, no leading zeros, no
// spaces.
func parseInteger(b []byte) (int64, bool) {
	digits := b
	negative := len(b) > 1 && b[0] == '-'
	if negative {
		digits = b[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && (len(digits) > 1 || negative) {
		return 0, false
	}
	var n uint64 // 19 digits fit
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + uint64(d-'0')
	}
	switch {
	case negative && n <= 1<<63:
		return -int64(n), true // -int64(1<<63) is the least integer
	case negative || n > math.MaxInt64:
		return 0, false
	}
	return int64(n), true
}

// parseFloat reads a float as Redis does: what is too large for one is none, nor is what
// is too small and not 0.
func parseFloat(b []byte) (float64, bool) {
	f, err := strtod(b)
	return f, err == nil && (f != 0 || isZero(b))
}

// strtod reads a float as C does: hexadecimal digits need no exponent. What is too
// large is infinite and strconv.ErrRange.
func strtod(b []byte) (float64, error) {
	if bytes.IndexByte(b, '_') >= 0 { // Go allows some
		return 0, strconv.ErrSyntax
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) && bytes.ContainsAny(b, "xX") && !bytes.ContainsAny(b, "pP") {
		f, err = strconv.ParseFloat(string(b)+"p0", 64)
	}
	if err == nil && math.IsNaN(f) {
		err = strconv.ErrSyntax
	}
	return f, err
}

// isZero reports whether a float that was read as 0 has no other digit before its
// exponent.
func isZero(b []byte) bool {
	if bytes.ContainsAny(b, "xX") {
		b, _, _ = bytes.Cut(bytes.ToLower(b), []byte("p"))
		return !bytes.ContainsAny(b, "123456789abcdef")
	}
	b, _, _ = bytes.Cut(bytes.ToLower(b), []byte("e"))
	return !bytes.ContainsAny(b, "123456789")
}
