package proof

import (
	"strings"
	"testing"
)

func TestTableShowsWhatWasTriedAndWhatBroke(t *testing.T) {
	l := &Line{name: "TestKill/postgres"}
	l.Tried(2, "kills")
	l.Tried(1, "outages")
	l.Tried(3, "kills")
	l.Torn.Add(1)
	all.lines = append(all.lines, l)
	defer func() { all.lines = nil }()

	var text strings.Builder
	Print(&text)
	want := "TestKill/postgres  5 kills, 1 outages  0     0        0         1\n"
	if !strings.HasSuffix(text.String(), want) {
		t.Errorf("got\n%swant its last line to be\n%s", text.String(), want)
	}
	if l.Broken() != 1 {
		t.Errorf("got %d broken, want 1", l.Broken())
	}
}
