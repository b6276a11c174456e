package server

import (
	"strings"
	"testing"
	"time"
)

func TestGlobMatchesAsRedis(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"*", "abc", true}, {"", "", true}, {"", "a", false},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"a*c", "abbbc", true}, {"a*c", "abbbd", false},
		{"h[ae]llo", "hello", true}, {"h[ae]llo", "hillo", false}, {"h[^e]llo", "hallo", true}, {"h[^e]llo", "hello", false},
		{"h[a-b]llo", "hbllo", true}, {"h[b-a]llo", "hallo", true}, {"h[a-b]llo", "hcllo", false},
		{`a\*`, "a*", true}, {`a\*`, "ab", false}, {`[\]]`, "]", true}, {"[abc", "b", true}, {"**a**", "xxaxx", true},
		{"*ab*cd", "abxabcd", true}, {`\`, `\`, true}, {"[^", "a", true},
	} {
		if got := globMatch([]byte(tt.pattern), []byte(tt.text)); got != tt.want {
			t.Errorf("%q, %q: got %v", tt.pattern, tt.text, got)
		}
	}
}

func TestGlobIsNeverSlow(t *testing.T) {
	begin := time.Now()
	if globMatch([]byte(strings.Repeat("a*", 1000)+"b"), []byte(strings.Repeat("a", 10_000))) {
		t.Error("matched")
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func FuzzGlob(f *testing.F) {
	f.Add([]byte("h[^a-c]*?\\"), []byte("hello"))
	f.Fuzz(func(t *testing.T, pattern, text []byte) {
		if len(pattern)+len(text) < 1000 {
			globMatch(pattern, text)
		}
	})
}
