package keyspace

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// word returns one of n short words; some are empty, and a few are long if long.
func word(rng *rand.Rand, n int, long bool) []byte {
	i := rng.IntN(n)
	switch {
	case i == 0:
		return nil
	case long && i%97 == 5:
		return fmt.Appendf(nil, "%d-%s", i, strings.Repeat("x", 60+i%200))
	}
	return fmt.Appendf(nil, "w%d", i)
}

// sizes are the numbers of different words that model tests use: packed, around
// the limit, and large.
var sizes = []struct {
	words int
	long  bool
}{{20, false}, {140, false}, {300, true}, {5000, true}}

func TestHashAgainstMap(t *testing.T) {
	rng := seeded(t)
	for _, size := range sizes {
		var e Entry
		e.SetNew(TypeHash)
		h := e.Hash()
		model := map[string]string{}
		for i := range 20000 {
			field := word(rng, size.words, size.long)
			want, had := model[string(field)]
			switch got, ok := h.Get(field); {
			case ok != had || string(got) != want:
				t.Fatalf("get %q: got %q %v, want %q %v", field, got, ok, want, had)
			case rng.IntN(10) < 4+2*(i/5000%2):
				val := word(rng, 1000, size.long)
				if created := h.Set(field, val); created == had {
					t.Fatalf("set %q: created %v", field, created)
				}
				model[string(field)] = string(val)
			default:
				if h.Del(field) != had {
					t.Fatalf("del %q: want %v", field, had)
				}
				delete(model, string(field))
			}
			if h.Len() != len(model) {
				t.Fatalf("len %d, want %d", h.Len(), len(model))
			}
		}
		got := map[string]string{}
		h.Each(func(f, v []byte) bool { got[string(f)] = string(v); return true })
		if !maps.Equal(got, model) {
			t.Fatalf("each of %d words differs from the model", size.words)
		}
		if f, v, ok := h.Random(rng.Uint64()); ok != (len(model) > 0) || ok && model[string(f)] != string(v) {
			t.Fatalf("random: %q %q %v", f, v, ok)
		}
		clear(got)
		for c, first := uint64(0), true; first || c != 0; first = false {
			c = h.Scan(c, 7, func(f, v []byte) { got[string(f)] = string(v) })
		}
		if !maps.Equal(got, model) {
			t.Fatalf("scan of %d words differs from the model", size.words)
		}
		if e.form == formHashBig {
			h.big().d.check(t)
		}
	}
}

func TestSetAgainstMap(t *testing.T) {
	rng := seeded(t)
	for round := range 12 {
		size := sizes[round%len(sizes)]
		var e Entry
		e.SetNew(TypeSet)
		s := e.Set()
		model := map[string]bool{}
		for i := range 10000 {
			member := word(rng, size.words, size.long)
			if round >= 4 {
				member = fmt.Append(nil, (rng.Int64()-1<<62)>>(20*rng.IntN(4))%int64(size.words))
			}
			if round >= 8 && i == 5000 {
				member = []byte("-0")
			}
			if s.Has(member) != model[string(member)] {
				t.Fatalf("has %q: want %v", member, model[string(member)])
			}
			if rng.IntN(10) < 4+2*(i/2500%2) {
				if s.Add(member) == model[string(member)] {
					t.Fatalf("add %q", member)
				}
				model[string(member)] = true
			} else {
				if s.Remove(member) != model[string(member)] {
					t.Fatalf("remove %q", member)
				}
				delete(model, string(member))
			}
			if i%50 == 0 && len(model) > 0 {
				m, ok := s.Pop(rng.Uint64())
				if !ok || !model[string(m)] || s.Has(m) {
					t.Fatalf("pop: %q %v", m, ok)
				}
				delete(model, string(m))
			}
			if s.Len() != len(model) {
				t.Fatalf("len %d, want %d", s.Len(), len(model))
			}
		}
		got := map[string]bool{}
		s.Each(func(m []byte) bool { got[string(m)] = true; return true })
		if !maps.Equal(got, model) {
			t.Fatal("each differs from the model")
		}
		clear(got)
		for c, first := uint64(0), true; first || c != 0; first = false {
			c = s.Scan(c, 7, func(m []byte) { got[string(m)] = true })
		}
		if !maps.Equal(got, model) {
			t.Fatal("scan differs from the model")
		}
	}
}

