package change

import (
	"reflect"
	"testing"
)

// sameParts checks that SplitParts finds what DecodeUnit finds, wherever the record stands in a text.
func sameParts(t *testing.T, rec []byte) {
	t.Helper()
	const before = "of a record before"
	wantMs, want, wantErr := DecodeUnit(rec, nil)
	text := before + string(rec) + "and behind"
	ms, parts, err := SplitParts(text[len(before):len(before)+len(rec)], len(before), nil)
	if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Fatalf("%q: %v, DecodeUnit says %v", rec, err, wantErr)
	}
	if err != nil {
		return
	}
	if ms != wantMs || len(parts) != len(want) {
		t.Fatalf("%q: %d changes at %d, wanted %d at %d", rec, len(parts), ms, len(want), wantMs)
	}
	var c Change
	var cells []Cell
	for i := range parts {
		c, cells = parts[i].Change(text, cells)
		if c.Op != parts[i].Op() || c.Key != parts[i].Key(text) || !sameChange(c, want[i]) {
			t.Fatalf("%q: change %d is %+v, wanted %+v", rec, i, c, want[i])
		}
	}
}

// sameChange compares by what is written: a NaN is not equal to itself.
func sameChange(a, b Change) bool {
	return reflect.DeepEqual(AppendUnit(nil, 0, []Change{a}), AppendUnit(nil, 0, []Change{b}))
}

func TestPartsAreTheChanges(t *testing.T) {
	rec := AppendUnit(nil, 1_790_000_000_123, sampleUnit())
	for n := range len(rec) + 1 {
		sameParts(t, rec[:n])
	}
	for i := range rec { // damaged in each byte
		for _, b := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			damaged := append([]byte(nil), rec...)
			damaged[i] = b
			sameParts(t, damaged)
		}
	}
}

func BenchmarkSplitParts(b *testing.B) {
	rec := string(AppendUnit(nil, 1_790_000_000_123, sampleUnit()[:1]))
	var parts []Part
	var c Change
	var cells []Cell
	b.ReportAllocs()
	for b.Loop() {
		_, parts, _ = SplitParts(rec, 0, parts)
		c, cells = parts[0].Change(rec, cells)
	}
	_ = c
}
