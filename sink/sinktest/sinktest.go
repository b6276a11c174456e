// Package sinktest is the suite that every sink has to pass, against a real
// database.
package sinktest

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lullcache/lull/sink"
	"github.com/lullcache/lull/sink/sqlsink"
	"github.com/lullcache/lull/value"
)

// Dialect is what the suite has to know of a kind of database.
type Dialect struct {
	// New returns a fresh database.
	New func(t testing.TB) Database
	// Quote quotes an identifier.
	Quote func(name string) string
	// Types are the columns' types that the suite makes tables with. A family that
	// is missing is not tried. Text is to hold at least 100 characters, and to be
	// comparable; Decimal to have two digits behind the point.
	Types map[sink.Family]sink.Type
	// MakeSchema makes a schema for Lull's own tables, "" if there are none.
	MakeSchema string
	// RefuseTrigger is a trigger on the table t that refuses rows whose column v is
	// 'refuse'.
	RefuseTrigger []string
	// Deferred is true if foreign keys may be checked at COMMIT.
	Deferred bool
	// Estimates is true if Count may answer with an estimate.
	Estimates string // the statement that brings estimates up to date
}

// Database is one database for one test.
type Database struct {
	// Open opens a sink on it.
	Open func(o sqlsink.Options) (sink.Sink, error)
	// DB is what the suite makes tables through and looks with.
	DB *sql.DB
	// Network is the way to the database, nil if there is none.
	Network *Network
}

// Network is a way to a database that can be broken.
type Network struct {
	// Open opens a sink that takes this way.
	Open func(o sqlsink.Options) (sink.Sink, error)
	// CutAfter cuts all connections when n more bytes have passed to the server, or
	// to the client. It works once; below 0 the order is taken back.
	CutAfter func(toServer bool, n int64)
	// Passed returns how many bytes have passed so far.
	Passed func(toServer bool) int64
	// Refuse cuts all connections and refuses new ones, until Resume.
	Refuse, Resume func()
}

// Run runs the suite.
func Run(t *testing.T, d *Dialect) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *base)
	}{
		{"own tables are made once", testOwnTables},
		{"own tables in a schema of their own", testOwnSchema},
		{"a lane is claimed, raised and fenced", testClaim},
		{"a lane that has moved since it was seen is not taken", testMovedLane},
		{"a reconnect after an unanswered claim", testReconnect},
		{"sealing", testSeal},
		{"marks are kept exactly once", testMarks},
		{"modes", testModes},
		{"columns that are not written stay", testUntouched},
		{"removing", testRemove},
		{"families there and back", testFamilies},
		{"own tables hold any bytes", testOwnBytes},
		{"children go with their key", testCascade},
		{"one bad row in many", testOneBadRow},
		{"a trigger refuses", testTrigger},
		{"unique values move along", testUniqueChain},
		{"a secondary unique key hits no other row", testSecondaryUnique},
		{"foreign keys among the batch", testForeignKeys},
		{"a refused removal holds its rows back", testRefusedRemoval},
		{"many refused removals hold their rows back", testManyRemovals},
		{"deferred foreign keys", testDeferred},
		{"too many bad rows", testRefusing},
		{"a parked table", testParked},
		{"letters there and back", testLetters},
		{"letters are replaced and settled", testLettersSettled},
		{"a table is gone", testTableGone},
		{"own tables are gone", testOwnGone},
		{"read by keys", testReadKeys},
		{"read in pages", testReadPages},
		{"count", testCount},
		{"nothing is read below the floor", testFloor},
		{"hostile names and values", testHostile},
		{"beyond the limits of one statement", testLarge},
		{"the catalog tells what was made", testCatalog},
		{"a cancelled write is not in", testCancelled},
		{"the database is away", testAway},
		{"the network fails anywhere in a write", testCutWrite},
		{"the network fails anywhere in a claim", testCutClaim},
		{"a former session holds the lane", testFormerClaim},
		{"a former session hinders a write", testFormerWrite},
		{"closing ends what runs", testClose},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, newBase(t, d)) })
	}
}

