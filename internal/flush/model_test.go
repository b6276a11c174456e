package flush

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// The tables of the tests. Generic hashes go with their row in lull_keys.
var testDef = change.Dictionary{
	{Name: "lull_keys", Space: 0, PerDB: true, KeyColumns: []string{"key"}, Columns: []string{"type"}},
	{Name: "lull_strings", Space: 0, PerDB: true, KeyColumns: []string{"key"}, Columns: []string{"value", "expires_at"}},
	{Name: "lull_hashes", Space: 0, PerDB: true, KeyColumns: []string{"key"}, RowColumns: []string{"field"}, Columns: []string{"value"}},
	{Name: "players", Space: 3, KeyColumns: []string{"id"}, Columns: []string{"name", "score", "seen"}},
	{Name: "scores", Space: 4, KeyColumns: []string{"board"}, RowColumns: []string{"player"}, Columns: []string{"points"}},
	{Name: "events", Space: 5, KeyColumns: []string{"topic"}, Columns: []string{"body"}},
}

const (
	hashesTable  = 2
	playersTable = 3
	scoresTable  = 4
	eventsTable  = 5
)

// database is a model of SQL: a sink.Writer that fails when it is told to. It stands in
// for real databases only because they cannot be made to lose the answer of a chosen
// COMMIT; all else about sinks is tested with real ones.
type database struct {
	mu      sync.Mutex
	tables  map[string]map[string]map[string]value.Value // table, key, column
	events  []string
	lane    sink.LaneState
	found   bool
	letters map[int64]sink.Letter
	lastID  int64
	writes  int // transactions that were committed
	unclear bool
	holder  string // the log of whoever claimed the lane last
	looks   int    // so many looks at the lane fail
	before  func() // the next claim

	// fault says what happens to the next transaction.
	fault   func() fault
	refuses func(table string, row map[string]value.Value) bool
	gone    map[string]bool
}

type fault int

const (
	noFault fault = iota
	failsBefore
	lostNotIn
	lostButIn
	inTheWay
)

func newDatabase() *database {
	db := &database{
		tables: map[string]map[string]map[string]value.Value{}, letters: map[int64]sink.Letter{},
		fault:   func() fault { return noFault },
		refuses: func(string, map[string]value.Value) bool { return false }, gone: map[string]bool{},
	}
	for _, d := range testDef {
		db.tables[d.Name] = map[string]map[string]value.Value{}
	}
	return db
}

// snapshot copies what a backup would hold.
func (db *database) snapshot() func() {
	db.mu.Lock()
	defer db.mu.Unlock()
	tables := map[string]map[string]map[string]value.Value{}
	for t, rows := range db.tables {
		tables[t] = map[string]map[string]value.Value{}
		for k, row := range rows {
			tables[t][k] = maps.Clone(row)
		}
	}
	events, lane, letters := slices.Clone(db.events), db.lane, maps.Clone(db.letters)
	return func() {
		db.mu.Lock()
		defer db.mu.Unlock()
		db.tables, db.events, db.lane, db.letters = tables, events, lane, letters
	}
}

func (db *database) Lane(context.Context, sink.LaneID) (sink.LaneState, bool, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.looks > 0 {
		db.looks--
		return sink.LaneState{}, false, &sink.Error{Class: sink.Retry, Err: errors.New("no connection")}
	}
	return db.lane, db.found, nil
}

func (db *database) Claim(_ context.Context, c sink.Claim) (sink.LaneState, error) {
	if f := db.before; f != nil {
		db.before = nil
		f()
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.fault() != noFault {
		return sink.LaneState{}, &sink.Error{Class: sink.Retry, Err: errors.New("no connection")}
	}
	switch {
	case !db.found:
		db.lane, db.found = sink.LaneState{LogID: c.LogID, Mark: c.Mark}, true
	case !c.Start && (db.lane.LogID != c.Held.LogID || db.lane.Epoch != c.Held.Epoch):
		return sink.LaneState{}, &sink.Error{Class: sink.Fenced, Err: errors.New("held by another")}
	}
	db.lane.Epoch++
	db.lane.LogID, db.holder = c.LogID, c.LogID
	db.unclear = false
	return db.lane, nil
}

func (db *database) Seal(context.Context) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.lane.Sealed = true
	return nil
}

