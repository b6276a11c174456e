package mapping

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// PostgreSQL's limits for a numeric without a precision, in digits before and
// behind the point.
const (
	decimalWholeMax    = 131072
	decimalFractionMax = 16383
)

func readInteger(t *sink.Type, s string) (value.Value, string) {
	lo, hi := integerRange(t)
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err == nil && n >= lo && (n < 0 || uint64(n) <= hi):
		return value.OfInt(n), ""
	case err == nil:
		return value.Value{}, fmt.Sprintf("is out of range; allowed are %d to %d", lo, hi)
	}
	u, err := strconv.ParseUint(strings.TrimPrefix(s, "+"), 10, 64)
	if err == nil && u <= hi {
		return value.OfString(strconv.FormatUint(u, 10)), ""
	}
	if isDecimalInteger(s) {
		return value.Value{}, fmt.Sprintf("is out of range; allowed are %d to %d", lo, hi)
	}
	return value.Value{}, fmt.Sprintf("is not an integer; allowed are %d to %d", lo, hi)
}

// plainInteger reports whether s is the canonical text of an integer of the type, if it has
// 18 digits at most.
func plainInteger(t *sink.Type, s string) bool {
	const digitsMax = 18 // always an int64
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 || len(digits) > digitsMax || digits[0] == '0' && s != "0" {
		return false
	}
	n := int64(0)
	for i := range len(digits) {
		d := digits[i] - '0'
		if d > 9 {
			return false
		}
		n = 10*n + int64(d)
	}
	if len(digits) < len(s) {
		n = -n
	}
	lo, hi := integerRange(t)
	return n >= lo && (n < 0 || uint64(n) <= hi)
}

func integerRange(t *sink.Type) (lo int64, hi uint64) {
	bits := t.Bits
	if bits == 0 {
		bits = 64
	}
	if t.Unsigned {
		return 0, math.MaxUint64 >> (64 - bits)
	}
	return math.MinInt64 >> (64 - bits), math.MaxUint64 >> (65 - bits)
}

func isDecimalInteger(s string) bool {
	s = strings.TrimLeft(s, "+-")
	return s != "" && countDigits(s) == len(s)
}

func countDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

func parseUnsigned(s string) (uint64, bool) {
	u, err := strconv.ParseUint(s, 10, 64)
	return u, err == nil
}

// A decimal is a number in its digits: (-)whole.fraction.
type decimal struct {
	negative        bool
	whole, fraction string // whole without leading zeros, so perhaps empty
}

// parseDecimal reads a decimal, with or without exponent. The digits behind the
// point are kept, zeros too, and moved by the exponent, as PostgreSQL's numeric
// does.
func parseDecimal(s string) (d decimal, bad string) {
	d.negative = strings.HasPrefix(s, "-")
	if d.negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	n := countDigits(s)
	d.whole, s = s[:n], s[n:]
	if strings.HasPrefix(s, ".") {
		n = countDigits(s[1:])
		d.fraction, s = s[1:1+n], s[1+n:]
	}
	if d.whole == "" && d.fraction == "" {
		return d, "is not a number"
	}
	if s != "" {
		exp, err := strconv.Atoi(s[1:])
		if s[0]|0x20 != 'e' || err != nil || strings.ContainsRune(s[1:], '_') {
			return d, "is not a number"
		}
		if exp > decimalWholeMax || exp < -decimalFractionMax {
			return d, "is out of range"
		}
		d.shift(exp)
	}
	d.whole = strings.TrimLeft(d.whole, "0")
	if len(d.whole) > decimalWholeMax || len(d.fraction) > decimalFractionMax {
		return d, "has too many digits"
	}
	return d, ""
}

// shift moves the point by exp digits to the right.
func (d *decimal) shift(exp int) {
	digits, point := d.whole+d.fraction, len(d.whole)+exp
	switch {
	case point <= 0:
		d.whole, d.fraction = "", strings.Repeat("0", -point)+digits
	case point >= len(digits):
		d.whole, d.fraction = digits+strings.Repeat("0", point-len(digits)), ""
	default:
		d.whole, d.fraction = digits[:point], digits[point:]
	}
}

func (d *decimal) String() string {
	var b strings.Builder
	b.Grow(len(d.whole) + len(d.fraction) + 3)
	if d.negative && strings.Trim(d.whole+d.fraction, "0") != "" {
		b.WriteByte('-')
	}
	if d.whole == "" {
		b.WriteByte('0')
	}
	b.WriteString(d.whole)
	if d.fraction != "" {
		b.WriteByte('.')
		b.WriteString(d.fraction)
	}
	return b.String()
}