// base is a fresh database with a claimed lane.
type base struct {
	testing.TB
	*Dialect
	open func(o sqlsink.Options) (sink.Sink, error)
	db   *sql.DB
	net  *Network
	sink sink.Sink
	mark sink.Mark
	held sink.LaneState
}

var lane = sink.LaneID{Name: "lull", Lane: "main"}

func newBase(t testing.TB, d *Dialect) *base {
	t.Helper()
	fresh := d.New(t)
	b := &base{TB: t, Dialect: d, open: fresh.Open, db: fresh.DB, net: fresh.Network}
	b.sink = b.another(sqlsink.Options{})
	b.must(b.sink.CreateOwn(b.Context()))
	b.held = b.claim(b.sink, sink.Claim{ID: lane, LogID: "log", Start: true})
	return b
}

// another opens one more sink on the database.
func (b *base) another(o sqlsink.Options) sink.Sink {
	b.Helper()
	s, err := b.open(o)
	b.must(err)
	b.Cleanup(func() { s.Close() })
	return s
}

func (b *base) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *base) claim(s sink.Sink, c sink.Claim) sink.LaneState {
	b.Helper()
	state, err := s.Claim(b.Context(), c)
	b.must(err)
	return state
}

// wantClass checks the class of an error.
func (b *base) wantClass(err error, want sink.Class) {
	b.Helper()
	if err == nil || sink.ClassOf(err) != want {
		b.Fatalf("error: want class %v, got %v", want, err)
	}
}

// write writes tables as the next batch.
func (b *base) write(tables ...sink.TableOps) sink.Result {
	b.Helper()
	return b.batch(&sink.Batch{Tables: tables})
}

func (b *base) batch(batch *sink.Batch) sink.Result {
	b.Helper()
	batch.From, batch.To = b.mark, sink.Mark{Position: b.mark.Position + 100}
	result, err := b.sink.Write(b.Context(), batch)
	b.must(err)
	b.mark = batch.To
	return result
}

func (b *base) exec(statements ...string) {
	b.Helper()
	for _, s := range statements {
		if _, err := b.db.ExecContext(b.Context(), s); err != nil {
			b.Fatalf("%s: %v", s, err)
		}
	}
}

