package mapping

import (
	"encoding/json"
	"math"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lullcache/lull/sink"
)

// jsonDepthMax bounds how deep a parsed document nests. PostgreSQL's own bound is
// its stack, some 6,000.
const jsonDepthMax = 1000

// readJSON checks a JSON text (RFC 8259). Where the database stores it parsed, it is
// written as PostgreSQL writes jsonb: keys by length, then by bytes, of equal ones the
// last; a blank behind colon and comma; numbers as numeric, so 1.50 stays and 1e2 is
// 100; escapes only where they must be.
func readJSON(t *sink.Type, s string) (string, string) {
	s = strings.Trim(s, " \t\r\n")
	if !utf8.ValidString(s) || !json.Valid([]byte(s)) {
		return "", "is not JSON"
	}
	switch {
	case t.DepthMax > 0:
		return s, boundedJSON(s, t.DepthMax)
	case t.Numeric && (s[0] == '-' || countDigits(s[:1]) == 1):
		return readJSONNumber(s)
	case !t.Parsed:
		return s, ""
	}
	w := jsonWriter{in: s, out: make([]byte, 0, len(s)+len(s)/8)}
	w.value(0)
	if w.bad != "" {
		return "", w.bad
	}
	return string(w.out), ""
}

// boundedJSON says what is wrong with a valid JSON text that nests too deep or has half of a
// surrogate pair.
func boundedJSON(s string, depthMax int) (bad string) {
	w := jsonWriter{in: s, lenient: true}
	for depth := 0; w.at < len(s) && w.bad == ""; {
		switch s[w.at] {
		case '"':
			w.string()
			continue
		case '[', '{':
			if depth++; depth > depthMax {
				return "nests deeper than " + strconv.Itoa(depthMax)
			}
		case ']', '}':
			depth--
		}
		w.at++
	}
	return w.bad
}

// sqliteDigitsMax is how many digits SQLite keeps of a number that is no integer.
const sqliteDigitsMax = 15

// readJSONNumber writes a number as SQLite gives it back.
func readJSONNumber(s string) (string, string) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return strconv.FormatInt(n, 10), ""
	}
	d, bad := parseDecimal(s)
	if bad != "" {
		return "", bad
	}
	digits := len(strings.Trim(d.whole+d.fraction, "0"))
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case digits > sqliteDigitsMax:
		return "", "has too many digits; allowed are " + strconv.Itoa(sqliteDigitsMax)
	case err != nil || f == 0 && digits > 0:
		return "", "is out of range for a float of 64 bits"
	case f == math.Trunc(f) && math.Abs(f) < 1<<63:
		return strconv.FormatInt(int64(f), 10), ""
	}
	return floatText(f, 64), ""
}

// A jsonWriter rewrites a valid JSON text.
type jsonWriter struct {
	in  string
	at  int
	out []byte
	bad string
	// lenient: \u0000 is taken.
	lenient bool
}

func (w *jsonWriter) space() {
	for w.at < len(w.in) && strings.IndexByte(" \t\r\n", w.in[w.at]) >= 0 {
		w.at++
	}
}

// value rewrites the value at w.at, and the space around it.
func (w *jsonWriter) value(depth int) {
	w.space()
	if depth > jsonDepthMax {
		w.bad = "nests deeper than " + strconv.Itoa(jsonDepthMax)
	}
	if w.bad != "" {
		w.at = len(w.in)
		return
	}
	switch c := w.in[w.at]; c {
	case '{':
		w.object(depth)
	case '[':
		w.array(depth)
	case '"':
		w.out = appendJSONString(w.out, w.string())
	default:
		end := w.at
		for end < len(w.in) && strings.IndexByte(",]} \t\r\n", w.in[end]) < 0 {
			end++
		}
		text := w.in[w.at:end]
		w.at = end
		if c == '-' || c >= '0' && c <= '9' {
			d, bad := parseDecimal(text)
			if bad != "" {
				w.bad = "has the number " + shorten(text) + ", which " + bad
			}
			text = d.String()
		}
		w.out = append(w.out, text...)
	}
	w.space()
}

func (w *jsonWriter) array(depth int) {
	w.out = append(w.out, '[')
	w.at++
	w.space()
	for n := 0; w.bad == "" && w.in[w.at] != ']'; n++ {
		if n > 0 {
			w.at++ // the comma
			w.out = append(w.out, ", "...)
		}
		w.value(depth + 1)
	}
	w.at++
	w.out = append(w.out, ']')
}

func (w *jsonWriter) object(depth int) {
	type member struct{ key, text string }
	var members []member
	outer := w.out
	w.at++
	w.space()
	for w.bad == "" && w.in[w.at] != '}' {
		if w.in[w.at] == ',' {
			w.at++
			w.space()
		}
		key := w.string()
		w.space()
		w.at++ // the colon
		w.out = nil
		w.value(depth + 1)
		members = append(members, member{key, string(w.out)})
	}
	w.at++
	sort.SliceStable(members, func(i, j int) bool {
		a, b := members[i].key, members[j].key
		return len(a) < len(b) || len(a) == len(b) && a < b
	})
	w.out = append(outer, '{')
	first := true
	for i, m := range members {
		if i+1 < len(members) && members[i+1].key == m.key {
			continue
		}
		if !first {
			w.out = append(w.out, ", "...)
		}
		first = false
		w.out = appendJSONString(w.out, m.key)
		w.out = append(append(w.out, ": "...), m.text...)
	}
	w.out = append(w.out, '}')
}

// string reads the string at w.at with its escapes undone.
func (w *jsonWriter) string() string {
	w.at++
	from := w.at
	for w.in[w.at] != '"' && w.in[w.at] != '\\' {
		w.at++
	}
	if w.in[w.at] == '"' {
		w.at++
		return w.in[from : w.at-1]
	}
	out := []byte(w.in[from:w.at])
	for w.in[w.at] != '"' {
		if c := w.in[w.at]; c != '\\' {
			out = append(out, c)
			w.at++
			continue
		}
		out = utf8.AppendRune(out, w.escape())
	}
	w.at++
	return string(out)
}

// escape reads the escape at w.at.
func (w *jsonWriter) escape() rune {
	c := w.in[w.at+1]
	w.at += 2
	if i := strings.IndexByte("bfnrt", c); i >= 0 {
		return rune("\b\f\n\r\t"[i])
	}
	if c != 'u' {
		return rune(c)
	}
	r := w.hex()
	switch {
	case r == 0 && !w.lenient:
		w.bad = "has \\u0000, which the database does not take"
	case utf16.IsSurrogate(r):
		if !strings.HasPrefix(w.in[w.at:], "\\u") {
			w.bad = "has half of a surrogate pair"
			break
		}
		w.at += 2
		if r = utf16.DecodeRune(r, w.hex()); r == utf8.RuneError {
			w.bad = "has half of a surrogate pair"
		}
	}
	return r
}

func (w *jsonWriter) hex() rune {
	n, err := strconv.ParseUint(w.in[w.at:w.at+4], 16, 32)
	if err != nil {
		panic("mapping: valid JSON with a bad escape")
	}
	w.at += 4
	return rune(n)
}

func appendJSONString(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(s) {
		c := s[i]
		switch escape := strings.IndexByte("\b\f\n\r\t\"\\", c); {
		case escape >= 0:
			dst = append(dst, '\\', "bfnrt\"\\"[escape])
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
