package keyspace

import "unsafe"

const (
	leafBytes  = int64(unsafe.Sizeof(leaf{}))
	innerBytes = int64(unsafe.Sizeof(inner{}))
)

// sibling is what a split made: a node to stand to the right of the one that was
// split, its first item, and how many items it has.
type sibling struct {
	p     unsafe.Pointer // nil: no split
	min   item
	count int
}

// insert adds an item that is not in the tree.
func (t *tree) insert(it item) {
	t.n++
	if t.first == nil {
		t.first = &leaf{n: 1, items: [leafMax]item{it}}
		t.bytes += leafBytes
		return
	}
	left := unsafe.Pointer(t.first)
	if t.depth > 0 {
		left = unsafe.Pointer(t.root)
	}
	right := t.insertUnder(left, t.depth, it)
	if right.p == nil {
		return
	}
	t.root = &inner{n: 2}
	t.bytes += innerBytes
	t.root.kids[0], t.root.counts[0] = left, uint32(t.n-right.count)
	t.root.kids[1], t.root.counts[1], t.root.mins[0] = right.p, uint32(right.count), right.min
	t.depth++
}

// insertUnder inserts under the node p, which has levels inner levels with itself.
func (t *tree) insertUnder(p unsafe.Pointer, levels int, it item) sibling {
	if levels == 0 {
		return t.insertInLeaf((*leaf)(p), it)
	}
	in := (*inner)(p)
	i := in.route(it.score, it.member.name())
	right := t.insertUnder(in.kids[i], levels-1, it)
	in.counts[i]++
	if right.p == nil {
		return sibling{}
	}
	in.counts[i] -= uint32(right.count)
	if in.n < innerMax {
		in.insertKid(i+1, right)
		return sibling{}
	}
	return t.splitInner(in, i+1, right)
}

func (t *tree) insertInLeaf(lf *leaf, it item) sibling {
	i := lf.search(it.score, it.member.name())
	if lf.n < leafMax {
		lf.insert(i, it)
		return sibling{}
	}
	keep := leafMax / 2
	if i == leafMax && lf.next == nil {
		keep = leafMax // items that come in order leave full leaves
	}
	right := &leaf{prev: lf, next: lf.next}
	t.bytes += leafBytes
	right.n = copy(right.items[:], lf.items[keep:])
	clear(lf.items[keep:])
	lf.n, lf.next = keep, right
	if right.next != nil {
		right.next.prev = right
	}
	if i > keep || keep == leafMax {
		right.insert(i-keep, it)
	} else {
		lf.insert(i, it)
	}
	return sibling{unsafe.Pointer(right), right.items[0], right.n}
}

func (lf *leaf) insert(i int, it item) {
	copy(lf.items[i+1:lf.n+1], lf.items[i:lf.n])
	lf.items[i] = it
	lf.n++
}

// insertKid makes k the kid number i, which is not 0.
func (in *inner) insertKid(i int, k sibling) {
	copy(in.kids[i+1:in.n+1], in.kids[i:in.n])
	copy(in.counts[i+1:in.n+1], in.counts[i:in.n])
	copy(in.mins[i:in.n], in.mins[i-1:in.n-1])
	in.kids[i], in.counts[i], in.mins[i-1] = k.p, uint32(k.count), k.min
	in.n++
}

// splitInner splits the full node in and makes k the kid number i of the two.
func (t *tree) splitInner(in *inner, i int, k sibling) sibling {
	keep := innerMax / 2
	if i == innerMax {
		keep = innerMax - 1
	}
	right := &inner{n: innerMax - keep}
	t.bytes += innerBytes
	least := in.mins[keep-1]
	copy(right.kids[:], in.kids[keep:])
	copy(right.counts[:], in.counts[keep:])
	copy(right.mins[:], in.mins[keep:])
	clear(in.kids[keep:])
	clear(in.counts[keep:])
	clear(in.mins[keep-1:])
	in.n = keep
	if i <= keep {
		in.insertKid(i, k)
	} else {
		right.insertKid(i-keep, k)
	}
	return sibling{unsafe.Pointer(right), least, right.count()}
}

func (in *inner) count() (n int) {
	for _, c := range in.counts[:in.n] {
		n += int(c)
	}
	return n
}