func readDecimal(t *sink.Type, s string) (string, string) {
	d, bad := parseDecimal(s)
	if bad != "" {
		return "", bad
	}
	if t.Unsigned && d.negative && strings.Trim(d.whole+d.fraction, "0") != "" {
		return "", "is negative, and the column is unsigned"
	}
	switch {
	case t.Scale >= 0:
		if more := len(d.fraction) - t.Scale; more > 0 {
			if strings.Trim(d.fraction[t.Scale:], "0") != "" {
				return "", fmt.Sprintf("has more than %d digits behind the point, and Lull does not round", t.Scale)
			}
			d.fraction = d.fraction[:t.Scale]
		} else {
			d.fraction += strings.Repeat("0", -more)
		}
		digits := strings.TrimLeft(d.whole+d.fraction, "0")
		if t.Precision > 0 && len(digits) > t.Precision {
			return "", fmt.Sprintf("is out of range; allowed are %d digits, %d of them behind the point", t.Precision, t.Scale)
		}
	case t.Precision > 0: // SQLite keeps the number, not its zeros
		d.fraction = strings.TrimRight(d.fraction, "0")
		if len(strings.TrimLeft(d.whole+d.fraction, "0")) > t.Precision {
			return "", fmt.Sprintf("has too many digits; allowed are %d", t.Precision)
		}
	}
	return d.String(), ""
}

func (c *Column) readFloat(s string) (value.Value, string) {
	bits := c.Type.Bits
	if bits == 0 {
		bits = 64
	}
	if strings.ContainsAny(s, "_xXpP") {
		return value.Value{}, "is not a number"
	}
	f, err := strconv.ParseFloat(s, bits)
	special := math.IsInf(f, 0) || math.IsNaN(f)
	switch {
	case err != nil && special, err == nil && f == 0 && strings.ContainsAny(mantissa(s), "123456789"):
		return value.Value{}, fmt.Sprintf("is out of range for a float of %d bits", bits)
	case err != nil:
		return value.Value{}, "is not a number"
	case special && !c.Type.Infinite:
		return value.Value{}, "is not a number that " + c.Type.SQL + " holds"
	case f < 0 && c.Type.Unsigned:
		return value.Value{}, "is negative, and the column is unsigned"
	}
	return c.float(f), ""
}

func mantissa(s string) string {
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		return s[:i]
	}
	return s
}

// wholeFloatMax is where value.AppendFloat stops writing whole numbers plainly.
const wholeFloatMax = 1 << 62

// float returns the canonical value of f in a FloatNum column: the number that the
// column's width holds, as the shortest text that reads back as it.
func (c *Column) float(f float64) value.Value {
	bits := 64
	if c.Type.Bits == 32 {
		bits, f = 32, float64(float32(f))
	}
	if f == math.Trunc(f) && math.Abs(f) < wholeFloatMax {
		return value.OfFloat(f + 0) // -0 becomes 0
	}
	return value.OfString(floatText(f, bits))
}

// floatText writes f with the fewest digits that read back as f, plainly from
// 0.0001 up to 17 digits.
func floatText(f float64, bits int) string {
	switch a := math.Abs(f); {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case a >= 1e-4 && a < 1e17:
		return strconv.FormatFloat(f, 'f', -1, bits)
	}
	return strconv.FormatFloat(f, 'e', -1, bits)
}

// CanonScore returns what a sorted set's score column makes of f: the score to hold
// in memory, and its cell. An integer column refuses fractions. A decimal column
// rounds to its scale, since a float stands for the nearest decimal.
func (c *Column) CanonScore(f float64) (score float64, cell value.Value, err error) {
	switch c.Type.Family {
	case sink.FloatNum:
		if c.Type.Bits == 32 {
			f = float64(float32(f))
		}
		if (math.IsInf(f, 0) || math.IsNaN(f)) && !c.Type.Infinite {
			return 0, value.Value{}, c.refuse(string(value.AppendFloat(nil, f)), "is not a number that "+c.Type.SQL+" holds")
		}
		if f < 0 && c.Type.Unsigned {
			return 0, value.Value{}, c.refuse(string(value.AppendFloat(nil, f)), "is negative, and the column is unsigned")
		}
		return f + 0, value.OfFloat(f + 0), nil
	case sink.Decimal:
		cell, err = c.canon(strconv.FormatFloat(f, 'f', max(c.Type.Scale, -1), 64))
	default:
		cell, err = c.canon(string(value.AppendFloat(nil, f)))
	}
	if err != nil {
		return 0, value.Value{}, err
	}
	score, _ = cell.Float()
	return score, cell, nil
}
