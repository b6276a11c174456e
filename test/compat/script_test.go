package compat

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A script is a file with a command on each line, words as in redis-cli. A line
// that begins with "--- " is a title: both servers are emptied before what follows. "#" begins a
// comment. "@sleep 20" waits for so many ms, "@forget" drops all from Lull's memory, "@restart"
// starts it anew. Lines between "@pipe" and "@end" are sent together.

// runScript runs testdata/<family>.txt in both protocols, and once more with
// nothing in Lull's memory before each command.
func runScript(t *testing.T, family string) {
	t.Helper()
	lines := readScript(t, family)
	for _, tt := range []struct {
		name  string
		proto int
		cold  bool
	}{{"RESP2", 2, false}, {"RESP3", 3, false}, {"cold", 3, true}} {
		t.Run(tt.name, func(t *testing.T) {
			p := startPair(t, tt.proto)
			p.cold = tt.cold
			s := script{pair: p, family: family}
			for i, text := range lines {
				s.step(i+1, text)
			}
		})
	}
}

func readScript(t *testing.T, family string) (lines []string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", family+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		lines = append(lines, in.Text())
	}
	return lines
}

// script is a run of a script.
type script struct {
	*pair
	family string
	title  string
	broken bool // an answer differed: the rest of the part would too
	piped  [][]string
	pipe   bool
}

// step runs one line.
func (s *script) step(number int, text string) {
	s.t.Helper()
	text = strings.TrimSpace(text)
	switch {
	case text == "" || text[0] == '#':
		return
	case strings.HasPrefix(text, "---"):
		s.reset()
		s.title, s.broken = strings.TrimSpace(strings.Trim(text, "-")), false
		return
	case s.broken:
		return
	}
	words, err := split(text)
	if err != nil {
		s.t.Fatalf("%s.txt:%d: %v", s.family, number, err)
	}
	if words[0][0] == '@' {
		s.direct(words)
		return
	}
	if s.pipe {
		s.piped = append(s.piped, words)
		return
	}
	if !s.send(words) {
		s.t.Logf("at %s.txt:%d (%s)", s.family, number, s.title)
		s.broken = true
	}
}

// direct obeys an @ line.
func (s *script) direct(words []string) {
	s.t.Helper()
	switch words[0] {
	case "@sleep":
		ms, err := strconv.Atoi(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
	case "@forget":
		s.forget()
	case "@restart":
		s.restart()
	case "@pipe":
		s.pipe, s.piped = true, nil
	case "@end":
		s.pipe = false
		if !s.send(s.piped...) {
			s.t.Logf("in a pipe of %s.txt (%s)", s.family, s.title)
			s.broken = true
		}
	default:
		s.t.Fatalf("%s.txt: unknown directive %s", s.family, words[0])
	}
}

// split cuts a line into words, which may be quoted as Go strings.
func split(text string) (words []string, err error) {
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		if text[0] != '"' {
			word, rest, _ := strings.Cut(text, " ")
			words, text = append(words, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, fmt.Errorf("quotes in %q: %w", text, err)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("quotes in %q: %w", text, err)
		}
		words, text = append(words, word), text[len(quoted):]
	}
	return words, nil
}
