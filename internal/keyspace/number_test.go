package keyspace

import (
	"fmt"
	"math"
	"strconv"
	"testing"
)

func TestParseInt(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"7", 7, true}, {"-7", -7, true}, {"10", 10, true},
		{"9223372036854775807", math.MaxInt64, true}, {"-9223372036854775808", math.MinInt64, true},
		{"9223372036854775808", 0, false}, {"-9223372036854775809", 0, false}, {"99999999999999999999", 0, false},
		{"", 0, false}, {"-", 0, false}, {"-0", 0, false}, {"00", 0, false}, {"01", 0, false}, {"-01", 0, false},
		{"+1", 0, false}, {" 1", 0, false}, {"1 ", 0, false}, {"1.0", 0, false}, {"0x1", 0, false}, {"--1", 0, false},
	} {
		got, ok := ParseInt([]byte(c.in))
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%q: got %d %v, want %d %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

// What Redis 7.0.15 answers for ZADD.
func TestParseFloat(t *testing.T) {
	for _, c := range []struct {
		in   string
		want float64
		ok   bool
	}{
		{"5", 5, true}, {"+5", 5, true}, {"-5.25e2", -525, true}, {".5", .5, true}, {"5.", 5, true}, {"007", 7, true},
		{"0x10", 16, true}, {"0x1.8", 1.5, true}, {"-0x1p4", -16, true}, {"0e5", 0, true},
		{"inf", math.Inf(1), true}, {"-Infinity", math.Inf(-1), true}, {"+INF", math.Inf(1), true},
		{"nan", 0, false}, {"", 0, false}, {" 5", 0, false}, {"5 ", 0, false}, {"1_0", 0, false}, {"0b1", 0, false},
		{"1e400", 0, false}, {"1e-400", 0, false}, {"5p3", 0, false}, {"x", 0, false}, {"1e", 0, false},
	} {
		got, ok := ParseFloat([]byte(c.in))
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%q: got %v %v, want %v %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

// What Redis 7.0.15 answers for INCRBYFLOAT.
func TestAddFloatText(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"0.1", "0.2", "0.3"}, {"10.5", "0.1", "10.6"}, {"5.0e3", "2.0e2", "5200"}, {"-0", "0", "0"}, {"1", "-1", "0"},
		{"1000.1", "0", "1000.09999999999999998"}, {"100000000.1", "0.2", "100000000.29999999999563443"},
		{"3.14159265358979", "1", "4.14159265358979"}, {"0x10", "1", "17"}, {"010", "1", "11"},
		{"1e30", "1", "1000000000000000000024696061952"}, {"inf", "1", "-"}, {"nan", "1", "-"}, {"1", "x", "-"},
		{"1e5000", "1", "-"}, {"1e999999999", "1", "-"}, {"1e-999999999", "1", "-"}, {"0x1p99999", "1", "-"},
	} {
		got, ok := AddFloatText(nil, []byte(c.a), []byte(c.b))
		if !ok {
			got = []byte("-")
		}
		if string(got) != c.want {
			t.Errorf("%s + %s: got %s, want %s", c.a, c.b, got, c.want)
		}
	}
	for f, want := range map[float64]string{3: "3", 0.5: "0.5", -0.25: "-0.25", 1e20: "100000000000000000000", math.Copysign(0, -1): "0", 100: "100"} {
		if got := FormatHuman(f); got != want {
			t.Errorf("%v: got %s, want %s", f, got, want)
		}
	}
}

func FuzzParseInt(f *testing.F) {
	for _, s := range []string{"0", "-1", "007", "9223372036854775808"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, ok := ParseInt(b)
		want, err := strconv.ParseInt(string(b), 10, 64)
		canonical := err == nil && strconv.FormatInt(want, 10) == string(b)
		if ok != canonical || ok && n != want {
			t.Fatalf("%q: got %d %v, want %d %v", b, n, ok, want, canonical)
		}
	})
}

func FuzzAddFloatText(f *testing.F) {
	f.Add([]byte("1.5"), []byte("-2e10"))
	f.Add([]byte("0x1p-3"), []byte("+.1"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		sum, ok := AddFloatText(nil, a, b)
		if !ok {
			return
		}
		if _, err := strconv.ParseFloat(string(sum), 64); err != nil && len(sum) < 300 {
			t.Fatalf("%q + %q: %q is no number", a, b, sum)
		}
	})
}

func TestEntryStrings(t *testing.T) {
	var e Entry
	if e.Type() != TypeNone || e.Type().String() != "none" {
		t.Fatalf("a new entry is %v", e.Type())
	}
	e.SetInt(-42)
	if n, ok := e.Int(); !ok || n != -42 || e.Str() != "-42" || e.StrLen() != 3 || string(e.AppendStr(nil)) != "-42" {
		t.Fatalf("integer: %d %v %q %d", n, ok, e.Str(), e.StrLen())
	}
	for _, s := range []string{"", "x", "17", fmt.Sprint(math.MaxInt64)} {
		e.SetString(s)
		want, isInt := ParseInt([]byte(s))
		if n, ok := e.Int(); ok != isInt || n != want && ok || e.Str() != s || e.StrLen() != len(s) || e.Value().String() != s {
			t.Fatalf("string %q: %d %v %q", s, n, ok, e.Str())
		}
	}
	if e.Clear(); e.Type() != TypeNone {
		t.Fatal("a cleared entry has a type")
	}
}
