package crash

import (
	"slices"
	"sort"
	"strconv"
)

// op is a command on its way, and what is to become of the model when it is known
// what happened to it.
type op struct {
	args   []any
	things []*thing // that it writes
	// acked is called with the reply; kept when the reply says that the write is in
	// and no more; unanswered, in the order of sending, when there was none: then the
	// write may be in or not.
	acked            func(reply string)
	kept, unanswered func()
	mayBeRefused     bool // by the database
}

// late notes whether the answer says that SQL does not have the write.
func (o *op) late(is bool) {
	for _, t := range o.things {
		t.late = is
	}
}

// counter is a number that only its client changes. What is known of it is the set of
// values that it may have.
type counter struct {
	what     string
	possible []int64 // rising
	loose    []int64 // the unanswered commands of this round, in their order
}

func newCounter(what string) *counter { return &counter{what: what, possible: []int64{0}} }

// acked takes the reply to adding d.
func (c *counter) acked(r *report, d int64, reply string) {
	n, err := strconv.ParseInt(reply, 10, 64)
	if err != nil {
		r.wrong(&r.Invented, "%s: the reply to adding %d is %q", c.what, d, reply)
		return
	}
	c.saw(r, n-d, "before adding "+strconv.FormatInt(d, 10))
	c.possible = []int64{n}
}

func (c *counter) kept(d int64) {
	for i := range c.possible {
		c.possible[i] += d
	}
}

func (c *counter) unanswered(d int64) { c.loose = append(c.loose, d) }

// settle ends a round: of what was not answered any number of the first commands may
// be in. If some may have been refused, any of them may: whatever the others were, a kill
// keeps the first of the accepted ones.
func (c *counter) settle(refusals bool) {
	sums := slices.Clone(c.possible)
	first := slices.Clone(c.possible)
	for _, d := range c.loose {
		if refusals {
			first = slices.Clone(sums)
		}
		for i := range first {
			first[i] += d
		}
		sums = append(sums, first...)
		slices.Sort(sums)
		sums = slices.Compact(sums)
	}
	c.possible, c.loose = sums, nil
}

// saw compares a value that was read through Lull with what is possible: from then on
// it is the one.
func (c *counter) saw(r *report, n int64, where string) {
	c.compare(r, n, where)
	c.possible = []int64{n}
}

// compare compares a value with what is possible.
func (c *counter) compare(r *report, n int64, where string) {
	r.checked.Add(1)
	least, most := c.possible[0], c.possible[len(c.possible)-1]
	switch {
	case slices.Contains(c.possible, n):
	case n < least:
		r.wrong(&r.Lost, "%s: %s it is %d, at least %d was acknowledged", c.what, where, n, least)
	case n > most:
		r.wrong(&r.Doubled, "%s: %s it is %d, at most %d was sent", c.what, where, n, most)
	default:
		r.wrong(&r.Torn, "%s: %s it is %d, which no first part of the commands sent gives: %v", c.what, where, n, c.possible)
	}
}

// register is a value that only its client sets, each time to one that was never
// there before.
type register struct {
	what string
	// refused tells values that the database refuses: SQL then has any value of before.
	refused  func(v string) bool
	possible []string        // the acknowledged one and unanswered ones after it; "" is none
	all      map[string]bool // every value ever sent
}

func newRegister(what string) *register {
	return &register{what: what, possible: []string{""}, all: map[string]bool{"": true}}
}

func (g *register) sent(v string)       { g.all[v] = true }
func (g *register) acked(v string)      { g.possible = []string{v} }
func (g *register) unanswered(v string) { g.possible = append(g.possible, v) }

func (g *register) saw(r *report, v, where string) {
	refused := g.refused
	g.refused = nil // Lull shows what it took
	g.compare(r, v, where)
	g.refused = refused
	g.possible = []string{v}
}

func (g *register) compare(r *report, v, where string) {
	r.checked.Add(1)
	switch {
	case slices.Contains(g.possible, v):
	case g.refused != nil && g.all[v] && !g.refused(v) && slices.ContainsFunc(g.possible, g.refused):
	case g.all[v]:
		r.wrong(&r.Lost, "%s: %s it is %.40q, later ones were acknowledged: %.40q", g.what, where, v, g.possible)
	default:
		r.wrong(&r.Invented, "%s: %s it is %.40q, which was never sent", g.what, where, v)
	}
}

// drop is what the removal of the key leaves: nothing that was ever sent.
func (t *thing) drop() {
	switch {
	case t.counter != nil:
		t.counter.possible, t.counter.loose = []int64{0}, nil
	case t.register != nil:
		t.register.possible, t.register.all = []string{""}, map[string]bool{"": true}
	default:
		t.bag.sent = map[string]bool{}
	}
}

// bag gathers unique numbers in rising order: a stream, a list or a set.
type bag struct {
	what    string
	ordered bool
	sent    map[string]bool // to whether it is known to be in
}

func newBag(what string, ordered bool) *bag {
	return &bag{what: what, ordered: ordered, sent: map[string]bool{}}
}

func (b *bag) saw(r *report, items []string, where string) {
	b.compare(r, items, where)
	clear(b.sent) // what is not there now must not come later
	for _, item := range items {
		b.sent[item] = true
	}
}

func (b *bag) compare(r *report, items []string, where string) {
	r.checked.Add(int64(len(b.sent)))
	found := make(map[string]int, len(items))
	for _, item := range items {
		found[item]++
		if _, ok := b.sent[item]; !ok {
			r.wrong(&r.Invented, "%s: %s there is %q, which was never sent", b.what, where, item)
		}
		if found[item] == 2 {
			r.wrong(&r.Doubled, "%s: %s there is %q twice", b.what, where, item)
		}
	}
	for item, acked := range b.sent {
		if acked && found[item] == 0 {
			r.wrong(&r.Lost, "%s: %s %q is missing, which was acknowledged", b.what, where, item)
		}
	}
	number := func(i int) int { n, _ := strconv.Atoi(items[i]); return n }
	if b.ordered && !sort.SliceIsSorted(items, func(i, j int) bool { return number(i) < number(j) }) {
		r.wrong(&r.Torn, "%s: %s the order is not that of sending", b.what, where)
	}
}
