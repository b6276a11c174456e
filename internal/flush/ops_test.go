package flush

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestOrderInNumbersIsTheOrderInWords compares the order that place and compareOps give
// with the one that the package comment tells, field by field.
func TestOrderInNumbersIsTheOrderInWords(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	orders := [4]int{0, 7, 7, 70_000}
	pick := func(texts ...string) string { return texts[rnd.IntN(len(texts))] }
	ops := make([]op, 2_000)
	for i := range ops {
		o := op{
			key: pick("", "a", "ab", "ab\x00", "abcdefgh", "abcdefghi", "abcdefgh\x00", "\xff", "1", "10", "9"), row: pick("", "x", "y"),
			table: uint16(rnd.IntN(len(orders))), db: uint8(rnd.IntN(3)), kind: opKind(rnd.IntN(5)),
		}
		if o.kind == opAppend {
			o.rank = rnd.Uint64N(50)
		}
		o.place(orders[o.table])
		ops[i] = o
	}
	inWords := func(a, b op) int {
		if removes := func(o op) bool { return o.kind < opPut }; removes(a) != removes(b) {
			return cmp.Compare(b2i(removes(b)), b2i(removes(a)))
		} else if a.table != b.table {
			order := cmp.Or(cmp.Compare(orders[a.table], orders[b.table]), cmp.Compare(a.table, b.table))
			if removes(a) {
				return -order
			}
			return order
		}
		if a.kind != b.kind {
			return cmp.Compare(a.kind, b.kind)
		}
		if a.kind == opAppend {
			return cmp.Compare(a.rank, b.rank)
		}
		return cmp.Or(cmp.Compare(a.db, b.db), cmp.Compare(a.key, b.key), cmp.Compare(a.row, b.row))
	}
	for range 200_000 {
		a, b := ops[rnd.IntN(len(ops))], ops[rnd.IntN(len(ops))]
		if got, want := compareOps(a, b), inWords(a, b); got != want {
			t.Fatalf("%+v and %+v: got %d, wanted %d", a, b, got, want)
		}
	}
	if !slices.IsSortedFunc(slices.SortedFunc(slices.Values(ops), compareOps), inWords) {
		t.Error("sorted by numbers is not sorted by words")
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
