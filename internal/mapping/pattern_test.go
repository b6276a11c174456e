package mapping

import (
	"fmt"
	"strings"
	"testing"
)

func TestPatternMatches(t *testing.T) {
	for _, tt := range []struct{ pattern, key, want string }{
		{"player:{id}", "player:42", "42"},
		{"player:{id}", "player:", "no"},
		{"player:{id}", "player", "no"},
		{"player:{id}", "player:4:2", "no"},
		{"player:{id}", "players:42", "no"},
		{"order:{customer}:{no}", "order:ann:7", "ann|7"},
		{"order:{customer}:{no}", "order:ann:", "no"},
		{"order:{customer}:{no}", "order:ann", "no"},
		{"views:{page*}", "views:/a:b/c", "/a:b/c"},
		{"views:{page*}", "views:", "no"},
		{"v:{site}:{page*}", "v:x::", "x|:"},
		{"user-{id}.json", "user-42.json", "42"},
		{"user-{id}.json", "user-.json", "no"},
		{"{tenant}:cart:{id}", "acme:cart:9", "acme|9"},
		{"{{{user}}}:cart", "{42}:cart", "42"},
		{"board", "board", ""},
		{"board", "boards", "no"},
		{"{any*}", "a:b", "a:b"},
		{"a:{x}:z", "a:1:z", "1"},
		{"a:{x}:z", "a:1:y", "no"},
		{"x{a}x", "xx", "no"},
		{"x{a}x", "xxx", "x"},
	} {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatalf("%s: %v", tt.pattern, err)
		}
		var at spans
		got := "no"
		if p.match(tt.key, &at) {
			var parts []string
			for i := range p.names {
				parts = append(parts, tt.key[at[i].from:at[i].to])
			}
			got = strings.Join(parts, "|")
			if back := string(p.appendKey(nil, parts)); back != tt.key {
				t.Errorf("%s: key of %q is %q, want %q", tt.pattern, got, back, tt.key)
			}
		}
		if got != tt.want {
			t.Errorf("%s on %s: got %q, want %q", tt.pattern, tt.key, got, tt.want)
		}
	}
}

func TestPatternRefuses(t *testing.T) {
	for _, tt := range []struct{ pattern, want string }{
		{"", "missing"},
		{"a:{id", "without its }"},
		{"a:id}", "without its {"},
		{"a:{}", "not a column name"},
		{"a:{*}", "not a column name"},
		{"a:{x}{y}", "read in two ways"},
		{"a:{x}-{y}", "read in two ways"},
		{"a:{x*}:{y}", "takes the rest"},
		{"a:{x*}b", "takes the rest"},
		{"a:{x}:{x}", "twice"},
		{strings.Repeat("{a}:", 1) + manyHoles(17), "more than 16"},
	} {
		_, err := parsePattern(tt.pattern)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want an error with %q", tt.pattern, err, tt.want)
		}
	}
}

func manyHoles(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{c%d}:", i)
	}
	return b.String()
}

func TestPatternOverlaps(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"a:{x}", "b:{x}", false},
		{"a:{x}", "a:{y}", true},
		{"a:{x}", "a:{y}:{z}", false},
		{"a:{x}", "a:{y*}", true},
		{"a:{x}:b", "a:{y*}", true},
		{"a:{x}", "a:b", true},
		{"a:{x}", "a", false},
		{"{x}:b", "a:{y}", true},
		{"{x}:b", "{y}:c", false},
		{"u{x}", "v{x}", false},
		{"u{x}", "us{x}", true},
		{"{x}.a", "{x}.b", false},
		{"{x*}", "anything", true},
		{"a:p{x*}", "a:q{x}", false},
		{"a:p{x*}", "a:p", false},
		{"a:p{x*}", "a:p:q", true},
		{"a:p{x*}", "a:pq", true},
		{"a:{x*}", "a", false},
		{"a:{x*}", "b:{x*}", false},
	} {
		a, _ := parsePattern(tt.a)
		b, _ := parsePattern(tt.b)
		if a.overlaps(b) != tt.want || b.overlaps(a) != tt.want {
			t.Errorf("%s and %s: got %v and %v, want %v", tt.a, tt.b, a.overlaps(b), b.overlaps(a), tt.want)
		}
	}
}

