package keyspace

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

type element struct {
	pos int64
	v   string
}

func (l *List) contents() (all []element) {
	l.Each(0, false, func(_ int, pos int64, v []byte) bool {
		all = append(all, element{pos, string(v)})
		return true
	})
	return all
}

// mover applies what a list reports of moved elements to the model.
func mover(t *testing.T, model *[]element) (Moved, func()) {
	moves := map[int64]int64{}
	return func(old, new int64, v []byte) { moves[old] = new }, func() {
		for i := range *model {
			if to, ok := moves[(*model)[i].pos]; ok {
				delete(moves, (*model)[i].pos)
				(*model)[i].pos = to
			}
		}
		if len(moves) > 0 {
			t.Fatalf("%d elements moved that do not exist", len(moves))
		}
	}
}

func TestListAgainstSlice(t *testing.T) {
	rng := seeded(t)
	for _, kind := range []string{"queue", "ends", "anywhere", "one spot"} {
		t.Run(kind, func(t *testing.T) {
			var e Entry
			e.SetNew(TypeList)
			l := e.List()
			var model []element
			for i := range 6000 {
				stepList(t, rng, l, &model, kind, i/1500%2 == 0)
				if i%100 == 0 {
					checkList(t, rng, l, model)
				}
			}
			checkList(t, rng, l, model)
		})
	}
}

func stepList(t *testing.T, rng *rand.Rand, l *List, model *[]element, kind string, growing bool) {
	t.Helper()
	v := word(rng, 30, false)
	if rng.IntN(200) == 0 {
		v = bytes.Repeat([]byte("long"), 1+rng.IntN(3000))
	}
	m := *model
	if !growing && rng.IntN(3) > 0 && len(m) > 0 {
		i := map[string]int{"queue": 0, "ends": rng.IntN(2) * (len(m) - 1), "anywhere": rng.IntN(len(m)), "one spot": len(m) / 2}[kind]
		var pos int64
		switch {
		case i == 0 && kind != "anywhere":
			var got []byte
			got, pos, _ = l.PopFront()
			v = got
		case i == len(m)-1 && kind != "anywhere":
			v, pos, _ = l.PopBack()
		default:
			v, _, _ = l.Index(i)
			v = slices.Clone(v)
			pos = l.Remove(i)
		}
		if m[i] != (element{pos, string(v)}) {
			t.Fatalf("removed %d: got %d %q, want %v", i, pos, v, m[i])
		}
		*model = slices.Delete(m, i, i+1)
		return
	}
	i := map[string]int{"queue": len(m), "ends": rng.IntN(2) * len(m), "anywhere": rng.IntN(len(m) + 1), "one spot": min(len(m), 500)}[kind]
	moved, apply := mover(t, model)
	pos := l.InsertBefore(i, v, moved)
	apply()
	*model = slices.Insert(m, i, element{pos, string(v)})
	if len(m) > 0 && rng.IntN(4) == 0 {
		i := rng.IntN(len(m))
		v := word(rng, 30, true)
		if pos := l.Set(i, v); pos != (*model)[i].pos {
			t.Fatalf("set %d: position %d, want %d", i, pos, (*model)[i].pos)
		}
		(*model)[i].v = string(v)
	}
}

func checkList(t *testing.T, rng *rand.Rand, l *List, model []element) {
	t.Helper()
	if l.Len() != len(model) || !slices.Equal(l.contents(), model) {
		t.Fatalf("%d elements differ from the model's %d", l.Len(), len(model))
	}
	size := int64(0)
	for i, c := range l.body().chunks.items() {
		if c.n == 0 {
			t.Fatalf("chunk %d is empty", i)
		}
		size += c.bytes()
	}
	if size != l.body().bytes {
		t.Fatalf("counted %d bytes, list says %d", size, l.body().bytes)
	}
	for i := 1; i < len(model); i++ {
		if model[i-1].pos >= model[i].pos {
			t.Fatalf("positions %d and %d do not rise", model[i-1].pos, model[i].pos)
		}
	}
	if len(model) == 0 {
		return
	}
	i := rng.IntN(len(model))
	if v, pos, ok := l.Index(i); !ok || (element{pos, string(v)}) != model[i] {
		t.Fatalf("index %d: got %d %q, want %v", i, pos, v, model[i])
	}
	at := i
	l.Each(i, true, func(j int, pos int64, v []byte) bool {
		if j != at || (element{pos, string(v)}) != model[j] {
			t.Fatalf("backwards at %d: got %d %q, want %v", j, pos, v, model[j])
		}
		at--
		return true
	})
	if at != -1 {
		t.Fatalf("backwards ended at %d", at)
	}
}

func TestListTrim(t *testing.T) {
	rng := seeded(t)
	for range 200 {
		l := NewList()
		for i := range rng.IntN(600) {
			l.PushBack(fmt.Append(nil, i), nil)
		}
		want := l.contents()
		from, to := rng.IntN(700)-50, rng.IntN(700)-50
		gone := map[int64]bool{}
		l.Trim(from, to, func(pos int64) { gone[pos] = true })
		want = slices.DeleteFunc(want, func(e element) bool { return gone[e.pos] })
		low, high := max(from, 0), min(to, len(want)+len(gone))
		if len(want) != max(0, high-low) || len(want) > 0 && want[0].v != fmt.Sprint(low) {
			t.Fatalf("trim [%d, %d): kept %d", from, to, len(want))
		}
		checkList(t, rng, l, want)
	}
}

func TestListRemoveEqual(t *testing.T) {
	for _, c := range []struct {
		count int
		want  string
	}{{0, "b c d"}, {1, "b a c a d a"}, {2, "b c a d a"}, {-1, "a b a c a d"}, {-2, "a b a c d"}, {-9, "b c d"}, {9, "b c d"}} {
		l := NewList()
		for _, v := range strings.Fields("a b a c a d a") {
			l.PushBack([]byte(v), nil)
		}
		l.RemoveEqual([]byte("a"), c.count, nil)
		var got []string
		for _, e := range l.contents() {
			got = append(got, e.v)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("remove %d: got %s, want %s", c.count, s, c.want)
		}
	}
}

func TestListPositionsAtTheEndOfTheRange(t *testing.T) {
	rng := seeded(t)
	for _, edge := range []int64{math.MinInt64, math.MaxInt64 - 99} {
		l := NewList()
		for i := range int64(100) {
			l.Append(edge+i, fmt.Append(nil, i))
		}
		model := l.contents()
		for _, i := range []int{50, 0, 101, 3, 99} {
			moved, apply := mover(t, &model)
			i = min(i, l.Len())
			pos := l.InsertBefore(i, []byte("new"), moved)
			apply()
			model = slices.Insert(model, i, element{pos, "new"})
			checkList(t, rng, l, model)
		}
	}
}

func TestPushedPositionsTakeNoMemory(t *testing.T) {
	l := NewList()
	for i := range 10000 {
		l.PushBack(fmt.Appendf(nil, "value:%010d", i), nil)
	}
	if per := float64(l.Bytes()) / 10000; per > 20 {
		t.Fatalf("%.1f bytes for an element of 16", per)
	}
}

func BenchmarkList(b *testing.B) {
	v := []byte("sixteen bytes...")
	l := NewList()
	for range 1000000 {
		l.PushBack(v, nil)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	b.Run("queue", func(b *testing.B) {
		for b.Loop() {
			l.PushFront(v, nil)
			l.PopBack()
		}
	})
	b.Run("index", func(b *testing.B) {
		for b.Loop() {
			l.Index(rng.IntN(l.Len()))
		}
	})
}
