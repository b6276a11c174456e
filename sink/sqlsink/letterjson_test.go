package sqlsink

import (
	"math"
	"testing"

	"github.com/lullcache/lull/value"
)

func TestRowsAreReadableJSON(t *testing.T) {
	names := []string{"id", "name", "score", "whole", "none", "raw", "far"}
	vals := []value.Value{
		value.OfInt(-7), value.OfString("Änn <\"x\">"), value.OfFloat(1.5), value.OfFloat(3), {},
		value.OfString("\xff\x00"), value.OfFloat(math.Inf(1)),
	}
	want := `{"id": -7, "name": "Änn <\"x\">", "score": 1.5, "whole": 3.0, "none": null, "raw": {"b64": "/wA="}, "far": {"float": "inf"}}`
	if got := encodeRow(names, vals); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsNoRowIsAnError(t *testing.T) {
	for _, text := range []string{"", "[]", "{", `{"a"`, `{"a": [1]}`, `{"a": {"c64": "x"}}`, `{"a": {"b64": "?"}}`, `{"a": true}`, `{"a": 1e999}`, `{"a": 99999999999999999999}`} {
		if names, vals, err := decodeRow(text); err == nil {
			t.Errorf("%s: want an error, got %v %v", text, names, vals)
		}
	}
}

func FuzzRowsThereAndBack(f *testing.F) {
	f.Add("a", "text", int64(5), 0.1)
	f.Add("\x00\"\\", "\xff\u2028", int64(math.MinInt64), math.Copysign(0, -1))
	f.Fuzz(func(t *testing.T, name, text string, n int64, x float64) {
		if math.IsNaN(x) {
			x = math.NaN() // one of many
		}
		vals := []value.Value{value.OfString(text), value.OfInt(n), value.OfFloat(x), {}}
		encoded := encodeRow([]string{"1", "2", "3", "4"}, vals)
		names, got, err := decodeRow(encoded)
		if err != nil || len(names) != 4 {
			t.Fatalf("%s: %v %v", encoded, names, err)
		}
		for i := range vals {
			if !got[i].Equal(vals[i]) {
				t.Fatalf("%s: value %d: got %v, want %v", encoded, i, got[i], vals[i])
			}
		}
	})
}

func FuzzDecodeRow(f *testing.F) {
	f.Add(`{"a": 1, "b": {"b64": "AA=="}}`)
	f.Fuzz(func(t *testing.T, text string) {
		names, vals, err := decodeRow(text)
		if err == nil && len(names) != len(vals) {
			t.Fatalf("%q: %d names and %d values", text, len(names), len(vals))
		}
	})
}
