package lull

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/wal"
)

// client writes and reads for as long as the process lives.
func (l *simLife) client(sess *Session) {
	s, ctx := l.sim, l.ctx
	for {
		l.Wait(ctx, time.Duration(s.w.random.IntN(60))*time.Millisecond, nil)
		if s.quiet || l.dead || l.fork && errors.Is(l.db.fencedErr(), ErrFenced) {
			return
		}
		sess.SetAck(Ack(s.w.random.IntN(4)))
		t, err := s.unit(ctx, l, sess)
		if err != nil || t.Position == 0 || !s.w.one(3) {
			continue
		}
		if err := sess.Wait(ctx, t); err == nil && !l.dead && !l.fork && t.Ack >= AckDisk && l.db.log.Err() == nil {
			s.counts.waits++
			s.onDisk = max(s.onDisk, t.Position)
		}
	}
}

// unit carries out one unit that was drawn, and holds its answers against the model.
func (s *simulation) unit(ctx context.Context, l *simLife, sess *Session) (t Ticket, err error) {
	ops := s.draw()
	unit := &simUnit{}
	run := RunFunc(func(tx *Tx) error {
		*unit = simUnit{now: tx.now}
		for i := range ops {
			answer, err := ops[i].do(tx)
			if err == nil {
				unit.ops, unit.answers = append(unit.ops, ops[i]), append(unit.answers, answer)
			} else if len(ops) == 1 {
				return err
			}
		}
		if !l.dead && !l.fork && len(tx.changes) > 0 {
			unit.record = change.AppendUnit(nil, tx.now, tx.changes)
			s.pending = unit
		}
		return nil
	})
	if t, err = s.exec(ctx, sess, ops, run); l.dead || l.fork {
		return t, ErrClosed // nobody who counts is told
	}
	if err == nil {
		s.catchUp(l.db, uint64(l.db.log.End()))
		if s.pending != nil && t.Position > 0 {
			s.fault("the log does not have the unit at position %d as it was made", t.Position)
		}
	}
	logged := unit.record != nil && s.pending == nil
	s.pending = nil
	if err != nil {
		return t, s.checkError(err)
	}
	if logged {
		s.counts.units++
		return t, nil
	}
	s.counts.reads++
	s.check(unit)
	return t, nil
}

func (s *simulation) exec(ctx context.Context, sess *Session, ops []simOp, run Runner) (Ticket, error) {
	all := slices.ContainsFunc(ops, func(o simOp) bool { return o.kind == "flush" })
	if len(ops) == 1 && all {
		return sess.ExecAll(ctx, true, run)
	}
	if len(ops) == 1 {
		return sess.Exec(ctx, [][]byte{[]byte(ops[0].key)}, ops[0].kind != "read", run)
	}
	var needs []KeyNeed
	for _, o := range ops {
		need := KeyNeed{Name: []byte(o.key), Need: NeedAll}
		if o.kind == "xadd" {
			need.Need = NeedHint
		}
		if o.kind != "flush" {
			needs = append(needs, need)
		}
	}
	return sess.ExecMulti(ctx, needs, all, true, run)
}

// check carries a unit out in the model, and fails if it answers otherwise.
func (s *simulation) check(u *simUnit) {
	for i, o := range u.ops {
		s.w.note("unit "+o.kind+" "+o.key+" "+o.a+" -> "+u.answers[i], u.position)
		if want := s.model.apply(o, u.now); want != u.answers[i] && o.kind != "xadd" {
			s.fault("wrong answer: %s %s %s %s: %q, wanted %q", o.kind, o.key, o.a, o.b, u.answers[i], want)
		}
	}
}

// catchUp reads what the log has up to its end, and that was not read before: also what
// the engine wrote by itself.
func (s *simulation) catchUp(db *DB, end uint64) {
	if s.seen >= end {
		return
	}
	err := db.log.Replay(wal.Position(max(s.seen, uint64(db.log.Oldest()))), nil, func(pos wal.Position, rec []byte) error {
		if typ, err := change.TypeOf(rec); err != nil || typ != change.Unit || uint64(pos) > end {
			return err
		}
		return s.logged(uint64(pos), rec)
	})
	if err != nil {
		s.fault("replay: %v", err)
	}
	s.seen = end
}

