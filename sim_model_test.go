package lull

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// simOp is one command of a unit.
type simOp struct {
	kind string
	key  string
	a, b string
	n    int64
}

// simUnit is an atomic unit that was written, and what it said of SQL. Those that the
// engine makes by itself, when a key's time has come, have no commands.
type simUnit struct {
	position uint64
	now      int64 // its time, in ms since 1970
	ops      []simOp
	answers  []string
	changes  []change.Change
	record   []byte // while it is not known whether the log has it
	sqlOnly  bool   // SQL has it, and the log may not know
}

// simValue is what a key holds, in the plainest form.
type simValue struct {
	typ  keyspace.Type
	text string
	list []string
	rows map[string]string // fields, members with scores, members
	ends int64             // when it expires, in ms since 1970; 0 never
}

// simModel is all keys.
type simModel map[string]*simValue

const simWrongType = "WRONGTYPE"

// mapped says of which type the keys of a table are; generic keys are of any.
func simMapped(key string) keyspace.Type {
	switch table, _, _ := strings.Cut(key, ":"); table {
	case "player":
		return keyspace.TypeHash
	case "board":
		return keyspace.TypeZSet
	case "views":
		return keyspace.TypeString
	case "tags":
		return keyspace.TypeSet
	}
	return keyspace.TypeNone
}

func (m simModel) get(key string, typ keyspace.Type) (v *simValue, ok bool) {
	v = m[key]
	if v == nil {
		return &simValue{typ: typ, rows: map[string]string{}}, true
	}
	return v, v.typ == typ
}

// keep puts a collection in, or takes it out if it is empty; a mapped hash is its row.
func (m simModel) keep(key string, v *simValue) {
	if len(v.rows)+len(v.list) == 0 && v.typ != keyspace.TypeString && !(v.typ == keyspace.TypeHash && simMapped(key) != 0 && m[key] != nil) {
		delete(m, key)
		return
	}
	m[key] = v
}

// apply carries a command out at a time and returns its answer.
func (m simModel) apply(o simOp, now int64) string {
	if v := m[o.key]; v != nil && v.ends != 0 && v.ends <= now {
		delete(m, o.key)
	}
	switch o.kind {
	case "set":
		m[o.key] = &simValue{typ: keyspace.TypeString, text: o.a}
		return "OK"
	case "del":
		_, had := m[o.key]
		delete(m, o.key)
		return fmt.Sprint(had)
	case "flush":
		clear(m)
		return "OK"
	case "xadd":
		return ""
	case "incr":
		v, ok := m.get(o.key, keyspace.TypeString)
		if !ok {
			return simWrongType
		}
		n, _ := strconv.ParseInt(v.text, 10, 64)
		v.text = strconv.FormatInt(n+o.n, 10)
		m[o.key] = v
		return v.text
	case "read":
		return m.text(o.key)
	case "expire", "persist":
		return fmt.Sprint(m.expire(o, now))
	}
	return m.applyRows(o)
}

// expire sets when a key ends, or takes that away.
func (m simModel) expire(o simOp, now int64) (done bool) {
	v := m[o.key]
	switch {
	case v == nil, o.kind == "persist" && v.ends == 0:
		return false
	case o.kind == "persist":
		v.ends = 0
	case o.n <= now:
		delete(m, o.key)
	default:
		v.ends = o.n
	}
	return true
}

var simTypes = map[string]keyspace.Type{
	"hset": keyspace.TypeHash, "hdel": keyspace.TypeHash, "hincr": keyspace.TypeHash, "sadd": keyspace.TypeSet, "srem": keyspace.TypeSet,
	"zadd": keyspace.TypeZSet, "zrem": keyspace.TypeZSet, "rpush": keyspace.TypeList, "lpop": keyspace.TypeList,
}

