package lull

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// simDB is a database in a simulation: tables, the lane's row with its lock, letters,
// one transaction at a time. It stands in for real ones only here, where each moment
// of a conversation has to be chosen; that they behave like this is sinktest's matter.
type simDB struct {
	w       *simWorld
	catalog []*sink.Table
	own     map[string]*sink.Table
	tables  map[string]*simTable
	lane    sink.LaneState
	found   bool
	letters map[int64]sink.Letter
	lastID  int64
	open    *simTx // holds the lock of the lane's row

	away    bool            // refuses connections
	trouble int             // so many calls of a hundred go wrong
	gone    map[string]bool // tables that are not there
	refuses bool            // rows with a bad value

	committed func(s *simSink, b *sink.Batch)
	counts    simCounts
}

// simTable is a table's rows by primary key, or by number where it has none.
type simTable struct {
	t    *sink.Table
	pk   []int
	rows map[string][]value.Value
	next int
}

// simTx is a transaction that has the lane's lock. It is carried out when it commits:
// nobody else writes, so nobody can tell.
type simTx struct {
	owner *simSink
	b     *sink.Batch
	sent  bool // its COMMIT is on the way
}

// simBackup is a copy of all that is in it.
type simBackup struct {
	tables  map[string]map[string][]value.Value
	next    map[string]int
	lane    sink.LaneState
	letters map[int64]sink.Letter
}

func newSimDB(w *simWorld) *simDB {
	db := &simDB{
		w: w, own: make(map[string]*sink.Table), tables: make(map[string]*simTable),
		letters: make(map[int64]sink.Letter), gone: make(map[string]bool),
	}
	for _, t := range simOwnTables {
		db.own[t.Name] = t
		db.add(t)
	}
	for _, t := range simUserTables {
		db.catalog = append(db.catalog, t)
		db.add(t)
	}
	return db
}

func (db *simDB) add(t *sink.Table) {
	s := &simTable{t: t, rows: make(map[string][]value.Value)}
	for _, c := range t.PrimaryKey {
		s.pk = append(s.pk, t.Column(c))
	}
	db.tables[t.Name] = s
}

func (db *simDB) backup() *simBackup {
	b := &simBackup{
		tables: make(map[string]map[string][]value.Value), next: make(map[string]int),
		lane: db.lane, letters: maps.Clone(db.letters),
	}
	for name, t := range db.tables {
		b.tables[name], b.next[name] = maps.Clone(t.rows), t.next
	}
	return b
}

func (db *simDB) restore(b *simBackup) {
	db.open = nil
	db.lane, db.letters = b.lane, maps.Clone(b.letters)
	for name, t := range db.tables {
		t.rows, t.next = maps.Clone(b.tables[name]), b.next[name]
	}
}

// end makes up its mind about the open transaction, whose client has gone.
func (db *simDB) end() {
	tx := db.open
	if tx == nil {
		return
	}
	if tx.sent && db.w.one(2) {
		db.w.note("db: a commit arrives late", tx.b.To.Position, tx.b.To.Part)
		db.commit(tx)
		return
	}
	db.w.note("db: rolled back", tx.b.To.Position, tx.b.To.Part)
	db.open = nil
}