// logged takes in a unit that the log has.
func (s *simulation) logged(position uint64, rec []byte) (err error) {
	u := simUnit{position: position}
	if p := s.pending; p != nil && bytes.Equal(p.record, rec) {
		u.ops, u.answers, s.pending = p.ops, p.answers, nil
	} else {
		s.counts.own++
	}
	if u.now, u.changes, err = change.DecodeUnit(rec, nil); err == nil {
		s.units = append(s.units, u)
		s.check(&u)
	}
	return err
}

// checkError fails for an error that no trouble explains.
func (s *simulation) checkError(err error) error {
	for _, e := range []error{ErrNoDB, ErrBusy, ErrReadOnly, flush.ErrMark} {
		if errors.Is(err, e) {
			return err
		}
	}
	if !s.tooOld(err) {
		s.fault("a unit ends with: %v", err)
	}
	return err
}

// draw makes up a unit.
func (s *simulation) draw() []simOp {
	r := s.w.random
	if r.IntN(4) == 0 {
		return []simOp{{kind: "read", key: s.key()}}
	}
	ops := []simOp{s.op()}
	for r.IntN(4) == 0 {
		ops = append(ops, s.op())
	}
	return ops
}

var simKeys = []string{"player:1", "player:2", "player:3", "board:a", "board:b", "views:x", "views:y", "tags:i", "tags:j", "k0", "k1", "k2", "k3", "k4"}

func (s *simulation) key() string { return simKeys[s.w.random.IntN(len(simKeys))] }

// op makes up a command.
func (s *simulation) op() simOp {
	r := s.w.random
	if r.IntN(8) == 0 {
		s.sent++
		return simOp{kind: "xadd", key: "events:" + strconv.Itoa(r.IntN(2)), a: strconv.Itoa(s.sent)}
	}
	if r.IntN(100) == 0 {
		return simOp{kind: "flush"}
	}
	o := simOp{key: s.key(), n: int64(1 + r.IntN(5))}
	if r.IntN(6) == 0 {
		o.kind = "del"
		return o
	}
	if canEnd := simMapped(o.key) == keyspace.TypeNone || simMapped(o.key) == keyspace.TypeHash; canEnd && r.IntN(8) == 0 {
		o.kind, o.n = "expire", s.w.now.UnixMilli()+int64(r.IntN(40_000))-1000
		if r.IntN(4) == 0 {
			o.kind = "persist"
		}
		return o
	}
	number := strconv.Itoa(r.IntN(1000))
	member := strconv.Itoa(r.IntN(4))
	kinds := map[keyspace.Type][]string{
		keyspace.TypeHash: {"hset", "hset", "hdel", "hincr"}, keyspace.TypeZSet: {"zadd", "zadd", "zrem"}, keyspace.TypeSet: {"sadd", "sadd", "srem"},
		keyspace.TypeString: {"set", "incr", "incr"}, keyspace.TypeNone: {"set", "incr", "hset", "hset", "hdel", "hincr", "sadd", "srem", "zadd", "zrem", "rpush", "lpop"},
	}[simMapped(o.key)]
	o.kind, o.a, o.b = kinds[r.IntN(len(kinds))], member, number
	switch {
	case o.kind == "set":
		o.a = number
	case o.kind == "hincr" && simMapped(o.key) != 0:
		o.a = "score"
	case simMapped(o.key) == keyspace.TypeHash && r.IntN(2) == 0:
		o.a = "score"
	case simMapped(o.key) == keyspace.TypeHash:
		o.a, o.b = "name", "n"+number
		if r.IntN(6) == 0 {
			o.b = simBad
		}
	case o.kind == "rpush" && r.IntN(10) == 0:
		o.a = strings.Repeat(number, 1+r.IntN(400))
	}
	return o
}