// applyRows is apply for collections.
func (m simModel) applyRows(o simOp) string {
	v, ok := m.get(o.key, simTypes[o.kind])
	if !ok {
		return simWrongType
	}
	_, had := v.rows[o.a]
	answer := ""
	switch o.kind {
	case "hset", "zadd":
		v.rows[o.a], answer = o.b, fmt.Sprint(!had)
	case "sadd":
		v.rows[o.a], answer = "", fmt.Sprint(!had)
	case "hdel", "srem", "zrem":
		if m[o.key] == nil {
			return "false"
		}
		delete(v.rows, o.a)
		answer = fmt.Sprint(had)
	case "hincr":
		n, _ := strconv.ParseInt(v.rows[o.a], 10, 64)
		answer = strconv.FormatInt(n+o.n, 10)
		v.rows[o.a] = answer
	case "rpush":
		v.list = append(slices.Clip(v.list), o.a)
		answer = strconv.Itoa(len(v.list))
	case "lpop":
		if len(v.list) == 0 {
			return "nil"
		}
		answer, v.list = v.list[0], v.list[1:]
	}
	m.keep(o.key, v)
	return answer
}

// text describes what a key holds.
func (m simModel) text(key string) string {
	v := m[key]
	if v == nil {
		return "nil"
	}
	text := simRowsText(v.rows)
	switch v.typ {
	case keyspace.TypeString:
		text = v.text
	case keyspace.TypeList:
		text = strings.Join(v.list, " ")
	}
	return simUntil(text, v.ends)
}

func simUntil(text string, ends int64) string {
	if ends == 0 {
		return text
	}
	return fmt.Sprintf("%s until %d", text, ends)
}

func simRowsText(rows map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		b.WriteString(k + "=" + rows[k] + " ")
	}
	return b.String()
}

// do carries a command out in the engine and returns its answer.
func (o *simOp) do(tx *Tx) (answer string, err error) {
	key, a := []byte(o.key), []byte(o.a)
	switch o.kind {
	case "set":
		_, err = tx.Set(key, a, SetOptions{})
		answer = "OK"
	case "del":
		var n int
		n, err = tx.Del(key)
		answer = fmt.Sprint(n == 1)
	case "flush":
		err = tx.FlushDB(0)
		answer = "OK"
	case "incr":
		var n int64
		n, err = tx.IncrBy(key, o.n)
		answer = strconv.FormatInt(n, 10)
	case "xadd":
		_, _, err = tx.XAdd(key, NewStreamID{Auto: true}, [][]byte{[]byte("body"), a}, XAddOptions{})
	case "hset":
		var n int
		n, err = tx.HSet(key, [][]byte{a, []byte(o.b)})
		answer = fmt.Sprint(n == 1)
	case "hdel":
		var n int
		n, err = tx.HDel(key, [][]byte{a})
		answer = fmt.Sprint(n == 1)
	case "hincr":
		var n int64
		n, err = tx.HIncrBy(key, a, o.n)
		answer = strconv.FormatInt(n, 10)
	case "sadd":
		var n int
		n, err = tx.SAdd(key, [][]byte{a})
		answer = fmt.Sprint(n == 1)
	case "srem":
		var n int
		n, err = tx.SRem(key, [][]byte{a})
		answer = fmt.Sprint(n == 1)
	case "zadd":
		var n int
		score, _ := strconv.ParseFloat(o.b, 64)
		n, _, err = tx.ZAdd(key, ZAddOptions{}, []Scored{{Member: a, Score: score}})
		answer = fmt.Sprint(n == 1)
	case "zrem":
		var n int
		n, err = tx.ZRem(key, [][]byte{a})
		answer = fmt.Sprint(n == 1)
	case "rpush":
		var n int
		n, err = tx.Push(key, Tail, [][]byte{a}, false)
		answer = strconv.Itoa(n)
	case "lpop":
		answer = "nil"
		_, err = tx.Pop(key, Head, 1, func(v []byte) { answer = string(v) })
	case "expire", "persist":
		answer, err = o.expire(tx, key)
	case "read":
		answer, err = simRead(tx, key)
	}
	if errors.Is(err, ErrWrongType) {
		return simWrongType, nil
	}
	return answer, err
}

func (o *simOp) expire(tx *Tx, key []byte) (answer string, err error) {
	var done bool
	if o.kind == "persist" {
		done, err = tx.Persist(key)
	} else {
		done, err = tx.Expire(key, o.n, ExpireAlways)
	}
	return fmt.Sprint(done), err
}

