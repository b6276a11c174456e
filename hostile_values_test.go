package lull_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lullcache/lull/sink"
)

// values makes texts for columns: mostly such as the column may take, at and just
// beyond its limits, and now and then anything at all.
type values struct{ *rand.Rand }

func pick[T any](v values, of ...T) T { return of[v.IntN(len(of))] }

// of is a text for a column of the type.
func (v values) of(t *sink.Type) string {
	if v.IntN(12) == 0 {
		t = &sink.Type{Family: pick(v, sink.Integer, sink.Decimal, sink.FloatNum, sink.Bool, sink.Text, sink.Binary, sink.Date,
			sink.Time, sink.TimestampTZ, sink.UUID, sink.JSON)}
	}
	switch t.Family {
	case sink.Integer:
		return v.integer()
	case sink.Decimal:
		return v.decimal(t)
	case sink.FloatNum:
		return v.float()
	case sink.Bool:
		return pick(v, "0", "1", "true", "False", "t", "F", "yes", "", "2", "01")
	case sink.Text:
		return v.text(t.Length)
	case sink.Binary:
		return v.bytes(v.length(t.Length))
	case sink.Date:
		return v.date()
	case sink.Time:
		return v.clock()
	case sink.Timestamp, sink.TimestampTZ:
		return v.time()
	case sink.UUID:
		return v.uuid()
	case sink.JSON:
		return v.json(v.IntN(5))
	case sink.Enum:
		label := pick(v, t.Labels...)
		return pick(v, label, label, strings.ToUpper(label), label+" ", "", "1")
	}
	return ""
}

func (v values) integer() string {
	edge := int64(1) << pick(v, 0, 7, 8, 15, 16, 23, 24, 31, 32, 53, 62, 63)
	switch v.IntN(6) {
	case 0:
		return strconv.FormatInt(edge+int64(v.IntN(3))-1, 10)
	case 1:
		return strconv.FormatInt(-edge+int64(v.IntN(3))-1, 10)
	case 2:
		return strconv.FormatUint(math.MaxUint64-uint64(v.IntN(2)), 10)
	case 3:
		return pick(v, "0", "-0", "+7", "007", " 5", "5 ", "", "1e3", "1.0", "0x10", "18446744073709551616", "-9223372036854775809", "٣", "1_000", "--1")
	}
	return strconv.FormatInt(int64(v.Uint64())>>v.IntN(64), 10)
}

func (v values) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = pick(v, byte('0'), '9', '0'+byte(v.IntN(10)))
	}
	return string(b)
}

func (v values) decimal(t *sink.Type) string {
	precision, scale := t.Precision, t.Scale
	if precision == 0 {
		precision = pick(v, 10, 40, 2000)
	}
	if scale < 0 {
		scale = v.IntN(precision)
	}
	switch v.IntN(8) {
	case 0:
		return pick(v, "0", "-0.00", ".5", "5.", "+1", "007.10", "1e2", "12e-1", "1e-30", "nan", "inf", "", ".", "1e", "1e200000", "1_0", "0x1p2", "-.0", " 1")
	case 1:
		return strings.Repeat("9", precision-scale) + "." + strings.Repeat("9", scale)
	case 2:
		return "1" + strings.Repeat("0", precision-scale)
	}
	s := pick(v, "", "", "-") + v.digits(v.IntN(precision-scale+1)+v.IntN(20)/19)
	if v.IntN(4) > 0 {
		s += "." + v.digits(v.IntN(scale+1)+v.IntN(10)/9) + pick(v, "", "0", "00")
	}
	return s
}

func (v values) float() string {
	switch v.IntN(6) {
	case 0:
		return pick(v, "0", "-0", "-0.0", "inf", "-Infinity", "nan", "1e400", "1e39", "-1e39", "1e-400", "1e-46", "16777217", "9007199254740993",
			"4611686018427387904", "-4611686018427387904", "0.1", "1e17", "99999999999999999", "0.0001", "0.00001", "", " 1", "1_0", "0x1p-2", "1.5.5")
	case 1:
		return strconv.FormatFloat(pick(v, math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxFloat32, math.SmallestNonzeroFloat32, 0x1p-1022, 0x1p-126, -math.MaxFloat64, -math.MaxFloat32), 'g', -1, 64)
	case 2:
		return strconv.FormatFloat(float64(math.Float32frombits(v.Uint32())), 'g', -1, 32)
	case 3:
		return strconv.FormatFloat(v.NormFloat64()*1000, 'f', v.IntN(12), 64)
	}
	return strconv.FormatFloat(math.Float64frombits(v.Uint64()), 'g', -1, 64)
}

// length is about a limit, or short, or sometimes long.
func (v values) length(most int) int {
	switch {
	case v.IntN(100) == 0:
		return pick(v, 255, 256, 4096, 65535, 65536, 70000)
	case most > 0 && most < 300 && v.IntN(2) == 0:
		return max(0, most+v.IntN(3)-1)
	}
	return v.IntN(30)
}

func (v values) bytes(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = pick(v, 0, ' ', '\'', '\\', 0x80, 0xff, byte(v.Uint32()))
	}
	return string(b)
}

// edgeRunes stand at the ends of character sets, of UTF-8's lengths and of what
// databases treat apart.
var edgeRunes = []rune{0, 1, '\b', '\t', '\n', '\r', 0x1a, ' ', '"', '%', '\'', '0', '\\', '_', '`', 0x7f, 0x80, 0x81, 0x82, 0x8d, 0x9f, 0xa0, 0xe9, 0xff, 0x100, 0x152,
	0x301, 0x7ff, 0x800, 0x20ac, 0x2028, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1f600, 0x10ffff}

