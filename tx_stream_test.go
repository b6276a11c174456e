package lull_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lullcache/lull"
)

// streamTables are tables with ids of both kinds, and without.
var streamTables = map[string]struct {
	ddl string
	id  []string
}{
	"two integers": {"CREATE TABLE events (topic TEXT NOT NULL, ms INTEGER NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, n INTEGER, PRIMARY KEY (topic, ms, seq))", []string{"ms", "seq"}},
	"text":         {"CREATE TABLE events (topic TEXT NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, n INTEGER, PRIMARY KEY (topic, id))", []string{"id"}},
	"none":         {"CREATE TABLE events (topic TEXT NOT NULL, kind TEXT NOT NULL, n INTEGER)", nil},
}

func eventsOptions(id []string, onTrim string, tail int) func(o *lull.Options) {
	return func(o *lull.Options) {
		o.Tables = []lull.TableSpec{{Name: "events", Key: "events:{topic}", Type: "stream", ID: id, Tail: tail, OnTrim: onTrim}}
	}
}

// xadd appends an entry with the fields kind and n.
func xadd(t *testing.T, db *lull.DB, key, id, n string) (lull.StreamID, error) {
	t.Helper()
	want, ok := lull.ParseNewStreamID([]byte(id))
	if !ok {
		t.Fatalf("id %q", id)
	}
	var at lull.StreamID
	err := try(t, db, func(tx *lull.Tx) (err error) {
		at, _, err = tx.XAdd([]byte(key), want, [][]byte{[]byte("n"), []byte(n), []byte("kind"), []byte("k")}, lull.XAddOptions{})
		return err
	}, key)
	return at, err
}

// xrange returns entries as "id n".
func xrange(t *testing.T, db *lull.DB, key string, from, to lull.StreamID, reverse bool, count int) (found []string, err error) {
	t.Helper()
	err = try(t, db, func(tx *lull.Tx) error {
		entries, err := tx.XRange([]byte(key), from, to, reverse, count)
		found = nil
		for _, e := range entries {
			var parts []string
			e.Fields.Each(func(p []byte) { parts = append(parts, string(p)) })
			if len(parts) != 4 || parts[0] != "kind" || parts[1] != "k" || parts[2] != "n" {
				t.Errorf("entry %s has the fields %q", e.ID, parts)
				continue
			}
			found = append(found, e.ID.String()+" "+parts[3])
		}
		return err
	}, key)
	return found, err
}

func xlen(t *testing.T, db *lull.DB, key string) (n int64) {
	t.Helper()
	do(t, db, key, func(tx *lull.Tx) (err error) {
		n, err = tx.XLen([]byte(key))
		return err
	})
	return n
}

// streamModel is a stream as a slice.
type streamModel struct {
	ids []lull.StreamID
	n   map[lull.StreamID]int
}

func (m *streamModel) between(from, to lull.StreamID, reverse bool, count int) (found []string) {
	ids := slices.Clone(m.ids)
	if reverse {
		slices.Reverse(ids)
	}
	for _, id := range ids {
		if !id.Less(from) && !to.Less(id) && (count == 0 || len(found) < count) {
			found = append(found, fmt.Sprintf("%s %d", id, m.n[id]))
		}
	}
	return found
}

func (m *streamModel) remove(id lull.StreamID) bool {
	i := slices.Index(m.ids, id)
	if i >= 0 {
		m.ids = slices.Delete(m.ids, i, i+1)
	}
	return i >= 0
}

// TestAMappedStreamAgainstASlice does random things to a stream of which only a small
// tail is in memory, with flushes, evictions and restarts in between.
func TestAMappedStreamAgainstASlice(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	for name, table := range streamTables {
		if table.id == nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			raw := inSQL(t, dir, table.ddl)
			open := func() *lull.DB {
				return openSQLite(t, dir, func(o *lull.Options) {
					eventsOptions(table.id, "delete", 300)(o)
					o.Ack = lull.AckMemory
				})
			}
			s := streamSteps{t: t, db: open(), rng: rand.New(rand.NewPCG(seed, 1)), model: streamModel{n: map[lull.StreamID]int{}}}
			for s.step = range rounds(600) {
				switch n := s.rng.IntN(300); {
				case n == 0:
					closeDB(t, s.db)
					s.db = open()
				case n < 20:
					flushed(t, s.db)
					s.db.NewSession().Forget([]byte(s.key()))
				case n < 25:
					flushed(t, s.db)
				default:
					s.act()
				}
				if t.Failed() {
					t.Fatalf("step %d", s.step)
				}
			}
			flushed(t, s.db)
			if rows := rowsOf(t, raw, "SELECT * FROM events"); len(rows) != len(s.model.ids) {
				t.Errorf("in SQL are %d rows, wanted %d", len(rows), len(s.model.ids))
			}
			closeDB(t, s.db)
		})
	}
}