func (db *database) Letters(context.Context, string) ([]sink.Letter, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	return slices.SortedFunc(maps.Values(db.letters), func(a, b sink.Letter) int { return int(a.ID - b.ID) }), nil
}

func (db *database) Write(ctx context.Context, b *sink.Batch) (sink.Result, error) {
	time.Sleep(3 * time.Millisecond)
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.unclear {
		return sink.Result{}, &sink.Error{Class: sink.Invalid, Err: errors.New("has to be claimed first")}
	}
	f := db.fault()
	if f == failsBefore {
		return sink.Result{}, &sink.Error{Class: sink.Retry, Err: errors.New("no room")}
	}
	if f == inTheWay {
		return sink.Result{}, &sink.Error{Class: sink.Retry, Conflict: true, Err: errors.New("deadlock")}
	}
	if b.From != db.lane.Mark || db.lane.LogID != db.holder {
		return sink.Result{}, &sink.Error{Class: sink.Fenced, Err: fmt.Errorf("mark is %v, not %v", db.lane.Mark, b.From)}
	}
	for i := range b.Tables {
		if t := &b.Tables[i]; db.gone[t.Table.Name] && t.Parked == nil {
			return sink.Result{}, &sink.Error{Class: sink.TableGone, Table: t.Table.Name, Reason: sink.Reason{Message: "does not exist"}}
		}
	}
	if db.lane.Sealed && b.From.Next == 0 && b.To.Next != 0 {
		panic("a sealed lane is written in parts")
	}
	if f == lostNotIn {
		db.unclear = true
		return sink.Result{}, errors.New("connection lost")
	}
	letters := db.apply(b)
	db.lane.Mark, db.lane.CatchingUp = b.To, b.CatchingUp
	db.writes++
	if f == lostButIn {
		db.unclear = true
		return sink.Result{}, &sink.Error{Class: sink.Ambiguous, Err: errors.New("connection lost")}
	}
	return sink.Result{Letters: letters, Statements: 1, CommittedAt: time.Now()}, nil
}

// apply does what a batch says, in the contract's order.
func (db *database) apply(b *sink.Batch) (letters []sink.Letter) {
	for i := len(b.Tables) - 1; i >= 0; i-- {
		t := &b.Tables[i]
		if t.Truncate {
			row := sink.Row{}
			by := []int{}
			for _, m := range t.Where {
				row.Vals, by = append(row.Vals, m.Value), append(by, m.Column)
			}
			letters = append(letters, db.removal(t, sink.LetterTruncate, by, []sink.Row{row})...)
		}
		letters = append(letters, db.removal(t, sink.LetterClear, t.ClearBy, t.Clear)...)
		letters = append(letters, db.removal(t, sink.LetterDelete, t.Key, t.Delete)...)
	}
	for i := range b.Tables {
		for _, g := range b.Tables[i].Put {
			letters = append(letters, db.put(&b.Tables[i], g)...)
		}
	}
	for _, id := range b.DropLetters {
		delete(db.letters, id)
	}
	for i := range letters {
		if letters[i].ID == 0 {
			db.lastID++
			letters[i].ID = db.lastID
		}
		if _, twice := db.letters[letters[i].ID]; twice {
			panic("a letter's number was given twice")
		}
		letters[i].Position = max(b.To.Position, b.To.Next)
		db.letters[letters[i].ID] = letters[i]
	}
	return letters
}

func columnNames(t *sink.Table, columns []int) (names []string) {
	for _, c := range columns {
		names = append(names, t.Columns[c].Name)
	}
	return names
}

func (db *database) letter(t *sink.TableOps, o sink.LetterOp, row *sink.Row, by, columns []int) sink.Letter {
	delete(db.letters, row.Letter)
	state := sink.Refused
	if t.Parked != nil {
		state = sink.Parked
	}
	return sink.Letter{
		ID: row.Letter, State: state, Schema: t.Table.Schema, Table: t.Table.Name, Op: o, Reason: sink.Reason{Message: "no"},
		KeyNames: columnNames(t.Table, by), Key: row.Vals[:len(by)],
		Names: columnNames(t.Table, columns), Vals: row.Vals[len(by):],
	}
}