// commit carries a transaction out and returns its new letters.
func (db *simDB) commit(tx *simTx) (letters []sink.Letter) {
	b := tx.b
	for i := len(b.Tables) - 1; i >= 0; i-- {
		letters = append(letters, db.removals(&b.Tables[i])...)
	}
	for i := range b.Tables {
		for _, g := range b.Tables[i].Put {
			letters = append(letters, db.puts(&b.Tables[i], g)...)
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
		letters[i].Position = max(b.To.Position, b.To.Next)
		db.letters[letters[i].ID] = letters[i]
	}
	if db.w.trace != nil {
		for _, id := range slices.Sorted(maps.Keys(db.letters)) {
			l := db.letters[id]
			db.w.note(fmt.Sprint("db:   letter ", id, l.State, l.Table, l.Op, l.Key, l.Names, l.Vals))
		}
	}
	db.lane.Mark, db.lane.CatchingUp, db.lane.Sealed, db.open = b.To, b.CatchingUp, b.Sealed, nil
	db.counts.commits++
	db.counts.letters += len(letters)
	db.w.note("db: committed", b.To.Position, b.To.Next, b.To.Part, uint64(len(letters)))
	db.committed(tx.owner, b)
	return letters
}

func (db *simDB) letter(t *sink.TableOps, op sink.LetterOp, row *sink.Row, by, columns []int) sink.Letter {
	delete(db.letters, row.Letter)
	names := func(columns []int) (names []string) {
		for _, c := range columns {
			names = append(names, t.Table.Columns[c].Name)
		}
		return names
	}
	l := sink.Letter{
		ID: row.Letter, State: sink.Refused, Table: t.Table.Name, Op: op, Reason: sink.Reason{Message: "no"},
		KeyNames: names(by), Key: row.Vals[:len(by)], Names: names(columns), Vals: row.Vals[len(by):],
	}
	if t.Parked != nil {
		l.State, l.Reason = sink.Parked, *t.Parked
	}
	return l
}

func (db *simDB) removals(t *sink.TableOps) (letters []sink.Letter) {
	if t.Truncate {
		row := sink.Row{}
		var by []int
		for _, m := range t.Where {
			row.Vals, by = append(row.Vals, m.Value), append(by, m.Column)
		}
		letters = append(letters, db.removal(t, sink.LetterTruncate, by, []sink.Row{row})...)
	}
	letters = append(letters, db.removal(t, sink.LetterClear, t.ClearBy, t.Clear)...)
	return append(letters, db.removal(t, sink.LetterDelete, t.Key, t.Delete)...)
}

func (db *simDB) removal(t *sink.TableOps, op sink.LetterOp, by []int, rows []sink.Row) (letters []sink.Letter) {
	for i := range rows {
		if t.Parked != nil {
			letters = append(letters, db.letter(t, op, &rows[i], by, nil))
			continue
		}
		delete(db.letters, rows[i].Letter)
		db.remove(t.Table.Name, by, rows[i].Vals)
	}
	return letters
}

// remove deletes the rows whose columns by are vals, and the children of a key.
func (db *simDB) remove(table string, by []int, vals []value.Value) {
	t := db.tables[table]
	for key, row := range t.rows {
		if !simMatches(row, by, vals) {
			continue
		}
		delete(t.rows, key)
		if table != "lull_keys" {
			continue
		}
		for _, child := range simOwnTables[2:] {
			if child.Name != "lull_keys" && child.Name != "lull_strings" {
				db.remove(child.Name, []int{0, 1, 2}, row[:3])
			}
		}
	}
}

func simMatches(row []value.Value, by []int, vals []value.Value) bool {
	for i, c := range by {
		if !simEqual(row[c], vals[i]) {
			return false
		}
	}
	return true
}

// simEqual compares as a database does, by content.
func simEqual(a, b value.Value) bool {
	return a == b || a.IsNull() == b.IsNull() && a.Kind() != b.Kind() && a.String() == b.String()
}

func (db *simDB) puts(t *sink.TableOps, g sink.Group) (letters []sink.Letter) {
	columns := slices.Concat(t.Key, g.Columns)
	for i := range g.Rows {
		row := &g.Rows[i]
		if t.Parked != nil || db.refuses && slices.ContainsFunc(row.Vals, func(v value.Value) bool { return v.String() == simBad }) {
			op := sink.LetterPut
			if g.Mode == sink.Append {
				op = sink.LetterAppend
			}
			letters = append(letters, db.letter(t, op, row, t.Key, g.Columns))
			continue
		}
		delete(db.letters, row.Letter)
		db.put(t.Table.Name, g.Mode, columns, row.Vals)
	}
	return letters
}

func (db *simDB) put(table string, mode sink.Mode, columns []int, vals []value.Value) {
	t := db.tables[table]
	row := make([]value.Value, len(t.t.Columns))
	for i, c := range columns {
		row[c] = vals[i]
	}
	key := ""
	if len(t.pk) == 0 {
		t.next++
		key = strconv.Itoa(t.next)
	} else {
		key = simKey(row, t.pk)
	}
	old, there := t.rows[key]
	if mode == sink.Append && there {
		panic(simFault("doubled: an appended row of " + table))
	}
	if there {
		merged := slices.Clone(old)
		for i, c := range columns {
			merged[c] = vals[i]
		}
		row = merged
	}
	if table != "lull_keys" && table != "lull_strings" && db.own[table] != nil {
		if db.tables["lull_keys"].rows[simKey(row, []int{0, 1, 2})] == nil {
			panic(simFault("torn: a row of " + table + " without its key"))
		}
	}
	t.rows[key] = row
}

func simKey(row []value.Value, columns []int) string {
	var b []byte
	for _, c := range columns {
		b = strconv.AppendQuote(row[c].AppendText(b), "")
	}
	return string(b)
}

// simFault is what the simulation panics with when a promise is broken.
type simFault string

// simSink is a process's connections to a simDB.
type simSink struct {
	*simDB
	p       *simProc
	id      sink.LaneID
	epoch   uint64
	logID   string // the lane's, as it was taken
	tried   uint64
	unclear bool
	floor   sink.Floor
	claimed func(before sink.LaneState, told bool)
	life    *simLife
}

var errSimAway = &sink.Error{Class: sink.Retry, Err: errors.New("connection refused")}

// call is the way to the database: anything may happen first, and it may go wrong.
func (s *simSink) call(what string) error {
	s.p.point()
	if s.p.dead {
		return &sink.Error{Class: sink.Invalid, Err: errors.New("this process is dead")}
	}
	if s.away || s.trouble > 0 && s.w.random.IntN(100) < s.trouble {
		s.w.note("db: no to "+what, 0)
		return errSimAway
	}
	return nil
}

func (s *simSink) Dialect() string  { return "simulated" }
func (s *simSink) Close() error     { return nil }
func (s *simSink) OwnDDL() []string { return nil }

func (s *simSink) OwnTable(name string) *sink.Table { return s.own[name] }

func (s *simSink) CreateOwn(context.Context) error { return s.call("create") }

func (s *simSink) Catalog(_ context.Context, names []string) (*sink.Catalog, error) {
	if err := s.call("catalog"); err != nil {
		return nil, err
	}
	c := &sink.Catalog{}
	for _, t := range s.catalog {
		if !s.gone[t.Name] && (len(names) == 0 || slices.Contains(names, t.Name)) {
			c.Tables = append(c.Tables, t)
		}
	}
	return c, nil
}

func (s *simSink) Lane(context.Context, sink.LaneID) (sink.LaneState, bool, error) {
	if err := s.call("lane"); err != nil {
		return sink.LaneState{}, false, err
	}
	return s.lane, s.found, nil
}

// Claim follows sqlsink's.
func (s *simSink) Claim(_ context.Context, c sink.Claim) (sink.LaneState, error) {
	if err := s.call("claim"); err != nil {
		return sink.LaneState{}, err
	}
	for waited := 0; s.open != nil; waited++ {
		switch {
		case s.open.owner == s:
			s.end() // its session is ended by name
		case waited > 3:
			return sink.LaneState{}, &sink.Error{Class: sink.Retry, Err: errors.New("lock timeout")}
		default:
			s.p.point()
		}
		if s.p.dead {
			return sink.LaneState{}, errSimAway
		}
	}
	lane := s.lane
	switch {
	case !s.found && !c.Start:
		return sink.LaneState{}, &sink.Error{Class: sink.Fenced, Err: errors.New("the lane's row is gone")}
	case c.Check(lane) != nil:
		return sink.LaneState{}, c.Check(lane)
	case !s.found:
		lane = sink.LaneState{Mark: c.Mark}
	case !c.Start && (lane.LogID != c.Held.LogID || lane.Epoch != c.Held.Epoch) &&
		(lane.LogID != c.LogID || lane.Epoch <= c.Held.Epoch || lane.Epoch > s.tried):
		return sink.LaneState{}, &sink.Error{Class: sink.Fenced, Err: errors.New("held by another")}
	}
	lane.LogID, lane.Epoch = c.LogID, max(lane.Epoch, c.Held.Epoch, s.epoch)+1
	if c.Reset {
		lane.Mark, lane.CatchingUp = c.Mark, false
	}
	if c.ClearSealed {
		lane.Sealed = false
	}
	s.tried = lane.Epoch
	if s.trouble > 0 && s.w.one(20) {
		if s.w.one(2) {
			before := s.lane
			s.lane, s.found = lane, true
			s.claimed(before, false)
		}
		s.w.note("db: the claim's commit is lost", lane.Epoch)
		return sink.LaneState{}, &sink.Error{Class: sink.Retry, Err: errors.New("commit the claim: connection lost")}
	}
	before := s.lane
	s.lane, s.found = lane, true
	s.id, s.epoch, s.logID, s.tried, s.unclear = c.ID, lane.Epoch, lane.LogID, 0, false
	s.w.note("db: claimed", lane.Epoch, lane.Mark.Position, lane.Mark.Next, lane.Mark.Part)
	s.claimed(before, true)
	return lane, nil
}

func (s *simSink) Seal(context.Context) error {
	if err := s.call("seal"); err != nil {
		return err
	}
	if s.lane.Epoch != s.epoch || s.lane.LogID != s.logID {
		return &sink.Error{Class: sink.Fenced, Err: errors.New("seal: another epoch")}
	}
	s.lane.Sealed = true
	s.counts.seals++
	s.w.note("db: sealed", s.lane.Mark.Position)
	return nil
}

func (s *simSink) Letters(context.Context, string) ([]sink.Letter, error) {
	if err := s.call("letters"); err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(s.letters), func(a, b sink.Letter) int { return int(a.ID - b.ID) }), nil
}

