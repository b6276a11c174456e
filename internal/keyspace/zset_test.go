package keyspace

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// check verifies the order, counts, links and separators of the tree.
func (t *tree) check(tb testing.TB) {
	tb.Helper()
	if t.n == 0 {
		return
	}
	var leaves []*leaf
	size := int64(0)
	var walk func(p unsafe.Pointer, levels int, low, high *item) int
	walk = func(p unsafe.Pointer, levels int, low, high *item) (n int) {
		if levels == 0 {
			lf := (*leaf)(p)
			leaves = append(leaves, lf)
			size += leafBytes
			for i := range lf.n {
				it := &lf.items[i]
				if low != nil && it.less(low.score, low.member.name()) || high != nil && !it.less(high.score, high.member.name()) {
					tb.Fatalf("%q is outside its leaf's bounds", it.member.name())
				}
				low = &item{it.score, it.member}
				if i > 0 && !lf.items[i-1].less(it.score, it.member.name()) {
					tb.Fatal("items are out of order")
				}
			}
			return lf.n
		}
		in := (*inner)(p)
		size += innerBytes
		for i := range in.n {
			l, h := low, high
			if i > 0 {
				l = &in.mins[i-1]
			}
			if i < in.n-1 {
				h = &in.mins[i]
			}
			count := walk(in.kids[i], levels-1, l, h)
			if count != int(in.counts[i]) || count == 0 {
				tb.Fatalf("kid has %d items, count says %d", count, in.counts[i])
			}
			n += count
		}
		return n
	}
	root := unsafe.Pointer(t.first)
	if t.depth > 0 {
		root = unsafe.Pointer(t.root)
	}
	if n := walk(root, t.depth, nil, nil); n != t.n || size != t.bytes {
		tb.Fatalf("%d items, %d bytes; tree says %d, %d", n, size, t.n, t.bytes)
	}
	var prev *leaf
	lf := t.first
	for _, want := range leaves {
		if lf != want || lf.prev != prev {
			tb.Fatal("leaves are not linked in order")
		}
		prev, lf = lf, lf.next
	}
	if lf != nil {
		tb.Fatal("leaves go on behind the last")
	}
}

type scoredName struct {
	score float64
	name  string
}

func compareScored(a, b scoredName) int {
	return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.name, b.name))
}

func sortedModel(model map[string]float64) (all []scoredName) {
	for name, score := range model {
		all = append(all, scoredName{score, name})
	}
	slices.SortFunc(all, compareScored)
	return all
}

func TestZSetAgainstSortedSlice(t *testing.T) {
	rng := seeded(t)
	for _, size := range sizes {
		for _, scores := range []int{1, 5, 100000} {
			var e Entry
			e.SetNew(TypeZSet)
			z := e.ZSet()
			model := map[string]float64{}
			for phase := range 6 {
				for range 3000 {
					stepZSet(t, rng, z, model, word(rng, size.words, size.long), scores, phase%3 != 2)
				}
				compareZSet(t, rng, z, sortedModel(model), scores)
			}
		}
	}
}

func stepZSet(t *testing.T, rng *rand.Rand, z *ZSet, model map[string]float64, member []byte, scores int, growing bool) {
	t.Helper()
	old, had := model[string(member)]
	if got, ok := z.Score(member); ok != had || got != old {
		t.Fatalf("score of %q: got %v %v, want %v %v", member, got, ok, old, had)
	}
	if growing || rng.IntN(6) == 0 {
		score := float64(rng.IntN(scores))
		if had && rng.IntN(2) == 0 {
			score = old + 1
		}
		if rng.IntN(50) == 0 {
			score = math.Inf(1 - 2*rng.IntN(2))
		}
		created, changed := z.Add(member, score)
		if created == had || changed != (had && old != score) {
			t.Fatalf("add %q %v: created %v, changed %v", member, score, created, changed)
		}
		model[string(member)] = score
	} else {
		if z.Remove(member) != had {
			t.Fatalf("remove %q: want %v", member, had)
		}
		delete(model, string(member))
	}
	if z.Len() != len(model) {
		t.Fatalf("len %d, want %d", z.Len(), len(model))
	}
}

func compareZSet(t *testing.T, rng *rand.Rand, z *ZSet, want []scoredName, scores int) {
	t.Helper()
	if z.e.form == formZSetBig {
		z.big().t.check(t)
		z.big().d.check(t)
	}
	var got []scoredName
	collect := func(m []byte, s float64) bool { got = append(got, scoredName{s, string(m)}); return true }
	z.Each(0, false, collect)
	if !slices.Equal(got, want) {
		t.Fatalf("upwards: %d members differ from %d", len(got), len(want))
	}
	got = nil
	z.Each(z.Len()-1, true, collect)
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		t.Fatal("downwards: members differ")
	}
	for range 30 {
		if len(want) > 0 {
			i := rng.IntN(len(want))
			if r, ok := z.Rank([]byte(want[i].name)); !ok || r != i {
				t.Fatalf("rank of %q: got %d, want %d", want[i].name, r, i)
			}
			if m, s, _ := z.ByRank(i); string(m) != want[i].name || s != want[i].score {
				t.Fatalf("rank %d: got %q %v", i, m, s)
			}
		}
		r := ScoreRange{float64(rng.IntN(scores + 2)), float64(rng.IntN(scores + 2)), rng.IntN(2) == 0, rng.IntN(2) == 0}
		var in []scoredName
		for _, s := range want {
			if s.score > r.Min && s.score < r.Max || !r.MinEx && s.score == r.Min && s.score <= r.Max && !(r.MaxEx && s.score == r.Max) ||
				!r.MaxEx && s.score == r.Max && s.score >= r.Min && !(r.MinEx && s.score == r.Min) {
				in = append(in, s)
			}
		}
		from, to := z.ScoreSpan(r)
		offset, limit := rng.IntN(5), rng.IntN(20)-1
		checkSpan(t, z, from, to, offset, limit, in)
	}
}

