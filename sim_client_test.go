package lull

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/flush"
	"github.com/lullcache/lull/internal/keyspace"
)

// client writes and reads for as long as the process lives.
func (l *simLife) client(sess *Session) {
	s, ctx := l.sim, l.ctx
	for {
		l.Wait(ctx, time.Duration(s.w.random.IntN(60))*time.Millisecond, nil)
		if s.quiet || l.dead {
			return
		}
		sess.SetAck(Ack(s.w.random.IntN(4)))
		t, err := s.unit(ctx, l, sess)
		if err != nil || t.Position == 0 || !s.w.one(3) {
			continue
		}
		if err := sess.Wait(ctx, t); err == nil && !l.dead && t.Ack >= AckDisk && l.db.log.Err() == nil {
			s.counts.waits++
			s.onDisk = max(s.onDisk, t.Position)
		}
	}
}

// unit carries out one unit that was drawn, and holds its answers against the model.
func (s *simulation) unit(ctx context.Context, l *simLife, sess *Session) (t Ticket, err error) {
	ops := s.draw()
	answers, done := make([]string, len(ops)), make([]bool, len(ops))
	var unit simUnit
	run := RunFunc(func(tx *Tx) error {
		unit = simUnit{}
		defer func() { unit.changes = simClone(tx.changes) }()
		for i := range ops {
			answers[i], err = ops[i].do(tx)
			if done[i] = err == nil; done[i] {
				unit.ops = append(unit.ops, ops[i])
			} else if len(ops) == 1 {
				return err
			}
		}
		if !l.dead {
			s.pending = &unit
		}
		return nil
	})
	all := slices.ContainsFunc(ops, func(o simOp) bool { return o.kind == "flush" })
	if len(ops) == 1 && all {
		t, err = sess.ExecAll(ctx, true, run)
	} else if len(ops) == 1 {
		t, err = sess.Exec(ctx, [][]byte{[]byte(ops[0].key)}, ops[0].kind != "read", run)
	} else {
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
		t, err = sess.ExecMulti(ctx, needs, all, true, run)
	}
	if l.dead {
		return t, ErrClosed
	}
	s.pending = nil
	if err != nil {
		if t.Position > 0 { // the header of a stream was due
			s.units = append(s.units, simUnit{position: t.Position, changes: unit.changes})
		}
		return t, s.checkError(err)
	}
	for i := range ops {
		s.w.note("unit "+ops[i].kind+" "+ops[i].key+" "+ops[i].a+" -> "+answers[i], t.Position)
		if !done[i] {
			continue
		}
		if want := s.model.apply(ops[i]); want != answers[i] && ops[i].kind != "xadd" {
			s.fault("wrong answer: %s %s %s %s: %q, wanted %q", ops[i].kind, ops[i].key, ops[i].a, ops[i].b, answers[i], want)
		}
	}
	if t.Position == 0 {
		s.counts.reads++
		return t, nil
	}
	s.counts.units++
	unit.position = t.Position
	s.units = append(s.units, unit)
	return t, nil
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

func simClone(changes []change.Change) []change.Change {
	changes = slices.Clone(changes)
	for i := range changes {
		changes[i].Cells = slices.Clone(changes[i].Cells)
	}
	return changes
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