// Write is one transaction, with a point between each two of its statements.
func (s *simSink) Write(_ context.Context, b *sink.Batch) (sink.Result, error) {
	if err := s.call("begin"); err != nil {
		return sink.Result{}, err
	}
	if s.unclear || s.epoch == 0 {
		return sink.Result{}, &sink.Error{Class: sink.Invalid, Err: errors.New("write: the lane has to be claimed first")}
	}
	if s.open != nil && s.open.owner == s {
		s.end() // its session is ended by name
	}
	if s.open != nil {
		return sink.Result{}, &sink.Error{Class: sink.Retry, Err: errors.New("lock timeout")}
	}
	if s.lane.Epoch != s.epoch || s.lane.LogID != s.logID || s.lane.Mark != b.From {
		return sink.Result{}, &sink.Error{Class: sink.Fenced, Err: fmt.Errorf("epoch %d, mark %v", s.lane.Epoch, s.lane.Mark)}
	}
	tx := &simTx{owner: s, b: b}
	s.open = tx
	s.w.note("db: begun", b.To.Position, b.To.Next, b.To.Part)
	for i := range b.Tables {
		t := &b.Tables[i]
		if err := s.call("a statement"); err != nil || s.open != tx {
			return sink.Result{}, s.broken(tx)
		}
		if s.gone[t.Table.Name] && t.Parked == nil {
			s.open = nil
			return sink.Result{}, &sink.Error{Class: sink.TableGone, Table: t.Table.Name, Reason: sink.Reason{Message: "does not exist"}}
		}
	}
	if err := s.call("commit"); err != nil || s.open != tx {
		return sink.Result{}, s.broken(tx)
	}
	tx.sent = true
	if s.trouble > 0 && s.w.one(4) {
		s.w.note("db: the answer to a commit is lost", b.To.Position)
		s.unclear = true
		if s.w.one(2) {
			s.end()
		}
		return sink.Result{}, errors.New("commit: connection lost")
	}
	s.p.point()
	if s.p.dead || s.open != tx {
		s.unclear = true
		return sink.Result{}, errors.New("commit: connection lost")
	}
	letters := s.commit(tx)
	s.p.point()
	return sink.Result{Letters: letters, Statements: len(b.Tables)}, nil
}