func (v values) text(most int) string {
	n, kind := v.length(most), v.IntN(6)
	var b strings.Builder
	for range n {
		switch kind {
		case 0:
			b.WriteRune(pick(v, edgeRunes...))
		case 1:
			b.WriteRune(pick(v, edgeRunes[1:27]...))
		case 2:
			b.WriteRune(rune(v.IntN(utf8.MaxRune)))
		default:
			b.WriteByte(byte(' ' + v.IntN(95)))
		}
	}
	s := b.String()
	switch v.IntN(12) {
	case 0:
		return s + pick(v, "\xff", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\x00", "é"[:1])
	case 1:
		return s + pick(v, " ", "   ", "\t", "\u00a0")
	case 2:
		return pick(v, "NULL", "null", "", " ", "  ", `'; DROP TABLE every_type; --`, `\`, `\N`, "{}", "1e5", "0x41", "\u0301e")
	}
	return s
}

func (v values) date() string {
	switch v.IntN(6) {
	case 0:
		return pick(v, "0001-01-01", "9999-12-31", "0000-01-01", "10000-01-01", "infinity", "-infinity", "Infinity", "now", "", "2024-02-29", "2023-02-29",
			"1900-02-29", "2000-02-29", "1582-10-10", "2026-1-1", "2026-13-01", "2026-00-10", "2026-01-00", "20260131", "2026-01-31 ")
	case 1:
		return fmt.Sprintf("%04d-%02d-%02d", pick(v, 1, 99, 1000, 1969, 1970, 1971, 2037, 2038, 9999), 1+v.IntN(12), 1+v.IntN(28))
	}
	return fmt.Sprintf("%04d-%02d-%02d", 1+v.IntN(9999), 1+v.IntN(12), 1+v.IntN(31))
}

func (v values) clock() string {
	if v.IntN(6) == 0 {
		return pick(v, "00:00", "23:59", "24:00:00", "23:59:60", "00:00:00.000001", "23:59:59.999999", "23:59:59.9999999", "23:59:59.999999999", "12:00:00.", "1:00", "-01:00:00", "", "12:00:00.1000")
	}
	s := fmt.Sprintf("%02d:%02d:%02d", v.IntN(24), v.IntN(60), v.IntN(60))
	if v.IntN(3) > 0 {
		s += "." + v.digits(1+v.IntN(9))
	}
	return s
}

func (v values) time() string {
	switch v.IntN(8) {
	case 0:
		return pick(v, "1970-01-01T00:00:00Z", "1970-01-01 00:00:00.5", "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:01Z", "2037-12-31T23:59:59.999999Z", "2038-01-19T03:14:07Z",
			"2038-01-19T03:14:08Z", "0001-01-01 00:00:00", "0001-01-01T00:00:00+15:59", "9999-12-31T23:59:59.999999", "9999-12-31T23:59:59-15:59", "0000-00-00 00:00:00",
			"infinity", "-Infinity", "2026-02-30 00:00:00", "2016-12-31T23:59:60Z", "", "now", "2026-03-29T02:30:00+01:00", "1969-12-31T23:59:59.999Z")
	case 1:
		return pick(v, "1000000000", "9999999999", "0000000000", "1769853600123", "0000000000001", "1769853600123456", "123")
	case 2:
		return v.date()
	}
	return v.date() + pick(v, "T", " ", "t") + v.clock() + pick(v, "", "", "Z", "+02", "-0330", "+15:59", " UTC", "+16:00")
}

func (v values) uuid() string {
	if v.IntN(5) == 0 {
		return pick(v, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "", "{}", "urn:uuid:", "00000000000000000000000000000000", "0000-0000")
	}
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(v.Uint32())
	}
	s := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	return pick(v, s, s, strings.ToUpper(s), "{"+s+"}", "URN:UUID:"+s, strings.ReplaceAll(s, "-", ""), s[:35]+"g", s+" ")
}

func (v values) json(depth int) string {
	space := pick(v, "", "", " ", "\n\t")
	if depth <= 0 || v.IntN(4) == 0 {
		return space + pick(v, v.number(), v.jsonText(), "true", "false", "null") + space
	}
	if v.IntN(60) == 0 {
		n := pick(v, 20, 31, 32, 33, 100, 1000, 1001)
		return strings.Repeat("[", n) + strings.Repeat("]", n)
	}
	if v.IntN(60) == 0 {
		return pick(v, "", "{", "[1,]", "{\"a\":1,}", "nul", "'a'", "01", "1.", ".5", "+1", "[1]x", "\"\t\"", "{a:1}", "\xff", "NaN")
	}
	var parts []string
	object := v.IntN(2) == 0
	for range v.IntN(5) {
		part := v.json(depth - 1)
		if object {
			part = pick(v, `"a"`, `"b"`, `"bb"`, `""`, v.jsonText()) + space + ":" + part
		}
		parts = append(parts, part)
	}
	if all := strings.Join(parts, ","); object {
		return "{" + all + "}"
	} else {
		return "[" + all + "]"
	}
}

func (v values) number() string {
	return pick(v, "0", "-0", "-0.0", "1.50", "1e2", "1E+2", "1e-7", "1e400", "12345678901234567890.5", "0.1e1", "-1", v.digits(1), "1"+v.digits(30))
}

func (v values) jsonText() string {
	s := pick(v, "", "a", "é", "😀", `\u00e9`, `\ud83d\ude00`, `\n`, `\/`, `\"`, `\\`, "/", "\u007f", "\u2028", `\u001f`, `\b`)
	if v.IntN(8) == 0 {
		s += pick(v, `\u0000`, `\ud800`, `\udc00x`, `\ud800\ud800`, "\u0080", "<&>")
	}
	return `"` + s + pick(v, "", "x", " ") + `"`
}
