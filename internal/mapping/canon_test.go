package mapping

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

func column(t sink.Type) *Column {
	return &Column{Name: "c", Column: sink.Column{Name: "c", Type: t}, table: "t"}
}

var (
	tiny     = sink.Type{Family: sink.Integer, SQL: "tinyint unsigned", Bits: 8, Unsigned: true}
	huge     = sink.Type{Family: sink.Integer, SQL: "bigint unsigned", Bits: 64, Unsigned: true}
	medium   = sink.Type{Family: sink.Integer, SQL: "mediumint", Bits: 24}
	char4    = sink.Type{Family: sink.Text, SQL: "char(4)", Length: 4, Fixed: true}
	latin    = sink.Type{Family: sink.Text, SQL: "text", MaxRune: 0xFF, Length: 4, LengthInBytes: true}
	sqlite   = sink.Type{Family: sink.Text, SQL: "TEXT", NUL: true}
	binary4  = sink.Type{Family: sink.Binary, SQL: "binary(4)", Length: 4, Fixed: true}
	latin1   = sink.Type{Family: sink.Text, SQL: "varchar(4)", MaxRune: 0xFF, NoC1: true}
	byTime   = sink.Type{Family: sink.UUID, SQL: "uuid", ByTime: true}
	since70  = sink.Type{Family: sink.TimestampTZ, SQL: "timestamp(6)", Precision: 6, MinYear: 1970, MaxYear: 2037}
	shallow  = sink.Type{Family: sink.JSON, SQL: "json", DepthMax: 3}
	numbered = sink.Type{Family: sink.JSON, SQL: "JSON", Numeric: true}
	plain    = sink.Type{Family: sink.JSON, SQL: "json"}
	seconds  = sink.Type{Family: sink.Timestamp, SQL: "datetime", MinYear: 1000, MaxYear: 9999}
	fraction = sink.Type{Family: sink.Decimal, SQL: "numeric(2,4)", Precision: 2, Scale: 4}
	loose    = sink.Type{Family: sink.Decimal, SQL: "NUMERIC", Precision: 15, Scale: -1}
	udec     = sink.Type{Family: sink.Decimal, SQL: "decimal(4,1) unsigned", Precision: 4, Scale: 1, Unsigned: true}
	ufloat   = sink.Type{Family: sink.FloatNum, SQL: "double unsigned", Bits: 64, Unsigned: true}
)

