package resp

import (
	"math"
	"testing"
)

func TestWriterWritesBothVersions(t *testing.T) {
	for _, tt := range []struct {
		name       string
		write      func(w *Writer)
		two, three string
	}{
		{"simple", func(w *Writer) { w.Simple("OK") }, "+OK\r\n", "+OK\r\n"},
		{"error", func(w *Writer) { w.Error("ERR", "a\r\nb") }, "-ERR a  b\r\n", "-ERR a  b\r\n"},
		{"int", func(w *Writer) { w.Int(-12) }, ":-12\r\n", ":-12\r\n"},
		{"digit", func(w *Writer) { w.Int(7) }, ":7\r\n", ":7\r\n"},
		{"bulk", func(w *Writer) { w.Bulk([]byte("ab\x00")) }, "$3\r\nab\x00\r\n", "$3\r\nab\x00\r\n"},
		{"bulk integer", func(w *Writer) { w.BulkInt(math.MinInt64) }, "$20\r\n-9223372036854775808\r\n", "$20\r\n-9223372036854775808\r\n"},
		{"null", func(w *Writer) { w.Null() }, "$-1\r\n", "_\r\n"},
		{"null array", func(w *Writer) { w.NullArray() }, "*-1\r\n", "_\r\n"},
		{"array", func(w *Writer) { w.Array(10) }, "*10\r\n", "*10\r\n"},
		{"map", func(w *Writer) { w.Map(2) }, "*4\r\n", "%2\r\n"},
		{"set", func(w *Writer) { w.Set(2) }, "*2\r\n", "~2\r\n"},
		{"push", func(w *Writer) { w.Push(2) }, "*2\r\n", ">2\r\n"},
		{"double", func(w *Writer) { w.Double(0.1) }, "$19\r\n0.10000000000000001\r\n", ",0.10000000000000001\r\n"},
		{"true", func(w *Writer) { w.Bool(true) }, ":1\r\n", "#t\r\n"},
		{"false", func(w *Writer) { w.Bool(false) }, ":0\r\n", "#f\r\n"},
		{"verbatim", func(w *Writer) { w.Verbatim("txt", "hi") }, "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"},
		{"big number", func(w *Writer) { w.BigNumber("123") }, "$3\r\n123\r\n", "(123\r\n"},
	} {
		for version, want := range map[int]string{2: tt.two, 3: tt.three} {
			var w Writer
			w.SetVersion(version)
			tt.write(&w)
			if got := string(w.Bytes()); got != want {
				t.Errorf("%s, RESP%d: got %q, wanted %q", tt.name, version, got, want)
			}
		}
	}
}

// TestDoublesLookAsInRedis: the texts were taken from ZRANGE … WITHSCORES of Redis
// 7.0.15.
func TestDoublesLookAsInRedis(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 3: "3", -1: "-1", 0.1: "0.10000000000000001", 1e15: "1000000000000000", 1e16: "10000000000000000",
		1e17: "1e+17", 1152921504606846976: "1.152921504606847e+18", 1e20: "1e+20", 123456789012345678: "1.2345678901234568e+17",
		1e-5: "1.0000000000000001e-05", math.Copysign(0, -1): "-0", math.Inf(1): "inf", math.Inf(-1): "-inf",
		1.5: "1.5", 100000: "100000", 1e21: "1e+21", 5e-324: "4.9406564584124654e-324",
	} {
		if got := string(AppendDouble(nil, f)); got != want {
			t.Errorf("%g: got %s, wanted %s", f, got, want)
		}
	}
}

func TestWriterGoesBackToAMark(t *testing.T) {
	var w Writer
	w.Simple("OK")
	mark := w.Len()
	w.Array(3)
	w.Truncate(mark)
	w.Int(1)
	if got := string(w.Bytes()); got != "+OK\r\n:1\r\n" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkWriter(b *testing.B) {
	value := make([]byte, 64)
	var w Writer
	b.ReportAllocs()
	for range b.N {
		w.Bulk(value)
		w.Simple("OK")
		w.Int(123456)
		w.Double(1234.5)
		w.Null()
		if w.Len() > 32<<10 {
			w.Reset(64 << 10)
		}
	}
}
