package flush

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lullcache/lull/internal/change"
	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/value"
)

var seedFlag = flag.Uint64("seed", 0, "the seed of one run of TestFaultsAndRestarts")

// at is the truth's name of a row.
func at(table int, db uint8, parts ...string) string {
	return fmt.Sprint(testDef[table].Name, "/", db, "/", strings.Join(parts, "/"))
}

func (e *engine) set(table int, db uint8, key, row string, blind bool, cells ...change.Cell) change.Change {
	name := at(table, db, key, row)
	c := change.Change{Op: change.Set, Table: uint16(table), DB: db, Key: key, Row: row, Cells: cells, Known: change.Absent}
	if e.truth[name] != nil {
		c.Known = change.Present
	} else {
		e.truth[name] = map[string]value.Value{"key": value.OfString(key), "row": value.OfString(row)}
	}
	if blind {
		c.Known = change.Unknown
	}
	for _, cell := range cells {
		e.truth[name][testDef[table].Columns[cell.Col]] = cell.Val
	}
	return c
}

func (e *engine) clear(table int, db uint8, key string) change.Change {
	for i := range testDef {
		if testDef[i].Space == testDef[table].Space {
			maps.DeleteFunc(e.truth, func(name string, _ map[string]value.Value) bool {
				return strings.HasPrefix(name, at(i, db, key)+"/")
			})
		}
	}
	return change.Change{Op: change.Clear, Table: uint16(table), DB: db, Key: key}
}

func (e *engine) cell(col uint16) change.Cell {
	return change.Cell{Col: col, Val: value.OfString(fmt.Sprint("v", e.random.IntN(1000)))}
}

// write makes a random unit of changes, in which what is known is true.
func (e *engine) write() uint64 {
	r := e.random
	db, n := uint8(r.IntN(2)), fmt.Sprint(r.IntN(6))
	blind := r.IntN(3) == 0
	var u []change.Change
	hash := e.truth[at(change.KeysTable, db, "k"+n, "")] != nil
	text := e.truth[at(change.StringsTable, db, "k"+n, "")] != nil
	switch r.IntN(14) {
	case 0, 1:
		if hash && blind { // a blind SET does not know of the hash
			e.clear(change.KeysTable, db, "k"+n)
		} else if hash {
			u = append(u, e.clear(change.KeysTable, db, "k"+n))
		}
		cells := []change.Cell{e.cell(0), {Col: 1}}
		if r.IntN(2) == 0 && !blind {
			cells = cells[:1]
		}
		u = append(u, e.set(change.StringsTable, db, "k"+n, "", blind, cells...))
	case 2, 3:
		if text {
			u = append(u, e.clear(change.KeysTable, db, "k"+n))
		}
		u = append(u, e.set(change.KeysTable, db, "k"+n, "", blind, change.Cell{Val: value.OfString("hash")}))
		for range 1 + r.IntN(3) {
			u = append(u, e.set(hashesTable, db, "k"+n, fmt.Sprint("f", r.IntN(4)), blind, e.cell(0)))
		}
	case 4:
		u = append(u, e.clear(change.StringsTable, db, "k"+n))
	case 5, 6, 7:
		u = append(u, e.set(playersTable, 0, "p"+n, "", blind, e.cell(uint16(r.IntN(3)))))
		u = append(u, e.set(scoresTable, 0, "eu", "p"+n, blind, e.cell(0)))
	case 8:
		delete(e.truth, at(playersTable, 0, "p"+n, ""))
		u = append(u, change.Change{Op: change.Delete, Table: playersTable, Key: "p" + n})
	case 9:
		delete(e.truth, at(scoresTable, 0, "eu", "p"+n))
		u = append(u, change.Change{Op: change.Delete, Table: scoresTable, Key: "eu", Row: "p" + n})
	case 10:
		if r.IntN(4) == 0 {
			u = append(u, e.clear(scoresTable, 0, "eu"))
			break
		}
		if r.IntN(8) == 0 {
			for i := range 6 {
				e.clear(change.KeysTable, db, fmt.Sprint("k", i))
			}
			u = append(u, change.Change{Op: change.ClearTable, Table: change.KeysTable, DB: db})
			break
		}
		fallthrough
	default:
		topic := fmt.Sprint("t", r.IntN(2))
		for range 1 + r.IntN(3) {
			e.bodies++
			body := fmt.Sprint(e.bodies)
			e.events = append(e.events, topic+" "+body)
			u = append(u, change.Change{Op: change.Append, Table: eventsTable, Key: topic, Row: body,
				Cells: []change.Cell{{Val: value.OfString(body)}}})
		}
	}
	return e.commit(u...)
}

// content describes the truth as database.content does.
func (e *engine) content() map[string]string {
	c := map[string]string{}
	for name, row := range e.truth {
		parts := strings.Split(name, "/")
		def := slices.IndexFunc(testDef, func(d change.TableDef) bool { return d.Name == parts[0] })
		named := maps.Clone(row)
		if testDef[def].PerDB {
			named["db"] = value.OfString(parts[1])
		}
		named[testDef[def].KeyColumns[0]] = row["key"]
		if len(testDef[def].RowColumns) > 0 {
			named[testDef[def].RowColumns[0]] = row["row"]
		}
		describe(c, parts[0], named)
	}
	return c
}