var canonTexts = []struct {
	typ      sink.Type
	in, want string // want "!": refused, with what follows in the error
}{
	{integer, "42", "42"}, {integer, "-0", "0"}, {integer, "+042", "42"}, {integer, "2147483647", "2147483647"},
	{integer, "2147483648", `!t.c: "2147483648" is out of range; allowed are -2147483648 to 2147483647`},
	{integer, "abc", `!t.c: "abc" is not an integer; allowed are -2147483648 to 2147483647`},
	{integer, "", "!not an integer"}, {integer, "1.0", "!not an integer"}, {integer, " 1", "!not an integer"}, {integer, "1_0", "!not an integer"},
	{integer, "99999999999999999999", "!out of range"},
	{tiny, "255", "255"}, {tiny, "256", "!allowed are 0 to 255"}, {tiny, "-1", "!out of range"},
	{medium, "-8388608", "-8388608"}, {medium, "8388608", "!8388607"},
	{bigint, "-9223372036854775808", "-9223372036854775808"}, {bigint, "9223372036854775808", "!out of range"},
	{huge, "18446744073709551615", "18446744073709551615"}, {huge, "+9223372036854775808", "9223372036854775808"}, {huge, "18446744073709551616", "!out of range"},

	{money, "1.5", "1.50"}, {money, "1.500", "1.50"}, {money, "1.505", "!more than 2 digits behind the point"}, {money, "1e3", "1000.00"}, {money, "-0.00", "0.00"},
	{money, "99999999.99", "99999999.99"}, {money, "100000000", "!10 digits, 2 of them behind"}, {money, ".5", "0.50"}, {money, "5.", "5.00"}, {money, ".", "!not a number"},
	{money, "1e", "!not a number"}, {money, "1e1_0", "!not a number"}, {money, "nan", "!not a number"}, {money, "0x10", "!not a number"}, {money, "1e999999999999", "!out of range"}, {money, "1e200000", "!out of range"},
	{numeric, "1.50", "1.50"}, {numeric, "1.5e1", "15"}, {numeric, "1.50e1", "15.0"}, {numeric, "1E-3", "0.001"}, {numeric, "-00012.0", "-12.0"}, {numeric, "0e5", "0"}, {numeric, "1e400", "1" + strings.Repeat("0", 400)},
	{loose, "1.50", "1.5"}, {loose, "-2.00", "-2"}, {loose, "123456789012345", "123456789012345"}, {loose, "1234567890123.456", "!allowed are 15"}, {loose, "1e-7", "0.0000001"},
	{fraction, "0.0099", "0.0099"}, {fraction, "0.01", "!out of range"}, {udec, "-1", "!unsigned"}, {udec, "-0", "0.0"}, {udec, "999.9", "999.9"},

	{double, "1.5", "1.5"}, {double, "0.1", "0.1"}, {double, "1e2", "100"}, {double, "-0", "0"}, {double, "1e300", "1e+300"}, {double, "0.00001", "1e-05"}, {double, "1234567.25", "1234567.25"},
	{double, "Infinity", "inf"}, {double, "-inf", "-inf"}, {double, "NaN", "nan"}, {double, "1e999", "!out of range"}, {double, "1e-999", "!out of range"}, {double, "0x1p4", "!not a number"}, {double, "1_0", "!not a number"}, {double, "", "!not a number"},
	{double, "4611686018427387904", "4.611686018427388e+18"}, {real32, "0.1", "0.1"}, {real32, "16777217", "16777216"}, {real32, "1e39", "!out of range"}, {real32, "1e-60", "!out of range"}, {real32, "0e-60", "0"}, {ufloat, "-1.5", "!unsigned"}, {ufloat, "inf", "!holds"},

	{latin1, "é€"[:2], "é"}, {latin1, "\u0080", "!U+0080, which the column's character set lacks"}, {latin1, "\u009f", "!lacks"}, {latin1, "\u00a0", "\u00a0"},
	{byTime, "00000000-0000-8000-0800-000000000000", "!does not take"}, {byTime, "00000000-0000-8000-0000-000000000000", "00000000-0000-8000-0000-000000000000"},
	{byTime, "00000000-0000-7000-0800-000000000000", "00000000-0000-7000-0800-000000000000"}, {byTime, "00000000-0000-F000-8f00-000000000000", "!does not take"},
	{byTime, "00000000-0000-f000-9000-000000000000", "00000000-0000-f000-9000-000000000000"},
	{since70, "1970-01-01", "!no time"}, {since70, "1970-01-01 00:00:00.000001", "1970-01-01T00:00:00.000001Z"}, {since70, "1969-12-31 23:59:59", "!1970 to 2037"},
	{shallow, `[["[\"]",{}],[{}]]`, `[["[\"]",{}],[{}]]`}, {shallow, `[[{"a":[]}]]`, "!nests deeper than 3"}, {shallow, `"\ud83d\ude00\u0000"`, `"\ud83d\ude00\u0000"`}, {shallow, `{"\ud800":1}`, "!surrogate"},
	{numbered, " 0.1e1 ", "1"}, {numbered, "-0.0", "0"}, {numbered, "1.50", "1.5"}, {numbered, "1e20", "1e+20"}, {numbered, "1e17", "100000000000000000"}, {numbered, "9223372036854775807", "9223372036854775807"},
	{numbered, "12345678901234567890.5", "!too many digits"}, {numbered, "1e400", "!out of range"}, {numbered, "1e-400", "!out of range"}, {numbered, "[1.50]", "[1.50]"}, {numbered, `"1.50"`, `"1.50"`},

	{boolean, "true", "1"}, {boolean, "F", "0"}, {boolean, "1", "1"}, {boolean, "yes", "!truth value"},

	{varchar20, "Ann", "Ann"}, {varchar20, strings.Repeat("ä", 20), strings.Repeat("ä", 20)}, {varchar20, strings.Repeat("ä", 21), "!21 characters; allowed are 20"},
	{varchar20, "a\xffb", "!not UTF-8 (byte 1)"}, {varchar20, "a\x00b", "!NUL"}, {varchar20, "\uFFFD", "\uFFFD"}, {varchar20, "", ""},
	{char4, "ab  ", "ab"}, {char4, "ab      ", "ab"}, {char4, "abcde", "!5 characters"}, {latin, "ä", "ä"}, {latin, "€", "!U+20AC"}, {latin, "äää", "!6 bytes; allowed are 4"}, {sqlite, "a\x00b", "a\x00b"},
	{bytea, "a\x00\xff", "a\x00\xff"}, {binary4, "ab", "ab\x00\x00"}, {binary4, "abcde", "!5 bytes"},

	{date, "2026-01-31", "2026-01-31"}, {date, "2026-02-29", "!not a date"}, {date, "2024-02-29", "2024-02-29"}, {date, "0000-01-01", "!years 1 to 9999"}, {date, "2026-1-31", "!not a date"}, {date, "2026-01-31x", "!not a date"}, {date, "2026-00-10", "!not a date"},
	{clock, "23:59", "23:59:00"}, {clock, "23:59:59.120", "23:59:59.12"}, {clock, "23:59:59.1234567", "23:59:59.123456"}, {clock, "24:00:00", "!not a time"}, {clock, "1:00", "!not a time"}, {clock, "01:00:00.", "!not a time"},
	{stamp, "2026-01-31T23:59:59.5Z", "2026-01-31 23:59:59.5"}, {stamp, "2026-01-31 23:59:59+02:00", "2026-01-31 21:59:59"}, {stamp, "2026-01-31", "2026-01-31 00:00:00"}, {stamp, "1769900399", "2026-01-31 22:59:59"},
	{stamp, "1769900399123", "2026-01-31 22:59:59.123"}, {stamp, "1769900399123456", "2026-01-31 22:59:59.123456"}, {stamp, "176990039912", "!not a time"}, {stamp, "infinity", "!not a time"}, {stamp, "10000-01-01", "!years 1 to 9999"},
	{stamp, "9999-12-31T23:59:59-01", "!years"}, {stamp, "2026-01-31T12:00 +0130", "2026-01-31 10:30:00"}, {stamp, "2026-01-31T12:00:00+1", "!not a time"}, {stamp, "2026-01-31T", "!not a time"}, {stamp, "", "!not a time"},
	{seconds, "2026-01-31 23:59:59.999", "2026-01-31 23:59:59"}, {seconds, "0999-01-01", "!years 1000 to 9999"},
	{stampTZ, "2026-01-31 12:00:00+01", "2026-01-31T11:00:00Z"}, {stampTZ, "2026-01-31 12:00:00.123456789", "2026-01-31T12:00:00.123456Z"}, {stampTZ, "-Infinity", "-infinity"},

	{uuid, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, {uuid, "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	{uuid, "urn:uuid:a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, {uuid, "a0eebc99", "!not a UUID"}, {uuid, "g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "!not a UUID"},
	{mood, "happy", "Happy"}, {mood, "ok", "ok"}, {mood, "glad", "!allowed are sad, ok, Happy"},
	{plain, ` {"b":1, "a":[1,  2]}` + "\n", `{"b":1, "a":[1,  2]}`}, {plain, `{`, "!not JSON"}, {plain, "\"\xff\"", "!not JSON"}, {plain, "", "!not JSON"},
	{point, "(1,2)", "!type point is not supported"},
}

func TestCanon(t *testing.T) {
	for _, tt := range canonTexts {
		v, err := column(tt.typ).Canon([]byte(tt.in))
		if want, refused := strings.CutPrefix(tt.want, "!"); refused {
			var ve *ValueError
			if !errors.As(err, &ve) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: got %q, %v; want an error with %q", tt.typ.SQL, tt.in, v, err, want)
			}
			continue
		}
		if err != nil || v.String() != tt.want {
			t.Errorf("%s %q: got %q, %v; want %q", tt.typ.SQL, tt.in, v, err, tt.want)
			continue
		}
		again, err := column(tt.typ).CanonString(v.String())
		if err != nil || again != v {
			t.Errorf("%s %q: %q becomes %q, %v the second time", tt.typ.SQL, tt.in, v, again, err)
		}
		if err := column(tt.typ).canonical(v.String()); err != nil {
			t.Errorf("%s: %v", tt.typ.SQL, err)
		}
	}
}

// TestPlainIntegerIsCanonical: it says yes to nothing but what canonical takes without it.
func TestPlainIntegerIsCanonical(t *testing.T) {
	small := sink.Type{Family: sink.Integer, SQL: "smallint", Bits: 16}
	unsigned := sink.Type{Family: sink.Integer, SQL: "tinyint unsigned", Bits: 8, Unsigned: true}
	texts := []string{
		"", "-", "0", "-0", "00", "01", "-01", "7", "-7", "+7", "7 ", "1e3", "12a", "255", "256", "-1", "32767", "32768", "-32768", "-32769",
		"999999999999999999", "-999999999999999999", "9223372036854775807", "9223372036854775808", "--1", "-a",
	}
	for _, typ := range []sink.Type{bigint, small, unsigned} {
		for _, s := range texts {
			v, bad := readInteger(&typ, s)
			canonical := bad == "" && v.String() == s
			if plain := plainInteger(&typ, s); plain && !canonical || !plain && canonical && len(strings.TrimPrefix(s, "-")) <= 18 {
				t.Errorf("%s %q: plain %v, canonical %v", typ.SQL, s, plain, canonical)
			}
		}
	}
}

// The right-hand sides are what PostgreSQL 15 answers to SELECT '…'::jsonb.
func TestCanonJSONBIsWhatPostgresWrites(t *testing.T) {
	for _, tt := range jsonbTexts {
		v, err := column(jsonb).Canon([]byte(tt.in))
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s: got %s, want a refusal", tt.in, v)
			}
			continue
		}
		if err != nil || v.String() != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.in, v, err, tt.want)
		}
		if again, err := column(jsonb).CanonLoaded(v); err != nil || again != v {
			t.Errorf("%s: %s becomes %s when loaded, %v", tt.in, v, again, err)
		}
	}
}