type streamSteps struct {
	t     *testing.T
	db    *lull.DB
	rng   *rand.Rand
	model streamModel
	last  lull.StreamID
	step  int
}

func (s *streamSteps) key() string { return "events:a" }

// anyID is an id near one that is or was there.
func (s *streamSteps) anyID() lull.StreamID {
	return lull.StreamID{Ms: s.rng.Uint64N(s.last.Ms + 2), Seq: s.rng.Uint64N(3)}
}

func (s *streamSteps) act() {
	s.t.Helper()
	switch s.rng.IntN(12) {
	case 0, 1, 2, 3:
		for range 1 + s.rng.IntN(20) {
			s.add()
		}
	case 4, 5, 6:
		s.compare(s.anyID(), s.anyID(), s.rng.IntN(2) == 0, s.rng.IntN(30))
	case 7:
		s.compare(lull.StreamMin, lull.StreamMax, s.rng.IntN(2) == 0, s.rng.IntN(600))
	case 8, 9:
		s.del()
	case 10:
		if s.rng.IntN(4) == 0 {
			s.trim()
		} else {
			s.addTrimming()
		}
	default:
		if n := xlen(s.t, s.db, s.key()); n != int64(len(s.model.ids)) {
			s.t.Errorf("length: got %d, wanted %d", n, len(s.model.ids))
		}
	}
}

func (s *streamSteps) add() {
	s.t.Helper()
	s.last = lull.StreamID{Ms: s.last.Ms + s.rng.Uint64N(2), Seq: s.last.Seq + 1}
	at, err := xadd(s.t, s.db, s.key(), s.last.String(), fmt.Sprint(s.step))
	if err != nil || at != s.last {
		s.t.Fatalf("add %s: got %s, %v", s.last, at, err)
	}
	s.model.ids = append(s.model.ids, at)
	s.model.n[at] = s.step
}

func (s *streamSteps) compare(from, to lull.StreamID, reverse bool, count int) {
	s.t.Helper()
	got, err := xrange(s.t, s.db, s.key(), from, to, reverse, count)
	if want := s.model.between(from, to, reverse, count); err != nil || !slices.Equal(got, want) {
		s.t.Errorf("range %s to %s, reverse %v, count %d: %v\n got    %v\n wanted %v", from, to, reverse, count, err, got, want)
	}
}