// broken ends a transaction in which a statement failed: rolled back, or left open by
// a connection that was lost.
func (s *simSink) broken(tx *simTx) error {
	if s.open == tx && s.w.one(2) {
		s.open = nil // else the server does not know yet that the connection is lost
	}
	return &sink.Error{Class: sink.Retry, Err: errors.New("deadlock")}
}

// SetFloor implements sink.Floored.
func (s *simSink) SetFloor(f sink.Floor) { s.floor = f }

// behind reports whether the database has gone back below the floor.
func (s *simSink) behind() bool {
	return s.floor.LogID != "" && (!s.found || s.lane.LogID != s.floor.LogID || s.floor.Mark.After(s.lane.Mark))
}

// Read is one snapshot.
func (s *simSink) Read(_ context.Context, queries []sink.Query, row func(int, []value.Value) error) error {
	if err := s.call("read"); err != nil {
		return err
	}
	if s.behind() {
		return &sink.Error{Class: sink.Retry, Err: sink.ErrBehind}
	}
	type hit struct {
		query int
		vals  []value.Value
	}
	var hits []hit
	for i := range queries {
		if s.gone[queries[i].Table.Name] {
			return &sink.Error{Class: sink.TableGone, Table: queries[i].Table.Name, Reason: sink.Reason{Message: "does not exist"}}
		}
		if s.w.trace != nil {
			s.w.note("db: read " + queries[i].Table.Name)
			for _, vals := range s.selects(&queries[i]) {
				s.w.note(fmt.Sprint("db:   ", vals))
			}
		}
		for _, vals := range s.selects(&queries[i]) {
			hits = append(hits, hit{i, vals})
		}
	}
	s.p.point() // the snapshot is taken; much may happen before it arrives
	for _, h := range hits {
		if err := row(h.query, h.vals); err != nil {
			return err
		}
	}
	return nil
}