// FuzzPattern holds that no key matches two patterns that do not overlap, and that
// a match can be undone.
func FuzzPattern(f *testing.F) {
	f.Add("a:{x}", "a:{y*}", "a:b")
	f.Add("{x}s:{y}", "u{x*}", "users:42")
	f.Add("{{{x}}}", "{x}}}", "{a}")
	f.Fuzz(func(t *testing.T, one, two, key string) {
		p, err := parsePattern(one)
		if err != nil {
			return
		}
		var at spans
		if !p.match(key, &at) {
			return
		}
		var parts []string
		for i := range p.names {
			parts = append(parts, key[at[i].from:at[i].to])
		}
		if back := string(p.appendKey(nil, parts)); back != key {
			t.Fatalf("%q on %q: parts %q make %q", one, key, parts, back)
		}
		if !strings.HasPrefix(key, p.literal) {
			t.Fatalf("%q on %q: literal %q", one, key, p.literal)
		}
		if q, err := parsePattern(two); err == nil && q.match(key, &at) && !(p.overlaps(q) && q.overlaps(p)) {
			t.Fatalf("%q and %q both match %q", one, two, key)
		}
	})
}

func TestIndexFindsWhatTheListWould(t *testing.T) {
	m := manyTables(t, 300)
	keys := []string{"", "t", "t7", "t7:1", "t70:1", "t7:1:2", "zzz", "\x00", "\xff", "{", "x:1", "x:1:y", "deep:t12:5", "t299:a:b", "t0:"}
	for i := range 300 {
		keys = append(keys, m.Tables()[i].pattern.example())
	}
	var at spans
	for _, key := range keys {
		want := (*Table)(nil)
		for _, tb := range m.Tables() {
			if tb.pattern.match(key, &at) {
				want = tb
			}
		}
		if got := m.Match([]byte(key)); got != want {
			t.Errorf("%q: got %v, want %v", key, got, want)
		}
	}
	key := []byte("t150:12345")
	if n := testing.AllocsPerRun(100, func() { m.Match(key) }); n != 0 {
		t.Errorf("Match allocates %v times", n)
	}
}

// manyTables has patterns with shared beginnings, with and without a literal front.
func manyTables(t testing.TB, n int) *Mapping {
	m := &Mapping{tables: make([]*Table, len(genericNames))}
	for i := range n {
		text := fmt.Sprintf("t%d:{id}", i)
		switch {
		case i%7 == 1:
			text = fmt.Sprintf("deep:t%d:{id}", i)
		case i%7 == 2:
			text = fmt.Sprintf("t%d:{a}:{b*}", i/7)
		case i == 3:
			text = "{x}:y:z"
		}
		p, err := parsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		m.tables = append(m.tables, &Table{Name: text, pattern: p})
	}
	m.index = newIndex(m.Tables())
	return m
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{4, 300} {
		m := manyTables(b, n)
		key := []byte(fmt.Sprintf("t%d:12345678", n/2*7/7))
		b.Run(fmt.Sprintf("%d tables", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Match(key)
			}
		})
	}
}

// TestAnOnlyHoleIsBetweenLiteralAndTail: where match finds it.
func TestAnOnlyHoleIsBetweenLiteralAndTail(t *testing.T) {
	for _, tt := range []struct{ pattern, key string }{
		{"{id}", "7"},
		{"player:{id}", "player:7"},
		{"p{id}s", "p7s"},
		{"a:p{id}s:b:cd", "a:p7s:b:cd"},
		{"{id}:a", "77:a"},
		{"{{x}}{id}{{y}}", "{x}7{y}"},
		{"views:{page*}", "views:/a:b"},
	} {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		var at spans
		if !p.match(tt.key, &at) {
			t.Errorf("%s does not match %s", tt.key, tt.pattern)
		}
		if got := (span{len(p.literal), len(tt.key) - p.tail}); got != at[0] {
			t.Errorf("%s in %s: at %v, match finds it at %v", tt.key, tt.pattern, got, at[0])
		}
	}
}
