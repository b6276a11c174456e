package compat

import (
	"flag"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull/internal/proof"
)

var commandsFlag = flag.Int("commands", mixCommands, "commands of the mix of all families")

const (
	epochCommands = 4000 // then both servers are emptied
	batchMost     = 100  // commands sent together
)

// TestAllCommandsAnswerAsRedis sends random commands of all families, over the same keys, to
// Lull and to Redis, on two connections each: in pipelines, in MULTI with watched keys, in both
// protocols, with keys dropped from Lull's memory and Lull restarted. Whatever differs is on the list
// of differences, or is a defect: it is made short, and shown.
func TestAllCommandsAnswerAsRedis(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	line := proof.NewLine(t, seed)
	m := startMix(t, seed)
	defer func() {
		line.Tried(m.done, "commands")
		line.Tried(m.listed(), "answers that differ as listed")
		if t.Failed() {
			t.Logf("again with: make compat COMMANDS=%d SEED=%d", *commandsFlag, seed)
		}
	}()
	for m.done < *commandsFlag {
		if !m.epoch() {
			return
		}
	}
	m.everythingWasMade()
	for _, d := range differences {
		t.Logf("%7d times: %s", m.differed[d.why], d.why)
	}
}

// TestMixKeepsChanceOutOfMulti: a MULTI that a pipeline left open meets a command whose effect hangs
// on chance. The two servers hold the same afterwards.
func TestMixKeepsChanceOutOfMulti(t *testing.T) {
	m := startMix(t, 1)
	m.begin()
	members := []string{"SADD", "set:5"}
	for i := range 700 {
		members = append(members, strconv.Itoa(i))
	}
	if !m.run([]step{{0, members, false}, {0, []string{"MULTI"}, true}, {0, []string{"SPOP", "set:5"}, false}, {0, []string{"EXEC"}, false}}) || !m.sameEverywhere() {
		t.Error("the two differ after an SPOP in a MULTI")
	}
}

// step is a thing that the mix does.
type step struct {
	conn int
	args []string // a command, or "@forget" or "@restart", of Lull
	with bool     // sent together with the step before it
}

// mix is a run of the mix.
type mix struct {
	*pair
	g     *gen
	conns [2]mixConn
	// steps are those since both servers were emptied.
	steps    []step
	done     int
	made     map[string]int // by names of the table
	differed map[string]int // by the reasons of the list
	quiet    bool           // differences are not reported: steps are being left out
}

// mixConn is a connection to each of the two, and where it is in a MULTI.
type mixConn struct {
	redis, lull *client
	multi       bool
	queued      [][]string
	broken      error // what ended Lull's
}

func startMix(t *testing.T, seed uint64) *mix {
	m := &mix{pair: startPair(t, 2), g: newGen(seed, 0), made: make(map[string]int), differed: make(map[string]int)}
	m.g.mixed = true
	for _, key := range allKeys() {
		m.names[key] = true
	}
	m.connect()
	return m
}

// connect opens the connections to Lull, and to Redis if there are none.
func (m *mix) connect() {
	for i := range m.conns {
		c := &m.conns[i]
		if c.redis == nil {
			c.redis = dial(m.t, "redis", m.redis.nc.RemoteAddr().String(), 2)
		}
		c.lull = dial(m.t, "lull", m.node.addr(), 2)
		c.lull.broken, c.broken = &c.broken, nil
	}
}

// begin empties both servers and puts the connections in their first state.
func (m *mix) begin() {
	m.t.Helper()
	if m.conns[0].broken != nil || m.conns[1].broken != nil {
		m.connect()
	}
	for i := range m.conns {
		c := &m.conns[i]
		for _, side := range []*client{c.redis, c.lull} {
			side.do("RESET")
			if r := side.do("FLUSHALL"); r.kind == '-' {
				m.t.Fatalf("%s: FLUSHALL: %s", side.name, r)
			}
		}
		c.multi, c.queued = false, nil
	}
}

// epoch runs some thousand steps and compares all that is there afterwards.
func (m *mix) epoch() bool {
	m.t.Helper()
	m.begin()
	m.steps = nil
	cold := m.g.one(10)
	hello := []string{"HELLO", m.g.pick("2", "3")}
	steps := []step{{0, hello, false}, {1, hello, false}}
	for n := 0; n < epochCommands; n += len(steps) {
		m.steps = append(m.steps, steps...)
		m.done += len(steps)
		if !m.run(steps) {
			m.shrink()
			return false
		}
		steps = m.next(cold)
	}
	if m.sameEverywhere() {
		m.forget()
		if m.sameEverywhere() {
			return true
		}
		m.t.Log("after everything was loaded from SQL")
	}
	m.shrink()
	return false
}

