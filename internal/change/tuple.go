package change

import "encoding/binary"

// AppendTuple appends the tuple of parts: a single part stands as it is, several
// stand each behind its length as a uvarint. So a table with one key column pays
// nothing, and its tuple can share the key's own bytes.
func AppendTuple(dst []byte, parts ...string) []byte {
	if len(parts) == 1 {
		return append(dst, parts[0]...)
	}
	for _, p := range parts {
		dst = binary.AppendUvarint(dst, uint64(len(p)))
		dst = append(dst, p...)
	}
	return dst
}

// SplitTuple returns the n parts of tuple t, which share its bytes. It reports
// false if t is not a tuple of n parts.
func SplitTuple(parts []string, t string, n int) ([]string, bool) {
	if n == 0 {
		return parts, t == ""
	}
	if n == 1 {
		return append(parts, t), true
	}
	for range n {
		size, w := uvarint(t)
		if w <= 0 || size > uint64(len(t)-w) {
			return parts, false
		}
		parts = append(parts, t[w:w+int(size)])
		t = t[w+int(size):]
	}
	return parts, t == ""
}

func uvarint(s string) (uint64, int) {
	var b [binary.MaxVarintLen64]byte
	return binary.Uvarint(b[:copy(b[:], s)])
}