func (s *simSink) selects(q *sink.Query) (found [][]value.Value) {
	t := s.tables[q.Table.Name]
	seen := make(map[string]bool)
	for _, at := range slices.Sorted(maps.Keys(t.rows)) {
		row := t.rows[at]
		matches := len(q.By) == 0 || slices.ContainsFunc(q.Keys, func(k []value.Value) bool { return simMatches(row, q.By, k) })
		if !matches || len(q.Where) > 0 && !simWhere(row, q.Where) {
			continue
		}
		vals := make([]value.Value, len(q.Columns))
		for i, c := range q.Columns {
			vals[i] = row[c]
		}
		if key := simKey(row, q.Columns); q.Distinct && seen[key] {
			continue
		} else if q.Distinct {
			seen[key] = true
		}
		found = append(found, vals)
	}
	return found
}

// simWhere knows what is asked of generic tables, and by expiry.
func simWhere(row []value.Value, where []sink.Match) bool {
	return !slices.ContainsFunc(where, func(m sink.Match) bool {
		have := row[m.Column]
		if have.IsNull() || m.Op == "=" {
			return !simEqual(have, m.Value)
		}
		return m.Op != "<=" || !simLess(have, m.Value) && !simEqual(have, m.Value)
	})
}

// simLess compares times.
func simLess(a, b value.Value) bool {
	if n, ok := a.Int(); ok {
		than, _ := b.Int()
		return n < than
	}
	return a.String() < b.String()
}

