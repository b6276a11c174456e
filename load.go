package lull

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/internal/dirty"
	"github.com/lullcache/lull/internal/keyspace"
	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// A load brings a key into memory: rows from SQL, and over them every change that
// SQL may not have shown yet. It runs without locks. That is safe because a load
// notes, when it begins, the oldest cut that is not settled, and the engine keeps that
// cut and all later ones until the load has ended: whatever snapshot SQL gave,
// laying those cuts over it in order, and the dirty set last, gives the present
// state (cells are absolute, so laying one twice does no harm). If the key has come
// into memory meanwhile, the load's result is thrown away.

// loadKey is a key that has to be loaded.
type loadKey struct {
	dbKey
	need Need
	t    *mapping.Table
	hash uint64
	// optional: the unit can do without while the database is away.
	optional bool
	// tuple is kept by place.
	tuple placedTuple
}

// id tells keys apart that are being loaded. Should two have the same, the second is not
// loaded with the first, and its unit asks again.
func (k *loadKey) id() uint64 { return k.hash + uint64(k.db) }

type placedTuple struct {
	text     string
	is, well bool
}

// loadAll loads the keys within a time and returns an error for each, or nil without any.
func (db *DB) loadAll(ctx context.Context, keys []loadKey, within time.Duration) []error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	l := db.newLoad(keys)
	defer l.free()
	mark := db.cuts.begin()
	defer db.cuts.end(mark)
	aside := db.flusher.AsideGeneration()
	for i := range keys {
		l.skip[i] = db.determined(&keys[i], mark)
	}
	if err := l.read(ctx); err != nil {
		err = db.loadError(err)
		for i := range keys {
			if !l.skip[i] && l.errs[i] == nil {
				l.errs[i] = err
			}
		}
	}
	l.install(aside)
	db.stats.loads.Add(uint64(len(keys)))
	if !slices.ContainsFunc(l.errs, func(err error) bool { return err != nil }) {
		return nil
	}
	return slices.Clone(l.errs)
}

// loadError says a failed read in the engine's words: a database that does not
// answer, or not in time, is away.
func (db *DB) loadError(err error) error {
	if errors.Is(err, ErrTooManyRows) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: no answer within load_timeout (%v)", ErrNoDB, db.opts.LoadTimeout)
	}
	return fmt.Errorf("%w: %w", ErrNoDB, err)
}

// unlessStale is the error of keys whose round did not come in time, and nil if all of them
// had only grown old.
func (db *DB) unlessStale(keys []loadKey, err error) error {
	for i := range keys {
		if err == nil || !db.keepStale(&keys[i], err) {
			return err
		}
	}
	return nil
}

