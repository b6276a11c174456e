package proof

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Writer is a client of a proof that cuts the power. Its n-th unit leaves a state that
// only n determines, in several places, so that any state that is found says how many
// units it has, and shows whether one is there in part, twice, or though nobody sent it.
//
// A Writer is used by one goroutine at a time.
type Writer struct {
	Name string

	sent     int
	base     int         // units that were found at the start of this life
	answered []time.Time // of units base+1, base+2, …
}

// fieldsMax is how many fields a writer's hash has: unit n writes field n mod fieldsMax.
const fieldsMax = 3

// Next notes that the next unit is sent, and returns its number.
func (w *Writer) Next() int {
	w.sent++
	return w.sent
}

// Answered notes when the unit that was sent last was answered.
func (w *Writer) Answered(at time.Time) { w.answered = append(w.answered, at) }

// Acked is the number of units that were answered by a time.
func (w *Writer) Acked(by time.Time) int {
	n := 0
	for n < len(w.answered) && !w.answered[n].After(by) {
		n++
	}
	return w.base + n
}

// Field is the hash field that unit n writes.
func (w *Writer) Field(n int) string { return "f" + strconv.Itoa(n%fieldsMax) }

// Keys are those that every unit of the writer writes: a string that is set to n, a
// counter that is raised by one, and a hash whose Field(n) is set to n.
func (w *Writer) Keys() (text, counter, hash string) {
	return w.Name + ":text", w.Name + ":counter", w.Name + ":hash"
}

// State is what is found of a writer: "" for what is not there.
type State struct {
	Text, Counter string
	Fields        map[string]string
}

// Judge says how many units a state has, and notes in l what is wrong with it: units up
// to must have to be there. It returns an error that says what was found.
func (w *Writer) Judge(l *Line, s State, must int) (n int, err error) {
	n, okText := number(s.Text)
	c, okCounter := number(s.Counter)
	switch {
	case okText && okCounter && n > 0 && c > n:
		l.Doubled.Add(1)
		return n, fmt.Errorf("%s: the counter is %d after unit %d", w.Name, c, n)
	case !okText || !okCounter || c != n || !w.fieldsAre(s.Fields, n):
		l.Torn.Add(1)
		return n, fmt.Errorf("%s: found in part: %+v", w.Name, s)
	case n > w.sent:
		l.Invented.Add(1)
		return n, fmt.Errorf("%s: found unit %d, only %d were sent", w.Name, n, w.sent)
	case n < must:
		l.Lost.Add(int64(must - n))
		return n, fmt.Errorf("%s: found unit %d, those up to %d were answered and safe", w.Name, n, must)
	}
	return n, nil
}

// GoOn begins another life, with the n units that were found.
func (w *Writer) GoOn(n int) { w.sent, w.base, w.answered = n, n, nil }

func (w *Writer) fieldsAre(fields map[string]string, n int) bool {
	want := 0
	for unit := max(1, n-fieldsMax+1); unit <= n; unit++ {
		want++
		if fields[w.Field(unit)] != strconv.Itoa(unit) {
			return false
		}
	}
	return len(fields) == want
}

func number(text string) (int, bool) {
	if text == "" {
		return 0, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0
}

// Even returns n numbers spread evenly over 1 to most, with both ends if n is above 1; all of
// them if n is not smaller.
func Even(n, most int) []int {
	if n >= most {
		n = most
	}
	var all []int
	for i := range n {
		all = append(all, 1+i*(most-1)/max(1, n-1))
	}
	return slices.Compact(all)
}