// next makes the steps of one batch.
func (m *mix) next(cold bool) (steps []step) {
	conn := 0
	if m.g.one(5) {
		conn = 1
	}
	add := func(args ...string) { steps = append(steps, step{conn, args, len(steps) > 0}) }
	switch n := m.g.IntN(4000); {
	case n < 2:
		add("@restart")
	case n < 40, cold && n < 2000:
		add("@forget")
	case n < 600:
		return m.transaction(conn)
	case n < 620:
		add(m.g.nextBig()...)
	case n < 630:
		add(m.g.pick("FLUSHALL", "FLUSHDB"))
	default:
		most := []int{1, 8, batchMost}[m.g.IntN(3)]
		if cold {
			most = 8
		}
		for range 1 + m.g.IntN(most) {
			args := nextOfMix(m.g)
			if alone(args) {
				if len(steps) == 0 {
					add(args...)
					return steps
				}
				continue
			}
			if strings.EqualFold(args[0], "MULTI") && !m.g.one(4) { // else half of all would be queued
				continue
			}
			add(args...)
		}
	}
	return steps
}

// transaction makes a MULTI, often with keys that are watched, and that the other
// connection may change before or after it.
func (m *mix) transaction(conn int) (steps []step) {
	add := func(args ...string) { steps = append(steps, step{conn, args, len(steps) > 0}) }
	if m.g.one(2) {
		add(append([]string{"WATCH"}, m.g.some(1+m.g.IntN(3), m.g.anyKey)...)...)
		if m.g.one(3) {
			steps = append(steps, step{1 - conn, m.elsewhere(), false})
			steps = append(steps, step{conn, []string{m.g.pick("PING", "UNWATCH")}, false})
		}
	}
	add("MULTI")
	for range m.g.IntN(12) {
		if m.g.one(60) {
			add(m.g.pick("MULTI", "DISCARD", "WATCH", "WATCH a", "UNWATCH", "EXEC x", "NOSUCH", "GET"))
			continue
		}
		add(m.queueable()...)
	}
	if m.g.one(10) {
		add("DISCARD")
		return steps
	}
	if m.g.one(5) {
		steps = append(steps, step{1 - conn, m.elsewhere(), false})
		steps = append(steps, step{conn, []string{"EXEC"}, false})
		return steps
	}
	add("EXEC")
	return steps
}

// queueable makes a command that may stand in a MULTI: it has an effect that does not hang
// on chance, and touches one database.
func (m *mix) queueable() []string {
	for {
		args := nextOfMix(m.g)
		switch name := strings.ToUpper(args[0]); name {
		case "SELECT", "HELLO", "RESET", "FLUSHALL", "FLUSHDB", "WAIT", "AUTH", "MULTI", "EXEC", "DISCARD", "WATCH", "KEYS", "DBSIZE", "RANDOMKEY", "CLIENT", "CONFIG":
		default:
			if !alone(args) {
				return args
			}
		}
	}
}

// elsewhere makes a command for the other connection while keys are watched. XSETID counts as
// a change of the stream for Lull, not for Redis.
func (m *mix) elsewhere() []string {
	for {
		if args := m.queueable(); !strings.EqualFold(args[0], "XSETID") {
			return args
		}
	}
}

// nextBig makes a command on a value of many bytes, or on a collection of many.
func (g *gen) nextBig() []string {
	long := strings.Repeat(g.pick("x", "\x00", "ab\r\n"), 1+g.IntN(300_000))
	key := "big:" + g.pick("0", "1")
	switch g.IntN(10) {
	case 0, 1:
		return []string{"SET", key, long}
	case 2:
		return []string{"APPEND", key, long}
	case 3:
		return []string{g.pick("GETRANGE", "SETRANGE"), key, "100000", g.pick("0", "-1", "200000")}
	case 4:
		return []string{"RPUSH", key + "l", long, "a"}
	case 5:
		return []string{"HSET", key + "h", "f", long}
	case 6:
		return []string{g.pick("GET", "STRLEN", "DEL", "GETDEL"), key}
	case 7:
		return []string{g.pick("ECHO", "PING"), long}
	}
	words := []string{g.pick("RPUSH", "SADD"), "many:" + g.pick("0", "1")}
	return append(words, g.some(1+g.IntN(4000), g.member)...)
}

// alone reports whether a command has to be sent alone: its answer takes more than one
// command, or what it leaves behind may not be the same in both.
func alone(args []string) bool { return shapeOf(args).scan > 0 || parting(args) }

// parting reports whether what a command leaves behind may not be the same in both. It may
// not stand in a MULTI either.
func parting(args []string) bool {
	name := strings.ToUpper(args[0])
	return name == "SPOP" || slices.ContainsFunc(args[1:], func(a string) bool { return len(a) > 800 }) || farAhead(name, args)
}

// farAhead reports whether a command may ask for an expiry after the year 9999, or a
// stream's id beyond what SQL holds.
func farAhead(name string, args []string) bool {
	switch name {
	case "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT", "SETEX", "PSETEX", "SET", "GETEX", "XADD", "XSETID":
		return slices.ContainsFunc(args[1:], func(a string) bool { return len(a) > 11 && strings.Trim(a, "0123456789+-") == "" })
	}
	return false
}

func (m *mix) listed() (n int) {
	for _, count := range m.differed {
		n += count
	}
	return n
}

// everythingWasMade fails if a command of the table was never sent.
func (m *mix) everythingWasMade() {
	m.t.Helper()
	for _, c := range allMixed {
		if m.made[c.FullName()] == 0 && *commandsFlag >= 50_000 {
			m.t.Errorf("%s was never sent", c.FullName())
		}
	}
}