var jsonbTexts = []struct{ in, want string }{
	{`{"bb":1,"a":2,"c":3,"a":4}`, `{"a": 4, "c": 3, "bb": 1}`},
	{`[1,2 , 3]`, `[1, 2, 3]`},
	{`{}`, `{}`}, {` [ ] `, `[]`}, {`null`, `null`}, {` true `, `true`},
	{`{"a":{"z":[],"y":{}}}`, `{"a": {"y": {}, "z": []}}`},
	{`[1.50,1e2,1E-3,-0,-0.0,1.5e1,1e+2]`, `[1.50, 100, 0.001, 0, 0.0, 15, 100]`},
	{`"\u00e4\/\b\f\n\r\t\"\\"`, `"ä/\b\f\n\r\t\"\\"`},
	{`"\ud83d\ude00"`, `"😀"`}, {`"\u0001\u001f\u007f"`, "\"\\u0001\\u001f\x7f\""},
	{`{"":1,"ä":2,"zz":3,"b":4}`, `{"": 1, "b": 4, "zz": 3, "ä": 2}`},
	{`"\ud83d"`, ``}, {`"\ud83dx"`, ``}, {`"\ude00"`, ``}, {`"\u0000"`, ``}, {`{"\u0000":1}`, ``}, {`{'a':1}`, ``}, {`[1,]`, ``}, {`01`, ``},
	{`[[[[1]]]]`, `[[[[1]]]]`}, {`{"a" : [ { "b" : null } ] , "b":false}`, `{"a": [{"b": null}], "b": false}`},
	{`12345678901234567890.123456789012345678901234567890`, `12345678901234567890.123456789012345678901234567890`},
	{`1e40`, `1` + "0000000000000000000000000000000000000000"},
}