// simRead describes what a key holds, as simModel.text does.
func simRead(tx *Tx, key []byte) (string, error) {
	typ, err := tx.Type(key)
	if err != nil || typ == keyspace.TypeNone {
		return "nil", err
	}
	text, err := simHolds(tx, key, typ)
	if err != nil {
		return "", err
	}
	ends, _, err := tx.ExpiresAt(key)
	if shown := simShown(tx, key); shown != ends {
		text += fmt.Sprint("ends=", shown, " ")
	}
	return simUntil(text, ends), err
}

// simShown is what a mapped hash shows of its expiry, in ms since 1970.
func simShown(tx *Tx, key []byte) int64 {
	if simMapped(string(key)) != keyspace.TypeHash {
		ends, _, _ := tx.ExpiresAt(key)
		return ends
	}
	v, ok, _ := tx.HGet(key, []byte("ends"))
	if !ok {
		return 0
	}
	at, _ := time.Parse(time.RFC3339Nano, string(v))
	return at.UnixMilli()
}

func simHolds(tx *Tx, key []byte, typ keyspace.Type) (string, error) {
	rows := map[string]string{}
	switch typ {
	case keyspace.TypeString:
		v, _, err := tx.Get(key)
		return v.String(), err
	case keyspace.TypeHash:
		f, err := tx.HGetAll(key)
		if err == nil {
			f.Each(func(field, val []byte) bool { rows[string(field)] = string(val); return true })
		}
		if simMapped(string(key)) != keyspace.TypeNone {
			delete(rows, "ends")
		}
		return simRowsText(rows), err
	case keyspace.TypeSet:
		s, err := tx.SMembers(key)
		if err == nil {
			s.Each(func(m []byte) bool { rows[string(m)] = ""; return true })
		}
		return simRowsText(rows), err
	case keyspace.TypeZSet:
		z, err := tx.ZRange(key, ZRange{Start: 0, Stop: -1})
		if err == nil {
			z.Each(func(m []byte, score float64) { rows[string(m)] = strconv.FormatFloat(score, 'f', -1, 64) })
		}
		return simRowsText(rows), err
	case keyspace.TypeList:
		l, err := tx.List(key)
		var all []string
		if err == nil {
			l.Range(0, -1, func(int) {}, func(v []byte) { all = append(all, string(v)) })
		}
		return strings.Join(all, " "), err
	}
	return "", fmt.Errorf("type %v", typ)
}

// simRows is what SQL has to hold: changes carried out one by one, without coalescing.
type simRows struct {
	def      change.Dictionary
	rows     map[simRowKey]map[uint16]string
	appended map[simRowKey]int // rows without an identity, by what they hold
}

// simRowKey is a row of a table of the dictionary.
type simRowKey struct {
	table    uint16
	db       uint8
	key, row string
}

func newSimRows(def change.Dictionary) *simRows {
	return &simRows{def: def, rows: make(map[simRowKey]map[uint16]string), appended: make(map[simRowKey]int)}
}

func (r *simRows) apply(c *change.Change) {
	at := simRowKey{c.Table, c.DB, c.Key, c.Row}
	def := &r.def[c.Table]
	switch c.Op {
	case change.Set:
		if c.Table == change.StringsTable && c.Known == change.Unknown {
			r.clear(def.Space, c.DB, c.Key)
		}
		if r.rows[at] == nil {
			r.rows[at] = make(map[uint16]string)
		}
		r.cells(r.rows[at], c.Cells)
	case change.Append:
		cells := make(map[uint16]string)
		r.cells(cells, c.Cells)
		at.row = simCells(def, cells)
		r.appended[at]++
	case change.Delete:
		delete(r.rows, at)
		if c.Table == change.KeysTable {
			maps.DeleteFunc(r.rows, func(x simRowKey, _ map[uint16]string) bool {
				return x.table > change.StringsTable && r.def[x.table].PerDB && x.db == c.DB && x.key == c.Key
			})
		}
	case change.Clear:
		r.clear(def.Space, c.DB, c.Key)
	case change.ClearTable:
		maps.DeleteFunc(r.rows, func(x simRowKey, _ map[uint16]string) bool {
			return r.def[x.table].Space == def.Space && (!def.PerDB || x.db == c.DB)
		})
		maps.DeleteFunc(r.appended, func(x simRowKey, _ int) bool { return r.def[x.table].Space == def.Space })
	}
}