func (db *database) removal(t *sink.TableOps, o sink.LetterOp, by []int, rows []sink.Row) (letters []sink.Letter) {
	for i := range rows {
		if t.Parked != nil {
			letters = append(letters, db.letter(t, o, &rows[i], by, nil))
			continue
		}
		match := map[string]value.Value{}
		for n, c := range by {
			match[t.Table.Columns[c].Name] = rows[i].Vals[n]
		}
		if db.refuses("remove "+t.Table.Name, match) {
			letters = append(letters, db.letter(t, o, &rows[i], by, nil))
			continue
		}
		delete(db.letters, rows[i].Letter)
		db.removeMatching(t.Table.Name, match)
	}
	return letters
}

func (db *database) removeMatching(table string, match map[string]value.Value) {
	for k, row := range db.tables[table] {
		all := true
		for c, v := range match {
			all = all && row[c] == v
		}
		if !all {
			continue
		}
		delete(db.tables[table], k)
		if table == "lull_keys" {
			db.removeMatching("lull_hashes", map[string]value.Value{"name": row["name"], "db": row["db"], "key": row["key"]})
		}
	}
}

func (db *database) put(t *sink.TableOps, g sink.Group) (letters []sink.Letter) {
	for i := range g.Rows {
		row := &g.Rows[i]
		named, key := map[string]value.Value{}, ""
		for n, c := range slices.Concat(t.Key, g.Columns) {
			named[t.Table.Columns[c].Name] = row.Vals[n]
			if n < len(t.Key) {
				key += fmt.Sprintf("%q", row.Vals[n].String())
			}
		}
		o := sink.LetterPut
		if g.Mode == sink.Append {
			o = sink.LetterAppend
		}
		if t.Parked != nil || db.refuses(t.Table.Name, named) {
			letters = append(letters, db.letter(t, o, row, t.Key, g.Columns))
			continue
		}
		delete(db.letters, row.Letter)
		if g.Mode == sink.Append {
			db.events = append(db.events, named["topic"].String()+" "+named["body"].String())
			continue
		}
		if t.Table.Name == "lull_hashes" && !db.hasKey(named) {
			panic("foreign key: a field without its key")
		}
		if db.tables[t.Table.Name][key] == nil {
			db.tables[t.Table.Name][key] = map[string]value.Value{}
		}
		maps.Copy(db.tables[t.Table.Name][key], named)
	}
	return letters
}

func (db *database) hasKey(child map[string]value.Value) bool {
	for _, row := range db.tables["lull_keys"] {
		if row["name"] == child["name"] && row["db"] == child["db"] && row["key"] == child["key"] {
			return true
		}
	}
	return false
}

// content describes all rows, but the events.
func (db *database) content() map[string]string {
	db.mu.Lock()
	defer db.mu.Unlock()
	c := map[string]string{}
	for name, rows := range db.tables {
		for _, row := range rows {
			describe(c, name, row)
		}
	}
	return c
}

// describe adds a row: its key columns, then its values in the order of their names,
// without those that are NULL.
func describe(c map[string]string, name string, row map[string]value.Value) {
	def := testDef[slices.IndexFunc(testDef, func(d change.TableDef) bool { return d.Name == name })]
	at := name
	for _, k := range slices.Concat([]string{"db"}, def.KeyColumns, def.RowColumns) {
		if v, ok := row[k]; ok {
			at += " " + v.String()
		}
	}
	var vals []string
	for _, n := range def.Columns {
		if v := row[n]; !v.IsNull() {
			vals = append(vals, n+"="+v.String())
		}
	}
	c[at] = strings.Join(vals, " ")
}