func TestCanonLoadedEqualsCanon(t *testing.T) {
	for _, tt := range []struct {
		typ    sink.Type
		stored value.Value
		want   string
	}{
		{integer, value.OfInt(7), "7"}, {integer, value.OfString("7"), "7"}, {boolean, value.OfInt(1), "1"}, {boolean, value.OfString("t"), "1"},
		{double, value.OfFloat(0.1), "0.1"}, {double, value.OfInt(3), "3"}, {double, value.OfFloat(math.Inf(1)), "inf"}, {double, value.OfFloat(math.Copysign(0, -1)), "0"},
		{real32, value.OfFloat(float64(float32(0.1))), "0.1"}, {real32, value.OfString("0.1"), "0.1"},
		{money, value.OfString("1.50"), "1.50"}, {money, value.OfInt(3), "3.00"}, {money, value.OfFloat(0.1), "0.10"}, {loose, value.OfFloat(1e-7), "0.0000001"}, {loose, value.OfFloat(1234567890123.45), "1234567890123.45"}, {money, value.OfFloat(12345678.9), "12345678.90"},
		{sink.Type{Family: sink.Text, Fixed: true, Length: 5}, value.OfString("ab   "), "ab"},
		{stampTZ, value.OfString("2026-01-31 23:59:59.120000+00"), "2026-01-31T23:59:59.12Z"}, {stamp, value.OfString("2026-01-31 23:59:59.120000"), "2026-01-31 23:59:59.12"},
		{uuid, value.OfString("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}, {text, value.OfInt(5), "5"},
	} {
		got, err := column(tt.typ).CanonLoaded(tt.stored)
		want, err2 := column(tt.typ).CanonString(tt.want)
		if err != nil || err2 != nil || got != want {
			t.Errorf("%s %v: got %q (%v), want %q (%v)", tt.typ.SQL, tt.stored, got, err, want, err2)
		}
	}
	odd, err := column(stamp).CanonLoaded(value.OfString("0044-03-15 00:00:00 BC"))
	if err == nil || odd.String() != "0044-03-15 00:00:00 BC" {
		t.Errorf("a stored text that Canon refuses: got %q, %v", odd, err)
	}
	if v, err := column(integer).CanonLoaded(value.Value{}); err != nil || !v.IsNull() {
		t.Errorf("NULL: got %v, %v", v, err)
	}
}

// FuzzCanon holds that Canon is idempotent in every family, that what is loaded
// again is the same value, and that a canonical text is its own.
func FuzzCanon(f *testing.F) {
	types := []sink.Type{bigint, integer, {Family: sink.Integer, Bits: 64, Unsigned: true}, money, numeric, double, real32, boolean, varchar20, loose,
		{Family: sink.Text, Length: 9, Fixed: true}, bytea, {Family: sink.Binary, Length: 9, Fixed: true}, date, clock, stamp, stampTZ,
		{Family: sink.Timestamp, Precision: 3}, uuid, jsonb, {Family: sink.JSON}, mood}
	for i := range types {
		for _, s := range []string{"42", "-1.50e3", "abc", "2026-01-31T12:00:00.5+02", "23:59:59.1", "true", `{"b":[1,"\u00e4"],"a":1.0}`, "a0eebc999c0b4ef8bb6d6bb9bd380a11", "OK"} {
			f.Add(byte(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, in string) {
		c := column(types[int(which)%len(types)])
		buffer := []byte(in)
		v, err := c.Canon(buffer)
		if err != nil {
			return
		}
		clear(buffer) // as a connection does with the next command
		if kept, err := c.CanonString(in); err != nil || kept != v {
			t.Fatalf("%v: %q becomes %q, %q after its buffer was used again (%v)", c.Type, in, kept, v, err)
		}
		if again, err := c.Canon([]byte(v.String())); err != nil || again != v {
			t.Fatalf("%v: %q becomes %q, then %q (%v)", c.Type, in, v, again, err)
		}
		if loaded, err := c.CanonLoaded(v); err != nil || loaded != v {
			t.Fatalf("%v: %q is loaded as %q (%v)", c.Type, v, loaded, err)
		}
		if loaded, err := c.CanonLoaded(value.OfString(v.String())); err != nil || loaded != v {
			t.Fatalf("%v: text %q is loaded as %q (%v)", c.Type, v, loaded, err)
		}
		if err := c.canonical(v.String()); err != nil {
			t.Fatal(err)
		}
		if n, ok := v.Float(); v.Kind() == value.Int {
			if again, _ := c.CanonLoaded(value.OfInt(int64(v.Bits()))); again != v {
				t.Fatalf("%v, %v: integer %v is loaded as %v", n, ok, v, again)
			}
		}
	})
}

func TestCanonScore(t *testing.T) {
	for _, tt := range []struct {
		typ   sink.Type
		in    float64
		score float64
		cell  string
	}{
		{double, 1.5, 1.5, "1.5"}, {double, math.Copysign(0, -1), 0, "0"}, {real32, 0.1, float64(float32(0.1)), fmt.Sprintf("%.17g", float32(0.1))},
		{money, 0.1 + 0.2, 0.3, "0.30"}, {numeric, 2.25, 2.25, "2.25"}, {integer, -3, -3, "-3"},
	} {
		score, cell, err := column(tt.typ).CanonScore(tt.in)
		if err != nil || score != tt.score || math.Signbit(score) != math.Signbit(tt.score) || cell.String() != tt.cell {
			t.Errorf("%s %v: got %v, %q, %v; want %v, %q", tt.typ.SQL, tt.in, score, cell, err, tt.score, tt.cell)
		}
	}
	if _, _, err := column(integer).CanonScore(1.5); err == nil {
		t.Error("an integer score column takes 1.5")
	}
	if _, _, err := column(money).CanonScore(math.Inf(1)); err == nil {
		t.Error("a numeric score column takes infinity")
	}
}

func TestTimeAndBack(t *testing.T) {
	const at = 1769900399123
	for _, tt := range []struct {
		typ  sink.Type
		want string
		back int64
	}{
		{stamp, "2026-01-31 22:59:59.123", at}, {stampTZ, "2026-01-31T22:59:59.123Z", at}, {bigint, "1769900399123", at}, {integer, "1769900399", at - 123},
		{sink.Type{Family: sink.Timestamp}, "2026-01-31 22:59:59", at - 123},
	} {
		c := column(tt.typ)
		v, err := c.Time(at)
		if err != nil || v.String() != tt.want {
			t.Errorf("%s: got %q, %v; want %q", tt.typ.SQL, v, err, tt.want)
		}
		if back, ok := c.TimeOf(v); !ok || back != tt.back {
			t.Errorf("%s: back is %d, %v; want %d", tt.typ.SQL, back, ok, tt.back)
		}
	}
	if _, ok := column(stampTZ).TimeOf(value.OfString("infinity")); ok {
		t.Error("infinity is a time")
	}
}
