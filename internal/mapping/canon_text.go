package mapping

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/lullcache/lull/sink"
)

func readBool(s string) (string, string) {
	switch {
	case s == "1", strings.EqualFold(s, "true"), strings.EqualFold(s, "t"):
		return "1", ""
	case s == "0", strings.EqualFold(s, "false"), strings.EqualFold(s, "f"):
		return "0", ""
	}
	return "", "is not a truth value; allowed are 1, 0, true, false, t, f"
}

func checkText(t *sink.Type, s string) string {
	characters, ascii := len(s), true
	for i := 0; i < len(s) && ascii; i++ {
		ascii = s[i] < utf8.RuneSelf
	}
	if !ascii {
		characters = 0
		for i, r := range s {
			if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
				return fmt.Sprintf("is not UTF-8 (byte %d), and the column is text", i)
			}
			if t.MaxRune > 0 && r > t.MaxRune {
				return fmt.Sprintf("has the character %U, and the column's character set ends at %U", r, t.MaxRune)
			}
			if t.NoC1 && r < 0xa0 && r >= 0x80 {
				return fmt.Sprintf("has the character %U, which the column's character set lacks", r)
			}
			characters++
		}
	}
	if !t.NUL && strings.IndexByte(s, 0) >= 0 {
		return "has a NUL byte, which the column does not take"
	}
	switch {
	case t.Length == 0:
	case t.LengthInBytes && len(s) > t.Length:
		return fmt.Sprintf("has %d bytes; allowed are %d", len(s), t.Length)
	case !t.LengthInBytes && characters > t.Length:
		return fmt.Sprintf("has %d characters; allowed are %d", characters, t.Length)
	}
	return ""
}

// readBinary fills binary(n) up with zero bytes, as the database does.
func readBinary(t *sink.Type, s string) (string, string) {
	switch {
	case t.Length > 0 && len(s) > t.Length:
		return "", fmt.Sprintf("has %d bytes; allowed are %d", len(s), t.Length)
	case t.Fixed && len(s) < t.Length:
		return s + strings.Repeat("\x00", t.Length-len(s)), ""
	}
	return s, ""
}

// readLabel returns the label that s is, in any case if only one is meant.
func readLabel(labels []string, s string) (string, string) {
	found := ""
	for _, label := range labels {
		if label == s {
			return label, ""
		}
		if strings.EqualFold(label, s) {
			if found != "" {
				return "", "could be " + found + " or " + label
			}
			found = label
		}
	}
	if found == "" {
		return "", "is no label of the column; allowed are " + strings.Join(labels, ", ")
	}
	return found, ""
}

const uuidDashed = 36

// readUUID takes a UUID as RFC 9562 writes it, in any case, also without dashes, in
// braces or behind urn:uuid:.
func readUUID(t *sink.Type, s string) (string, string) {
	s, ok := plainUUID(s)
	switch {
	case !ok:
		return "", "is not a UUID"
	case t.ByTime && s[14] >= '8' && s[19] < '9' && s[19:21] != "00":
		return "", "is a UUID of a version and variant that the database does not take"
	}
	return s, ""
}

func plainUUID(s string) (string, bool) {
	if isUUID(s) {
		return s, true
	}
	in := s
	if len(in) > 9 && strings.EqualFold(in[:9], "urn:uuid:") {
		in = in[9:]
	} else if len(in) > 2 && in[0] == '{' && in[len(in)-1] == '}' {
		in = in[1 : len(in)-1]
	}
	out := strings.ToLower(in)
	if len(out) == 32 {
		out = out[:8] + "-" + out[8:12] + "-" + out[12:16] + "-" + out[16:20] + "-" + out[20:]
	}
	return out, isUUID(out)
}

func isUUID(s string) bool {
	if len(s) != uuidDashed {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}
