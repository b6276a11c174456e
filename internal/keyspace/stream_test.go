package keyspace

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

type streamEntry struct {
	id     ID
	fields string
}

func (s *Stream) rangeOf(from, to ID, reverse bool) (all []streamEntry) {
	s.Range(from, to, reverse, func(id ID, f []byte) bool {
		all = append(all, streamEntry{id, string(f)})
		return true
	})
	return all
}

func TestStreamAgainstSlice(t *testing.T) {
	rng := seeded(t)
	var e Entry
	e.SetNew(TypeStream)
	s := e.Stream()
	var model []streamEntry
	id := ID{1000, 0}
	for i := range 20000 {
		switch r := rng.IntN(100); {
		case r < 80:
			if rng.IntN(2) == 0 {
				id = ID{id.Ms + rng.Uint64N(1000), rng.Uint64N(3) + id.Seq + 1}
			} else {
				id.Seq++
			}
			fields := strings.Repeat("f", rng.IntN(1+rng.IntN(300)))
			s.Append(id, []byte(fields))
			model = append(model, streamEntry{id, fields})
		case r < 97 && len(model) > 0:
			k := rng.IntN(len(model))
			if gone := model[k].id; !s.Del(gone) || s.Del(gone) {
				t.Fatalf("delete %v", gone)
			}
			model = slices.Delete(model, k, k+1)
		case i%40 == 0 && len(model) > 0:
			model = model[trimBoth(t, s, model, Trim{MaxLen: rng.IntN(len(model) + 1)}):]
		case i%40 == 1 && len(model) > 0:
			model = model[trimBoth(t, s, model, Trim{ByID: true, MinID: model[rng.IntN(min(len(model), 300))].id}):]
		}
		if i%200 == 0 && len(model) > 0 {
			a, z := model[rng.IntN(len(model))].id, model[rng.IntN(len(model))].id
			a.Seq += rng.Uint64N(2)
			checkStream(t, s, model, a, z)
			checkStream(t, s, model, MinID, MaxID)
		}
	}
	if got := s.Meta().LastID; got != id {
		t.Fatalf("last id is %v, want %v", got, id)
	}
}

func trimBoth(t *testing.T, s *Stream, model []streamEntry, trim Trim) (n int) {
	t.Helper()
	for n < len(model) && trim.applies(len(model)-n, model[n].id) {
		n++
	}
	i := 0
	removed := s.Trim(trim, func(id ID) {
		if id != model[i].id {
			t.Fatalf("trimmed %v, want %v", id, model[i].id)
		}
		i++
	})
	if removed != n || i != n {
		t.Fatalf("trim %+v: removed %d, told of %d, want %d", trim, removed, i, n)
	}
	return n
}

func checkStream(t *testing.T, s *Stream, model []streamEntry, from, to ID) {
	t.Helper()
	var want []streamEntry
	for _, e := range model {
		if !e.id.Less(from) && !to.Less(e.id) {
			want = append(want, e)
		}
	}
	if got := s.rangeOf(from, to, false); !slices.Equal(got, want) || s.Len() != len(model) {
		t.Fatalf("range %v to %v: %d entries, want %d", from, to, len(got), len(want))
	}
	got := s.rangeOf(from, to, true)
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		t.Fatalf("range %v down to %v: %d entries, want %d", to, from, len(got), len(want))
	}
	size := int64(0)
	for _, c := range s.body().chunks.items() {
		size += int64(cap(c.buf))
	}
	if size != s.body().bytes {
		t.Fatalf("counted %d bytes, stream says %d", size, s.body().bytes)
	}
}

func TestStreamTrimsApproximatelyByChunks(t *testing.T) {
	for _, c := range []struct {
		trim Trim
		want int
	}{
		{Trim{MaxLen: 150, Approx: true}, 800},
		{Trim{MaxLen: 999, Approx: true}, 0},
		{Trim{MaxLen: 0, Approx: true}, 1000},
		{Trim{MaxLen: 0, Approx: true, Limit: 350}, 300},
		{Trim{ByID: true, MinID: ID{Ms: 250}, Approx: true}, 200},
		{Trim{ByID: true, MinID: ID{Ms: 250}}, 250},
	} {
		s := NewStream()
		for i := range uint64(1000) {
			s.Append(ID{Ms: i, Seq: 1}, nil)
		}
		if got := s.Trim(c.trim, nil); got != c.want || s.Len() != 1000-c.want {
			t.Errorf("%+v: removed %d, want %d", c.trim, got, c.want)
		}
	}
}