func checkSpan(t *testing.T, z *ZSet, from, to, offset, limit int, in []scoredName) {
	t.Helper()
	if to-from != len(in) {
		t.Fatalf("span %d to %d, want %d members", from, to, len(in))
	}
	for _, reverse := range []bool{false, true} {
		want := slices.Clone(in)
		if reverse {
			slices.Reverse(want)
		}
		want = want[min(offset, len(want)):]
		if limit >= 0 {
			want = want[:min(limit, len(want))]
		}
		var got []scoredName
		z.EachInSpan(from, to, reverse, offset, limit, func(m []byte, s float64) bool {
			got = append(got, scoredName{s, string(m)})
			return true
		})
		if !slices.Equal(got, want) {
			t.Fatalf("offset %d, limit %d, reverse %v: got %v, want %v", offset, limit, reverse, got, want)
		}
	}
}

func TestZSetLexRanges(t *testing.T) {
	rng := seeded(t)
	for _, n := range []int{0, 10, 100, 1000} {
		z := NewZSet()
		var names []string
		for i := range n {
			names = append(names, fmt.Sprintf("%04d", 2*i))
			z.Add([]byte(names[i]), 7)
		}
		bound := func() LexBound {
			return LexBound{fmt.Appendf(nil, "%04d", rng.IntN(2*n+2)), rng.IntN(2) == 0, max(-1, rng.IntN(12)-10)}
		}
		for range 300 {
			r := LexRange{bound(), bound()}
			r.Min.Inf, r.Max.Inf = r.Min.Inf%2, r.Max.Inf%2
			if rng.IntN(3) > 0 {
				r.Min.Inf, r.Max.Inf = 0, 0
			}
			want := 0
			for _, s := range names {
				low := r.Min.Inf < 0 || r.Min.Inf == 0 && (s > string(r.Min.Member) || !r.Min.Ex && s == string(r.Min.Member))
				high := r.Max.Inf > 0 || r.Max.Inf == 0 && (s < string(r.Max.Member) || !r.Max.Ex && s == string(r.Max.Member))
				if low && high {
					want++
				}
			}
			if got := z.CountByLex(r); got != want {
				t.Fatalf("%d names, range %+v: got %d, want %d", n, r, got, want)
			}
		}
	}
}

func TestZSetPopAndRemoveSpan(t *testing.T) {
	rng := seeded(t)
	for _, n := range []int{1, 100, 3000} {
		z := NewZSet()
		model := map[string]float64{}
		for i := range n {
			model[fmt.Sprint("m", i)] = float64(rng.IntN(n))
			z.Add(fmt.Append(nil, "m", i), model[fmt.Sprint("m", i)])
		}
		all := sortedModel(model)
		for len(all) > 0 {
			if m, _, _ := z.PopMin(); string(m) != all[0].name {
				t.Fatalf("min is %q, want %q", m, all[0].name)
			}
			all = all[1:]
			if len(all) == 0 {
				break
			}
			if m, _, _ := z.PopMax(); string(m) != all[len(all)-1].name {
				t.Fatalf("max is %q, want %q", m, all[len(all)-1].name)
			}
			all = all[:len(all)-1]
			from := rng.IntN(len(all) + 1)
			to := min(len(all), from+rng.IntN(5))
			var gone []scoredName
			z.RemoveSpan(from, to, func(m []byte, s float64) { gone = append(gone, scoredName{s, string(m)}) })
			if !slices.Equal(gone, all[from:to]) {
				t.Fatalf("removed %v, want %v", gone, all[from:to])
			}
			all = slices.Delete(all, from, to)
			if z.e.form == formZSetBig {
				z.big().t.check(t)
			}
		}
		if _, _, ok := z.PopMin(); ok || z.Len() != 0 {
			t.Fatal("an empty set pops")
		}
	}
}

func bigBoard(n int) (*ZSet, [][]byte) {
	z := NewZSet()
	rng := rand.New(rand.NewPCG(1, 2))
	names := make([][]byte, n)
	for i := range n {
		names[i] = fmt.Appendf(nil, "player:%012d", i)
		z.Add(names[i], float64(rng.IntN(1000000)))
	}
	return z, names
}

func BenchmarkZSetMillion(b *testing.B) {
	z, names := bigBoard(1000000)
	rng := rand.New(rand.NewPCG(3, 4))
	b.Run("increment", func(b *testing.B) {
		for b.Loop() {
			m := names[rng.IntN(len(names))]
			s, _ := z.Score(m)
			z.Add(m, s+float64(rng.IntN(1000)))
		}
		b.ReportMetric(float64(z.Bytes())/float64(z.Len()), "B/member")
	})
	b.Run("rank", func(b *testing.B) {
		for b.Loop() {
			z.Rank(names[rng.IntN(len(names))])
		}
	})
	b.Run("top10", func(b *testing.B) {
		for b.Loop() {
			z.EachInSpan(0, z.Len(), true, 0, 10, func(m []byte, s float64) bool { return true })
		}
	})
}
