package keyspace

// ScoreRange is a range of scores, as ZRANGEBYSCORE has it. Bounds are inclusive
// unless Ex says else; infinite bounds are ±Inf.
type ScoreRange struct {
	Min, Max     float64
	MinEx, MaxEx bool
}

// LexBound is an end of a LexRange.
type LexBound struct {
	Member []byte
	Ex     bool // Member itself is not in the range
	Inf    int  // -1: before all members ("-"), 1: behind all ("+"); Member is not used
}

// LexRange is a range of members, as ZRANGEBYLEX has it: meant for sets whose
// members have one score.
type LexRange struct {
	Min, Max LexBound
}

// ScoreSpan returns the ranks of the members whose scores are in r, as a half-open
// span: to-from is their number.
func (z *ZSet) ScoreSpan(r ScoreRange) (from, to int) {
	from = z.lowest(func(it *item) bool { return it.score < r.Min || r.MinEx && it.score == r.Min })
	to = z.lowest(func(it *item) bool { return it.score < r.Max || !r.MaxEx && it.score == r.Max })
	return from, max(from, to)
}

// LexSpan is ScoreSpan for a range of members.
func (z *ZSet) LexSpan(r LexRange) (from, to int) {
	from = z.lowest(func(it *item) bool { return r.Min.isAbove(it.member.name(), true) })
	to = z.lowest(func(it *item) bool { return r.Max.isAbove(it.member.name(), false) })
	return from, max(from, to)
}

// isAbove reports whether name is below the bound, which is the lower end of a
// range (name is then before the range) or the upper (name is not behind it).
func (b LexBound) isAbove(name string, lower bool) bool {
	if b.Inf != 0 {
		return b.Inf > 0
	}
	if name == view(b.Member) {
		return b.Ex == lower
	}
	return name < view(b.Member)
}

// lowest returns the rank of the first member for which cond does not hold.
func (z *ZSet) lowest(cond before) (rank int) {
	if z.e.form == formZSetBig {
		return z.big().t.lowest(cond)
	}
	b := z.small()
	for at := 0; at < len(b); rank++ {
		it := item{readScore(b[at:]), scored{&b[at]}} // a packed member looks like a scored
		if !cond(&it) {
			break
		}
		at += scoredHead + int(b[at+8])
	}
	return rank
}

// CountByScore returns how many members have scores in r.
func (z *ZSet) CountByScore(r ScoreRange) int {
	from, to := z.ScoreSpan(r)
	return to - from
}

// CountByLex returns how many members are in r.
func (z *ZSet) CountByLex(r LexRange) int {
	from, to := z.LexSpan(r)
	return to - from
}

// EachInSpan calls fn for the members with ranks in [from, to), upwards or from
// the end, leaving out the first offset and stopping after limit (negative: no
// limit), or when fn returns false. fn must not change the set.
func (z *ZSet) EachInSpan(from, to int, reverse bool, offset, limit int, fn func(member []byte, score float64) bool) {
	from, to = max(from, 0), min(to, z.Len())
	if offset < 0 || offset >= to-from || limit == 0 {
		return
	}
	count := to - from - offset
	if limit > 0 {
		count = min(count, limit)
	}
	first := from + offset
	if reverse {
		first = to - 1 - offset
	}
	z.Each(first, reverse, func(member []byte, score float64) bool {
		count--
		return fn(member, score) && count > 0
	})
}

// RemoveSpan removes the members with ranks in [from, to). It calls fn, if not
// nil, with each of them before it goes; fn must not change the set.
func (z *ZSet) RemoveSpan(from, to int, fn func(member []byte, score float64)) (removed int) {
	from, to = max(from, 0), min(to, z.Len())
	for ; from < to; to-- {
		member, score, _ := z.ByRank(from)
		if fn != nil {
			fn(member, score)
		}
		if z.e.form == formZSetPacked {
			var buf [packedSizeMax]byte
			member = buf[:copy(buf[:], member)]
		}
		z.Remove(member)
		removed++
	}
	return removed
}
