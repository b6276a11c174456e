package lull

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/lullcache/lull/internal/mapping"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

// schemaFile keeps what was last seen of the database's schema, so that Lull also
// starts while the database is away.
const schemaFile = "schema.json"

// How long a start waits for the database before it goes on with what it saw last,
// and where there is nothing that it saw.
const (
	schemaTimeout      = 5 * time.Second
	schemaTimeoutFirst = time.Minute
)

// schema is what a start has learned of the database.
type schema struct {
	catalog *sink.Catalog
	// reachable says that the database answered; lane and found are valid then.
	reachable bool
	lane      sink.LaneState
	found     bool
	// late: the log is being written already.
	late bool
	// fresh: Lull's own tables hold no key.
	fresh bool
	err   error // why it was not reachable
}

func (db *DB) laneID() sink.LaneID { return sink.LaneID{Name: db.opts.Name, Lane: "main"} }

// learnSchema asks the database for its tables and the lane, or falls back to the
// schema file.
func (db *DB) learnSchema(ctx context.Context) (*schema, error) {
	if s, ok := db.sink.(sink.Floored); ok {
		s.SetFloor(sink.Floor{}) // of an engine before, which had the same sink
	}
	path := filepath.Join(db.opts.DataDir, schemaFile)
	data, readErr := db.readFile(path)
	timeout := cmp.Or(db.opts.startWait, schemaTimeout)
	if readErr != nil {
		timeout = schemaTimeoutFirst
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s := &schema{}
	err := db.askSchema(bounded, s)
	if err == nil {
		s.reachable = true
		return s, db.saveSchema(s.catalog)
	}
	if !away(err) {
		return nil, fmt.Errorf("database: %w", err)
	}
	s = &schema{err: err} // what it said before it went is worth nothing
	if readErr != nil {
		return nil, fmt.Errorf("database: %w; Lull can start without it only where it has seen its schema before", err)
	}
	s.catalog = new(sink.Catalog)
	if err := json.Unmarshal(data, s.catalog); err != nil {
		return nil, fmt.Errorf("%s: %w; start once with the database reachable", schemaFile, err)
	}
	db.opts.OnEvent(Event{Kind: EventDatabaseAway, Text: "starting with the schema that was seen last", Err: err})
	return s, nil
}

// away reports whether err means that the database does not answer at present.
func away(err error) bool {
	class := sink.ClassOf(err)
	return class == sink.Retry || class == sink.Ambiguous
}

func (db *DB) askSchema(ctx context.Context, s *schema) (err error) {
	if err = db.sink.CreateOwn(ctx); err != nil {
		return err
	}
	if s.catalog, err = db.sink.Catalog(ctx, nil); err != nil {
		return err
	}
	if s.catalog, err = db.withNamed(ctx, s.catalog); err != nil {
		return err
	}
	if l, ok := db.sink.(sink.ValueLimiter); ok {
		n, err := l.ValueMax(ctx)
		if err != nil {
			return err
		}
		db.valueMax.Store(int64(n))
	}
	return db.askLane(ctx, s)
}

// askLane looks at the lane, and then whether there are keys: whoever has the lane until it
// is claimed may write some, which moves it.
func (db *DB) askLane(ctx context.Context, s *schema) (err error) {
	if s.lane, s.found, err = db.sink.Lane(ctx, db.laneID()); err != nil {
		return err
	}
	s.fresh, err = db.noKeys(ctx)
	return err
}

// withNamed adds the tables that specs name in other schemas.
func (db *DB) withNamed(ctx context.Context, c *sink.Catalog) (*sink.Catalog, error) {
	var names []string
	for i := range db.opts.Tables {
		name := db.opts.Tables[i].Table
		if strings.Contains(name, ".") && c.Find(name) == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return c, nil
	}
	more, err := db.sink.Catalog(ctx, names)
	if err != nil {
		return nil, err
	}
	c.Tables = append(c.Tables, more.Tables...)
	return c, nil
}

// noKeys reports whether Lull's own tables hold no key of this Lull.
func (db *DB) noKeys(ctx context.Context) (bool, error) {
	none := true
	var queries []sink.Query
	for _, name := range []string{"lull_strings", "lull_keys"} {
		t := db.sink.OwnTable(name)
		col := t.Column("name")
		queries = append(queries, sink.Query{Table: t, Columns: []int{col}, By: []int{col}, Keys: [][]value.Value{{value.OfString(db.opts.Name)}}, Limit: 1})
	}
	err := db.sink.Read(ctx, queries, func(int, []value.Value) error {
		none = false
		return nil
	})
	return none && err == nil, err
}

// compile makes the mapping and what the engine derives from it.
func (db *DB) compile(catalog *sink.Catalog) error {
	maps, problems := mapping.Compile(db.opts.Tables, catalog, db.sink.OwnTable)
	if len(problems) > 0 {
		return &ProblemsError{problems}
	}
	db.maps, db.catalog = maps, catalog
	db.bounds = genericBoundsOf(maps)
	db.dictionary = maps.Dictionary()
	db.tables = make([]tableState, len(db.dictionary))
	for id := range db.dictionary {
		t := maps.Table(uint16(id))
		state, err := db.stateOf(t)
		if err != nil {
			return err
		}
		db.tables[id] = state
		db.refreshes = db.refreshes || t.Reload || len(t.Children) > 0
	}
	return nil
}

func (db *DB) stateOf(t *mapping.Table) (tableState, error) {
	s := tableState{loadRowsMax: db.opts.MaxLoadRows, maxAgeSeconds: uint32((t.MaxAge + time.Second - 1) / time.Second)}
	if t.Spec.MaxLoadRows > 0 {
		s.loadRowsMax = t.Spec.MaxLoadRows
	}
	if t.Spec.Ack != "" {
		ack, err := ParseAck(t.Spec.Ack)
		if err != nil {
			return s, fmt.Errorf("table %s: %w", t.Name, err)
		}
		s.ack = ack
	}
	target, err := mapping.Resolve(t.Def, t.SQL, t.Generic())
	if err != nil {
		return s, err
	}
	s.plan = readPlan{target: target, key: target.ClearBy}
	s.plan.all = append(s.plan.all, target.ClearBy...)
	for _, group := range [][]mapping.Column{t.Row, t.Cells, t.ReadOnly} {
		for i := range group {
			s.plan.all = append(s.plan.all, group[i].Index)
		}
	}
	return s, nil
}

func (db *DB) saveSchema(c *sink.Catalog) error {
	data, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return fmt.Errorf("%s: %w", schemaFile, err)
	}
	if err := db.writeFile(filepath.Join(db.opts.DataDir, schemaFile), data); err != nil {
		return fmt.Errorf("%s: %w", schemaFile, err)
	}
	return nil
}

func (db *DB) readFile(name string) ([]byte, error) {
	f, err := db.opts.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	_, err = f.ReadAt(data, 0)
	return data, err
}

// writeFile replaces a file as one step.
func (db *DB) writeFile(name string, data []byte) error {
	if err := db.writeBeside(name, data); err != nil {
		return err
	}
	return db.replace(name)
}

// writeBeside writes what is to replace a file.
func (db *DB) writeBeside(name string, data []byte) error {
	fs := db.opts.fs
	temp := beside(name)
	_ = fs.Remove(temp) // of a start that was cut off
	f, err := fs.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// replace puts what writeBeside has written in the file's place.
func (db *DB) replace(name string) error {
	fs := db.opts.fs
	if err := fs.Rename(beside(name), name); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(name))
}

func beside(name string) string { return name + ".new" }