func testTargets(table uint16) (*Target, error) {
	t := namesTarget(&testDef[table], 0)
	t.Order = int(table)
	return t, nil
}

// session is one life of a process over a database and a log.
type session struct {
	f    *Flusher
	stop context.CancelFunc
	end  chan error
	told []Event
}

func start(t *testing.T, db *database, e *engine, o Options) *session {
	t.Helper()
	o.Name, o.Lane, o.LogID, o.Writer = "lull", "main", "log-1", db
	o.Dictionary = testDef
	if o.Targets == nil {
		o.Targets = testTargets
	}
	s := &session{end: make(chan error, 1)}
	o.OnEvent = func(e Event) { s.told = append(s.told, e) }
	if o.State == nil {
		was := db.fault
		db.fault = func() fault { return noFault }
		state, err := db.Claim(t.Context(), sink.Claim{LogID: o.LogID, Start: true})
		if err != nil {
			t.Fatal(err)
		}
		db.fault = was
		o.State = &state
		e.mu.Lock()
		e.sets, e.first = freshSets(), time.Time{}
		e.cuts = e.replay(state.Mark)
		o.Pending = slices.Clone(e.cuts)
		e.mu.Unlock()
	}
	s.f = New(o, e)
	if err := s.f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	go func() { s.end <- s.f.Run(ctx) }()
	return s
}

func (s *session) kill() error {
	s.stop()
	return <-s.end
}

func check(t *testing.T, db *database, e *engine) {
	t.Helper()
	if got, want := db.content(), e.content(); !reflect.DeepEqual(got, want) {
		for k := range want {
			if got[k] != want[k] {
				t.Errorf("%s: %q, want %q", k, got[k], want[k])
			}
		}
		for k := range got {
			if _, ok := want[k]; !ok {
				t.Errorf("%s: %q, want no such row", k, got[k])
			}
		}
	}
	if !slices.Equal(db.events, e.events) {
		t.Errorf("events: %d, want %d in order:\n%v\n%v", len(db.events), len(e.events), db.events, e.events)
	}
}

// TestFaultsAndRestarts writes at random while transactions fail, answers are lost,
// the process dies, rows are refused and a table goes away; in the end the tables
// have to hold the truth, and every event once.
func TestFaultsAndRestarts(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if *seedFlag != 0 {
		synctest.Test(t, func(t *testing.T) { faultsAndRestarts(t, *seedFlag) })
		return
	}
	for run := range uint64(80) {
		name := fmt.Sprintf("seed %d", seed+run)
		if !t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { faultsAndRestarts(t, seed+run) })
		}) {
			return
		}
	}
}

func faultsAndRestarts(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	db, e := newDatabase(), newEngine(r)
	faults := rand.New(rand.NewPCG(seed, 2))
	bad := 0
	db.fault = func() fault {
		if faults.IntN(100) >= bad {
			return noFault
		}
		return fault(faults.IntN(5))
	}
	withLetters := seed%3 == 0
	o := Options{MaxTransactionRows: 1 + r.IntN(12), MaxRows: 1 + r.IntN(60), BackoffMax: 2 * time.Second,
		Look: func(context.Context, uint16) error {
			db.mu.Lock()
			defer db.mu.Unlock()
			if db.gone["scores"] {
				return errors.New("still gone")
			}
			return nil
		}}
	s := start(t, db, e, o)
	for range 300 {
		e.write()
		switch r.IntN(40) {
		case 0:
			if err := s.kill(); err != nil {
				t.Fatal(err)
			}
			s = start(t, db, e, o)
		case 1:
			db.mu.Lock()
			bad = []int{0, 30, 90}[r.IntN(3)]
			db.mu.Unlock()
		case 2:
			db.mu.Lock()
			db.gone["scores"] = withLetters && !db.gone["scores"]
			db.mu.Unlock()
		case 3:
			db.mu.Lock()
			on := withLetters && r.IntN(2) == 0
			db.refuses = func(table string, row map[string]value.Value) bool {
				return on && table == "players" && strings.HasSuffix(row["name"].String(), "7")
			}
			db.mu.Unlock()
		case 4, 5, 6, 7:
			time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
		if r.IntN(3) == 0 {
			time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
		}
	}
	db.mu.Lock()
	bad = 0
	db.mu.Unlock()
	mend(t, db, e, s)
	if err := s.kill(); err != nil {
		t.Error(err)
	}
}

// mend lets the database take everything, and checks that it comes to the truth.
func mend(t *testing.T, db *database, e *engine, s *session) {
	db.mu.Lock()
	db.refuses = func(string, map[string]value.Value) bool { return false }
	db.gone = map[string]bool{}
	db.mu.Unlock()
	if err := s.f.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Second) // parked tables are looked at
	if left, err := s.f.Retry(t.Context()); err != nil || left > 0 || len(db.letters) > 0 {
		t.Fatalf("%d letters left, %d in the database: %v", left, len(db.letters), err)
	}
	if n, bytes := s.f.Aside(); n != 0 || bytes != 0 {
		t.Errorf("%d letters of %d bytes in memory", n, bytes)
	}
	synctest.Wait()
	check(t, db, e)
	if len(e.cuts) > 1 {
		t.Errorf("%d cuts are not settled", len(e.cuts))
	}
}