func TestSetOfIntegersStaysSorted(t *testing.T) {
	s := NewSet()
	for _, n := range []string{"5", "-3", "70000", "1", "-9223372036854775808", "9223372036854775807", "5"} {
		s.Add([]byte(n))
	}
	var got [][]byte
	s.Each(func(m []byte) bool { got = append(got, bytes.Clone(m)); return true })
	if want := "-9223372036854775808 -3 1 5 70000 9223372036854775807"; !s.IsInts() || string(bytes.Join(got, []byte(" "))) != want {
		t.Fatalf("got %q, want %s", got, want)
	}
	if s.Add([]byte("05")); s.IsInts() || s.Len() != 7 || !s.Has([]byte("70000")) || s.Has([]byte("070000")) {
		t.Fatal("a member that is no canonical integer must end the form and no more")
	}
}

// A hash of a column's worth of fields changes without allocation.
func TestHotPathsAllocateNothing(t *testing.T) {
	var small, large Entry
	small.SetNew(TypeHash)
	large.SetNew(TypeHash)
	zset := NewZSet()
	for i := range 1000 {
		large.Hash().Set(fmt.Append(nil, i), []byte("00"))
		zset.Add(fmt.Append(nil, i), float64(i))
	}
	small.Hash().Set([]byte("score"), []byte("10"))
	field, number, score := []byte("score"), []byte("999"), 0.0
	for name, run := range map[string]func(){
		"small hash set": func() { small.Hash().Set(field, []byte("11")) },
		"large hash set": func() { large.Hash().Set(number, []byte("11")) },
		"hash get":       func() { small.Hash().Get(field); large.Hash().Get(number) },
		"zset score":     func() { zset.Score(number); zset.Rank(number) },
		"zset add":       func() { score += 1e-3; zset.Add(number, 990+score) },
		"zset count":     func() { zset.CountByScore(ScoreRange{Min: 3, Max: 900}) },
	} {
		if n := testing.AllocsPerRun(50, run); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestPayloadOfAnotherTypePanics(t *testing.T) {
	var e Entry
	e.SetNew(TypeHash)
	h := e.Hash()
	e.SetString("x")
	defer func() {
		if recover() == nil {
			t.Fatal("an old view must not read a new payload")
		}
	}()
	h.Get([]byte("field"))
}

// TestAddIsSetOfANewField: also of the one that makes the hash large.
func TestAddIsSetOfANewField(t *testing.T) {
	long := strings.Repeat("x", packedSizeMax+1)
	for _, pairs := range [][][2]string{
		nil,
		{{"a", ""}, {"bb", "2"}, {"", "3"}},
		{{"a", "1"}, {"b", long}, {"c", "3"}},
		{{"a", "1"}, {long, "2"}, {"c", "3"}},
	} {
		for n := range packedItemsMax + 2 {
			pairs = append(pairs, [2]string{"field" + strconv.Itoa(n), strconv.Itoa(n)})
		}
		added, set := NewEntry([]byte("k")), NewEntry([]byte("k"))
		added.SetNew(TypeHash)
		set.SetNew(TypeHash)
		for _, p := range pairs {
			added.Hash().Add(p[0], []byte(p[1]))
			set.Hash().Set([]byte(p[0]), []byte(p[1]))
			if added.Encoding() != set.Encoding() || added.Hash().Len() != set.Hash().Len() {
				t.Fatalf("%q: %s of %d, wanted %s of %d", p, added.Encoding(), added.Hash().Len(), set.Encoding(), set.Hash().Len())
			}
			if v, ok := added.Hash().Get([]byte(p[0])); !ok || string(v) != p[1] {
				t.Fatalf("%q: got %q, %v", p, v, ok)
			}
		}
	}
}

// TestReservedFieldsAreAllocatedOnce and not one after the other.
func TestReservedFieldsAreAllocatedOnce(t *testing.T) {
	fields := [][]byte{[]byte("a"), []byte("bb"), []byte("ccc"), []byte("d")}
	e := NewEntry([]byte("k"))
	fill := func(reserve bool) func() {
		return func() {
			e.SetNew(TypeHash)
			if reserve {
				e.Hash().Reserve(len(fields), 7+4*10)
			}
			for _, f := range fields {
				e.Hash().Set(f, []byte("0123456789"))
			}
		}
	}
	all := testing.AllocsPerRun(100, fill(false))
	if n := testing.AllocsPerRun(100, fill(true)); 2*n > all { // two under the race detector
		t.Errorf("%v allocations, %v without room of before", n, all)
	}
	fill(true)()
	reserved := slices.Clone(e.packed())
	fill(false)()
	if !bytes.Equal(reserved, e.packed()) || e.Hash().Len() != len(fields) {
		t.Errorf("%q, without room of before %q", reserved, e.packed())
	}
}
