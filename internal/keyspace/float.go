package keyspace

import (
	"bytes"
	"math"
	"math/big"
	"strconv"
)

// floatTextMax bounds the text of a number, so that parsing is quick.
const floatTextMax = 512

// ParseFloat parses b as Redis parses scores and the like: decimal or hexadecimal,
// "inf" and "infinity" with a sign or without; no spaces, no NaN, nothing too large
// or, other than zero, too small for a float64.
func ParseFloat(b []byte) (float64, bool) {
	text, ok := floatText(b)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) || f == 0 && hasDigit(text) {
		return 0, false
	}
	return f, true
}

// AddFloatText appends a+b as INCRBYFLOAT answers it: calculated with a mantissa of
// 64 bits, as Redis does in C's long double on x86, and written with at most 17
// decimals and no exponent. It is not ok if a or b is not a finite number, or the
// sum is too large.
func AddFloatText(dst, a, b []byte) (sum []byte, ok bool) {
	x, ok1 := parseLong(a)
	y, ok2 := parseLong(b)
	if !ok1 || !ok2 {
		return dst, false
	}
	x.Add(x, y)
	if x.MantExp(nil) > longExpMax {
		return dst, false
	}
	start := len(dst)
	dst = x.Append(dst, 'f', 17)
	return trimHuman(dst, start), true
}

// AppendHuman appends f, which is finite, with at most 17 decimals and no exponent.
func AppendHuman(dst []byte, f float64) []byte {
	start := len(dst)
	return trimHuman(strconv.AppendFloat(dst, f, 'f', 17, 64), start)
}

// FormatHuman is AppendHuman as a string.
func FormatHuman(f float64) string { return string(AppendHuman(nil, f)) }

// trimHuman drops the zeros behind the point, and the sign of a zero.
func trimHuman(dst []byte, start int) []byte {
	dst = bytes.TrimRight(dst, "0")
	dst = bytes.TrimSuffix(dst, []byte("."))
	if string(dst[start:]) == "-0" {
		return append(dst[:start], '0')
	}
	return dst
}

// longExpMax is the largest binary exponent of an x87 long double, longDigitsMax
// the decimal one.
const (
	longExpMax    = 16384
	longDigitsMax = 4950
)

func parseLong(b []byte) (*big.Float, bool) {
	text, ok := floatText(b)
	if !ok || tooLong(text) {
		return nil, false
	}
	x, _, err := big.ParseFloat(text, 0, 64, big.ToNearestEven)
	if err != nil || x.IsInf() || x.MantExp(nil) > longExpMax || x.Sign() == 0 && hasDigit(text) {
		return nil, false
	}
	return x, true
}

// tooLong reports whether text has an exponent that no long double has.
func tooLong(text string) bool {
	for i := range len(text) {
		if c := text[i] | 0x20; c == 'p' || c == 'e' && !isHex(text) {
			n, err := strconv.Atoi(text[i+1:])
			return err != nil || n > 4*longDigitsMax || n < -4*longDigitsMax ||
				c == 'e' && (n > longDigitsMax || n < -longDigitsMax)
		}
	}
	return false
}

// floatText returns b as a text that strconv and big take, if C's strtod would take
// it all: they accept underscores, which C does not, and want an exponent behind
// hexadecimal digits.
func floatText(b []byte) (text string, ok bool) {
	if len(b) == 0 || len(b) > floatTextMax || bytes.IndexByte(b, '_') >= 0 {
		return "", false
	}
	text = view(b)
	if !isHex(text) {
		// Base 0 of package big reads 0b and 0o too, and a leading zero as such.
		ok = !bytes.ContainsAny(b, "pPbBoOxX")
		return text, ok
	}
	if !bytes.ContainsAny(b, "pP") {
		text += "p0"
	}
	return text, true
}

func isHex(text string) bool {
	if text[0] == '-' || text[0] == '+' {
		text = text[1:]
	}
	return len(text) > 1 && text[0] == '0' && text[1]|0x20 == 'x'
}

// hasDigit reports whether the mantissa has a digit that is not zero.
func hasDigit(text string) bool {
	hex := isHex(text)
	for _, c := range []byte(text) {
		switch {
		case '1' <= c && c <= '9':
			return true
		case c|0x20 == 'p' || c|0x20 == 'e' && !hex:
			return false
		case hex && 'a' <= c|0x20 && c|0x20 <= 'f':
			return true
		}
	}
	return false
}