func (s *simSink) Count(_ context.Context, t *sink.Table, _ []int, _ []sink.Match, _ int64) (int64, bool, error) {
	return int64(len(s.tables[t.Name].rows)), true, s.call("count")
}

// simBad is the value that the database refuses when it does.
const simBad = "bad"

func simColumn(name string, f sink.Type, null bool) sink.Column {
	return sink.Column{Name: name, Type: f, Nullable: null, Insertable: true, CaseSensitive: true}
}

var (
	simText  = sink.Type{Family: sink.Text, SQL: "text"}
	simBytes = sink.Type{Family: sink.Binary, SQL: "bytea"}
	simInt   = sink.Type{Family: sink.Integer, SQL: "bigint", Bits: 64}
	simFloat = sink.Type{Family: sink.FloatNum, SQL: "double precision", Bits: 64, Infinite: true}
	simStamp = sink.Type{Family: sink.TimestampTZ, SQL: "timestamptz", Precision: 6, MinYear: 1, MaxYear: 9999}

	simOwnTables  = simOwn()
	simUserTables = []*sink.Table{
		{Name: "players", PrimaryKey: []string{"id"}, Columns: []sink.Column{
			simColumn("id", simInt, false), simColumn("name", simText, true), simColumn("score", simInt, true),
			simColumn("ends", simStamp, true)}},
		{Name: "scores", PrimaryKey: []string{"board", "player"}, Columns: []sink.Column{
			simColumn("board", simText, false), simColumn("player", simInt, false), simColumn("points", simFloat, false)}},
		{Name: "views", PrimaryKey: []string{"page"}, Columns: []sink.Column{
			simColumn("page", simText, false), simColumn("views", simInt, true)}},
		{Name: "tags", PrimaryKey: []string{"item", "tag"}, Columns: []sink.Column{
			simColumn("item", simText, false), simColumn("tag", simText, false)}},
		{Name: "events", Columns: []sink.Column{
			simColumn("topic", simText, false), simColumn("body", simText, true)}},
	}
	simSpecs = []TableSpec{
		{Name: "players", Key: "player:{id}", Type: "hash", MaxAgeSet: true, OnExpire: "delete", Expires: "ends"},
		{Name: "scores", Key: "board:{board}", Type: "zset", Member: "player", Score: "points"},
		{Name: "views", Key: "views:{page}", Type: "string", Value: "views", MaxAgeSet: true},
		{Name: "tags", Key: "tags:{item}", Type: "set", Member: "tag"},
		{Name: "events", Key: "events:{topic}", Type: "stream"},
	}
)

func simOwn() (tables []*sink.Table) {
	add := func(name, row string, rest ...sink.Column) {
		t := &sink.Table{Name: name, PrimaryKey: []string{"name", "db", "key"}, Columns: []sink.Column{
			simColumn("name", simText, false), simColumn("db", simInt, false), simColumn("key", simBytes, false)}}
		if row != "" {
			t.PrimaryKey = append(t.PrimaryKey, row)
		}
		t.Columns = append(t.Columns, rest...)
		tables = append(tables, t)
	}
	expires := simColumn("expires_at", simStamp, true)
	add("lull_keys", "", simColumn("type", simText, false), expires, simColumn("meta", simBytes, true))
	add("lull_strings", "", simColumn("value", simBytes, false), expires)
	add("lull_hashes", "field", simColumn("field", simBytes, false), simColumn("value", simBytes, false))
	add("lull_zsets", "member", simColumn("member", simBytes, false), simColumn("score", simFloat, false))
	add("lull_sets", "member", simColumn("member", simBytes, false))
	add("lull_lists", "position", simColumn("position", simInt, false), simColumn("value", simBytes, false))
	add("lull_streams", "ms", simColumn("ms", simInt, false), simColumn("seq", simInt, false), simColumn("value", simBytes, false))
	tables[6].PrimaryKey = append(tables[6].PrimaryKey, "seq")
	return tables
}