// remove takes out an item that is in the tree.
func (t *tree) remove(score float64, name string) {
	t.n--
	if t.depth == 0 {
		t.first.remove(t.first.search(score, name))
		if t.n == 0 {
			*t = tree{}
		}
		return
	}
	t.removeUnder(t.root, t.depth, score, name)
	for t.depth > 0 && t.root.n == 1 {
		t.depth--
		t.bytes -= innerBytes
		if t.depth > 0 {
			t.root = (*inner)(t.root.kids[0])
		} else {
			t.root = nil
		}
	}
}

func (t *tree) removeUnder(in *inner, levels int, score float64, name string) {
	i := in.route(score, name)
	in.counts[i]--
	if levels > 1 {
		t.removeUnder((*inner)(in.kids[i]), levels-1, score, name)
	} else {
		lf := (*leaf)(in.kids[i])
		lf.remove(lf.search(score, name))
	}
	if in.counts[i] == 0 {
		t.dropKid(in, i, levels)
		return
	}
	if size, most := kidSize(in.kids[i], levels); size < most/4 {
		if i > 0 && t.merge(in, i-1, levels) {
			return
		}
		if i+1 < in.n {
			t.merge(in, i, levels)
		}
	}
}

func (lf *leaf) remove(i int) {
	copy(lf.items[i:], lf.items[i+1:lf.n])
	lf.n--
	lf.items[lf.n] = item{}
}

// kidSize returns how many entries a kid of a node at levels has and may have.
func kidSize(p unsafe.Pointer, levels int) (size, most int) {
	if levels > 1 {
		return (*inner)(p).n, innerMax
	}
	return (*leaf)(p).n, leafMax
}

// dropKid removes kid i, under which there are no items any more.
func (t *tree) dropKid(in *inner, i, levels int) {
	if levels > 1 {
		t.bytes -= innerBytes
	} else {
		t.unlink((*leaf)(in.kids[i]))
	}
	in.removeKid(i)
}

func (t *tree) unlink(lf *leaf) {
	t.bytes -= leafBytes
	if lf.prev != nil {
		lf.prev.next = lf.next
	} else {
		t.first = lf.next
	}
	if lf.next != nil {
		lf.next.prev = lf.prev
	}
}

func (in *inner) removeKid(i int) {
	copy(in.kids[i:], in.kids[i+1:in.n])
	copy(in.counts[i:], in.counts[i+1:in.n])
	if in.n > 1 {
		m := max(i-1, 0)
		copy(in.mins[m:], in.mins[m+1:in.n-1])
		in.mins[in.n-2] = item{}
	}
	in.n--
	in.kids[in.n], in.counts[in.n] = nil, 0
}

// merge moves what kid i+1 has into kid i, if it fits.
func (t *tree) merge(in *inner, i, levels int) bool {
	n, most := kidSize(in.kids[i], levels)
	more, _ := kidSize(in.kids[i+1], levels)
	if n+more > most {
		return false
	}
	if levels > 1 {
		left, right := (*inner)(in.kids[i]), (*inner)(in.kids[i+1])
		copy(left.kids[n:], right.kids[:more])
		copy(left.counts[n:], right.counts[:more])
		left.mins[n-1] = in.mins[i]
		copy(left.mins[n:], right.mins[:more-1])
		left.n += more
		t.bytes -= innerBytes
	} else {
		left, right := (*leaf)(in.kids[i]), (*leaf)(in.kids[i+1])
		left.n += copy(left.items[n:], right.items[:more])
		t.unlink(right)
	}
	in.counts[i] += in.counts[i+1]
	in.removeKid(i + 1)
	return true
}

// move gives an item that is in the tree another score.
func (t *tree) move(member scored, old, score float64) {
	name := member.name()
	lf := t.leafOf(old, name)
	i := lf.search(old, name)
	if !lf.spans(i, score, name) {
		t.remove(old, name)
		t.insert(item{score, member})
		return
	}
	j := lf.search(score, name)
	if j > i {
		j-- // the item itself is before that place
		copy(lf.items[i:j], lf.items[i+1:j+1])
	} else {
		copy(lf.items[j+1:i+1], lf.items[j:i])
	}
	lf.items[j] = item{score, member}
}

// spans reports whether the item at i may get this score within its leaf, so that
// what the nodes above say of the leaf stays true.
func (lf *leaf) spans(i int, score float64, name string) bool {
	first, last := &lf.items[0], &lf.items[lf.n-1]
	return (lf.prev == nil || first.less(score, name)) && (lf.next == nil || !last.less(score, name))
}
