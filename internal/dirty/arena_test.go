package dirty

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/value"
)

// resizer puts values of random lengths, a few of them large, under random keys, and takes
// some out.
type resizer struct {
	r    *rand.Rand
	n    int
	want map[string]string
}

func newResizer(t *testing.T) *resizer {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return &resizer{r: rand.New(rand.NewPCG(seed, 0)), want: map[string]string{}}
}

func (z *resizer) change(s *Set) {
	z.n++
	key := fmt.Sprint(strings.Repeat("k", 1+z.r.IntN(40)), z.r.IntN(20))
	if z.r.IntN(500) == 0 {
		key += strings.Repeat("k", 5000)
	}
	if z.r.IntN(10) == 0 {
		s.Apply(&change.Change{Op: change.Clear, Table: 3, Key: key}, 1)
		delete(z.want, key)
		return
	}
	val := fmt.Sprint(strings.Repeat("v", z.r.IntN([]int{20, 400, 400, 8000}[z.r.IntN(4)])), z.n)
	s.Apply(&change.Change{Op: change.Set, Table: 3, Key: key, Row: "r", Cells: []change.Cell{{Val: value.OfString(val)}}}, 1)
	z.want[key] = val
}

func (z *resizer) check(t *testing.T, s *Set) {
	t.Helper()
	recount(t, s)
	got := map[string]string{}
	s.EachKey(func(_ uint16, _ uint8, name string, k *Key) {
		if r, ok := k.Row(3, "r"); ok {
			got[name] = r.Cells.AppendTo(nil)[0].Val.String()
		}
	})
	if len(got) != len(z.want) {
		t.Fatalf("%d keys, wanted %d", len(got), len(z.want))
	}
	for name, val := range z.want {
		if got[name] != val {
			t.Fatalf("%s is %q, wanted %q", name, got[name], val)
		}
		if r, _ := s.Find(0, 0, name).Row(3, "r"); r.Cells.AppendTo(nil)[0].Val.String() != val {
			t.Fatalf("%s is found as %v, wanted %q", name, r, val)
		}
	}
}

// weigh checks that the set takes little more memory than it has to.
func (z *resizer) weigh(t *testing.T, s *Set) {
	t.Helper()
	room := int64(0)
	m := &s.spaces[0][0]
	for _, c := range m.chunks {
		room += int64(len(c.words)) * wordBytes
	}
	for _, b := range m.big {
		if b != nil {
			room += int64(cap(b.few))
		}
	}
	if most := s.Bytes()*7/4 + 3*wordsMax*wordBytes; room > most {
		t.Errorf("the set says %d bytes, and has taken %d", s.Bytes(), room)
	}
}

// TestKeysThatChangeTheirSizeTakeNoMore: the gaps that keys leave where they were are
// filled again.
func TestKeysThatChangeTheirSizeTakeNoMore(t *testing.T) {
	z, s := newResizer(t), New(testDef, 0)
	for i := range 30_000 {
		if z.change(s); i%5_000 == 0 {
			z.check(t, s)
		}
	}
	z.check(t, s)
	z.weigh(t, s)
}

// TestANameMayBeEmpty puts such a key behind others, until it was at a chunk's end. The
// race detector finds a pointer that is beyond it.
func TestANameMayBeEmpty(t *testing.T) {
	for before := range 200 {
		s := New(testDef, 0)
		for i := range before {
			s.Apply(&change.Change{Op: change.Clear, Table: 3, Key: fmt.Sprintf("key:%06d", i)}, 1)
		}
		s.Apply(&change.Change{Op: change.Clear, Table: 3}, 1)
		recount(t, s)
		if k := s.Find(0, 0, ""); k == nil || !k.Cleared() {
			t.Fatalf("behind %d others: %v", before, k)
		}
	}
}

// TestMergesLeaveWhatWasRead merges sets into one again and again. What was read of
// it in between stays, since a batch may be made of it, and it does not grow without
// limit, since an outage may be long.
func TestMergesLeaveWhatWasRead(t *testing.T) {
	z, s := newResizer(t), New(testDef, 0)
	for range 60 {
		rows, bytes := map[string]string{}, map[string]string{}
		s.EachKey(func(_ uint16, _ uint8, name string, k *Key) {
			for r := range k.Each {
				rows[name], bytes[strings.Clone(name)] = string(r.Cells), strings.Clone(string(r.Cells))
			}
		})
		later := New(testDef, 0)
		for range 400 {
			z.change(later)
		}
		s.Merge(later)
		for name, cells := range bytes {
			if rows[name] != cells {
				t.Fatalf("a merge changed what was read of %s", name)
			}
		}
		z.check(t, s)
	}
	z.weigh(t, s)
}