// engine is a Source with a log in memory, and the truth that the database should
// come to.
type engine struct {
	mu        sync.Mutex
	log       []unit // all that was ever written
	position  uint64
	sets      []*dirty.Set
	cuts      []*dirty.Cut            // handed out, not settled
	taken     weak.Pointer[dirty.Cut] // the last cut that was not empty
	onSettled func()
	first     time.Time
	last      time.Time
	changes   uint64
	kept      uint64 // the log is kept from here on
	logFails  error
	cramped   atomic.Bool // until the next cut

	truth  map[string]map[string]value.Value // by table and key
	events []string
	forgot []string
	bodies int
	// maySurprise is false if the database is known to hold what truth does.
	random *rand.Rand
}

type unit struct {
	position uint64
	changes  []change.Change
}

const testShards = 4

func newEngine(r *rand.Rand) *engine {
	e := &engine{random: r, truth: map[string]map[string]value.Value{}}
	e.sets = freshSets()
	return e
}

func freshSets() []*dirty.Set {
	sets := make([]*dirty.Set, testShards)
	for i := range sets {
		sets[i] = dirty.New(testDef, 0)
	}
	return sets
}

func shardOf(c *change.Change) int {
	h := uint32(2166136261)
	for _, b := range []byte(c.Key) {
		h = (h ^ uint32(b)) * 16777619
	}
	return int(h % testShards)
}

func applyUnit(sets []*dirty.Set, u unit) {
	for i := range u.changes {
		c := &u.changes[i]
		seq := dirty.SeqOf(u.position, len(u.changes), i)
		if c.Op == change.ClearTable {
			for _, s := range sets {
				s.Apply(c, seq)
			}
			continue
		}
		sets[shardOf(c)].Apply(c, seq)
	}
}

func (e *engine) commit(changes ...change.Change) uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.position += uint64(len(change.AppendUnit(nil, 0, changes)))
	u := unit{e.position, changes}
	e.log = append(e.log, u)
	applyUnit(e.sets, u)
	e.changes += uint64(len(changes))
	e.last = time.Now()
	if e.first.IsZero() {
		e.first = e.last
	}
	return e.position
}

func (e *engine) Cut() *dirty.Cut {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cramped.Store(false)
	c := dirty.NewCut(e.position, e.first, e.sets)
	e.sets, e.first = freshSets(), time.Time{}
	e.cuts = append(e.cuts, c)
	if rows, _, _ := c.Size(); rows > 0 {
		e.taken = weak.Make(c)
	}
	return c
}

func (e *engine) Pressure() Pressure {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := Pressure{Oldest: e.first, LastWrite: e.last, Position: e.position, Changes: e.changes}
	for _, s := range e.sets {
		p.Rows, p.Bytes = p.Rows+s.Rows(), p.Bytes+s.Bytes()
	}
	return p
}

func (e *engine) Cramped() bool { return e.cramped.Load() }

func (e *engine) SyncLog(context.Context, uint64) error { return e.logFails }

func (e *engine) Settled(m sink.Mark) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cuts = slices.DeleteFunc(e.cuts, func(c *dirty.Cut) bool { return c.Position() <= m.Position })
	if e.onSettled != nil {
		e.onSettled()
	}
}

func (e *engine) Forget(space uint16, db uint8, key string) {
	e.forgot = append(e.forgot, fmt.Sprint(space, " ", db, " ", key))
}

func (e *engine) Rewind(m sink.Mark) ([]*dirty.Cut, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.Position < e.kept {
		return nil, fmt.Errorf("the log is kept from position %d on", e.kept)
	}
	e.sets, e.first = freshSets(), time.Time{}
	e.cuts = e.replay(m)
	return slices.Clone(e.cuts), nil
}

// replay makes cuts of everything after m, as recovery does.
func (e *engine) replay(m sink.Mark) (cuts []*dirty.Cut) {
	ends := []uint64{e.position}
	if m.Next != 0 {
		ends = []uint64{m.Next, e.position}
	}
	from := m.Position
	for _, end := range ends {
		sets := freshSets()
		for _, u := range e.log {
			if u.position > from && u.position <= end {
				applyUnit(sets, u)
			}
		}
		cuts, from = append(cuts, dirty.NewCut(end, time.Now(), sets)), end
	}
	return cuts
}