func TestStreamIDTexts(t *testing.T) {
	const most = math.MaxUint64
	for _, c := range []struct {
		in        string
		id        ID
		exclusive bool
		ok        bool
	}{
		{"-", MinID, false, true}, {"+", MaxID, false, true},
		{"5", ID{5, 77}, false, true}, {"(5", ID{5, 77}, true, true},
		{"5-3", ID{5, 3}, false, true}, {"(05-03", ID{5, 3}, true, true},
		{"18446744073709551615-18446744073709551615", ID{most, most}, false, true},
		{"18446744073709551616-0", ID{}, false, false},
		{"", ID{}, false, false}, {"(", ID{}, false, false}, {"(-", ID{}, true, false},
		{"5-", ID{}, false, false}, {"-5", ID{}, false, false}, {"5-3-1", ID{}, false, false},
		{"x", ID{}, false, false}, {"5-*", ID{}, false, false}, {" ", ID{}, false, false},
		// Redis reads these with strtoull, out of a C string.
		{" 5", ID{5, 77}, false, true}, {"+5-+3", ID{5, 3}, false, true}, {"5\x00x", ID{5, 77}, false, true}, {"-\x00", MinID, false, true},
		{"5--3", ID{}, false, false}, {"5--03", ID{5, most - 2}, false, true},
	} {
		id, exclusive, ok := ParseBound([]byte(c.in), 77)
		if id != c.id || exclusive != c.exclusive || ok != c.ok {
			t.Errorf("%q: got %v %v %v, want %+v", c.in, id, exclusive, ok, c)
		}
	}
}

func TestNewStreamIDs(t *testing.T) {
	const most = math.MaxUint64
	last := ID{100, 5}
	for _, c := range []struct {
		in   string
		last ID
		now  uint64
		want string
	}{
		{"*", last, 200, "200-0"}, {"*", last, 100, "100-6"}, {"*", last, 50, "100-6"},
		{"*", ID{100, most}, 50, "101-0"}, {"*", MaxID, 50, "refused"},
		{"100-*", last, 0, "100-6"}, {"101-*", last, 0, "101-0"}, {"99-*", last, 0, "refused"},
		{"100-*", ID{100, most}, 0, "refused"}, {"0-*", ID{}, 0, "0-1"},
		{"100-6", last, 0, "100-6"}, {"100-5", last, 0, "refused"}, {"101", last, 0, "101-0"},
		{"0-0", ID{}, 0, "refused"},
	} {
		n, ok := ParseNewID([]byte(c.in))
		if !ok {
			t.Fatalf("%q does not parse", c.in)
		}
		got := "refused"
		if id, ok := n.After(c.last, c.now); ok {
			got = id.String()
		}
		if got != c.want {
			t.Errorf("%s after %v at %d: got %s, want %s", c.in, c.last, c.now, got, c.want)
		}
	}
}

func TestPackedFields(t *testing.T) {
	long := strings.Repeat("x", 300)
	var packed []byte
	want := []string{"a", "", long}
	for _, p := range want {
		packed = AppendField(packed, []byte(p))
	}
	var got []string
	for rest := packed; len(rest) > 0; {
		part, r, ok := NextField(rest)
		if !ok {
			t.Fatal("packed fields do not parse")
		}
		got, rest = append(got, string(part)), r
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
	if _, _, ok := NextField([]byte{5, 'x'}); ok {
		t.Fatal("a short part parses")
	}
}

func FuzzParseBound(f *testing.F) {
	for _, s := range []string{"-", "+", "(1-2", "1526919030474-55", "1-*", "99999999999999999999"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		id, exclusive, ok := ParseBound(b, 0)
		if !ok {
			return
		}
		text := id.String()
		if exclusive {
			text = "(" + text
		}
		if again, ex, ok := ParseBound([]byte(text), 9); !ok || again != id || ex != exclusive {
			t.Fatalf("%q is %v, which reads back as %v", b, id, again)
		}
	})
}

func BenchmarkStreamAppend(b *testing.B) {
	s := NewStream()
	fields := AppendField(AppendField(nil, []byte("user")), []byte("42"))
	id := ID{Ms: 1}
	for b.Loop() {
		id.Seq++
		s.Append(id, fields)
		s.Trim(Trim{MaxLen: 10000, Approx: true}, nil)
	}
	b.ReportMetric(float64(s.Bytes())/float64(s.Len()), fmt.Sprintf("B/entry-of-%d", len(fields)))
}

func TestStreamIDsMayFallBackBehindADeletedEntry(t *testing.T) {
	s := NewStream()
	for _, ms := range []uint64{10, 20, 30} {
		s.Append(ID{Ms: ms}, nil)
	}
	s.Del(ID{Ms: 30})
	s.Meta().LastID = ID{Ms: 25}
	s.Append(ID{Ms: 26}, nil)
	if id, _, ok := s.Last(); !ok || id.Ms != 26 || s.Len() != 3 {
		t.Fatalf("last is %v of %d entries", id, s.Len())
	}
}