// keepStale lets an entry that only had grown old stay, when the database is away.
func (db *DB) keepStale(k *loadKey, err error) bool {
	if !errors.Is(err, ErrNoDB) {
		return false
	}
	sh := &db.shards[shardOf(k.hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.find(k.db, k.hash, []byte(k.name))
	if e == nil || k.need == NeedAll && e.Flags&keyspace.Stub != 0 {
		return false
	}
	e.LoadedAt = seconds(db.now())
	return !isBlindStream(e)
}

// load is one round of queries.
type load struct {
	db     *DB
	keys   []loadKey
	images []image
	errs   []error
	skip   []bool // nothing in SQL matters for this key

	groups  []group
	queries []sink.Query
	takers  []func(vals []value.Value) error // of each query's rows

	first []imageRow // room for each image's first row: most keys have no more
	cells room       // of rows
	ids   room       // values that rows are found by
	// tuples is room for those of the first query.
	tuples [][]value.Value
}

// group is the keys of one table that SQL is asked for.
type group struct {
	t       *mapping.Table
	members []int
	byTuple map[string]int
}

// divide puts the keys into groups, in the order of their tables.
func (l *load) divide() {
	for i := range l.keys {
		if !l.skip[i] {
			g := l.group(l.keys[i].t)
			g.members = append(g.members, i)
		}
	}
	slices.SortFunc(l.groups, func(a, b group) int { return int(a.t.ID) - int(b.t.ID) })
}

// group finds a table's group, or begins it.
func (l *load) group(t *mapping.Table) *group {
	for i := range l.groups {
		if l.groups[i].t == t {
			return &l.groups[i]
		}
	}
	n := len(l.groups)
	l.groups = slices.Grow(l.groups, 1)[:n+1] // what was there has room
	l.groups[n].t = t
	return &l.groups[n]
}

func (l *load) read(ctx context.Context) error {
	l.divide()
	for i := range l.groups {
		g := &l.groups[i]
		switch {
		case g.t.Def.Space == 0:
			l.headers(g.members)
		case g.t.Kind == mapping.Stream:
			l.streams(g.t, g.members)
		default:
			l.rows(g)
		}
	}
	if err := l.run(ctx); err != nil {
		return err
	}
	for i := range l.groups {
		if l.groups[i].t == l.db.maps.KeysTable() {
			l.children(l.groups[i].members)
		}
	}
	if err := l.run(ctx); err != nil {
		return err
	}
	if err := l.countStreams(ctx); err != nil {
		return err
	}
	for i := range l.groups {
		if t := l.groups[i].t; t.Kind == mapping.Stream && len(t.Row) > 0 {
			l.newer(t, l.groups[i].members)
		}
	}
	return l.run(ctx)
}

// run sends the queries gathered so far as one snapshot.
func (l *load) run(ctx context.Context) error {
	if len(l.queries) == 0 {
		return nil
	}
	l.db.stats.loadQueries.Add(uint64(len(l.queries)))
	err := l.db.readSQL(ctx, l.queries, func(q int, vals []value.Value) error { return l.takers[q](vals) })
	clear(l.queries)
	clear(l.takers)
	l.queries, l.takers = l.queries[:0], l.takers[:0]
	return err
}

func (l *load) add(q sink.Query, take func(vals []value.Value) error) {
	l.queries = append(l.queries, q)
	l.takers = append(l.takers, take)
}

// rows asks for the rows of mapped keys of one table, and of keys whose existence is
// all that matters for one name.
func (l *load) rows(g *group) {
	t := g.t
	plan := &l.db.tables[t.ID].plan
	all, exist := sink.Query{Columns: plan.all}, sink.Query{Columns: plan.key, Distinct: true}
	if g.byTuple == nil {
		g.byTuple = make(map[string]int, len(g.members))
	}
	for _, i := range g.members {
		_, tuple, ok := l.keys[i].place()
		if !ok {
			continue // not canonical: no row can have it
		}
		g.byTuple[tuple] = i
		q := &all
		if l.keys[i].need != NeedAll && len(t.Row) > 0 && len(plan.key) > 0 {
			q = &exist
		}
		if q.Keys == nil {
			q.Keys = l.keyRoom(len(g.members))
		}
		q.Keys = append(q.Keys, plan.target.ClearVals(l.ids.take(len(plan.key))[:0], "", 0, tuple))
	}
	for _, q := range []sink.Query{all, exist} {
		if len(q.Keys) > 0 {
			q.Table, q.By = t.SQL, plan.key
			l.add(q, l.taker(t, g.byTuple, q.Distinct))
		}
	}
}

// keyRoom is room for the tuples of n keys.
func (l *load) keyRoom(n int) [][]value.Value {
	if len(l.queries) > 0 || len(l.tuples) > 0 {
		return make([][]value.Value, 0, n)
	}
	l.tuples = slices.Grow(l.tuples, n)[:n]
	return l.tuples[:0]
}

// taker puts the rows of a table into the images of their keys; with named the rows
// are no more than keys that exist.
func (l *load) taker(t *mapping.Table, byTuple map[string]int, named bool) func(vals []value.Value) error {
	var room [64]byte
	return func(vals []value.Value) error {
		tuple, ok := t.AppendTupleOf(room[:0], vals)
		i, asked := byTuple[string(tuple)]
		switch {
		case !ok || !asked || l.errs[i] != nil:
			return nil
		case named:
			l.images[i].add(t.ID, "", nil)
			return nil
		}
		if len(l.images[i].rows) >= l.db.tables[t.ID].loadRowsMax {
			l.errs[i] = l.tooMany(i)
			return nil
		}
		l.addRow(&l.images[i], t, vals[len(t.Key):])
		return nil
	}
}

func (l *load) tooMany(i int) error {
	t := l.keys[i].t
	return fmt.Errorf("%w: key %q has more than max_load_rows (%d)", ErrTooManyRows, l.keys[i].name, l.db.tables[t.ID].loadRowsMax)
}

// addRow puts a row of table t into an image: vals are the row columns, the cells,
// and the columns that the database makes.
func (l *load) addRow(m *image, t *mapping.Table, vals []value.Value) {
	row, ok := t.RowOf(vals)
	if !ok {
		return // a row without a name, which no client can ask for
	}
	cells := l.cells.take(len(t.Cells) + len(t.ReadOnly))
	vals = vals[len(t.Row):]
	for c := range cells {
		// What has no canonical form is shown as it stands in the database.
		cells[c], _ = column(t, c).CanonLoaded(vals[c])
	}
	m.add(t.ID, row, cells)
}

// column is a cell of t, or, behind the cells, a column that the database makes.
func column(t *mapping.Table, c int) *mapping.Column {
	if c < len(t.Cells) {
		return &t.Cells[c]
	}
	return &t.ReadOnly[c-len(t.Cells)]
}

// headers asks what is stored of generic keys: strings, and headers of collections.
func (l *load) headers(members []int) {
	index := make(map[dbKey]int, len(members))
	var keys [][]value.Value
	for _, i := range members {
		k := l.keys[i].dbKey
		index[k] = i
		keys = append(keys, l.db.ownKey(k))
	}
	for _, t := range []*mapping.Table{l.db.maps.Generic(mapping.String), l.db.maps.KeysTable()} {
		plan := &l.db.tables[t.ID].plan
		l.add(sink.Query{Table: t.SQL, By: plan.key, Keys: keys, Columns: plan.all}, func(vals []value.Value) error {
			if i, ok := index[ownName(vals)]; ok {
				l.addRow(&l.images[i], t, vals[len(plan.key):])
			}
			return nil
		})
	}
}

// children asks for the rows of generic collections whose headers were found.
func (l *load) children(members []int) {
	byKind := make(map[mapping.Kind][]int)
	for _, i := range members {
		header := l.images[i].find(l.db.maps.KeysTable().ID, "")
		if header == nil || l.errs[i] != nil || l.keys[i].need != NeedAll {
			continue
		}
		typ, ok := typeByName(header[keysType].String())
		if !ok {
			l.errs[i] = fmt.Errorf("lull_keys: key %q has the type %q, which this version does not know", l.keys[i].name, header[keysType])
			continue
		}
		byKind[kindOf(typ)] = append(byKind[kindOf(typ)], i)
	}
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		of := byKind[kind]
		if kind == mapping.Stream {
			l.tails(l.db.maps.Generic(kind), of)
			continue
		}
		l.childRows(l.db.maps.Generic(kind), of)
	}
}

func (l *load) childRows(t *mapping.Table, members []int) {
	plan := &l.db.tables[t.ID].plan
	index := make(map[dbKey]int, len(members))
	q := sink.Query{Table: t.SQL, By: plan.key, Columns: plan.all}
	for _, i := range members {
		index[l.keys[i].dbKey] = i
		q.Keys = append(q.Keys, l.db.ownKey(l.keys[i].dbKey))
	}
	counts := make(map[int]int)
	l.add(q, func(vals []value.Value) error {
		i, ok := index[ownName(vals)]
		if !ok || l.errs[i] != nil {
			return nil
		}
		if counts[i]++; counts[i] > l.db.tables[t.ID].loadRowsMax {
			l.errs[i] = l.tooMany(i)
			return nil
		}
		l.addRow(&l.images[i], t, vals[len(plan.key):])
		return nil
	})
}

// ownKey is the identity of a key in Lull's own tables: name, database, key.
func (db *DB) ownKey(k dbKey) []value.Value {
	return []value.Value{value.OfString(db.opts.Name), value.OfInt(int64(k.db)), value.OfString(k.name)}
}

// ownName is the key of a row of Lull's own tables.
func ownName(vals []value.Value) dbKey {
	n, _ := vals[1].Int()
	return dbKey{uint8(n), vals[2].String()}
}

// determined reports whether what SQL holds under a key does not matter, since
// changes that it has not seen say all: a cleared key, a deleted or new row, a
// string that was set. Cuts that other, older loads keep do not count: they may go
// before this load, which began at mark, lays them.
func (db *DB) determined(k *loadKey, mark uint32) bool {
	space, key, ok := k.place()
	if !ok {
		return true
	}
	sh := &db.shards[shardOf(k.hash)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	found := false
	db.layersFrom(sh, mark, func(set *dirty.Set) {
		changes := set.Find(space, k.db, key)
		cleared := set.Cleared(space, k.db)
		found = found || cleared || db.says(changes, k)
		if (changes != nil || cleared) && len(k.t.Row) > 0 && k.t.Kind != mapping.Stream {
			k.need = NeedAll // only all rows together can tell whether any is left
		}
	})
	return found
}

// says reports whether a key's changes alone say what the key holds.
func (db *DB) says(changes *dirty.Key, k *loadKey) bool {
	if changes == nil || changes.Cleared() {
		return changes != nil
	}
	t := k.t
	if t.Def.Space == 0 {
		if header, ok := changes.Row(t.ID, ""); ok && k.need != NeedAll && header.State != dirty.Delete && header.Cells.Len() == len(t.Cells) {
			return true // the type, the expiry, a stream's last id
		}
		t = db.maps.Generic(mapping.String)
	} else if len(t.Row) > 0 || t.Kind == mapping.Stream {
		return false
	}
	r, ok := changes.Row(t.ID, "")
	return ok && db.wholeRow(t, r)
}

// wholeRow reports whether a dirty row says all there is to know of it.
func (db *DB) wholeRow(t *mapping.Table, r dirty.Row) bool {
	switch {
	case r.State == dirty.Delete:
		return t.Def.Space != 0
	case r.Cells.Len() == len(t.Cells):
		return true
	}
	return t.Def.Space != 0 && (r.State == dirty.Recreate || r.Known == change.Absent) && !t.Reload
}

// place is where the key's changes stand in dirty sets: the space and the tuple. ok
// is false for a mapped key that is not canonical, which has none.
func (k *loadKey) place() (space uint16, key string, ok bool) {
	if k.t.Def.Space == 0 {
		return 0, k.name, true
	}
	if !k.tuple.is {
		text, err := k.t.TupleString(k.name)
		k.tuple = placedTuple{text, true, err == nil}
	}
	return k.t.Def.Space, k.tuple.text, k.tuple.well
}
