package mapping

import (
	"sort"
	"strings"
)

// An index finds the pattern for a key among hundreds. It holds the literal
// beginnings of the patterns in order, each linked to the longest other one that
// it begins with. The greatest beginning that is not above the key is then the
// head of a chain on which every beginning of the key lies: anything between one
// of them and the key begins with it too.
type index struct {
	heads []head
	// from[b] is where the heads whose first byte is above b begin, so that the
	// search runs within one first byte; empty is the chain for all other keys.
	from  [257]int
	empty int // the head "" or -1
}

type head struct {
	literal string
	shorter int // the next on the chain, or -1
	tables  []*Table
}

func newIndex(tables []*Table) index {
	x := index{empty: -1}
	at := map[string][]*Table{}
	for _, t := range tables {
		at[t.pattern.literal] = append(at[t.pattern.literal], t)
	}
	for literal, ts := range at {
		x.heads = append(x.heads, head{literal: literal, tables: ts, shorter: -1})
	}
	sort.Slice(x.heads, func(i, j int) bool { return x.heads[i].literal < x.heads[j].literal })
	for i := range x.heads {
		h := &x.heads[i]
		if h.literal == "" {
			x.empty = i
		} else {
			x.from[int(h.literal[0])+1] = i + 1
		}
		for j := i - 1; j >= 0 && h.shorter < 0; j-- {
			if strings.HasPrefix(h.literal, x.heads[j].literal) {
				h.shorter = j
			}
		}
	}
	x.from[0] = x.empty + 1
	for b := 1; b < len(x.from); b++ {
		x.from[b] = max(x.from[b], x.from[b-1])
	}
	return x
}

// find returns the table whose pattern matches key, or nil.
func (x *index) find(key string) *Table {
	at := x.empty
	if len(key) > 0 {
		at = x.greatest(key)
	}
	var sp spans
	for ; at >= 0; at = x.heads[at].shorter {
		h := &x.heads[at]
		if !strings.HasPrefix(key, h.literal) {
			continue
		}
		for _, t := range h.tables {
			if t.pattern.match(key, &sp) {
				return t
			}
		}
	}
	return nil
}

// greatest returns the greatest head that is not above key, or -1.
func (x *index) greatest(key string) int {
	lo, hi := x.from[key[0]], x.from[int(key[0])+1]
	first := lo
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if x.heads[mid].literal <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == first {
		return x.empty
	}
	return lo - 1
}
