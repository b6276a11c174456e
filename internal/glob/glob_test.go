package glob

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		fold, want bool
	}{
		{"", "", false, true}, {"*", "", false, true}, {"**", "", false, false}, {"?", "", false, false},
		{"*", "any", false, true}, {"a*", "a", false, true}, {"a**", "a", false, true}, {"*a", "ba", false, true},
		{"a*b*c", "a--b--c", false, true}, {"a*b*c", "a--c--b", false, false},
		{"h?llo", "hello", false, true}, {"h?llo", "hllo", false, false},
		{"h[ae]llo", "hallo", false, true}, {"h[ae]llo", "hillo", false, false},
		{"h[^e]llo", "hallo", false, true}, {"h[^e]llo", "hello", false, false},
		{"h[a-b]llo", "hbllo", false, true}, {"h[b-a]llo", "hbllo", false, true}, {"h[a-b]llo", "hcllo", false, false},
		{"[\\]]", "]", false, true}, {"[]", "]", false, false}, {"[abc", "b", false, true}, {"[", "[", false, false},
		{"[^", "x", false, true}, {"[a-", "-", false, true}, {"[a-]", "b", false, false}, {"[A-]", "Z", false, true},
		{"\\*", "*", false, true}, {"\\*", "a", false, false}, {"\\", "\\", false, true}, {"a\\", "a\\", false, true},
		{"HELLO", "hello", true, true}, {"HELLO", "hello", false, false}, {"[A-C]", "b", true, true},
		{"[\\B]", "b", true, false}, {"[\x80-\xff]", "\x90", false, true}, {"[a-\xff]", "\x90", false, false},
		{"user:*:name", "user:1:2:name", false, true}, {"*?", "x", false, true}, {"?*", "x", false, true},
	} {
		if got := Match([]byte(c.pattern), []byte(c.s), c.fold); got != c.want {
			t.Errorf("%q on %q, fold %v: got %v", c.pattern, c.s, c.fold, got)
		}
	}
}

// slowMatch says the same by trying every way, part by part.
func slowMatch(pattern, s []byte, fold bool) bool {
	if len(pattern) == 0 || len(s) == 0 {
		return len(s) == 0 && len(bytes.TrimLeft(pattern, "*")) == 0
	}
	if pattern[0] == '*' {
		return slowMatch(pattern[1:], s, fold) || slowMatch(pattern, s[1:], fold)
	}
	next, ok := matchByte(pattern, 0, s[0], fold)
	return ok && slowMatch(pattern[next:], s[1:], fold)
}

func TestMatchTriesEveryWay(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	random := func(letters string, n int) []byte {
		b := make([]byte, rng.IntN(n))
		for i := range b {
			b[i] = letters[rng.IntN(len(letters))]
		}
		return b
	}
	matched := 0
	for range 200000 {
		pattern, s, fold := random("**??aabB[^]-\\", 9), random("aabBB-]", 9), rng.IntN(2) == 0
		want := slowMatch(pattern, s, fold)
		if len(s) == 0 {
			continue // Redis's rule for the empty string is in the table above
		}
		if got := Match(pattern, s, fold); got != want {
			t.Fatalf("%q on %q, fold %v: got %v, want %v", pattern, s, fold, got, want)
		}
		if want {
			matched++
		}
	}
	if matched < 1000 {
		t.Fatalf("only %d matches: the patterns test nothing", matched)
	}
}

func TestManyStarsStayQuick(t *testing.T) {
	pattern := []byte(strings.Repeat("a*", 200) + "b")
	if Match(pattern, bytes.Repeat([]byte("a"), 20000), false) {
		t.Fatal("there is no b")
	}
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte("a*[^b-c]\\?"), []byte("axx"), true)
	f.Fuzz(func(t *testing.T, pattern, s []byte, fold bool) {
		if len(pattern) > 12 || len(s) > 12 || len(s) == 0 {
			Match(pattern, s, fold)
			return
		}
		if got, want := Match(pattern, s, fold), slowMatch(pattern, s, fold); got != want {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	pattern, s := []byte("user:*:session"), []byte("user:1234567890:session")
	for b.Loop() {
		Match(pattern, s, false)
	}
}