func (s *streamSteps) del() {
	s.t.Helper()
	var ids []lull.StreamID
	want := 0
	for range 1 + s.rng.IntN(5) {
		id := s.anyID()
		if n := len(s.model.ids); n > 0 && s.rng.IntN(3) > 0 {
			id = s.model.ids[s.rng.IntN(n)]
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if s.model.remove(id) {
			want++
		}
	}
	do(s.t, s.db, s.key(), func(tx *lull.Tx) error {
		got, err := tx.XDel([]byte(s.key()), ids)
		if err == nil && got != want {
			s.t.Errorf("delete %v: got %d, wanted %d", ids, got, want)
		}
		return err
	})
}

func (s *streamSteps) trim() {
	s.t.Helper()
	trim := lull.StreamTrim{By: lull.TrimLen, MaxLen: s.rng.Int64N(int64(len(s.model.ids)) + 10)}
	if s.rng.IntN(6) == 0 {
		trim.MaxLen = 0
	}
	keep := int(trim.MaxLen)
	if s.rng.IntN(2) == 0 {
		trim = lull.StreamTrim{By: lull.TrimID, MinID: s.anyID()}
		keep = len(s.model.ids)
		for keep > 0 && s.model.ids[len(s.model.ids)-keep].Less(trim.MinID) {
			keep--
		}
	}
	want := max(0, len(s.model.ids)-keep)
	s.model.ids = slices.Clone(s.model.ids[want:])
	do(s.t, s.db, s.key(), func(tx *lull.Tx) error {
		got, err := tx.XTrim([]byte(s.key()), trim)
		if err == nil && got != int64(want) {
			s.t.Errorf("trim %+v: got %d, wanted %d", trim, got, want)
		}
		return err
	})
}

// addTrimming appends an entry and removes a few of the oldest.
func (s *streamSteps) addTrimming() {
	s.t.Helper()
	s.last.Seq++
	s.model.ids = append(s.model.ids, s.last)
	s.model.n[s.last] = s.step
	keep := max(0, len(s.model.ids)-s.rng.IntN(30))
	s.model.ids = slices.Clone(s.model.ids[len(s.model.ids)-keep:])
	do(s.t, s.db, s.key(), func(tx *lull.Tx) error {
		fields := [][]byte{[]byte("kind"), []byte("k"), []byte("n"), fmt.Append(nil, s.step)}
		o := lull.XAddOptions{Trim: lull.StreamTrim{By: lull.TrimLen, MaxLen: int64(keep)}}
		_, _, err := tx.XAdd([]byte(s.key()), lull.NewStreamID{ID: s.last}, fields, o)
		return err
	})
}

func TestAStreamWithoutIdsShowsItsTail(t *testing.T) {
	dir := t.TempDir()
	raw := inSQL(t, dir, streamTables["none"].ddl)
	open := func() *lull.DB { return openSQLite(t, dir, eventsOptions(nil, "", 0)) }
	db := open()
	for i := range 5 {
		if _, err := xadd(t, db, "events:a", "*", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := xrange(t, db, "events:a", lull.StreamMin, lull.StreamMax, false, 0); err != nil || len(got) != 5 {
		t.Errorf("the whole stream is in memory: got %v, %v", got, err)
	}
	closeDB(t, db)
	db = open()
	defer func() { closeDB(t, db) }()
	last, err := xadd(t, db, "events:a", "*", "6")
	if err != nil {
		t.Fatal(err)
	}
	if n := xlen(t, db, "events:a"); n != 6 {
		t.Errorf("length: got %d, wanted 6", n)
	}
	if got, err := xrange(t, db, "events:a", last, lull.StreamMax, false, 0); err != nil || len(got) != 1 {
		t.Errorf("the tail: got %v, %v", got, err)
	}
	_, err = xrange(t, db, "events:a", lull.StreamMin, lull.StreamMax, false, 0)
	if !errors.Is(err, lull.ErrNoStreamID) || !strings.Contains(err.Error(), "tables.events.id") {
		t.Errorf("outside the tail: got %v, wanted an error that names the setting", err)
	}
	flushed(t, db)
	if rows := rowsOf(t, raw, "SELECT topic, kind, n FROM events"); len(rows) != 6 {
		t.Errorf("in SQL: %v", rows)
	}
}

func TestFieldsOfAMappedStreamAreItsColumns(t *testing.T) {
	dir := t.TempDir()
	inSQL(t, dir, streamTables["two integers"].ddl)
	db := openSQLite(t, dir, eventsOptions([]string{"ms", "seq"}, "", 0))
	defer closeDB(t, db)
	for _, bad := range []struct {
		fields []string
		want   string
	}{
		{[]string{"n", "1"}, "a new row needs kind"},
		{[]string{"kind", "k", "n", "x"}, "is not an integer"},
		{[]string{"kind", "k", "color", "red"}, "no field"},
		{[]string{"kind", "k", "kind", "l"}, "given twice"},
	} {
		err := try(t, db, func(tx *lull.Tx) error {
			var fields [][]byte
			for _, f := range bad.fields {
				fields = append(fields, []byte(f))
			}
			_, _, err := tx.XAdd([]byte("events:a"), lull.NewStreamID{Auto: true}, fields, lull.XAddOptions{})
			return err
		}, "events:a")
		if err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v: got %v, wanted an error with %q", bad.fields, err, bad.want)
		}
	}
	if n := xlen(t, db, "events:a"); n != 0 {
		t.Errorf("length: got %d, wanted 0", n)
	}
	if _, err := xadd(t, db, "events:a", "1-1", "007"); err != nil {
		t.Fatal(err)
	}
	if got, err := xrange(t, db, "events:a", lull.StreamMin, lull.StreamMax, false, 0); err != nil || fmt.Sprint(got) != "[1-1 7]" {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestRowsThatOthersWroteAreAStream: there is no header, so the rows are counted.
func TestRowsThatOthersWroteAreAStream(t *testing.T) {
	for name, table := range streamTables {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			raw := inSQL(t, dir, table.ddl)
			for i := range 50 {
				insert := fmt.Sprintf("INSERT INTO events (topic, kind, n) VALUES ('a', 'k', %d)", i)
				switch len(table.id) {
				case 1:
					insert = fmt.Sprintf("INSERT INTO events (topic, id, kind, n) VALUES ('a', '%d-0', 'k', %d)", i+1, i)
				case 2:
					insert = fmt.Sprintf("INSERT INTO events (topic, ms, seq, kind, n) VALUES ('a', %d, 0, 'k', %d)", i+1, i)
				}
				if _, err := raw.ExecContext(t.Context(), insert); err != nil {
					t.Fatal(err)
				}
			}
			db := openSQLite(t, dir, eventsOptions(table.id, "", 20))
			defer closeDB(t, db)
			if n := xlen(t, db, "events:a"); n != 50 {
				t.Errorf("length: got %d, wanted 50", n)
			}
			if _, err := xadd(t, db, "events:a", "*", "1"); err != nil {
				t.Error(err)
			}
			if n := xlen(t, db, "events:a"); n != 51 {
				t.Errorf("length: got %d, wanted 51", n)
			}
			if table.id == nil {
				return
			}
			if got, err := xrange(t, db, "events:a", lull.StreamMin, lull.StreamMax, false, 0); err != nil || len(got) != 51 {
				t.Errorf("got %d entries, %v", len(got), err)
			}
			if _, err := xadd(t, db, "events:a", "50-0", "1"); !errors.Is(err, lull.ErrStreamID) {
				t.Errorf("an id that is there: got %v", err)
			}
		})
	}
}
