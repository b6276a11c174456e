package lull

import (
	"errors"
	"math"

	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/value"
)

// ErrScoreNaN: an increment would make a score that is no number.
var ErrScoreNaN = errors.New("resulting score is not a number (NaN)")

// Scored is a member of a sorted set. A Member that a Tx method returns is valid
// until the unit ends or the set is changed, whichever is first, unless the method
// says more.
type Scored struct {
	Member []byte
	Score  float64
}

// ZAddOptions are the conditions under which ZAdd and ZIncrBy change a member.
// IfAbsent excludes the others; Greater and Less exclude each other.
type ZAddOptions struct {
	// IfAbsent only adds members, IfPresent only changes those that are there.
	IfAbsent, IfPresent bool
	// Greater and Less change a score only upwards or downwards. They do not keep
	// members from being added.
	Greater, Less bool
}

// allows reports whether a member may go from the score was, if it had one, to now.
func (o ZAddOptions) allows(had bool, was, now float64) bool {
	if !had {
		return !o.IfPresent
	}
	return !o.IfAbsent && (!o.Greater || now > was) && (!o.Less || now < was)
}

// ZAdd gives members their scores in the sorted set at key, and returns how many
// were added and how many had another score before.
func (tx *Tx) ZAdd(key []byte, o ZAddOptions, members []Scored) (added, changed int, err error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil {
		return 0, 0, err
	}
	for i := range members {
		if _, _, err := tx.checkScored(&h, &members[i]); err != nil {
			return 0, 0, err
		}
	}
	for i := range members {
		score, cell, err := tx.canonScore(&h, members[i].Score)
		if err != nil {
			panic("lull: a score was canonical and then not: " + err.Error())
		}
		was, had := tx.scoreOf(&h, members[i].Member)
		switch {
		case !o.allows(had, was, score) || had && was == score:
			continue
		case had:
			changed++
		default:
			added++
		}
		tx.putScored(&h, members[i].Member, score, cell, had)
	}
	return added, changed, nil
}

// ZIncrBy adds by to member's score, 0 if it is not there, and returns the sum. ok
// is false if the conditions did not let it.
func (tx *Tx) ZIncrBy(key, member []byte, by float64, o ZAddOptions) (score float64, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil {
		return 0, false, err
	}
	was, had := tx.scoreOf(&h, member)
	if had && o.IfAbsent || !had && o.IfPresent {
		return 0, false, nil
	}
	if math.IsNaN(was + by) {
		return 0, false, ErrScoreNaN
	}
	score, cell, err := tx.checkScored(&h, &Scored{member, was + by})
	if err != nil || !o.allows(had, was, score) {
		return 0, false, err
	}
	if !had || was != score {
		tx.putScored(&h, member, score, cell, had)
	}
	return score, true, nil
}

// scoreOf is the score that member has now.
func (tx *Tx) scoreOf(h *handle, member []byte) (score float64, ok bool) {
	if !h.exists() {
		return 0, false
	}
	return h.e.ZSet().Score(member)
}

// checkScored checks a member and its score against the key's table.
func (tx *Tx) checkScored(h *handle, s *Scored) (score float64, cell value.Value, err error) {
	if err := tx.checkMember(h, s.Member); err != nil {
		return 0, cell, err
	}
	return tx.canonScore(h, s.Score)
}

// checkMember refuses a member that the key's table cannot hold.
func (tx *Tx) checkMember(h *handle, member []byte) error {
	switch {
	case h.mapped():
		return h.t.CheckMember(member)
	case h.generic():
		return tx.db.bounds.check(h.name, member)
	}
	return nil
}

// canonScore gives what the key's table makes of a score.
func (tx *Tx) canonScore(h *handle, f float64) (score float64, cell value.Value, err error) {
	if math.IsNaN(f) {
		return 0, cell, ErrNotFloat
	}
	if h.t == nil {
		return f, cell, nil
	}
	t, col := tx.scoreColumn(h)
	return t.Cells[col].CanonScore(f)
}

// scoreColumn is where the scores of the key stand.
func (tx *Tx) scoreColumn(h *handle) (t *mapping.Table, col int) {
	if h.mapped() {
		return h.t, h.t.Score
	}
	return tx.db.maps.Generic(mapping.ZSet), childValue
}

// putScored gives member a score that was checked, creating the key if need be.
func (tx *Tx) putScored(h *handle, member []byte, score float64, cell value.Value, had bool) {
	if !h.exists() {
		tx.create(h, keyspace.TypeZSet)
	}
	tx.touch(h)
	h.e.ZSet().Add(member, score)
	if h.t != nil {
		_, col := tx.scoreColumn(h)
		tx.putRow(h, tx.text(member), tx.one(uint16(col), cell), had)
	}
}

// ZRem removes members from the sorted set at key and returns how many were there.
func (tx *Tx) ZRem(key []byte, members [][]byte) (removed int, err error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil {
		return 0, err
	}
	for _, m := range members {
		if err := tx.checkMember(&h, m); err != nil {
			return 0, err
		}
	}
	for _, m := range members {
		if _, ok := tx.scoreOf(&h, m); !ok {
			continue
		}
		removed++
		if h.e.ZSet().Len() == 1 {
			tx.remove(&h)
			break
		}
		tx.delScored(&h, m)
	}
	return removed, nil
}

// delScored removes a member that is there; the caller removes the key instead of
// the last one.
func (tx *Tx) delScored(h *handle, member []byte) {
	tx.touch(h)
	if h.t != nil {
		tx.delRow(h, tx.text(member))
	}
	h.e.ZSet().Remove(member)
}

// ZScore returns member's score.
func (tx *Tx) ZScore(key, member []byte) (score float64, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil {
		return 0, false, err
	}
	score, ok = tx.scoreOf(&h, member)
	return score, ok, nil
}

// ZMScore calls fn with the score of each of the members, in their order.
func (tx *Tx) ZMScore(key []byte, members [][]byte, fn func(score float64, ok bool)) error {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil {
		return err
	}
	for _, m := range members {
		fn(tx.scoreOf(&h, m))
	}
	return nil
}

// ZCard returns the number of members.
func (tx *Tx) ZCard(key []byte) (int, error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	return h.e.ZSet().Len(), nil
}

// ZRank returns how many members stand before member: those with lower scores, or,
// with reverse, with higher ones.
func (tx *Tx) ZRank(key, member []byte, reverse bool) (rank int, ok bool, err error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil || !h.exists() {
		return 0, false, err
	}
	if reverse {
		rank, ok = h.e.ZSet().RevRank(member)
	} else {
		rank, ok = h.e.ZSet().Rank(member)
	}
	return rank, ok, nil
}

// ZScan calls fn with about count members and returns the cursor to go on with, 0
// at the end. Members that are there all the time are passed at least once.
func (tx *Tx) ZScan(key []byte, cursor uint64, count int, fn func(member []byte, score float64)) (next uint64, err error) {
	h, err := tx.open(key, keyspace.TypeZSet, NeedAll)
	if err != nil || !h.exists() {
		return 0, err
	}
	return h.e.ZSet().Scan(cursor, count, fn), nil
}

// duplicateZSet copies the members of src to dst, which is empty.
func (tx *Tx) duplicateZSet(src, dst *handle) {
	src.e.ZSet().Each(0, false, func(member []byte, score float64) bool {
		s, cell, err := tx.canonScore(dst, score)
		if err != nil {
			panic("lull: a score was canonical and then not: " + err.Error())
		}
		tx.putScored(dst, member, s, cell, false)
		return true
	})
}