// look returns the rows of a query as text, "NULL" for null.
func (b *base) look(query string) []string {
	b.Helper()
	rows, err := b.db.QueryContext(b.Context(), query)
	if err != nil {
		b.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, _ := rows.Columns()
	var found []string
	for rows.Next() {
		texts, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range texts {
			into[i] = &texts[i]
		}
		b.must(rows.Scan(into...))
		parts := make([]string, len(texts))
		for i, s := range texts {
			if parts[i] = s.String; !s.Valid {
				parts[i] = "NULL"
			}
		}
		found = append(found, strings.Join(parts, " "))
	}
	b.must(rows.Err())
	return found
}

// wantRows checks what a query finds.
func (b *base) wantRows(query string, want ...string) {
	b.Helper()
	if got := b.look(query); !slices.Equal(got, want) {
		b.Fatalf("%s:\n got %q\nwant %q", query, got, want)
	}
}

// table makes a table: columns as "name family [null|unique]"; the first keys of
// them are the primary key.
func (b *base) table(name string, keys int, columns ...string) *sink.Table {
	b.Helper()
	t := &sink.Table{Name: name}
	var parts []string
	for i, text := range columns {
		words := strings.Split(text, "|")
		family := families[words[1]]
		c := sink.Column{Name: words[0], Type: b.Types[family], Insertable: true, CaseSensitive: true}
		part := b.Quote(c.Name) + " " + c.Type.SQL
		for _, word := range words[2:] {
			switch word {
			case "null":
				c.Nullable = true
			case "unique":
				t.Unique = append(t.Unique, []string{c.Name})
				part += " UNIQUE"
			default:
				part += " " + word
			}
		}
		if !c.Nullable {
			part += " NOT NULL"
		}
		if i < keys {
			t.PrimaryKey = append(t.PrimaryKey, c.Name)
		}
		t.Columns = append(t.Columns, c)
		parts = append(parts, part)
	}
	if keys > 0 {
		quoted := make([]string, keys)
		for i := range quoted {
			quoted[i] = b.Quote(t.PrimaryKey[i])
		}
		parts = append(parts, "PRIMARY KEY ("+strings.Join(quoted, ", ")+")")
	}
	b.exec("CREATE TABLE " + b.Quote(name) + " (" + strings.Join(parts, ", ") + ")")
	return t
}

var families = map[string]sink.Family{
	"integer": sink.Integer, "text": sink.Text, "binary": sink.Binary, "float": sink.FloatNum, "decimal": sink.Decimal,
	"bool": sink.Bool, "date": sink.Date, "time": sink.Time, "timestamp": sink.Timestamp, "timestamptz": sink.TimestampTZ,
	"uuid": sink.UUID, "json": sink.JSON,
}

// row makes a row of ints, strings, floats and nils.
func row(vals ...any) sink.Row {
	r := sink.Row{}
	for _, v := range vals {
		r.Vals = append(r.Vals, of(v))
	}
	return r
}

func of(v any) value.Value {
	switch x := v.(type) {
	case int:
		return value.OfInt(int64(x))
	case float64:
		return value.OfFloat(x)
	case string:
		return value.OfString(x)
	case value.Value:
		return x
	case nil:
		return value.Value{}
	}
	panic(fmt.Sprintf("want an int, a float64 or a string, got %T", v))
}

// put writes rows with all columns of t but the key.
func put(t *sink.Table, mode sink.Mode, rows ...sink.Row) sink.TableOps {
	keys := len(t.PrimaryKey)
	ops := sink.TableOps{Table: t, Key: upTo(0, keys)}
	ops.Put = []sink.Group{{Mode: mode, Columns: upTo(keys, len(t.Columns)), Rows: rows}}
	return ops
}

func upTo(from, end int) []int {
	var columns []int
	for c := from; c < end; c++ {
		columns = append(columns, c)
	}
	return columns
}

// wantLetters checks what a result says of letters: "id state op key".
func (b *base) wantLetters(letters []sink.Letter, want ...string) {
	b.Helper()
	var got []string
	for _, l := range letters {
		got = append(got, describe(l))
	}
	if !slices.Equal(got, want) {
		b.Fatalf("letters:\n got %q\nwant %q", got, want)
	}
}

func describe(l sink.Letter) string {
	text := fmt.Sprintf("%d %s %s %s", l.ID, l.State, l.Op, l.Table)
	for i, name := range l.KeyNames {
		text += " " + name + "=" + l.Key[i].String()
	}
	return text
}

// read returns what queries find, as "query: values".
func (b *base) read(queries ...sink.Query) []string {
	b.Helper()
	var found []string
	b.must(b.sink.Read(b.Context(), queries, func(query int, vals []value.Value) error {
		text := fmt.Sprint(query, ":")
		for _, v := range vals {
			if v.IsNull() {
				text += " NULL"
			} else {
				text += " " + v.String()
			}
		}
		found = append(found, text)
		return nil
	}))
	return found
}

func (b *base) wantRead(got []string, want ...string) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Fatalf("read:\n got %q\nwant %q", got, want)
	}
}

func near(t time.Time) bool { d := time.Since(t); return d > -time.Minute && d < time.Minute }

func timeout(b *base, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), d)
	b.Cleanup(cancel)
	return ctx
}

func spell(numbers ...int) string { return strings.Trim(fmt.Sprint(numbers), "[]") }
