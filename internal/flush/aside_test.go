package flush

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// TestLettersHoldNothingOfTheirBatch: the values of a batch share a few large pieces of
// memory with others and with the cut, which a letter would keep for as long as it is there.
func TestLettersHoldNothingOfTheirBatch(t *testing.T) {
	text := []byte("PaPb")
	vals := []value.Value{value.OfString(unsafe.String(&text[0], 2)), value.OfString(unsafe.String(&text[2], 2)), value.OfInt(3)}
	var a aside
	a.init(testDef, "lull")
	a.change(nil, []sink.Letter{{ID: 1, Key: vals[:1:1], Vals: vals[1:]}})
	copy(text, "xxxx")
	clear(vals)
	l := a.letters[1]
	if got := slices.Concat(l.Key, l.Vals); got[0] != value.OfString("Pa") || got[1] != value.OfString("Pb") || got[2] != value.OfInt(3) {
		t.Errorf("the letter became %v", got)
	}
}