func (r *simRows) clear(space uint16, db uint8, key string) {
	maps.DeleteFunc(r.rows, func(x simRowKey, _ map[uint16]string) bool {
		return r.def[x.table].Space == space && x.db == db && x.key == key
	})
}

func (r *simRows) cells(row map[uint16]string, cells []change.Cell) {
	for _, c := range cells {
		if c.Val.IsNull() {
			delete(row, c.Col)
		} else {
			row[c.Col] = c.Val.String()
		}
	}
}

func simCells(def *change.TableDef, cells map[uint16]string) string {
	var b []byte
	for i := range def.Columns {
		if v, ok := cells[uint16(i)]; ok {
			b = append(append(append(append(b, def.Columns[i]...), '='), v...), ' ')
		}
	}
	return string(b)
}

// differs compares what SQL holds with what it has to hold, without the keys that
// letters speak of, and says how they differ.
func (r *simRows) differs(db *simDB, skip map[simRowKey]bool) string {
	skipped := func(at simRowKey) bool {
		return skip[simRowKey{table: at.table, db: at.db, key: at.key}] || skip[simRowKey{table: at.table, key: simAll}]
	}
	found := 0
	appended := make(map[simRowKey]int)
	for table := range r.def {
		def := &r.def[table]
		t := db.tables[def.Name]
		for _, row := range t.rows {
			at, cells := simIdentify(uint16(table), def, t.t, row)
			if skipped(at) {
				continue
			}
			if len(t.pk) == 0 {
				at.row = cells
				appended[at]++
				continue
			}
			want, ok := r.rows[at]
			if !ok {
				return fmt.Sprintf("%s has the row %q %q (%s), which should not be there", def.Name, at.key, at.row, cells)
			}
			if w := simCells(def, want); w != cells {
				return fmt.Sprintf("%s, row %q %q: %s, wanted %s", def.Name, at.key, at.row, cells, w)
			}
			found++
		}
	}
	if s := r.appendedDiffer(appended, skipped); s != "" {
		return s
	}
	for at := range r.rows {
		if skipped(at) {
			found++
		}
	}
	if found == len(r.rows) {
		return ""
	}
	return r.missing(db)
}

func (r *simRows) appendedDiffer(got map[simRowKey]int, skipped func(simRowKey) bool) string {
	for at, n := range r.appended {
		if got[at] != n && !skipped(at) {
			return fmt.Sprintf("%s %q has %s %d times, wanted %d", r.def[at.table].Name, at.key, at.row, got[at], n)
		}
	}
	for at, n := range got {
		if r.appended[at] != n {
			return fmt.Sprintf("%s %q has %s %d times, wanted %d", r.def[at.table].Name, at.key, at.row, n, r.appended[at])
		}
	}
	return ""
}

// missing names rows that are not in SQL.
func (r *simRows) missing(db *simDB) string {
	have := make(map[simRowKey]bool)
	for table := range r.def {
		t := db.tables[r.def[table].Name]
		for _, row := range t.rows {
			at, _ := simIdentify(uint16(table), &r.def[table], t.t, row)
			have[at] = true
		}
	}
	var names []string
	for at := range r.rows {
		if !have[at] {
			names = append(names, fmt.Sprintf("%s %q %q", r.def[at.table].Name, at.key, at.row))
		}
	}
	slices.Sort(names)
	return "rows are missing: " + strings.Join(names, ", ")
}

// simIdentify says which row of the dictionary a row of SQL is, and what it holds.
func simIdentify(table uint16, def *change.TableDef, t *sink.Table, row []value.Value) (at simRowKey, cells string) {
	at.table = table
	if def.PerDB {
		n, _ := row[1].Int()
		at.db = uint8(n)
	}
	tuple := func(names []string) string {
		if len(names) == 0 {
			return ""
		}
		parts := make([]string, len(names))
		for i, n := range names {
			parts[i] = row[t.Column(n)].String()
		}
		return string(change.AppendTuple(nil, parts...))
	}
	at.key, at.row = tuple(def.KeyColumns), tuple(def.RowColumns)
	held := make(map[uint16]string, len(def.Columns))
	for i, n := range def.Columns {
		if v := row[t.Column(n)]; !v.IsNull() {
			held[uint16(i)] = v.String()
		}
	}
	return at, simCells(def, held)
}
