package proof

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func stateOf(w *Writer, n int) State {
	s := State{Text: fmt.Sprint(n), Counter: fmt.Sprint(n), Fields: map[string]string{}}
	for unit := 1; unit <= n; unit++ {
		s.Fields[w.Field(unit)] = fmt.Sprint(unit)
	}
	return s
}

func TestJudgeTellsWhatIsWrong(t *testing.T) {
	w := &Writer{Name: "w"}
	start := time.Now()
	for i := range 10 {
		w.Next()
		w.Answered(start.Add(time.Duration(i) * time.Second))
	}
	w.Next() // not answered
	if n := w.Acked(start.Add(3 * time.Second)); n != 4 {
		t.Errorf("%d units were answered by then, want 4", n)
	}
	half, twice := stateOf(w, 9), stateOf(w, 9)
	half.Fields[w.Field(9)] = "6"
	twice.Counter = "10"
	for _, c := range []struct {
		what                          string
		s                             State
		must                          int
		lost, doubled, invented, torn int64
	}{
		{"all", stateOf(w, 10), 10, 0, 0, 0, 0},
		{"the one that was not answered too", stateOf(w, 11), 10, 0, 0, 0, 0},
		{"two fewer", stateOf(w, 8), 10, 2, 0, 0, 0},
		{"two fewer, which is allowed", stateOf(w, 8), 8, 0, 0, 0, 0},
		{"one more", stateOf(w, 12), 10, 0, 0, 1, 0},
		{"a field of before", half, 9, 0, 0, 0, 1},
		{"counted twice", twice, 9, 0, 1, 0, 0},
		{"no text", State{Counter: "3"}, 0, 0, 0, 0, 1},
		{"nothing", State{}, 0, 0, 0, 0, 0},
	} {
		l := &Line{}
		_, err := w.Judge(l, c.s, c.must)
		if l.Lost.Load() != c.lost || l.Doubled.Load() != c.doubled || l.Invented.Load() != c.invented || l.Torn.Load() != c.torn ||
			(err != nil) != (l.Broken() > 0) {
			t.Errorf("%s: lost %d, doubled %d, invented %d, torn %d, %v", c.what, l.Lost.Load(), l.Doubled.Load(), l.Invented.Load(), l.Torn.Load(), err)
		}
	}
}

func TestEvenIsSpread(t *testing.T) {
	if got := Even(3, 9); !slices.Equal(got, []int{1, 5, 9}) {
		t.Errorf("got %v", got)
	}
	if got := Even(99, 4); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("got %v", got)
	}
	if got := Even(1, 4); !slices.Equal(got, []int{1}) {
		t.Errorf("got %v", got)
	}
}
